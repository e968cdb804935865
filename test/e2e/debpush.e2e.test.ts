/**
 * Debian's own clients, unchanged: `git debpush` of Debian 12, of Debian 13 and of sid, each run in its own root, push releases of
 * real packages to a registered Git repository. Each release is decided, its origs are found, and its source package assembled.
 * So is a plain `git tag -s` of each, where the Git repository declares plain tags.
 */
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseTopEntry } from '../../src/debian/changelog.ts';
import { parseVersion, upstreamOf } from '../../src/debian/version.ts';
import { grant } from '../../src/permissions/index.ts';
import { withTransaction } from '../../src/platform/database.ts';
import { exec } from '../../src/platform/exec.ts';
import { makeTemporaryDirectory, sha256File, type TemporaryDirectory } from '../../src/platform/files.ts';
import { statePaths } from '../../src/platform/paths.ts';
import { assembleSource, unpackFrozenInput, type SourceFile } from '../../src/sources/recipe.ts';
import { findAcceptedTag, origsOf, type Orig } from '../../src/sources/store.ts';
import { sourceTasks } from '../../src/sources/tasks.ts';
import { sourcePackagesOf } from '../oracles/apt-lists.ts';
import { debianRoot, DEBIAN_RELEASES, type DebianRelease, type DebianRoot } from '../scenarios/debian-root.ts';
import { createTagWorld, type TagFacts, type TagWorld } from '../scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey, type SshKey } from '../scenarios/keys.ts';

/** Small, with patches and with a signed history of its own at Debian; and one that is native. */
const QUILT = 'sl';
const NATIVE = 'apt-config-auto-update';
/** Git, with the key that signs in the way of OpenSSH. */
const SSH = ['git', '-c', 'gpg.format=ssh', '-c', 'user.signingKey=/srv/ssh-key'] as const;
const ALICE = 'Alice Example <alice@example.org>';

let keys: KeyRing;
let alice: OpenPgpKey;
let ssh: SshKey;
let world: TagWorld;
let folder: TemporaryDirectory;
let upstream: string;
let debianOrig: string;
const roots = new Map<DebianRelease, DebianRoot>();
const registered = new Map<string, number>();

beforeAll(async () => {
  const [made, packages] = await Promise.all([
    Promise.all(DEBIAN_RELEASES.map(async (release) => await debianRoot(release))),
    sourcePackagesOf([QUILT, NATIVE]),
  ]);
  for (const root of made) roots.set(root.release, root);
  folder = await makeTemporaryDirectory('lf-clients-', '/var/tmp');
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: ALICE });
  ssh = await keys.ssh('alice');
  world = await createTagWorld();
  await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice, ssh], mayRelease: false });
  await withTransaction(world.db, async (trx) => {
    const wanted = { to: 'alice', action: 'release', archive: 'main', suites: 'landing', packages: '*' } as const;
    const given = await grant(trx, wanted, { kind: 'system', name: 'landfall' });
    if (given.kind === 'refused') throw new Error(given.reason);
  });
  await exec(['cp', '-a', keys.home, join(folder.path, 'gnupg')], { deadlineMs: 10_000 });
  await exec(['cp', ssh.file, join(folder.path, 'ssh-key')], { deadlineMs: 10_000 });
  await chmod(join(folder.path, 'ssh-key'), 0o600);
  await writeFile(
    join(folder.path, '.gitconfig'),
    `[user]\n\tname = Alice Example\n\temail = alice@example.org\n\tsigningKey = ${alice.fingerprint}\n[safe]\n\tdirectory = *\n[advice]\n\tdetachedHead = false\n`,
  );
  for (const [source, dsc] of packages) await importPackage(source, dsc);
  await applyPatches();
  registered.set(
    'plain',
    await world.register(await forge('plain'), { name: 'plain', plain: { source: NATIVE, quilt: 'native' } }),
  );
});

afterAll(async () => {
  await world.remove();
  await keys.remove();
  await exec(['gpgconf', '--homedir', join(folder.path, 'gnupg'), '--kill', 'all'], { deadlineMs: 10_000 });
  await folder.remove();
});

