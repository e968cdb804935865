/**
 * What people publish with today, each set up as its manual says, over the same .debs and signed by a key without a passphrase:
 * apt-ftparchive(1) with its cache, reprepro(1), aptly(1). A repository is filled once and kept; each round adds a package.
 *
 * apt-ftparchive and reprepro write gzip and xz, as we do; aptly cannot write xz, and writes gzip and bzip2.
 */
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { poolPath } from '../../src/debian/pool.ts';
import { exec } from '../../src/platform/exec.ts';
import { ensureDirectory, exists } from '../../src/platform/files.ts';
import { generateKey } from '../../src/platform/gpg.ts';
import { timed, type Sample } from '../harness.ts';
import type { AddedPackage, CorpusDeb } from './debs.ts';

export interface Peer {
  readonly name: string;
  /** Adds one package, signed and whole; seconds. */
  add(added: AddedPackage): Promise<Sample>;
}

export interface PeerOptions {
  readonly folder: string;
  /** GnuPG home and key that they sign with. */
  readonly home: string;
  readonly fingerprint: string;
  readonly debs: readonly CorpusDeb[];
  readonly progress: (text: string) => void;
}

const SETUP_DEADLINE_MS = 60 * 60_000;
const DEADLINE_MS = 10 * 60_000;
/** Files that are named in one command line. */
const BATCH = 1_000;

/** A key for the peers, made once. */
export async function openPeerKey(folder: string): Promise<{ readonly home: string; readonly fingerprint: string }> {
  const home = join(folder, 'gnupg');
  await ensureDirectory(home, 0o700);
  const { stdout } = await exec(['gpg', '--homedir', home, '--batch', '--with-colons', '--list-keys'], {
    deadlineMs: DEADLINE_MS,
    okCodes: 'any',
  });
  const found = /^fpr:+([0-9A-F]{40}):/m.exec(stdout.toString('utf8'))?.[1];
  const fingerprint = found ?? (await generateKey({ home, userId: 'Bench <bench@example.org>', algorithm: 'rsa4096' }));
  return { home, fingerprint };
}

/** Opens each peer's repository, and fills it where it is new. */
export async function openPeers(options: PeerOptions): Promise<readonly Peer[]> {
  const peers: Peer[] = [];
  for (const [name, open] of [
    ['apt-ftparchive', openAptFtparchive],
    ['reprepro', openReprepro],
    ['aptly', openAptly],
  ] as const) {
    const root = join(options.folder, `${name}-${options.debs.length}`);
    const complete = join(root, 'complete');
    const isNew = !(await exists(complete));
    if (isNew) {
      options.progress(`filling the repository of ${name} with ${options.debs.length} packages, once`);
      await rm(root, { recursive: true, force: true });
      await mkdir(root, { recursive: true });
    }
    peers.push({ name, add: await open(root, isNew, options) });
    if (isNew) await writeFile(complete, '');
  }
  return peers;
}

type Add = Peer['add'];

function environment({ home }: PeerOptions): Record<string, string> {
  return { GNUPGHOME: home, HOME: home, PATH: process.env.PATH ?? '/usr/bin:/bin' };
}

