/**
 * Watches a running sandbox and says which limit it broke. Where the kernel holds memory and processes (cgroups.ts) its counters
 * are read; elsewhere the process tree is summed up. Disk is held by looking at what the root's upper layer has grown to:
 * often when the file system fills quickly, seldom when nothing happens, since looking costs.
 */
import { readFile } from 'node:fs/promises';
import { LandfallError, toError } from '../platform/errors.ts';
import { freeSpace } from '../platform/files.ts';
import type { Cgroup } from './cgroups.ts';
import type { LimitCode, RunLimits } from './limits.ts';
import { clockTicks, measureTree, pageSize, type TreeUse } from './process-tree.ts';
import { execInUserNamespace } from './user-namespace.ts';

/** Less free room than this ends a build before it fills the machine's disk. */
const RESERVED_BYTES = 256 * 1024 ** 2;
/**
 * Without a control group the process limit is each user's own (RLIMIT_NPROC): the kernel refuses and tells nobody but the
 * program, and a burst may be over before the next look. So it is the program's word that is taken.
 */
const FORK_REFUSED =
  /\b(?:[Cc]annot|[Cc]an't) fork\b|\b(?:v?fork|clone|posix_spawn|pthread_create)\b.{0,60}Resource temporarily unavailable/;
const TICK_MS = 200;
/** Processor time is looked at so often where it costs a walk through /proc. */
const WALK_EVERY_MS = 2_000;
const MEASURE_AT_MOST_EVERY_MS = 1_000;
const MEASURE_AT_LEAST_EVERY_MS = 30_000;

export interface WatchOptions {
  readonly limits: RunLimits;
  readonly cgroup: Cgroup | undefined;
  /** Holds the number of the sandbox's outermost process as soon as it runs. */
  readonly pidFile: string;
  /** What the build writes goes below it. */
  readonly upper: string;
  /** Called once, at the first limit that is broken or when the machine runs out of room. */
  readonly onStrike: (strike: Strike) => void;
}

export type Strike =
  { readonly kind: 'limit'; readonly code: LimitCode } | { readonly kind: 'fault'; readonly error: Error };

export interface Watch {
  /** The sandbox said something. */
  spoke(bytes: Buffer): void;
  /** Ends watching and looks a last time: a limit that the end of the build was due to is named, too. */
  finish(failed: boolean): Promise<Strike | undefined>;
  readonly peakMemoryBytes: () => Promise<number | undefined>;
}

/** Begins to watch. The sandbox may not have started yet. */
export function watchSandbox(options: WatchOptions): Watch {
  const { limits, cgroup } = options;
  const started = performance.now();
  let lastSpoke = started;
  let lastWalk = started;
  let logged = 0;
  let struck: Strike | undefined;
  let stopped = false;
  let peak = 0;
  let forkRefused = false;
  const disk = watchDisk(options.upper, limits);

  const strike = (found: Strike): void => {
    if (struck !== undefined || stopped) return;
    struck = found;
    options.onStrike(found);
  };
  const tree = async (): Promise<TreeUse | undefined> => {
    const root = Number(await readFile(options.pidFile, 'utf8').catch(() => ''));
    return root > 0 ? await measureTree(root, await bytesOfPage()) : undefined;
  };
  const look = async (): Promise<LimitCode | undefined> => {
    const now = performance.now();
    if (now - started > limits.seconds * 1000) return 'limit.time';
    if (now - lastSpoke > limits.silentSeconds * 1000) return 'limit.silence';
    if (cgroup !== undefined) {
      const strikes = await cgroup.strikes();
      if (strikes.memory) return 'limit.memory';
      if (strikes.processes) return 'limit.processes';
      const counted = await cgroup.cpuSeconds();
      const walk = counted === undefined && now - lastWalk > WALK_EVERY_MS;
      if (walk) lastWalk = now;
      const cpuSeconds = counted ?? (walk ? await cpuSecondsOf(await tree()) : 0);
      if (cpuSeconds > limits.cpuSeconds) return 'limit.cpu';
    } else {
      const use = await tree();
      if (use !== undefined) {
        peak = Math.max(peak, use.residentBytes);
        if (use.residentBytes > limits.memoryBytes) return 'limit.memory';
        if (use.tasks >= limits.processes) return 'limit.processes';
        if ((await cpuSecondsOf(use)) > limits.cpuSeconds) return 'limit.cpu';
      }
    }
    return (await disk.broken()) ? 'limit.disk' : undefined;
  };
  const watchingOn = (): boolean => !stopped && struck === undefined;
  const watching = (async (): Promise<void> => {
    while (watchingOn()) {
      try {
        const code = await look();
        if (code !== undefined) strike({ kind: 'limit', code });
      } catch (error) {
        strike({ kind: 'fault', error: toError(error) });
      }
      await wait(TICK_MS);
    }
  })();

  const wakers = new Set<() => void>();
  async function wait(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        wakers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      wakers.add(done);
    });
  }

  return {
    spoke: (bytes) => {
      lastSpoke = performance.now();
      logged += bytes.length;
      if (cgroup === undefined && !forkRefused) forkRefused = FORK_REFUSED.test(bytes.toString('latin1'));
      if (logged > limits.logBytes) strike({ kind: 'limit', code: 'limit.log' });
    },
    finish: async (failed) => {
      stopped = true;
      for (const wake of wakers) wake();
      await watching;
      if (struck !== undefined || !failed) return struck;
      if (cgroup !== undefined) {
        const strikes = await cgroup.strikes();
        if (strikes.memory) return { kind: 'limit', code: 'limit.memory' };
        if (strikes.processes) return { kind: 'limit', code: 'limit.processes' };
      } else if (forkRefused) {
        return { kind: 'limit', code: 'limit.processes' };
      }
      return (await disk.full()) ? { kind: 'limit', code: 'limit.disk' } : undefined;
    },
    peakMemoryBytes: async () => (cgroup === undefined ? peak : await cgroup.peakMemoryBytes()),
  };
}

