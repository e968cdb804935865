/**
 * Roots of other Debian releases for tests: Debian 12, 13 and sid with the programs that a maintainer types, so that what is
 * said of "Debian's own client" is said of the real one. Made once by mmdebstrap from the mirror that this machine's apt is set
 * up with, and kept beside the workers' chroots: a second run costs nothing. The release that this machine runs is not made:
 * its programs are here.
 *
 * A program in such a root sees the root, read-only, and one folder at `/srv`. It has no network and no privileges.
 */
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findMirror, type Mirror } from '../../src/app/demo/mirror.ts';
import { exec, type ExecResult } from '../../src/platform/exec.ts';
import { exists } from '../../src/platform/files.ts';
import { judgesAgeOf, readMachineApt, sourceLine } from '../../src/worker/apt-configuration.ts';

export const DEBIAN_RELEASES = ['bookworm', 'trixie', 'sid'] as const;
export type DebianRelease = (typeof DEBIAN_RELEASES)[number];

export interface DebianRoot {
  readonly release: DebianRelease;
  /** Where it lies: `/` for this machine's own release. */
  readonly path: string;
  /** Version of a package there, without its epoch. */
  version(name: string): Promise<string>;
  /** Runs a program there; `folder` is `/srv`, and `cwd` lies below it. */
  run(argv: readonly [string, ...string[]], options: RunInRoot): Promise<ExecResult>;
}

export interface RunInRoot {
  readonly folder: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly okCodes?: readonly number[] | 'any';
}

/** What git debpush, its signatures, dpkg-source and a client of archives need. */
const PACKAGES = ['apt', 'dpkg-dev', 'git', 'git-debpush', 'gnupg', 'openssh-client', 'pristine-tar'];
/** Changes when the roots are made differently. */
const LAYOUT = 2;
const MAKE_DEADLINE_MS = 600_000;
const RUN_DEADLINE_MS = 120_000;

const opened = new Map<DebianRelease, Promise<DebianRoot>>();

/** The root of a release, made when it is not there yet (half a minute). */
export async function debianRoot(release: DebianRelease): Promise<DebianRoot> {
  const known = opened.get(release) ?? openRoot(release);
  opened.set(release, known);
  return await known;
}

async function openRoot(release: DebianRelease): Promise<DebianRoot> {
  const mirror = await findMirror();
  const path = mirror.codename === release ? '/' : await cachedRoot(release, mirror);
  const run: DebianRoot['run'] = async (argv, options) =>
    await exec(
      [
        'bwrap',
        ...['--unshare-all', '--die-with-parent', '--new-session', '--cap-drop', 'ALL', '--clearenv'],
        ...['--ro-bind', path, '/', '--dev', '/dev', '--proc', '/proc', '--tmpfs', '/tmp', '--tmpfs', '/run'],
        ...['--bind', options.folder, '/srv', '--chdir', join('/srv', options.cwd ?? '.')],
        ...Object.entries({ PATH: '/usr/bin:/usr/sbin', LANG: 'C.UTF-8', HOME: '/srv', ...options.env }).flatMap(
          ([name, value]) => ['--setenv', name, value],
        ),
        ...['--', ...argv],
      ],
      {
        doing: `run ${argv[0]} of Debian ${release}`,
        deadlineMs: RUN_DEADLINE_MS,
        ...(options.okCodes === undefined ? {} : { okCodes: options.okCodes }),
      },
    );
  return {
    release,
    path,
    run,
    version: async (name) => {
      const { stdout } = await exec(
        ['dpkg-query', `--admindir=${join(path, 'var/lib/dpkg')}`, '--show', '--showformat', '${Version}', name],
        { deadlineMs: RUN_DEADLINE_MS },
      );
      return stdout.toString('utf8').replace(/^\d+:/, '');
    },
  };
}

/** Below the folder that `./landfall test` names, or where a run of the test runner alone keeps such things. */
export function testCache(name: string): string {
  const state = process.env.LANDFALL_STATE_DIR;
  const cache = process.env.LANDFALL_TEST_CACHE ?? (state === undefined ? undefined : join(state, 'test'));
  return join(cache ?? join(import.meta.dirname, '../../node_modules/.cache/landfall'), name);
}

async function cachedRoot(release: DebianRelease, mirror: Mirror): Promise<string> {
  const folder = testCache('roots');
  const root = join(folder, `${release}-${mirror.architecture}-${LAYOUT}`);
  if (await exists(root)) return root;
  await mkdir(folder, { recursive: true });
  const making = await mkdtemp(join(folder, '.making-'));
  try {
    const tar = join(making, 'root.tar');
    const source = sourceLine({
      uri: mirror.uri,
      suite: release,
      components: [mirror.component],
      keyring: mirror.keyring,
      architecture: mirror.architecture,
      judgeAge: judgesAgeOf(mirror.uri, await readMachineApt()),
    });
    await exec(
      [
        'mmdebstrap',
        ...['--quiet', '--variant=essential', '--format=tar', '--skip=output/dev'],
        ...['--dpkgopt=path-exclude=/usr/share/doc/*', '--dpkgopt=path-exclude=/usr/share/locale/*'],
        ...['--dpkgopt=path-exclude=/usr/share/man/*', '--aptopt=APT::Install-Recommends "false"'],
        ...[`--include=${PACKAGES.join(',')}`, release, tar, source.trimEnd()],
      ],
      {
        doing: `make a root of Debian ${release} with the maintainer's programs`,
        deadlineMs: MAKE_DEADLINE_MS,
        cwd: making,
        env: { TMPDIR: '/var/tmp' },
      },
    );
    const unpacked = join(making, 'root');
    await mkdir(unpacked, { mode: 0o755 });
    await exec(['tar', '--extract', '--no-same-owner', '--file', tar, '--directory', unpacked], {
      doing: `unpack a root of Debian ${release}`,
      deadlineMs: MAKE_DEADLINE_MS,
    });
    for (const mountPoint of ['dev', 'proc', 'run', 'srv', 'tmp'])
      await mkdir(join(unpacked, mountPoint), { recursive: true });
    await rename(unpacked, root).catch(async (error: unknown) => {
      // Another run was first.
      if (!(await exists(root))) throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return root;
}
