/**
 * The demo: a real Debian package travels from a signed tag into `apt install`, and three tags that must not pass are refused.
 * Every program in it is the real one; the end-to-end test runs this same code and holds its facts.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../../contract/client.ts';
import { suiteRoute, type Suite } from '../../contract/suites.ts';
import { submissionRoute, type SubmissionTrace } from '../../contract/submissions.ts';
import { LandfallError } from '../../platform/errors.ts';
import { exec } from '../../platform/exec.ts';
import { killAgents } from '../../platform/gpg.ts';
import { clientImage, freshClient, type ClientMachine } from './client.ts';
import { applyDistribution, POOL, REPOSITORY } from './distribution.ts';
import { maintainer, type Maintainer } from './maintainer.ts';
import { findMirror, type Mirror } from './mirror.ts';
import {
  brokenPatch,
  commitRelease,
  debpush,
  DISTRO,
  helloRepository,
  installHook,
  landVersion,
  nextRelease,
  pushUnsignedTag,
  type DemoRepository,
} from './repository.ts';
import { buildFor, decidedTag, firstLook, hasFailed, publishedOrFailed } from './wait.ts';

/** What the demo has shown, for people and, with `--json`, for programs. */
export interface DemoFacts {
  readonly url: string;
  readonly version: string;
  readonly upgrade: string;
  readonly submissionId: number;
  readonly tag: { readonly objectId: string; readonly commitId: string; readonly signer: string; readonly url: string };
  /** What `git push` showed the maintainer. */
  readonly pushOutput: string;
  readonly installed: { readonly version: string; readonly says: string };
  readonly upgraded: { readonly version: string; readonly says: string };
  readonly source: { readonly files: readonly string[]; readonly tagInfo: string };
  readonly waiting: { readonly architecture: string; readonly sentence: string };
  readonly rejected: readonly {
    readonly what: string;
    readonly version: string;
    readonly code: string;
    readonly sentence: string;
    readonly remedy: string | null;
    readonly url: string;
  }[];
  readonly failedBuild: { readonly version: string; readonly url: string; readonly excerpt: readonly string[] };
  readonly apt: { readonly fingerprint: string; readonly lines: string };
  /** The first release, step by step, as Landfall itself tells it. */
  readonly timeline: SubmissionTrace;
  readonly steps: readonly { readonly step: string; readonly seconds: number }[];
  readonly seconds: number;
}

export interface DemoWorld {
  readonly client: Client;
  /** How the hook and apt reach the server. */
  readonly url: string;
  /** Where the demo keeps its people, repositories and machines. */
  readonly folder: string;
  /** Kept between demos, also when one begins anew. */
  readonly cache: string;
  readonly addWorker: (worker: { name: string; pool: string; architecture: string }) => Promise<void>;
  readonly tell: Teller;
}

/** Where the story is told while it happens. */
export interface Teller {
  /** A chapter begins. */
  chapter(title: string): void;
  /** Something was done; with the seconds it took. */
  done(what: string, seconds?: number): void;
  /** Words of others: a program's output, a page's address. */
  quote(text: string): void;
}

const ALICE = { handle: 'alice', name: 'Alice Maintainer', email: 'alice@example.org' };
const BOB = { handle: 'bob', name: 'Bob Contributor', email: 'bob@example.org' };
const MALLORY = { handle: 'mallory', name: 'Mallory Stranger', email: 'mallory@example.org' };
const KEYRING = '/etc/apt/keyrings/landfall-demo.asc';