interface DiskWatch {
  /** Whether more is used than allowed. @throws LandfallError `storage.full` when the machine itself runs out of room */
  broken(): Promise<boolean>;
  /** Whether what is used fills what is allowed, within a hundredth: then the build failed for it. */
  full(): Promise<boolean>;
}

function watchDisk(upper: string, limits: RunLimits): DiskWatch {
  let measuredAt = performance.now();
  let freeThen: number | undefined;
  let used = 0;
  let cost = 0;
  const over = (use: DiskUse, share: number): boolean =>
    use.bytes > limits.diskBytes * share || use.files > limits.diskFiles * share;
  const measure = async (): Promise<DiskUse> => {
    const before = performance.now();
    const use = await measureDisk(upper);
    cost = performance.now() - before;
    measuredAt = performance.now();
    used = use.bytes;
    freeThen = (await freeSpace(upper)).availableBytes;
    return use;
  };
  return {
    broken: async () => {
      const space = await freeSpace(upper);
      freeThen ??= space.availableBytes;
      const age = performance.now() - measuredAt;
      const grown = freeThen - space.availableBytes;
      const suspicious = used + grown > limits.diskBytes || space.availableBytes < RESERVED_BYTES;
      const due =
        age >
        Math.max(suspicious ? 5 * cost : 50 * cost, suspicious ? MEASURE_AT_MOST_EVERY_MS : MEASURE_AT_LEAST_EVERY_MS);
      if (space.availableBytes < RESERVED_BYTES || due || (suspicious && cost === 0)) {
        if (over(await measure(), 1)) return true;
      }
      if (space.availableBytes < RESERVED_BYTES) {
        throw new LandfallError({
          code: 'storage.full',
          doing: 'go on with the build',
          reason: 'the disk of the worker is nearly full, by other things than this build',
          remedy: `free some space where ${upper} lies`,
        });
      }
      return false;
    },
    full: async () => over(await measure(), 0.99),
  };
}

interface DiskUse {
  readonly bytes: number;
  readonly files: number;
}

/** What a tree occupies, seen as root of a user namespace, because a build may close its folders to us. */
export async function measureDisk(folder: string): Promise<DiskUse> {
  const { stdout } = await execInUserNamespace(
    ['sh', '-c', 'du -s -B1 -- "$1"; du -s --inodes -- "$1"', 'sh', folder],
    // Files vanish while a build runs, which du reports as an error.
    { doing: `measure ${folder}`, deadlineMs: 600_000, okCodes: 'any' },
  );
  const [bytes, files] = stdout
    .toString('utf8')
    .split('\n')
    .map((line) => Number(line.split('\t')[0]));
  return { bytes: bytes ?? 0, files: files ?? 0 };
}

let knownPageSize: number | undefined;
async function bytesOfPage(): Promise<number> {
  knownPageSize ??= await pageSize();
  return knownPageSize;
}

let knownTicks: number | undefined;
async function cpuSecondsOf(use: TreeUse | undefined): Promise<number> {
  knownTicks ??= await clockTicks();
  return (use?.cpuTicks ?? 0) / knownTicks;
}