const clone = (source: string): string => join(folder.path, 'clones', source);
const env = (): Record<string, string> => ({ HOME: folder.path, GNUPGHOME: join(folder.path, 'gnupg') });

async function git(source: string, ...args: string[]): Promise<string> {
  const { stdout } = await exec(['git', ...args], { cwd: clone(source), env: env(), deadlineMs: 60_000 });
  return stdout.toString('utf8').trim();
}

async function forge(name: string): Promise<{ readonly url: string }> {
  const path = join(folder.path, 'forge', `${name}.git`);
  await exec(['git', 'init', '--quiet', '--bare', path], { deadlineMs: 10_000 });
  return { url: pathToFileURL(path).href };
}

/** As a maintainer has it: imported with its history of tarballs, a forge beside it that is registered. */
async function importPackage(source: string, dsc: string): Promise<void> {
  await mkdir(clone(source), { recursive: true });
  await git(source, 'init', '--quiet', '--initial-branch=main');
  const options = [
    '--pristine-tar',
    '--debian-branch=main',
    '--upstream-branch=upstream',
    '--debian-tag=imported/%(version)s',
  ];
  await exec(['gbp', 'import-dsc', ...options, dsc], { cwd: clone(source), env: env(), deadlineMs: 120_000 });
  // Where the forge lies for a program in a root.
  await git(source, 'remote', 'add', 'origin', `/srv/forge/${source}.git`);
  registered.set(source, await world.register(await forge(source), { name: `packages/${source}` }));
  if (source !== QUILT) return;
  const version = parseVersion((await entry(source)).version);
  if ('kind' in version) throw new Error(version.reason);
  upstream = upstreamOf(version);
  const orig = (await readdir(dirname(dsc))).find((name) => name.startsWith(`${source}_${upstream}.orig.tar.`));
  debianOrig = join(dirname(dsc), orig ?? '');
}

/** A branch with the patches applied, as `linear` has it. */
async function applyPatches(): Promise<void> {
  await git(QUILT, 'checkout', '--quiet', '-b', 'applied', 'main');
  await exec(['dpkg-source', '--before-build', '.'], { cwd: clone(QUILT), deadlineMs: 60_000 });
  await exec(['rm', '-rf', '.pc'], { cwd: clone(QUILT), deadlineMs: 60_000 });
  await git(QUILT, 'add', '--all');
  await git(QUILT, 'commit', '--quiet', '--message', 'Apply the patches');
  await git(QUILT, 'checkout', '--quiet', '-b', 'bare', 'main');
  const outside = (await git(QUILT, 'ls-files', '-z', '--', ':!debian')).split('\0').filter((path) => path !== '');
  await git(QUILT, 'rm', '--quiet', '-r', '--', ...outside);
  await git(QUILT, 'commit', '--quiet', '--message', 'Keep debian/ alone');
}

async function entry(source: string): Promise<{ readonly version: string }> {
  const parsed = parseTopEntry(await readFile(join(clone(source), 'debian/changelog')));
  if ('kind' in parsed) throw new Error(parsed.reason);
  return parsed;
}

/** A commit that releases `version`, on a branch of its own. */
async function commitRelease(source: string, base: string, version: string): Promise<void> {
  await git(source, 'checkout', '--quiet', '-B', `release/${version.replace(':', '%')}`, base);
  const file = join(clone(source), 'debian/changelog');
  const date = 'Sun, 22 Nov 2026 12:00:00 +0000';
  const text = `${source} (${version}) landing; urgency=medium\n\n  * A release.\n\n -- ${ALICE}  ${date}\n\n`;
  await writeFile(file, text + (await readFile(file, 'utf8')));
  await git(source, 'commit', '--quiet', '--message', `Release ${version}`, 'debian/changelog');
}

async function types(release: DebianRelease, source: string, ...argv: readonly [string, ...string[]]): Promise<void> {
  const root = roots.get(release);
  if (root === undefined) throw new Error(`there is no root of ${release}`);
  await root.run(argv, { folder: folder.path, cwd: `clones/${source}`, env: { GNUPGHOME: '/srv/gnupg' } });
}

