/** What a run says to people: a table, the machine and the versions. */
import type { Benchmark, Figures, Measure } from './harness.ts';
import type { MachineFacts } from './machine.ts';

/** A whole run, as it is kept in bench/results. */
export interface Report {
  readonly date: string;
  readonly command: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly machine: MachineFacts;
  readonly versions: Readonly<Record<string, string>>;
  readonly measures: readonly Measure[];
}

export function listing(benchmarks: readonly Benchmark[]): string {
  return benchmarks
    .map((bench) => {
      const options = Object.entries(bench.options).map(
        ([name, { says, value }]) => `      --${name} N   ${says} (default ${value})\n`,
      );
      const measures = bench.measures.map(
        ({ measure, says, unit, target }) =>
          `  ${measure} (${unit}): ${says}\n      target: ${target ?? 'none, for comparison'}\n`,
      );
      return `${bench.name}: ${bench.says}\n${measures.join('')}${options.length === 0 ? '' : `  options:\n${options.join('')}`}`;
    })
    .join('\n');
}

export function table(report: Report): string {
  const rows = [['measure', 'size', 'who', 'median', 'least', 'most', 'unit', 'memory', 'ours is', 'target', '']];
  for (const one of report.measures) {
    const target = one.target === undefined ? ['', ''] : [one.target, one.met === true ? 'met' : 'NOT MET'];
    rows.push([one.measure, String(one.size), 'landfall', ...numbers(one.ours, one.unit), '', ...target]);
    for (const [name, figures] of Object.entries(one.peers)) {
      rows.push(['', '', name, ...numbers(figures, one.unit), `${one.ratio[name] ?? '?'}×`, '', '']);
    }
  }
  const { machine, versions } = report;
  return [
    align(rows),
    '',
    `${report.command} on ${report.date}, ${report.rounds} rounds, ${report.seconds} s`,
    `${machine.system}, Linux ${machine.kernel}, ${machine.cores} cores (${machine.processor}), ${machine.memory_gb} GB, load ${machine.load} before`,
    Object.entries(versions)
      .map(([name, version]) => `${name}: ${version}`)
      .join('; '),
    '',
  ].join('\n');
}

function numbers(figures: Figures, unit: string): string[] {
  const { median, min, max, rss_mb: memory } = figures;
  return [String(median), String(min), String(max), unit, memory === undefined ? '' : `${Math.round(memory)} MB`];
}

function align(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