/** Runs the whole story once. Each run releases next versions: accepted versions never return. */
export async function runDemo(world: DemoWorld): Promise<DemoFacts> {
  const began = performance.now();
  const steps: { step: string; seconds: number }[] = [];
  const timed = async <T>(step: string, run: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await run();
    const seconds = (performance.now() - started) / 1000;
    steps.push({ step, seconds: Math.round(seconds * 100) / 100 });
    world.tell.done(step, seconds);
    return result;
  };
  const { client, tell } = world;
  const mirror = await findMirror();

  tell.chapter('The distribution');
  await mkdir(world.folder, { recursive: true });
  const [alice, bob, mallory] = await Promise.all(
    [ALICE, BOB, MALLORY].map(async (person) => await maintainer(join(world.folder, 'people'), person)),
  );
  if (alice === undefined || bob === undefined || mallory === undefined) throw new Error('three people were made');
  const repository = await timed(
    `Debian's hello fetched from the mirror and imported into Git`,
    async () => await helloRepository(world.folder, mirror, alice),
  );
  await installHook(repository, `${world.url}/hooks/git/${REPOSITORY}`);
  await timed('distribution file applied', async () => {
    await applyDistribution(client, join(world.folder, 'distribution'), { mirror, repository, alice, bob });
    await firstLook(client, REPOSITORY);
  });
  await timed('worker joined with a one-time token', async () => {
    await world.addWorker({ name: `${mirror.architecture}-1`, pool: POOL, architecture: mirror.architecture });
  });
  const image = clientImage(world.cache, mirror);
  // It is awaited when it is needed; until then a failure of it must not end the process.
  image.catch(() => undefined);

  tell.chapter('A release: git debpush, and nothing else by hand');
  const number = await nextRelease(repository, alice);
  const version = landVersion(repository, number);
  const release = await releaseOf(world, repository, alice, version, 'A release for landing.');
  tell.quote(release.pushOutput);
  const trace = await timed(`hello ${version}: tag verified, built, accepted, published`, async () =>
    requirePublished(await publishedOrFailed(client, release.submissionId, mirror.architecture)),
  );
  const arm64 = await buildFor(client, trace, otherArchitecture(mirror));
  tell.done(`the job for ${arm64.architecture} waits: ${arm64.sentence}`);

  tell.chapter('Tags that must not pass');
  const rejected = await refusedTags(world, repository, { alice, bob, mallory }, number + 1);

  tell.chapter("A user's machine: a fresh Debian that knows the archive's key");
  const suite = await client.call(suiteRoute, { params: { archive: 'main', suite: 'landing' } });
  const machine = await timed('fresh chroot', async () => await freshClient(await image, join(world.folder, 'client')));
  try {
    const installed = await timed(`apt-get install hello`, async () => await install(world, machine, suite));
    requireVersion(installed.version, version);
    tell.quote(`$ hello\n${installed.says}`);
    const source = await timed('apt-get source hello', async () => await fetchSourcePackage(machine));

    tell.chapter('A release that does not build');
    const brokenVersion = landVersion(repository, number + 4);
    const patch = await brokenPatch(repository);
    const broken = await releaseOf(world, repository, alice, brokenVersion, 'A patch that does not compile.', patch);
    const failed = await timed(`hello ${brokenVersion}: build failed, as it should`, async () => {
      const failing = await publishedOrFailed(client, broken.submissionId, mirror.architecture);
      if (!hasFailed(failing)) throw surprise(`hello ${brokenVersion} was built although it cannot compile`);
      return failing;
    });
    const failedBuild = await buildFor(client, failed, mirror.architecture);
    tell.quote([failedBuild.url, ...failedBuild.excerpt].join('\n'));

    tell.chapter('An upgrade');
    const upgrade = landVersion(repository, number + 5);
    const next = await releaseOf(world, repository, alice, upgrade, 'An upgrade, without the patch.');
    await timed(`hello ${upgrade}: tag verified, built, accepted, published`, async () =>
      requirePublished(await publishedOrFailed(client, next.submissionId, mirror.architecture)),
    );
    const upgraded = await timed(
      `apt-get install hello, over ${version}`,
      async () => await install(world, machine, suite),
    );
    requireVersion(upgraded.version, upgrade);

    return {
      url: world.url,
      version,
      upgrade,
      submissionId: release.submissionId,
      tag: leadsBack(trace),
      pushOutput: release.pushOutput,
      installed,
      upgraded,
      source,
      waiting: { architecture: arm64.architecture, sentence: arm64.sentence },
      rejected,
      failedBuild: { version: brokenVersion, url: failedBuild.url, excerpt: failedBuild.excerpt },
      apt: { fingerprint: suite.fingerprint ?? '', lines: suite.aptSource },
      timeline: await client.call(submissionRoute, { params: { id: release.submissionId } }),
      steps,
      seconds: Math.round((performance.now() - began) / 100) / 10,
    };
  } finally {
    await machine.remove();
    for (const person of [alice, bob, mallory]) await killAgents(person.gnupgHome);
  }
}

async function releaseOf(
  world: DemoWorld,
  repository: DemoRepository,
  person: Maintainer,
  version: string,
  words: string,
  patch?: { name: string; text: string },
): Promise<{ submissionId: number; pushOutput: string }> {
  const branch = await commitRelease(repository, person, {
    version,
    words,
    ...(patch === undefined ? {} : { patch }),
  });
  const pushOutput = await debpush(repository, person, branch);
  const tag = await decidedTag(world.client, `refs/tags/${DISTRO}/${version}`);
  if (tag.state !== 'accepted') throw surprise(`the tag of ${version} was rejected: ${tag.sentence ?? ''}`);
  return { submissionId: tag.submissionId, pushOutput };
}

