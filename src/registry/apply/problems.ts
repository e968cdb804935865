/** What is wrong in a distribution file, in words that lead to the place and to the remedy. */
import { quote } from '../../debian/problem.ts';

export interface ApplyProblem {
  readonly file: string;
  /** Counted from 1; absent where the place is not known. */
  readonly line?: number;
  /** Counted from 1; only for what is no TOML at all. */
  readonly column?: number;
  /** `archive.main.suite.landing.parents`; empty for the file as a whole. */
  readonly path: string;
  /** What was found, as it reads after the path. */
  readonly problem: string;
  /** What would be right there. */
  readonly expected: string;
  /** What a person does about it. */
  readonly remedy: string;
  /** The file that must be sent along, as the distribution file names it. */
  readonly needs?: string;
}

/** One problem as one line. */
export function describeApplyProblem(problem: ApplyProblem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(':');
  const path = problem.path === '' ? '' : `${problem.path} `;
  return `${place}: ${path}${problem.problem}; expected: ${problem.expected}; ${problem.remedy}`;
}

/** A value as it is shown in a problem: bounded, on one line, nothing unprintable left. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return quote(value);
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  return Array.isArray(value) ? 'a list' : 'a table';
}

/** `a, b or c`. */
export function oneOf(names: readonly string[]): string {
  if (names.length <= 1) return names[0] ?? 'nothing';
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1) ?? ''}`;
}

/** The name of `known` that `name` was probably meant to be: few letters away. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.min(3, Math.floor(name.length / 3)));
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) > limit) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance <= limit && (best === undefined || distance < best.distance)) best = { name: candidate, distance };
  }
  return best?.name;
}

/** How many letters must be added, removed, exchanged or swapped with their neighbour. */
function editDistance(one: string, other: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const same = one[row - 1] === other[column - 1] ? 0 : 1;
      let least = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + same,
      );
      if (row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]) {
        least = Math.min(least, (before[column - 2] ?? 0) + 1);
      }
      current.push(least);
    }
    before = previous;
    previous = current;
  }
  return previous[other.length] ?? 0;
}