/** Releases the quilt package. The mode changes from release to release here, which sid's program asks about. */
async function debpush(release: DebianRelease, quilt: string, ...more: string[]): Promise<void> {
  const options = [`--quilt=${quilt}`, `--upstream=upstream/${upstream}`, '--force=changed-quilt-mode', ...more];
  await types(release, QUILT, 'git', 'debpush', '--distro=landing', '--remote=origin', ...options);
}

/** What a push leads to: the decision, the origs, the event that the next step waits for. */
async function land(
  source: string,
  version: string,
  repository = source,
): Promise<{ tag: TagFacts; origs: Orig[]; text: string }> {
  const ref = `refs/tags/landing/${version.replaceAll(':', '%').replaceAll('~', '_')}`;
  const tag = await world.push(registered.get(repository) ?? 0, ref);
  expect(tag.decisions.map(({ code, sentence }) => `${code}: ${sentence}`)).toEqual([
    expect.stringContaining(`Alice Example (alice) releases ${source} ${version} to main/landing.`),
  ]);
  const tasks = sourceTasks({ db: world.db, blobs: world.blobs, paths: statePaths(folder.path) });
  const context = { signal: new AbortController().signal, attempt: 1, maxAttempts: 1 };
  await tasks['sources.prepare']?.({ submissionId: tag.submissionId }, context);
  return { tag, origs: await origsOf(world.db, tag.submissionId), text: await git(source, 'cat-file', 'tag', ref) };
}

/** The source package of a release as the worker makes it, with the tools of these Debians: the same bytes. Gives its files. */
async function assemble(
  tag: TagFacts,
  origs: readonly Orig[],
  releases: readonly DebianRelease[],
): Promise<readonly SourceFile[]> {
  const accepted = await findAcceptedTag(world.db, tag.submissionId);
  if (accepted === undefined) throw new Error('the tag was not accepted');
  const work = await makeTemporaryDirectory('assemble-', folder.path);
  const shallow = [accepted.commitId, accepted.upstreamCommitId, accepted.pristineTarCommitId];
  const gitDir = await unpackFrozenInput(await world.blobs.open(accepted.frozen.sha256), join(work.path, 'git'), {
    objectFormat: accepted.frozen.objectFormat,
    shallow: shallow.filter((commit) => commit !== undefined),
    maxBytes: accepted.frozen.size,
  });
  const paths = [];
  for (const { name, sha256 } of origs) {
    const path = join(work.path, name);
    await pipeline(await world.blobs.open(sha256), createWriteStream(path));
    paths.push({ name, path });
  }
  const made: (readonly SourceFile[])[] = [];
  for (const release of releases) {
    const assembled = await assembleSource({
      gitDir,
      commitId: accepted.commitId,
      source: accepted.source,
      version: accepted.version,
      quilt: accepted.quilt,
      origs: paths,
      tag: { objectId: accepted.tagObjectId, fingerprint: alice.fingerprint, tagger: ALICE },
      folder: join(work.path, release),
      deadlineMs: 60_000,
      system: roots.get(release)?.path ?? '/',
    });
    if (assembled.kind === 'failed') throw new Error(`${release}: ${assembled.reason}`);
    made.push(assembled.files);
  }
  const [first = [], ...others] = made;
  for (const other of others) expect(other).toEqual(first);
  return first;
}