/** Three tags, each wrong in one way, each right in all others. */
async function refusedTags(
  world: DemoWorld,
  repository: DemoRepository,
  people: { alice: Maintainer; bob: Maintainer; mallory: Maintainer },
  first: number,
): Promise<DemoFacts['rejected']> {
  const attempts: readonly { what: string; by: Maintainer; signed: boolean }[] = [
    { what: 'unsigned', by: people.alice, signed: false },
    { what: 'signed by a stranger', by: people.mallory, signed: true },
    { what: 'signed by someone known who may not release hello', by: people.bob, signed: true },
  ];
  const rejected: DemoFacts['rejected'][number][] = [];
  for (const [index, { what, by, signed }] of attempts.entries()) {
    const version = landVersion(repository, first + index);
    const branch = await commitRelease(repository, by, { version, words: `A release that is ${what}.`, aside: true });
    if (signed) await debpush(repository, by, branch);
    else await pushUnsignedTag(repository, by, branch, version);
    const tag = await decidedTag(world.client, `refs/tags/${DISTRO}/${version}`);
    if (tag.state !== 'rejected') throw surprise(`the tag of ${version}, ${what}, was accepted`);
    const { code, sentence, remedy, url } = tag;
    world.tell.done(`${what}: ${code ?? ''}`);
    world.tell.quote([sentence, remedy, url].filter((line) => line !== null).join('\n'));
    rejected.push({ what, version, code: code ?? '', sentence: sentence ?? '', remedy, url });
  }
  return rejected;
}

/** Sets the machine up as the suite's page says, once, then installs hello or its newest version. */
async function install(
  world: DemoWorld,
  machine: ClientMachine,
  suite: Suite,
): Promise<{ version: string; says: string }> {
  const key = await (await world.client.fetch(new URL(suite.keyUrl).pathname)).text();
  await machine.write(KEYRING, key);
  const source = suite.aptSource.replace(/^Signed-By:.*$/m, `Signed-By: ${KEYRING}`);
  await machine.write('/etc/apt/sources.list.d/landfall-demo.sources', `${source.trimEnd()}\n`);
  await machine.run(['apt-get', '-q', '-o', 'APT::Update::Error-Mode=any', 'update']);
  await machine.run(['apt-get', '-qy', '--no-install-recommends', 'install', 'hello']);
  const shown = await machine.run(['dpkg-query', '--show', '--showformat=${Version}', 'hello']);
  const said = await machine.run(['hello']);
  return { version: shown.stdout.toString('utf8').trim(), says: said.stdout.toString('utf8').trim() };
}

/** Fetches the source with apt, which checks it against the archive's key, and unpacks it here. */
async function fetchSourcePackage(machine: ClientMachine): Promise<DemoFacts['source']> {
  await machine.run([
    'sh',
    '-c',
    'mkdir -p /root/source && cd /root/source && apt-get -q source --download-only hello',
  ]);
  const folder = machine.outside('/root/source');
  const files = (await readdir(folder)).sort();
  const dsc = files.find((name) => name.endsWith('.dsc'));
  if (dsc === undefined) throw surprise('apt-get source brought no .dsc');
  await exec(['dpkg-source', '--no-check', '--extract', dsc, 'unpacked'], {
    doing: 'unpack the source package',
    cwd: folder,
    deadlineMs: 60_000,
  });
  const text = await machine.read(`/root/source/${dsc}`);
  return { files, tagInfo: /^Git-Tag-Info: (.*)$/m.exec(text)?.[1] ?? '' };
}

function leadsBack(trace: SubmissionTrace): DemoFacts['tag'] {
  const tag = trace.tag;
  if (tag?.commitId == null || tag.signer === null) throw surprise('the package does not lead back to its tag');
  return { objectId: tag.objectId, commitId: tag.commitId, signer: tag.signer, url: tag.url };
}

function requirePublished(trace: SubmissionTrace): SubmissionTrace {
  if (!hasFailed(trace)) return trace;
  throw surprise(`hello ${trace.version ?? ''} failed: ${trace.sentence} (${trace.url})`);
}

function requireVersion(found: string, wanted: string): void {
  if (found !== wanted) throw surprise(`apt installed hello ${found} and ${wanted} was released`);
}

function otherArchitecture(mirror: Mirror): string {
  return mirror.architecture === 'arm64' ? 'amd64' : 'arm64';
}

function surprise(reason: string): LandfallError {
  return new LandfallError({ code: 'demo.failed', doing: 'show the demo', reason });
}
