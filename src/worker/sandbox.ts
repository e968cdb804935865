/**
 * A throw-away root for one job: an overlay over a cached base, run in user, mount, pid, network, ipc and uts namespaces
 * without any privilege on the machine. Each {@link Root.run} is a fresh set of namespaces over the same files, so nothing that
 * one phase started lives in the next; network is only a loopback of its own.
 *
 * Promises: after `remove` nothing is left; when the worker is killed, the kernel ends every process of its sandboxes
 * (`--pdeathsig`, `--kill-child`), and {@link sweepRoots} removes their files at the next start; a limit that
 * struck is named in the result; a base is never written.
 */
import { open, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LandfallError, toError } from '../platform/errors.ts';
import { exec, type OutputHandler } from '../platform/exec.ts';
import { ensureDirectory, exists, makeTemporaryDirectory } from '../platform/files.ts';
import type { Cgroup, Cgroups } from './cgroups.ts';
import { describeLimit, type LimitCode, type RunLimits } from './limits.ts';
import { isAlive, ownMark } from './process-mark.ts';
import { ROOT_CAPABILITIES, SANDBOX_INIT, encodePlan, type PlanEntry } from './sandbox-init.ts';
import { DIE_WITH_PARENT, UNSHARE_USER, removeForeignTree } from './user-namespace.ts';
import { watchSandbox, type Strike } from './watch.ts';

/** Who a command runs as: `root` may only what installing packages needs, `builder` nothing. */
export type SandboxUser = 'root' | 'builder';

/** The builder's number; the base has its name. */
export const BUILDER_ID = 1000;
const HOSTNAME = 'landfall';
const OWNER_FILE = 'owner';

export interface Bind {
  /** A folder of the machine, seen read-only at `to` for this command only. */
  readonly from: string;
  readonly to: string;
}

export interface RunOptions {
  readonly argv: readonly [string, ...string[]];
  readonly user: SandboxUser;
  /** Default `/`. */
  readonly cwd?: string;
  /** Added to PATH, LANG=C.UTF-8, HOME=/nonexistent. */
  readonly env?: Readonly<Record<string, string>>;
  readonly binds?: readonly Bind[];
  readonly limits: RunLimits;
  /** stdout and stderr, in the order in which they were written. */
  readonly onOutput: OutputHandler;
  readonly signal?: AbortSignal;
}

export type RunResult =
  | { readonly kind: 'ended'; readonly code: number; readonly use: RunUse }
  | { readonly kind: 'limit'; readonly code: LimitCode; readonly reason: string; readonly use: RunUse };

export interface RunUse {
  readonly seconds: number;
  readonly cpuSeconds: number | undefined;
  readonly peakMemoryBytes: number | undefined;
}

export interface Root {
  readonly folder: string;
  /**
   * Runs a command to its end. Whatever it started is gone when this returns.
   * @throws LandfallError `sandbox.setup`, `sandbox.died`, `storage.full`; `exec.aborted` when `signal` fired
   */
  run(options: RunOptions): Promise<RunResult>;
  /** Where a path of the root lies on the machine, for what was made in it; only while nothing runs. */
  made(path: string): string;
  remove(): Promise<void>;
}

export interface RootOptions {
  /** The base's tree. */
  readonly base: string;
  /** Where roots lie; a folder of this one's own is made in it. */
  readonly parent: string;
  readonly cgroups: Cgroups | undefined;
  /** Made in the root, owned by the builder. */
  readonly directories?: readonly string[];
}

/** Makes a root; nothing is mounted before the first command. */
export async function createRoot(options: RootOptions): Promise<Root> {
  await ensureDirectory(options.parent, 0o755);
  const { path: folder } = await makeTemporaryDirectory('root-', options.parent);
  const owner = await open(join(folder, OWNER_FILE), 'wx');
  await owner.writeFile(await ownMark());
  await owner.close();
  for (const name of ['lower', 'upper', 'work', 'merged']) await ensureDirectory(join(folder, name), 0o755);
  let runs = 0;
  return {
    folder,
    run: async (run) => {
      runs += 1;
      return await runInRoot(folder, `${groupName(folder)}-${runs}`, options, run);
    },
    made: (path) => join(folder, 'upper', path),
    remove: () => removeForeignTree(folder),
  };
}

