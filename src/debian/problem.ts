/**
 * What every parser of this folder returns instead of a value when the bytes are not what its manual asks for.
 *
 * A malformed file is an expected outcome: it is returned, never thrown. No value that a parser returns on success has a
 * member `kind`, so `isProblem(result)` (or `'kind' in result`) tells the two apart.
 */

/** Says what is wrong with a text, and where. `reason` is a whole sentence without the final stop, fit to be shown to a person. */
export interface Problem<Kind extends string = string> {
  readonly kind: Kind;
  readonly reason: string;
  /** Line in the text given, counted from 1. */
  readonly line?: number;
  /** Field or member that the reason speaks of. */
  readonly field?: string;
}

/** True for a problem, false for a parsed value. */
export function isProblem<T extends object>(value: T): value is Extract<T, Problem> {
  return 'kind' in value && 'reason' in value;
}

/** Makes a problem; absent places are left out rather than set to undefined. */
export function problem<Kind extends string>(
  kind: Kind,
  reason: string,
  where: { line?: number | undefined; field?: string | undefined } = {},
): Problem<Kind> {
  return {
    kind,
    reason,
    ...(where.line === undefined ? {} : { line: where.line }),
    ...(where.field === undefined ? {} : { field: where.field }),
  };
}

/** A problem as one line: `line 3, field Version: reason`. */
export function describeProblem(found: Problem): string {
  const places = [
    ...(found.line === undefined ? [] : [`line ${found.line}`]),
    ...(found.field === undefined ? [] : [`field ${found.field}`]),
  ];
  return places.length === 0 ? found.reason : `${places.join(', ')}: ${found.reason}`;
}

/** A piece of hostile text made fit for a message: bounded, on one line, nothing unprintable or direction-changing left. */
export function quote(text: string): string {
  const shown = text.slice(0, 80).replace(/[^\x20-\x7e]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
  return text.length > 80 ? `"${shown}…"` : `"${shown}"`;
}
