/** Every benchmark. A new one is added here and nowhere else. */
import type { Benchmark } from './harness.ts';
import { publishBenchmark } from './publish/index.ts';
import { tagsBenchmark } from './tags/index.ts';

export const BENCHMARKS: readonly Benchmark[] = [tagsBenchmark, publishBenchmark];
