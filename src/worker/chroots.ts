/**
 * Cached bases of build roots: a minimal Debian system (mmdebstrap's variant `buildd`) of one suite, architecture and mirror,
 * made without privileges and never changed afterwards. Its key is the hash of what it is made from.
 *
 * A base is made once, under a lock between processes, and renewed when it is older than asked for; who still works
 * with the old one keeps it. A base that cannot be made is a fault of the machine or its mirror, never of a package:
 * `chroot.no-room`, `chroot.mirror-away`, `chroot.untrusted`, `chroot.failed`, `sandbox.no-…`.
 *
 * On disk: `KEY/lock`, `KEY/current` → `GENERATION`, `KEY/GENERATION/{root/,base.json,users/}`. A file in `users/` names a
 * process that works with the generation.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, readlink, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../platform/clock.ts';
import { LandfallError } from '../platform/errors.ts';
import { ProgramFailed, exec } from '../platform/exec.ts';
import {
  ensureDirectory,
  freeSpace,
  readFileIfExists,
  replaceSymlink,
  sha256,
  writeFileDurably,
} from '../platform/files.ts';
import { formatAptConf, judgesAgeOf, readMachineApt, sourceLine } from './apt-configuration.ts';
import { formatBytes } from './limits.ts';
import { withLock } from './lock.ts';
import { isAlive, ownMark } from './process-mark.ts';
import { BUILDER_ID } from './sandbox.ts';
import { DIE_WITH_PARENT, execInUserNamespace, removeForeignTree, userNamespaceProblem } from './user-namespace.ts';

/** What a base is made from. */
export interface BaseSpec {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** An OpenPGP keyring, dearmored. */
  readonly keyring: Buffer;
  readonly architecture: string;
}

const factsSchema = z.object({
  key: z.string(),
  uri: z.string(),
  suite: z.string(),
  components: z.array(z.string()),
  architecture: z.string(),
  madeAt: z.string(),
  packages: z.number(),
  packagesSha256: z.string(),
});
/** What is said of a base in a build's facts. `packagesSha256` is of the sorted lines `NAME VERSION ARCHITECTURE`. */
export type BaseFacts = z.infer<typeof factsSchema>;

export interface Base {
  readonly facts: BaseFacts;
  /** The tree; to be read only. */
  readonly root: string;
  /** dpkg's list of what is installed in it. */
  readonly status: string;
  /** Says that this use is over. */
  release(): Promise<void>;
}

export interface AcquireBaseOptions {
  /** Where bases lie. */
  readonly folder: string;
  readonly spec: BaseSpec;
  readonly maxAgeMs: number;
  readonly clock: Clock;
  /** Lines for people about what is being done. */
  readonly onLine: (line: string) => Promise<void>;
  readonly signal?: AbortSignal;
}

/** In every base: what nearly all packages build with, so that it is not installed a thousand times a day. */
const INCLUDED = ['debhelper', 'fakeroot'] as const;
/** Changes when bases are made differently. */
const LAYOUT = 1;
const NEEDED_BYTES = 2 * 1024 ** 3;
const MAKE_DEADLINE_MS = 3 * 3_600_000;

/** The base for `spec`, made or renewed when there is none young enough. */
export async function acquireBase(options: AcquireBaseOptions): Promise<Base> {
  const key = baseKey(options.spec);
  const folder = join(options.folder, key);
  await ensureDirectory(folder);
  return await withLock(
    join(folder, 'lock'),
    async () => {
      const found = await currentGeneration(folder);
      const age = found === undefined ? 0 : options.clock.now().getTime() - Date.parse(found.facts.madeAt);
      if (found !== undefined && age <= options.maxAgeMs) return await use(found.path, found.facts);
      try {
        const made = await makeGeneration(folder, key, options);
        await removeUnused(folder);
        return await use(made.path, made.facts);
      } catch (error) {
        // An old base is better than none while the mirror is away.
        if (found === undefined || !(error instanceof LandfallError) || options.signal?.aborted === true) throw error;
        await options.onLine(
          `the base of ${options.spec.suite} could not be renewed (${error.reason}); the one of ${found.facts.madeAt} is used`,
        );
        return await use(found.path, found.facts);
      }
    },
    options.signal,
  );
}

/** Hash of all that a base is made from. */
export function baseKey(spec: BaseSpec): string {
  const text = JSON.stringify([
    LAYOUT,
    INCLUDED,
    spec.uri,
    spec.suite,
    spec.components,
    spec.architecture,
    sha256(spec.keyring),
  ]);
  return `${spec.suite.replace(/[^A-Za-z0-9.-]/g, '-')}-${spec.architecture}-${sha256(text).slice(0, 16)}`;
}

