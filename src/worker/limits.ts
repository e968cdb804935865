/**
 * What a build may use, and the names under which a limit that struck stands in the result. A job may say its own; what it
 * does not say comes from its size class, and nothing is more than the machine has.
 */
import type { Limits, SizeClass } from './wire.ts';

export interface RunLimits {
  /** Of all processes together. */
  readonly memoryBytes: number;
  /** Of what the build writes into its root. */
  readonly diskBytes: number;
  /** Files and folders that it makes there. */
  readonly diskFiles: number;
  /** Processes and threads at the same time. */
  readonly processes: number;
  /** From the start of the first command to the end of the last. */
  readonly seconds: number;
  /** Of processor time, of all processes together. */
  readonly cpuSeconds: number;
  /** Without a byte of output. */
  readonly silentSeconds: number;
  readonly logBytes: number;
}

export type LimitCode =
  'limit.memory' | 'limit.processes' | 'limit.disk' | 'limit.time' | 'limit.cpu' | 'limit.silence' | 'limit.log';

const GIB = 1024 ** 3;
const HOUR = 3600;

type SizeLimits = Omit<RunLimits, 'cpuSeconds'>;

const BY_SIZE: Readonly<Record<SizeClass, SizeLimits>> = {
  small: limits(2, 8, 2 * HOUR),
  medium: limits(6, 24, 6 * HOUR),
  large: limits(24, 96, 24 * HOUR),
};

function limits(memoryGib: number, diskGib: number, seconds: number): SizeLimits {
  return {
    memoryBytes: memoryGib * GIB,
    diskBytes: diskGib * GIB,
    diskFiles: 2_000_000,
    processes: 4_096,
    seconds,
    silentSeconds: 2.5 * HOUR,
    logBytes: GIB / 4,
  };
}

/** What of the machine one job may have. */
export interface MachineShare {
  readonly memoryBytes: number;
  readonly processors: number;
}

/**
 * The limits of a job. A tenth of the machine's memory is left to others; of processor time a job may have what its processors
 * give in its time, and no more by starting more threads.
 */
export function resolveLimits(asked: Limits, sizeClass: SizeClass, share: MachineShare): RunLimits {
  const base = BY_SIZE[sizeClass];
  const seconds = asked.seconds ?? base.seconds;
  return {
    memoryBytes: Math.min(asked.memoryBytes ?? base.memoryBytes, Math.floor(share.memoryBytes * 0.9)),
    diskBytes: asked.diskBytes ?? base.diskBytes,
    diskFiles: base.diskFiles,
    processes: asked.processes ?? base.processes,
    seconds,
    cpuSeconds: asked.cpuSeconds ?? seconds * share.processors,
    silentSeconds: asked.silentSeconds ?? base.silentSeconds,
    logBytes: asked.logBytes ?? base.logBytes,
  };
}

/** What a job has used up of what is counted over all its commands. */
export interface Spent {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly logBytes: number;
}

/** What is left for the next command. Never nothing: then the limit strikes at once, and is named. */
export function remainingLimits(limits: RunLimits, spent: Spent): RunLimits {
  const left = (limit: number, used: number): number => Math.max(0.001, limit - used);
  return {
    ...limits,
    seconds: left(limits.seconds, spent.seconds),
    cpuSeconds: left(limits.cpuSeconds, spent.cpuSeconds),
    logBytes: left(limits.logBytes, spent.logBytes),
  };
}

/** The sentence for a limit that struck. */
export function describeLimit(code: LimitCode, run: RunLimits): string {
  switch (code) {
    case 'limit.memory':
      return `the build used more than its ${formatBytes(run.memoryBytes)} of memory`;
    case 'limit.processes':
      return `the build started more than its ${run.processes} processes`;
    case 'limit.disk':
      return `the build wrote more than its ${formatBytes(run.diskBytes)} or ${run.diskFiles} files`;
    case 'limit.time':
      return `the build ran longer than its ${formatSeconds(run.seconds)}`;
    case 'limit.cpu':
      return `the build used more than its ${formatSeconds(run.cpuSeconds)} of processor time`;
    case 'limit.silence':
      return `the build printed nothing for ${formatSeconds(run.silentSeconds)}`;
    case 'limit.log':
      return `the build printed more than its ${formatBytes(run.logBytes)}`;
  }
}

/** `1.5 GiB` */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number(value.toFixed(1))} ${units[unit] ?? ''}`;
}

/** `2 h 30 min` */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
  const hours = Math.floor(seconds / HOUR);
  const minutes = Math.floor((seconds % HOUR) / 60);
  return [...(hours > 0 ? [`${hours} h`] : []), ...(minutes > 0 ? [`${minutes} min`] : [])].join(' ');
}