describe.each(DEBIAN_RELEASES)('git debpush of %s', (release) => {
  const number = DEBIAN_RELEASES.indexOf(release) + 1;

  test.each([
    ['gbp', 'main'],
    ['unapplied', 'main'],
    ['linear', 'applied'],
    ['baredebian', 'bare'],
  ] as const)('a release of a branch laid out as %s is accepted', async (quilt, branch) => {
    const version = `${upstream}-1+land${number}${quilt}`;
    await commitRelease(QUILT, branch, version);
    await debpush(release, quilt);
    const { tag, origs, text } = await land(QUILT, version);
    expect(text).toContain(`--quilt=${quilt}`);
    // That all Debians agree is seen once.
    const tools = release === 'sid' && quilt !== 'unapplied' ? DEBIAN_RELEASES : [release];
    const files = await assemble(tag, origs, tools);
    expect(files.map(({ name }) => name)).toContain(`${QUILT}_${version}.debian.tar.xz`);
    if (release !== 'sid') {
      expect(text).not.toContain('pristine-tar');
      expect(origs.map(({ provenance }) => provenance)).toEqual(['upstream-commit']);
      return;
    }
    // Debian's very bytes, out of the commit that is signed.
    expect(text).toContain(`!pristine-tar=${await git(QUILT, 'rev-parse', 'pristine-tar')}`);
    expect(origs).toMatchObject([
      { name: basename(debianOrig), provenance: 'pristine-tar', sha256: (await sha256File(debianOrig)).sha256 },
    ]);
  });

  test('a release of a native package is accepted', async () => {
    const version = `100.${number}`;
    await commitRelease(NATIVE, 'main', version);
    await types(release, NATIVE, 'git', 'debpush', '--distro=landing', '--remote=origin');
    const { tag, origs } = await land(NATIVE, version);
    expect(origs).toEqual([]);
    expect(
      (await assemble(tag, origs, release === 'sid' ? DEBIAN_RELEASES : [release])).map(({ name }) => name),
    ).toEqual([`${NATIVE}_${version}.dsc`, `${NATIVE}_${version}.tar.xz`]);
  });

  test('a release signed with SSH is accepted', async () => {
    const version = `101.${number}`;
    await commitRelease(NATIVE, 'main', version);
    await types(release, NATIVE, ...SSH, 'debpush', '--distro=landing', '--remote=origin');
    await land(NATIVE, version);
  });

  test.each(['openpgp', 'ssh'] as const)(
    'a plain `git tag -s` with %s is accepted where it is declared',
    async (form) => {
      const version = form === 'ssh' ? `103.${number}` : `102.${number}`;
      await commitRelease(NATIVE, 'main', version);
      const name = `landing/${version}`;
      const settings = form === 'ssh' ? SSH.slice(1) : [];
      await types(release, NATIVE, 'git', ...settings, 'tag', '-s', '-m', 'A release.', name);
      await types(release, NATIVE, 'git', 'push', '--quiet', '/srv/forge/plain.git', name);
      const { tag, origs } = await land(NATIVE, version, 'plain');
      expect(await assemble(tag, origs, [release])).toHaveLength(2);
    },
  );
});

describe('git debpush of sid', () => {
  test('without pristine-tar the orig is made from upstream=', async () => {
    const version = `${upstream}-1+land4`;
    await commitRelease(QUILT, 'main', version);
    // The client asks whether that is meant: the forge has tarballs of earlier releases.
    await debpush('sid', 'gbp', '--no-pristine-tar', '--force=pristine-tar-behind');
    const { origs, text } = await land(QUILT, version);
    expect(text).not.toContain('pristine-tar');
    expect(origs.map(({ provenance }) => provenance)).toEqual(['upstream-commit']);
  });

  test('a pristine-tar commit for another tree than upstream= is rejected, also when it is signed', async () => {
    const version = `${upstream}-1+land5`;
    await commitRelease(QUILT, 'main', version);
    const honest = await git(QUILT, 'rev-parse', 'pristine-tar');
    await git(QUILT, 'checkout', '--quiet', 'pristine-tar');
    await writeFile(
      join(clone(QUILT), `${basename(debianOrig)}.id`),
      `${await git(QUILT, 'rev-parse', 'main^{tree}')}\n`,
    );
    await git(QUILT, 'commit', '--quiet', '--all', '--message', 'Another tree');
    await git(QUILT, 'checkout', '--quiet', `release/${version}`);
    await debpush('sid', 'gbp');
    const tag = await world.push(registered.get(QUILT) ?? 0, `refs/tags/landing/${version}`);
    expect(tag.decisions[0]).toMatchObject({ outcome: 'rejected', code: 'upstream.bound' });
    expect(tag.decisions[0]?.sentence).toContain('was expected to name the upstream tree');
    await git(QUILT, 'branch', '--quiet', '--force', 'pristine-tar', honest);
  });
});
