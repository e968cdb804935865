/** `./landfall bench`: lists the benchmarks, or runs one and says what came of it. Exit 1 when a target was not met. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeError, toError } from '../src/platform/errors.ts';
import { ensureDirectory } from '../src/platform/files.ts';
import { BENCHMARKS } from './benchmarks.ts';
import { judge, type Benchmark, type Measure } from './harness.ts';
import { describeMachine, describeVersions } from './machine.ts';
import { listing, table, type Report } from './report.ts';

const USAGE = 2;

async function main(): Promise<number> {
  const name = process.argv.slice(2).find((arg) => !arg.startsWith('-'));
  if (name === undefined) {
    process.stdout.write(listing(BENCHMARKS));
    return 0;
  }
  const bench = BENCHMARKS.find((one) => one.name === name);
  if (bench === undefined) {
    process.stderr.write(
      `landfall: there is no benchmark '${name}'; there are ${BENCHMARKS.map((one) => one.name).join(', ')}\n`,
    );
    return USAGE;
  }
  const asked = readArguments(bench);
  if (typeof asked === 'string') {
    process.stderr.write(`landfall: ${asked}\n${listing([bench])}`);
    return USAGE;
  }
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort(new Error(signal)));

  const folder = join(variable('LANDFALL_BENCH_FOLDER'), bench.name);
  if (asked.clean) await rm(folder, { recursive: true, force: true });
  await ensureDirectory(folder, 0o755);
  const machine = await describeMachine();
  const versions = await describeVersions(bench.versions);
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
  const started = performance.now();
  const progress = progressLine();
  const results = await bench.run({
    folder,
    app: variable('LANDFALL_APP'),
    rounds: asked.rounds,
    options: asked.options,
    progress: progress.say,
    signal: interrupted.signal,
  });
  progress.end();
  const measures = results.map((result): Measure => {
    const spec = bench.measures.find(({ measure }) => measure === result.measure);
    if (spec === undefined) throw new Error(`${bench.name} does not declare the measure ${result.measure}`);
    return judge(bench.name, spec, result);
  });
  const report: Report = {
    date: `${date} UTC`,
    command: variable('LANDFALL_BENCH_COMMAND'),
    rounds: asked.rounds,
    seconds: Math.round((performance.now() - started) / 1000),
    machine,
    versions,
    measures,
  };
  if (asked.json) for (const measure of measures) process.stdout.write(`${JSON.stringify(measure)}\n`);
  else process.stdout.write(table(report));
  await writeFile(variable('LANDFALL_BENCH_RESULT'), JSON.stringify(report));
  return measures.every(({ met }) => met !== false) ? 0 : 1;
}

interface Asked {
  readonly json: boolean;
  readonly clean: boolean;
  readonly rounds: number;
  readonly options: Readonly<Record<string, number>>;
}

/** What was asked for, or what is wrong with it. */
function readArguments(bench: Benchmark): Asked | string {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        clean: { type: 'boolean' },
        record: { type: 'boolean' },
        rounds: { type: 'string' },
        ...Object.fromEntries(Object.keys(bench.options).map((name) => [name, { type: 'string' } as const])),
      },
    });
    if (positionals.length > 1) return `one benchmark is run at a time, and ${positionals.join(' ')} was asked for`;
    const given: ReadonlyMap<string, unknown> = new Map(Object.entries(values));
    const number = (name: string, otherwise: number): number => {
      const text = given.get(name);
      if (text === undefined) return otherwise;
      if (typeof text === 'string' && /^[1-9]\d{0,8}$/.test(text)) return Number(text);
      throw new Error(`--${name} takes a whole number, and ${JSON.stringify(text)} was given`);
    };
    return {
      json: given.get('json') === true,
      clean: given.get('clean') === true,
      rounds: number('rounds', bench.rounds),
      options: Object.fromEntries(
        Object.entries(bench.options).map(([name, { value }]) => [name, number(name, value)]),
      ),
    };
  } catch (error) {
    return toError(error).message;
  }
}

function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run this by ./landfall bench`);
  return value;
}

/** One line that changes, on a terminal only. */
function progressLine(): { say: (text: string) => void; end: () => void } {
  if (!process.stderr.isTTY) return { say: () => undefined, end: () => undefined };
  return {
    say: (text) => process.stderr.write(`\r\u001b[K${text}`),
    end: () => process.stderr.write('\r\u001b[K'),
  };
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`landfall: ${describeError(error)}\n`);
    process.exitCode = 1;
  },
);