async function currentGeneration(folder: string): Promise<{ path: string; facts: BaseFacts } | undefined> {
  const name = await readlink(join(folder, 'current')).catch(() => undefined);
  if (name === undefined) return undefined;
  const path = join(folder, name);
  const text = await readFileIfExists(join(path, 'base.json'));
  if (text === undefined) return undefined;
  const facts = factsSchema.safeParse(JSON.parse(text.toString('utf8')));
  return facts.success ? { path, facts: facts.data } : undefined;
}

async function use(path: string, facts: BaseFacts): Promise<Base> {
  const mark = join(path, 'users', randomBytes(8).toString('hex'));
  await ensureDirectory(join(path, 'users'));
  await writeFile(mark, await ownMark());
  const root = join(path, 'root');
  return {
    facts,
    root,
    status: join(root, 'var/lib/dpkg/status'),
    release: () => rm(mark, { force: true }),
  };
}

/** Removes generations that are not current and that nobody uses, and what an interrupted making left. */
async function removeUnused(folder: string): Promise<void> {
  const current = await readlink(join(folder, 'current')).catch(() => undefined);
  for (const name of await readdir(folder)) {
    if (!/^(?:generation|making)-/.test(name) || name === current) continue;
    if (!(await isUsed(join(folder, name, 'users')))) await removeForeignTree(join(folder, name));
  }
}

async function isUsed(users: string): Promise<boolean> {
  for (const name of await readdir(users).catch(() => [])) {
    if (await isAlive(await readFile(join(users, name), 'utf8').catch(() => ''))) return true;
    await unlink(join(users, name)).catch(() => undefined);
  }
  return false;
}

