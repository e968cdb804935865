/** Spans of time as people write them in files: `30s`, `10min`, `12h`, `7d`, `2w`. Inside they are whole seconds. */

const UNITS: ReadonlyMap<string, number> = new Map([
  ['s', 1],
  ['min', 60],
  ['h', 3600],
  ['d', 86_400],
  ['w', 604_800],
]);

/** Longer ones overflow nothing, and nobody means them. */
const MAX_SECONDS = 100 * 366 * 86_400;

/** Seconds, or undefined when the text is no span of time. */
export function parseDuration(text: string): number | undefined {
  const match = /^([0-9]{1,9})(s|min|h|d|w)$/.exec(text);
  const unit = UNITS.get(match?.[2] ?? '');
  if (match === null || unit === undefined) return undefined;
  const seconds = Number(match[1]) * unit;
  return seconds <= MAX_SECONDS ? seconds : undefined;
}

/** The shortest way to write it. */
export function formatDuration(seconds: number): string {
  if (seconds === 0) return '0s';
  for (const unit of ['w', 'd', 'h', 'min']) {
    const size = UNITS.get(unit) ?? 1;
    // Days read better than weeks, unless there are many.
    if (unit === 'w' && seconds < 4 * size) continue;
    if (seconds % size === 0) return `${seconds / size}${unit}`;
  }
  return `${seconds}s`;
}

/** As PostgreSQL's `interval` takes it. */
export function toInterval(seconds: number): string {
  return seconds % 86_400 === 0 ? `${seconds / 86_400} days` : `${seconds} seconds`;
}