/** A tree of pool and dists, `generate` with a cache, `release`, and gpg. */
async function openAptFtparchive(root: string, isNew: boolean, options: PeerOptions): Promise<Add> {
  const { debs, fingerprint } = options;
  const place = async (name: string, path: string): Promise<void> => {
    const target = join(root, 'archive', poolPath('main', name, path.split('/').at(-1) ?? ''));
    await mkdir(dirname(target), { recursive: true });
    await rm(target, { force: true });
    await link(path, target);
  };
  const script = join(root, 'publish');
  const steps = `set -e
cd ${root}/archive
apt-ftparchive -q generate ../apt-ftparchive.conf
apt-ftparchive -q -c ../release.conf release dists/landing >../Release
mv ../Release dists/landing/Release
gpg --batch --yes --local-user ${fingerprint} --clearsign --output dists/landing/InRelease dists/landing/Release
gpg --batch --yes --local-user ${fingerprint} --detach-sign --armor --output dists/landing/Release.gpg dists/landing/Release
`;
  if (isNew) {
    await mkdir(join(root, 'cache'), { recursive: true });
    await mkdir(join(root, 'archive', 'dists', 'landing', 'main', 'binary-amd64'), { recursive: true });
    for (const { package: one, path } of debs) await place(one.source, path);
    await writeFile(
      join(root, 'apt-ftparchive.conf'),
      `Dir { ArchiveDir "${root}/archive"; CacheDir "${root}/cache"; };
Default { Packages::Compress ". gzip xz"; Sources::Compress ". gzip xz"; Contents::Compress "gzip"; };
TreeDefault { Directory "pool"; BinCacheDB "packages-$(ARCH).db"; Contents " "; };
Tree "dists/landing" { Sections "main"; Architectures "amd64"; };
`,
    );
    await writeFile(
      join(root, 'release.conf'),
      'APT::FTPArchive::Release { Origin "Bench"; Label "Bench"; Suite "landing"; Codename "landing"; Architectures "amd64"; Components "main"; };\n',
    );
    await writeFile(script, steps);
    await exec(['sh', script], { env: environment(options), deadlineMs: SETUP_DEADLINE_MS });
  }
  return async (added) => {
    await place(added.source, join(added.folder, added.deb));
    return await timed(['sh', script], { env: environment(options), deadlineMs: DEADLINE_MS });
  };
}

async function openReprepro(root: string, isNew: boolean, options: PeerOptions): Promise<Add> {
  const { debs, fingerprint } = options;
  const command = (args: readonly string[]): [string, ...string[]] => ['reprepro', '--silent', '-b', root, ...args];
  if (isNew) {
    await mkdir(join(root, 'conf'));
    await writeFile(
      join(root, 'conf', 'distributions'),
      `Origin: Bench
Label: Bench
Codename: landing
Suite: landing
Architectures: amd64
Components: main
DebIndices: Packages Release . .gz .xz
SignWith: ${fingerprint}
`,
    );
    for (const batch of batches(debs)) {
      const files = batch.map(({ path }) => path);
      await exec(command(['--export=never', '-C', 'main', 'includedeb', 'landing', ...files]), {
        env: environment(options),
        deadlineMs: SETUP_DEADLINE_MS,
      });
    }
    await exec(command(['export', 'landing']), { env: environment(options), deadlineMs: SETUP_DEADLINE_MS });
  }
  return async (added) =>
    await timed(command(['-C', 'main', 'includedeb', 'landing', join(added.folder, added.deb)]), {
      env: environment(options),
      deadlineMs: DEADLINE_MS,
    });
}

async function openAptly(root: string, isNew: boolean, options: PeerOptions): Promise<Add> {
  const { debs, fingerprint } = options;
  const config = join(root, 'aptly.conf');
  const signing = [`-gpg-key=${fingerprint}`, '-batch', '-skip-contents'];
  const run = async (...args: readonly string[]): Promise<void> => {
    await exec(['aptly', `-config=${config}`, ...args], {
      env: environment(options),
      deadlineMs: SETUP_DEADLINE_MS,
    });
  };
  if (isNew) {
    await writeFile(
      config,
      JSON.stringify({ rootDir: join(root, 'data'), gpgProvider: 'gpg', architectures: ['amd64'] }),
    );
    await run('repo', 'create', '-distribution=landing', '-component=main', 'bench');
    for (const batch of batches(debs)) await run('repo', 'add', 'bench', ...batch.map(({ path }) => path));
    await run('publish', 'repo', ...signing, 'bench');
  }
  const script = join(root, 'publish');
  await writeFile(
    script,
    `set -e
aptly -config=${config} repo add bench "$1" >/dev/null
aptly -config=${config} publish update ${signing.join(' ')} landing >/dev/null
`,
  );
  return async (added) =>
    await timed(['sh', script, join(added.folder, added.deb)], {
      env: environment(options),
      deadlineMs: DEADLINE_MS,
    });
}

function* batches(debs: readonly CorpusDeb[]): Generator<readonly CorpusDeb[]> {
  for (let at = 0; at < debs.length; at += BATCH) yield debs.slice(at, at + BATCH);
}