async function makeGeneration(
  folder: string,
  key: string,
  options: AcquireBaseOptions,
): Promise<{ path: string; facts: BaseFacts }> {
  const { spec } = options;
  const doing = `make the build root of ${spec.suite} for ${spec.architecture}`;
  const problem = await userNamespaceProblem();
  if (problem !== undefined) throw problem;
  await removeUnused(folder);
  const space = await freeSpace(folder);
  if (space.availableBytes < NEEDED_BYTES) {
    throw new LandfallError({
      code: 'chroot.no-room',
      doing,
      reason: `${formatBytes(space.availableBytes)} are free and ${formatBytes(NEEDED_BYTES)} are needed`,
      remedy: `free some space where ${folder} lies`,
    });
  }
  await options.onLine(`making the base of ${spec.suite} for ${spec.architecture} with mmdebstrap`);
  const making = join(folder, `making-${randomBytes(4).toString('hex')}`);
  const root = join(making, 'root');
  const scratch = await scratchFolder(making);
  await mkdir(root, { recursive: true });
  await mkdir(scratch, { recursive: true, mode: 0o755 });
  try {
    const tar = join(making, 'base.tar');
    await bootstrap(doing, tar, scratch, options);
    await execInUserNamespace(['sh', '-c', UNPACK, 'sh', root, tar, String(BUILDER_ID)], {
      doing: `unpack ${tar}`,
      deadlineMs: 1_800_000,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    await rm(tar);
    await removeForeignTree(scratch);
    const list = await installedPackages(join(root, 'var/lib/dpkg'));
    const facts: BaseFacts = {
      key,
      uri: spec.uri,
      suite: spec.suite,
      components: [...spec.components],
      architecture: spec.architecture,
      madeAt: options.clock.now().toISOString(),
      packages: list.length,
      packagesSha256: sha256(list.map((line) => `${line}\n`).join('')),
    };
    await writeFileDurably(join(making, 'base.json'), `${JSON.stringify(facts, undefined, 2)}\n`);
    const name = `generation-${facts.madeAt.replace(/[-:.]/g, '')}-${randomBytes(2).toString('hex')}`;
    await rename(making, join(folder, name));
    await replaceSymlink(name, join(folder, 'current'));
    await options.onLine(`the base has ${facts.packages} packages`);
    return { path: join(folder, name), facts };
  } finally {
    await removeForeignTree(scratch);
    await removeForeignTree(making);
  }
}

async function bootstrap(doing: string, tar: string, scratch: string, options: AcquireBaseOptions): Promise<void> {
  const { spec } = options;
  const machine = await readMachineApt();
  const keyring = join(scratch, 'keyring.gpg');
  await writeFile(keyring, spec.keyring, { mode: 0o644 });
  const line = sourceLine({ ...spec, keyring, judgeAge: judgesAgeOf(spec.uri, machine) });
  const network = formatAptConf(machine.network)
    .split('\n')
    .filter((one) => one !== '');
  let rest = '';
  try {
    await exec(
      [
        ...DIE_WITH_PARENT,
        'mmdebstrap',
        '--mode=unshare',
        '--variant=buildd',
        '--format=tar',
        `--architectures=${spec.architecture}`,
        `--include=${INCLUDED.join(',')}`,
        '--skip=output/dev',
        ...network.map((one) => `--aptopt=${one}`),
        spec.suite,
        tar,
        line.trimEnd(),
      ],
      {
        doing,
        env: { TMPDIR: scratch },
        cwd: scratch,
        deadlineMs: MAKE_DEADLINE_MS,
        graceMs: 10_000,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        stderr: async (chunk) => {
          const lines = (rest + chunk.toString('utf8')).split('\n');
          rest = lines.pop() ?? '';
          for (const one of lines) if (/^[A-Z]: /.test(one)) await options.onLine(one);
        },
      },
    );
  } catch (error) {
    throw error instanceof ProgramFailed ? explainBootstrap(doing, error, spec) : error;
  }
}

/** Names what kept mmdebstrap from making a base, by what apt and dpkg said. */
export function explainBootstrap(
  doing: string,
  error: ProgramFailed,
  spec: Pick<BaseSpec, 'uri' | 'suite'>,
): LandfallError {
  const said = error.result.stderr;
  const lines = said.split('\n').filter((line) => /^(?:E|Err|W):/.test(line.trim()));
  const reason = (lines.length > 0 ? lines : said.trim().split('\n')).slice(-6).join('; ');
  const facts = ((): { code: string; remedy: string } => {
    if (/No space left on device|Disk quota exceeded/.test(said)) {
      return { code: 'chroot.no-room', remedy: 'free some space where the bases lie' };
    }
    if (/NO_PUBKEY|GPG error|is not signed|The following signatures|Sub-process \/usr\/bin\/sqv/.test(said)) {
      return {
        code: 'chroot.untrusted',
        remedy: `look whether the keyring in the distribution file is the one of ${spec.suite}`,
      };
    }
    if (
      /Could not (?:resolve|connect)|Failed to fetch|Temporary failure|Connection (?:refused|timed out|failed)|404 +Not Found|does not have a Release file|Unable to connect/.test(
        said,
      )
    ) {
      return {
        code: 'chroot.mirror-away',
        remedy: `look whether ${spec.uri} can be reached from the worker and has ${spec.suite}`,
      };
    }
    return { code: 'chroot.failed', remedy: 'the lines before this tell what mmdebstrap did' };
  })();
  return new LandfallError({ ...facts, doing, reason, cause: error });
}

/**
 * mmdebstrap works as a subordinate id, which cannot enter a home that is closed to others; /var/tmp is then its place.
 */
async function scratchFolder(making: string): Promise<string> {
  for (let path = dirname(making); path !== '/'; path = dirname(path)) {
    if (((await stat(path)).mode & 0o001) === 0) return join('/var/tmp', `landfall-${randomBytes(6).toString('hex')}`);
  }
  return join(making, 'scratch');
}

/** Unpacks, and makes it a build root: a builder, no trace of the machine and its mirror, no services. */
const UNPACK = `set -eu
cd "$1"
tar -x --numeric-owner -f "$2"
mkdir -p dev proc sys tmp
echo "builder:x:$3:$3:builder:/nonexistent:/bin/sh" >>etc/passwd
echo "builder:x:$3:" >>etc/group
if [ -e etc/shadow ]; then echo 'builder:*:19000::::::' >>etc/shadow; fi
rm -f etc/hostname etc/hosts etc/resolv.conf etc/apt/sources.list etc/apt/sources.list.d/* etc/apt/apt.conf.d/99mmdebstrap
echo landfall >etc/hostname
: >etc/resolv.conf
printf '127.0.0.1 localhost landfall\\n::1 localhost ip6-localhost ip6-loopback\\n' >etc/hosts
printf '#!/bin/sh\\nexit 101\\n' >usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d
`;

async function installedPackages(admindir: string): Promise<string[]> {
  const { stdout } = await exec(
    ['dpkg-query', `--admindir=${admindir}`, '--show', '--showformat', '${Package} ${Version} ${Architecture}\\n'],
    { doing: 'list the packages of a base', deadlineMs: 60_000 },
  );
  return stdout
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .sort();
}
