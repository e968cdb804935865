/**
 * Control groups for sandboxes, where the machine lets us have some: the kernel then counts memory and processes of a whole
 * build, ends what goes too far, and says that it did.
 *
 * Version 2: the subtree that this process is in, when it was delegated to this user (systemd's `Delegate=yes`). Version 1: the
 * folders `landfall` below the memory and pids controllers, given to this user by root (the launcher does). Neither:
 * `findCgroups` gives undefined and watch.ts counts by hand.
 *
 * @see cgroups(7), Documentation/admin-guide/cgroup-v2.rst, Documentation/admin-guide/cgroup-v1/memory.rst
 */
import { access, constants, mkdir, readFile, readdir, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isErrnoException } from '../platform/errors.ts';

const ROOT = '/sys/fs/cgroup';
const NAME = 'landfall';
/** Where the processes go that were in a group before it got children with limits. */
const MAIN = 'main';

export interface CgroupLimits {
  readonly memoryBytes: number;
  readonly processes: number;
}

/** A group for one build. */
export interface Cgroup {
  /** A process enters by writing its number into `cgroup.procs` of each of them. */
  readonly folders: readonly string[];
  /** Whether the kernel enforced a limit since the group was made. */
  strikes(): Promise<{ readonly memory: boolean; readonly processes: boolean }>;
  /** Largest memory use so far, when the kernel tells. */
  peakMemoryBytes(): Promise<number | undefined>;
  /** Processor time so far, when the kernel tells. */
  cpuSeconds(): Promise<number | undefined>;
  /** Ends what is left in it and removes it. */
  remove(): Promise<void>;
}

export interface Cgroups {
  readonly version: 1 | 2;
  make(name: string, limits: CgroupLimits): Promise<Cgroup>;
  /** Removes the groups that a worker of the same name left behind. */
  sweep(prefix: string): Promise<void>;
}

/** What this process may make groups in. */
export async function findCgroups(root: string = ROOT): Promise<Cgroups | undefined> {
  return (await findVersion2(root)) ?? (await findVersion1(root));
}

async function findVersion2(root: string): Promise<Cgroups | undefined> {
  const text = await readFile('/proc/self/cgroup', 'utf8');
  const path = /^0::(\/.*)$/m.exec(text)?.[1];
  if (path === undefined) return undefined;
  const own = join(root, path);
  // A predecessor of this process may have moved it already.
  const folder = basename(own) === MAIN ? dirname(own) : own;
  if (!folder.startsWith(root) || !(await hasControllers(folder)) || !(await writable(folder))) return undefined;
  try {
    if (folder === own) await emptyInto(folder, join(folder, MAIN));
    await writeFile(join(folder, 'cgroup.subtree_control'), '+memory +pids');
  } catch (error) {
    if (isErrnoException(error)) return undefined;
    throw error;
  }
  return {
    version: 2,
    make: (name, limits) => makeVersion2(join(folder, name), limits),
    sweep: (prefix) => sweepIn([folder], prefix),
  };
}

/** A group with limits for its children may hold no process itself. */
async function emptyInto(folder: string, child: string): Promise<void> {
  await mkdir(child, { recursive: true });
  for (const pid of await processesOf(folder)) {
    await writeFile(join(child, 'cgroup.procs'), pid).catch(ignoreGone);
  }
}

async function makeVersion2(folder: string, limits: CgroupLimits): Promise<Cgroup> {
  await mkdir(folder);
  await writeFile(join(folder, 'memory.max'), String(limits.memoryBytes));
  await writeFile(join(folder, 'memory.swap.max'), '0').catch(ignoreMissing);
  await writeFile(join(folder, 'pids.max'), String(limits.processes));
  return {
    folders: [folder],
    strikes: async () => ({
      memory: (await readCounter(join(folder, 'memory.events'), 'oom_kill')) > 0,
      processes: (await readCounter(join(folder, 'pids.events'), 'max')) > 0,
    }),
    peakMemoryBytes: () => readNumber(join(folder, 'memory.peak')),
    // The file is there also where the cpu controller is not.
    cpuSeconds: async () => {
      const microseconds = await readCounter(join(folder, 'cpu.stat'), 'usage_usec');
      return microseconds > 0 ? microseconds / 1e6 : undefined;
    },
    remove: () => removeGroup(folder),
  };
}

async function findVersion1(root: string): Promise<Cgroups | undefined> {
  const memory = join(root, 'memory', NAME);
  const pids = join(root, 'pids', NAME);
  if (!(await writable(memory)) || !(await writable(pids))) return undefined;
  return {
    version: 1,
    make: (name, limits) => makeVersion1(join(memory, name), join(pids, name), limits),
    sweep: (prefix) => sweepIn([memory, pids], prefix),
  };
}

async function makeVersion1(memory: string, pids: string, limits: CgroupLimits): Promise<Cgroup> {
  await mkdir(memory);
  await mkdir(pids);
  await writeFile(join(memory, 'memory.limit_in_bytes'), String(limits.memoryBytes));
  await writeFile(join(memory, 'memory.memsw.limit_in_bytes'), String(limits.memoryBytes)).catch(ignoreMissing);
  await writeFile(join(pids, 'pids.max'), String(limits.processes));
  return {
    folders: [memory, pids],
    strikes: async () => ({
      memory: (await readCounter(join(memory, 'memory.oom_control'), 'oom_kill')) > 0,
      processes: (await readCounter(join(pids, 'pids.events'), 'max')) > 0,
    }),
    peakMemoryBytes: () => readNumber(join(memory, 'memory.max_usage_in_bytes')),
    cpuSeconds: async () => await Promise.resolve(undefined),
    remove: async () => {
      await removeGroup(memory);
      await removeGroup(pids);
    },
  };
}

async function sweepIn(folders: readonly string[], prefix: string): Promise<void> {
  for (const folder of folders) {
    for (const name of await readdir(folder)) {
      if (name.startsWith(prefix)) await removeGroup(join(folder, name));
    }
  }
}

/** A group can be removed when its last process is gone, which may take a moment after it was killed. */
async function removeGroup(folder: string): Promise<void> {
  for (let round = 0; round < 100; round += 1) {
    try {
      await rmdir(folder);
      return;
    } catch (error) {
      if (!isErrnoException(error) || error.code === 'ENOENT') return;
      if (error.code !== 'EBUSY') throw error;
    }
    for (const pid of await processesOf(folder)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch (error) {
        // Gone already, or one of a subordinate id: that one ends with its process 1, which is ours.
        if (!isErrnoException(error)) throw error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function processesOf(folder: string): Promise<string[]> {
  const text = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

async function hasControllers(folder: string): Promise<boolean> {
  const text = await readFile(join(folder, 'cgroup.controllers'), 'utf8').catch(() => '');
  const words = text.trim().split(' ');
  return words.includes('memory') && words.includes('pids');
}

async function writable(folder: string): Promise<boolean> {
  try {
    await access(folder, constants.W_OK);
    await access(join(folder, 'cgroup.procs'), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function readCounter(file: string, name: string): Promise<number> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

async function readNumber(file: string): Promise<number | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return /^\d+\n?$/.test(text) ? Number(text) : undefined;
}

function ignoreMissing(error: unknown): void {
  if (!isErrnoException(error) || !['ENOENT', 'EACCES', 'EOPNOTSUPP'].includes(error.code)) throw error;
}

function ignoreGone(error: unknown): void {
  if (!isErrnoException(error) || error.code !== 'ESRCH') throw error;
}