/** Removes the roots, and their control groups, of workers that live no more. */
export async function sweepRoots(parent: string, cgroups: Cgroups | undefined): Promise<number> {
  if (!(await exists(parent))) return 0;
  let removed = 0;
  for (const name of await readdir(parent)) {
    if (!name.startsWith('root-')) continue;
    const folder = join(parent, name);
    const owner = await readFile(join(folder, OWNER_FILE), 'utf8').catch(() => '');
    if (await isAlive(owner)) continue;
    await cgroups?.sweep(`${groupName(folder)}-`);
    await removeForeignTree(folder);
    removed += 1;
  }
  return removed;
}

function groupName(folder: string): string {
  return folder.slice(folder.lastIndexOf('/') + 1);
}

/** Notes its own number, enters the control groups, becomes the program. */
const LAUNCHER = `echo $$ >"$1"; shift
while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 124; shift; done
shift; exec "$@"`;

async function runInRoot(folder: string, name: string, root: RootOptions, options: RunOptions): Promise<RunResult> {
  const doing = `run ${options.argv[0]} in a sandbox`;
  const { limits } = options;
  const pidFile = join(folder, 'pid');
  await rm(pidFile, { force: true });
  const cgroup = await root.cgroups?.make(name, limits);
  const facts = await open(join(folder, 'facts'), 'w+');
  const stop = new AbortController();
  const forward = (): void => stop.abort(options.signal?.reason);
  if (options.signal?.aborted === true) forward();
  options.signal?.addEventListener('abort', forward, { once: true });
  const watch = watchSandbox({
    limits,
    cgroup,
    pidFile,
    upper: join(folder, 'upper'),
    onStrike: (strike) => stop.abort(strike),
  });
  const started = performance.now();
  let stderr = '';
  let failure: Error | undefined;
  try {
    const result = await exec(
      [
        'sh',
        ...['-c', LAUNCHER, 'sh', pidFile, ...(cgroup?.folders ?? []), '--'],
        ...DIE_WITH_PARENT,
        ...UNSHARE_USER,
        ...['--mount', '--pid', '--fork', '--net', '--ipc', '--uts', '--kill-child', '--'],
        ...['perl', '-e', SANDBOX_INIT],
      ],
      {
        doing,
        input: encodePlan(planOf(folder, root, options, cgroup)),
        // The watch ends it in time; this is for a watch that fails.
        deadlineMs: Math.min((limits.seconds + 60) * 1000, 2 ** 31 - 1),
        extraFiles: [facts.fd],
        okCodes: 'any',
        signal: stop.signal,
        graceMs: 100,
        stdout: async (chunk) => {
          watch.spoke(chunk);
          await options.onOutput(chunk);
        },
      },
    );
    stderr = result.stderr;
  } catch (error) {
    failure = toError(error);
  } finally {
    options.signal?.removeEventListener('abort', forward);
  }
  try {
    const seconds = (performance.now() - started) / 1000;
    const told = parseFacts(await readFile(join(folder, 'facts'), 'utf8'));
    const strike = await watch.finish(failure !== undefined || told?.kind !== 'ended' || told.code !== 0);
    const use: RunUse = {
      seconds,
      cpuSeconds: told?.kind === 'ended' ? told.cpuSeconds : undefined,
      peakMemoryBytes: await watch.peakMemoryBytes(),
    };
    return conclude({ doing, strike, failure, told, stderr, limits, use });
  } finally {
    await facts.close();
    await cgroup?.remove();
  }
}

