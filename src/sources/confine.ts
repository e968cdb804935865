/**
 * Runs one of Debian's own programs over a package's files with nothing around it: no network, no home, no other process to
 * see, and only `/usr` and one folder of the host. What the package's bytes can reach through a fault of that program ends
 * there.
 *
 * @see bwrap(1)
 */
import { join } from 'node:path';
import { exec, type ExecResult } from '../platform/exec.ts';

export interface Confinement {
  /** The one folder that is visible and writable, at `/work`. */
  readonly folder: string;
  /** Working directory, below `/work`. */
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
  readonly doing: string;
  readonly okCodes?: readonly number[] | 'any';
  /** Given to the program as its standard input. */
  readonly input?: Uint8Array;
  /** The root of the Debian system whose programs run; without it, this machine's. */
  readonly system?: string;
}

/** Output and errors come in one, in the order in which they were written. */
export async function confined(argv: readonly [string, ...string[]], options: Confinement): Promise<ExecResult> {
  const environment = { PATH: '/usr/sbin:/usr/bin', HOME: '/work', LC_ALL: 'C.UTF-8', TZ: 'UTC', ...options.env };
  return await exec(
    [
      'bwrap',
      '--unshare-all',
      '--die-with-parent',
      '--new-session',
      '--cap-drop',
      'ALL',
      '--hostname',
      'source',
      '--ro-bind',
      join(options.system ?? '/', 'usr'),
      '/usr',
      ...['bin', 'sbin', 'lib', 'lib64'].flatMap((name) => ['--symlink', `usr/${name}`, `/${name}`]),
      // awk, pager and their like are links through here.
      '--ro-bind-try',
      join(options.system ?? '/', 'etc/alternatives'),
      '/etc/alternatives',
      '--dev',
      '/dev',
      '--proc',
      '/proc',
      '--tmpfs',
      '/tmp',
      '--bind',
      options.folder,
      '/work',
      '--chdir',
      options.cwd,
      '--clearenv',
      ...Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value]),
      '--',
      'prlimit',
      '--core=0',
      '--nproc=4096',
      '--fsize=17179869184',
      // Modes of files enter what dpkg-source makes of them.
      'sh',
      '-c',
      'umask 022; exec "$@"',
      'sh',
      ...argv,
    ],
    {
      doing: options.doing,
      deadlineMs: options.deadlineMs,
      mergeStderr: true,
      ...(options.okCodes === undefined ? {} : { okCodes: options.okCodes }),
      ...(options.input === undefined ? {} : { input: options.input }),
    },
  );
}
