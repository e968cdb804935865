/**
 * The built program, run as its users run it. Whoever runs the tests, it never runs as root: root steps down to the user
 * `landfall`, as the launcher does.
 */
import { chown, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { exec, type ExecResult } from '../../src/platform/exec.ts';
import { exists } from '../../src/platform/files.ts';
import { spawnService, type Service } from '../../src/platform/service.ts';
import { findUser, type SystemUser } from '../../src/platform/users.ts';

export interface Surroundings {
  /** Added to the environment; `LANDFALL_STATE_DIR` and `HOME` are the folder of state. */
  readonly env?: Readonly<Record<string, string>>;
  /** What comes before the program on its command line: `unshare …`, which may need to be root for it. */
  readonly within?: { readonly argv: readonly [string, ...string[]]; readonly asCaller?: boolean };
}

export interface RunOptions extends Surroundings {
  readonly deadlineMs?: number;
  readonly okCodes?: readonly number[] | 'any';
}

export interface Program {
  /** Where this test's state lies. */
  readonly stateDir: string;
  /** Who the program runs as; undefined when it is whoever runs the tests. */
  readonly user: SystemUser | undefined;
  run(args: readonly string[], options?: RunOptions): Promise<ExecResult>;
  /** Starts it and leaves it running; what it says is appended to `output`. */
  start(args: readonly string[], output: string, surroundings?: Surroundings): Promise<Service>;
  /** Runs another program as the same user. */
  beside(argv: readonly [string, ...string[]], options?: RunOptions & { readonly cwd?: string }): Promise<ExecResult>;
}

/**
 * @param name of the folder of state; tests that share one must run one after another.
 * @param machines folders below it that will hold a worker's chroots: those are made once for all tests and all runs.
 */
export async function program(name: string, machines: readonly string[] = ['.']): Promise<Program> {
  const app = process.env.LANDFALL_APP;
  const root = process.env.LANDFALL_STATE_DIR;
  if (app === undefined || root === undefined) {
    throw new Error('the program is not built: run these tests by `./landfall test e2e`');
  }
  const user = process.getuid?.() === 0 ? await serviceUser() : undefined;
  const stateDir = join(root, 'test', name);
  const chroots = join(root, 'test', 'chroots');
  const own = async (folder: string): Promise<void> => {
    await mkdir(folder, { recursive: true });
    if (user !== undefined) await chown(folder, user.uid, user.gid);
  };
  for (const folder of [join(root, 'test'), chroots, stateDir]) await own(folder);
  for (const machine of machines) {
    await own(join(stateDir, machine));
    const link = join(stateDir, machine, 'chroots');
    if (!(await exists(link))) await symlink(chroots, link);
  }
  const common = (surroundings: Surroundings) => ({
    cwd: '/',
    env: { LANDFALL_STATE_DIR: stateDir, HOME: stateDir, ...surroundings.env },
    ...(user === undefined || surroundings.within?.asCaller === true ? {} : { user: { uid: user.uid, gid: user.gid } }),
  });
  const argv = (args: readonly string[], surroundings: Surroundings): [string, ...string[]] => {
    const [first, ...rest] = surroundings.within?.argv ?? [];
    const own: [string, ...string[]] = [process.execPath, app, ...args];
    return first === undefined ? own : [first, ...rest, ...own];
  };
  const limits = (options: RunOptions) => ({
    deadlineMs: options.deadlineMs ?? 60_000,
    ...(options.okCodes === undefined ? {} : { okCodes: options.okCodes }),
  });
  return {
    stateDir,
    user,
    run: async (args, options = {}) =>
      await exec(argv(args, options), {
        doing: `run landfall ${args.join(' ')}`,
        ...common(options),
        ...limits(options),
      }),
    start: async (args, output, surroundings = {}) =>
      await spawnService(argv(args, surroundings), {
        doing: `start landfall ${args.join(' ')}`,
        ...common(surroundings),
        output: { file: output },
      }),
    beside: async (other, options = {}) =>
      await exec(other, {
        ...common(options),
        ...limits(options),
        mergeStderr: true,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      }),
  };
}

/**
 * Runs a program as its user in a mount namespace of its own, after `script` has mounted what a test needs there. Root makes the
 * namespace and steps down; anybody else is root of a user namespace for that long, and themselves again behind it. The script
 * may run the program before by itself: `$as "$@"`.
 */
export function withMounts(program: Program, script: string): NonNullable<Surroundings['within']> {
  const { user } = program;
  const ids = [String(user?.uid ?? process.getuid?.()), String(user?.gid ?? process.getgid?.())] as const;
  const [outside, back] =
    user === undefined
      ? [['--user', '--map-root-user'], `unshare --user --map-user=${ids[0]} --map-group=${ids[1]} --`]
      : [[], `setpriv --reuid=${ids[0]} --regid=${ids[1]} --init-groups --`];
  return {
    argv: ['unshare', ...outside, '--mount', 'sh', '-c', `set -e\nas='${back}'\n${script}\nexec $as "$@"`, 'sh'],
    asCaller: true,
  };
}

async function serviceUser(): Promise<SystemUser> {
  const user = await findUser('landfall');
  if (user === undefined) throw new Error('there is no user landfall: run these tests by `./landfall test e2e`');
  return user;
}