function conclude(end: {
  readonly doing: string;
  readonly strike: Strike | undefined;
  readonly failure: Error | undefined;
  readonly told: Told | undefined;
  readonly stderr: string;
  readonly limits: RunLimits;
  readonly use: RunUse;
}): RunResult {
  const { doing, strike, failure, told, use } = end;
  if (strike?.kind === 'fault') throw strike.error;
  if (strike !== undefined) {
    return { kind: 'limit', code: strike.code, reason: describeLimit(strike.code, end.limits), use };
  }
  if (failure !== undefined) throw failure;
  if (told?.kind === 'ended') return { kind: 'ended', code: told.code, use };
  const said = [...(told === undefined ? [] : [told.reason]), ...(end.stderr.trim() === '' ? [] : [end.stderr.trim()])];
  throw new LandfallError({
    code: told === undefined ? 'sandbox.died' : 'sandbox.setup',
    doing,
    reason: said.join('; ') || 'it ended without saying why',
    remedy: /mount of overlay/.test(said.join())
      ? 'put the state folder on a file system that can carry an overlay: ext4, xfs, btrfs or tmpfs, not a container’s own'
      : 'run: landfall doctor',
  });
}

type Told =
  | { readonly kind: 'ended'; readonly code: number; readonly cpuSeconds: number }
  | { readonly kind: 'setup'; readonly reason: string };

/** What process 1 wrote about the run; see sandbox-init.ts. */
export function parseFacts(text: string): Told | undefined {
  const setup = /^setup (.*)$/m.exec(text)?.[1];
  if (setup !== undefined) return { kind: 'setup', reason: setup };
  const [, code, cpu] = /^ended (\d+) (\d+\.\d+)$/m.exec(text) ?? [];
  if (code === undefined || cpu === undefined) return undefined;
  return { kind: 'ended', code: Number(code), cpuSeconds: Number(cpu) };
}

const RLIMIT = { cpu: 0, fsize: 1, data: 2, core: 4, nproc: 6 } as const;

function planOf(folder: string, root: RootOptions, options: RunOptions, cgroup: Cgroup | undefined): PlanEntry[] {
  const { limits } = options;
  const id = options.user === 'root' ? 0 : BUILDER_ID;
  const env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    HOME: options.user === 'root' ? '/root' : '/nonexistent',
    USER: options.user,
    LOGNAME: options.user,
    ...options.env,
  };
  return [
    ['folder', folder],
    ['base', root.base],
    ['hostname', HOSTNAME],
    ['shm', String(Math.floor(limits.memoryBytes / 2))],
    ...(root.directories ?? []).map((path): PlanEntry => ['directory', `${path}:${BUILDER_ID}:${BUILDER_ID}:755`]),
    ...(options.binds ?? []).map(({ from, to }): PlanEntry => ['bind', `${from}\t${to}`]),
    ['uid', String(id)],
    ['gid', String(id)],
    ...(options.user === 'root' ? ROOT_CAPABILITIES : []).map((one): PlanEntry => ['capability', String(one)]),
    ['rlimit', `${RLIMIT.core}:0`],
    // Of each process alone; the watch counts them all, and this is for a watch that fails.
    ['rlimit', `${RLIMIT.cpu}:${Math.ceil(limits.cpuSeconds) + 60}`],
    ['rlimit', `${RLIMIT.fsize}:${limits.diskBytes}`],
    // A group counts exactly. Without one a process may take twice the limit at most, and the watch sees it before that.
    ...(cgroup === undefined
      ? ([
          ['rlimit', `${RLIMIT.data}:${limits.memoryBytes * 2}`],
          ['rlimit', `${RLIMIT.nproc}:${limits.processes}`],
        ] satisfies PlanEntry[])
      : []),
    ['cwd', options.cwd ?? '/'],
    ...Object.entries(env).map(([key, value]): PlanEntry => ['env', `${key}=${value}`]),
    ...options.argv.map((one): PlanEntry => ['arg', one]),
  ];
}
