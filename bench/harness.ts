/**
 * What a benchmark is, and what becomes of its samples. Contestants take turns over the same input, so that whatever else the
 * machine does meets all of them alike; of each the median, the least and the most are said.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { exec, type ExecOptions } from '../src/platform/exec.ts';
import { makeTemporaryDirectory } from '../src/platform/files.ts';

/** One measure as it is declared: what is known of it before anything was run. */
export interface MeasureSpec {
  readonly measure: string;
  /** What it means, in a clause. */
  readonly says: string;
  readonly unit: string;
  /** Default lower: most measures are times. */
  readonly better?: 'lower' | 'higher';
  /**
   * Comparisons joined by `and`: `ours.median < 80 and ratio.reprepro >= 40`. A ratio says how many times better ours is.
   * Undefined where the measure is only for comparison.
   */
  readonly target?: string;
}

export interface Sample {
  readonly value: number;
  /** Peak resident memory of the contestant, where it is known. */
  readonly rssMb?: number | undefined;
}

export interface Figures {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rss_mb?: number;
}

/** One line of `--json`. */
export interface Measure {
  readonly bench: string;
  readonly measure: string;
  /** Of the input: packages, tags. */
  readonly size: number;
  readonly unit: string;
  readonly ours: Figures;
  readonly peers: Readonly<Record<string, Figures>>;
  readonly ratio: Readonly<Record<string, number>>;
  readonly target?: string;
  readonly met?: boolean;
}

export interface BenchContext {
  /** A folder of this benchmark's own that is kept between runs, for what is made once. */
  readonly folder: string;
  /** The program as the launcher has built it. */
  readonly app: string;
  /** How often each contestant is run. */
  readonly rounds: number;
  /** Numbers of the command line, as the benchmark declares them. */
  readonly options: Readonly<Record<string, number>>;
  /** Says what goes on, where somebody is watching. */
  readonly progress: (text: string) => void;
  /** Aborted when the run is interrupted. */
  readonly signal: AbortSignal;
}

export interface Benchmark {
  readonly name: string;
  readonly says: string;
  readonly rounds: number;
  readonly options: Readonly<Record<string, { readonly says: string; readonly value: number }>>;
  readonly measures: readonly MeasureSpec[];
  /** Programs whose versions are said, as argv. */
  readonly versions: Readonly<Record<string, readonly [string, ...string[]]>>;
  readonly run: (context: BenchContext) => Promise<readonly Result[]>;
}

/** The samples of one measure. */
export interface Result {
  readonly measure: string;
  readonly size: number;
  readonly ours: readonly Sample[];
  readonly peers?: Readonly<Record<string, readonly Sample[]>>;
}

/** Runs every contestant once in each round; who begins changes from round to round. Gives the samples of each. */
export async function interleave(
  rounds: number,
  contestants: ReadonlyMap<string, (round: number) => Promise<Sample>>,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, readonly Sample[]>> {
  const order = [...contestants];
  const samples = new Map(order.map(([name]): [string, Sample[]] => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    const first = round % order.length;
    for (const [name, contest] of [...order.slice(first), ...order.slice(0, first)]) {
      signal?.throwIfAborted();
      samples.get(name)?.push(await contest(round));
    }
  }
  return samples;
}

/** Runs a program to its end: its wall time in seconds, and the most memory that it or one of its children had. */
export async function timed(argv: readonly [string, ...string[]], options: ExecOptions): Promise<Sample> {
  const folder = await makeTemporaryDirectory('lf-bench-');
  try {
    const facts = `${folder.path}/time`;
    const { durationMs } = await exec(['time', '--format=%M', `--output=${facts}`, '--', ...argv], options);
    const kilobytes = Number((await readFile(facts, 'utf8')).trim().split('\n').at(-1));
    return { value: durationMs / 1000, ...(Number.isFinite(kilobytes) ? { rssMb: kilobytes / 1024 } : {}) };
  } finally {
    await folder.remove();
  }
}

/** Memory of a running process in MB: what is resident now, and the most since it began or {@link resetPeak}. */
export async function memoryOf(pid: number): Promise<{ readonly rssMb: number; readonly peakMb: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return { rssMb: field('VmRSS'), peakMb: field('VmHWM') };
}

/** Forgets the peak of a running process. @see proc(5), clear_refs */
export async function resetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  const lower = sorted[sorted.length % 2 === 0 ? middle - 1 : middle];
  return upper === undefined || lower === undefined ? Number.NaN : (lower + upper) / 2;
}

/** A measure as it is said, with its ratios and whether its target is met. */
export function judge(bench: string, spec: MeasureSpec, result: Result): Measure {
  const ours = figures(result.ours);
  const peers = Object.fromEntries(
    Object.entries(result.peers ?? {}).map(([name, samples]) => [name, figures(samples)]),
  );
  const ratio = Object.fromEntries(
    Object.entries(peers).map(([name, peer]) => [
      name,
      round(spec.better === 'higher' ? ours.median / peer.median : peer.median / ours.median),
    ]),
  );
  return {
    bench,
    measure: spec.measure,
    size: result.size,
    unit: spec.unit,
    ours,
    peers,
    ratio,
    ...(spec.target === undefined ? {} : { target: spec.target, met: isMet(spec.target, ours, ratio) }),
  };
}

function figures(samples: readonly Sample[]): Figures {
  const values = samples.map(({ value }) => value);
  const memory = samples.flatMap(({ rssMb }) => (rssMb === undefined ? [] : [rssMb]));
  return {
    median: round(median(values)),
    min: round(Math.min(...values)),
    max: round(Math.max(...values)),
    ...(memory.length === 0 ? {} : { rss_mb: round(Math.max(...memory)) }),
  };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** @throws when a target is not written as {@link MeasureSpec} says: that is a fault of the benchmark. */
export function isMet(target: string, ours: Figures, ratio: Readonly<Record<string, number>>): boolean {
  return target.split(' and ').every((comparison) => {
    const [, what, name, operator, limit] =
      /^(ours|ratio)\.(\S+) (<|<=|>|>=) (\d+(?:\.\d+)?)$/.exec(comparison.trim()) ?? [];
    if (what === undefined || name === undefined) throw new Error(`this is no target: ${comparison}`);
    const found = what === 'ratio' ? ratio[name] : new Map<string, number>(Object.entries(ours)).get(name);
    if (found === undefined) return false;
    if (operator === '<') return found < Number(limit);
    if (operator === '<=') return found <= Number(limit);
    return operator === '>' ? found > Number(limit) : found >= Number(limit);
  });
}
