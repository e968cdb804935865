/**
 * Faults: what could not be done, why, and what mends it.
 *
 * Expected outcomes are values, never exceptions. What is thrown is a {@link LandfallError}: its `code` is stable and for
 * programs, its message reads `could not <doing>: <reason>`, its `remedy` says what a person can do about it.
 */

export interface FaultFacts {
  /** Stable and dotted, for example `database.unreachable`. */
  readonly code: string;
  /** What was being done, as it reads after "could not". */
  readonly doing: string;
  readonly reason: string;
  /** A sentence that tells a person what to do. */
  readonly remedy?: string | undefined;
  readonly cause?: unknown;
}

export class LandfallError extends Error {
  override readonly name: string = 'LandfallError';
  readonly code: string;
  readonly doing: string;
  readonly reason: string;
  declare readonly remedy?: string;

  constructor(facts: FaultFacts) {
    super(`could not ${facts.doing}: ${facts.reason}`, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = facts.code;
    this.doing = facts.doing;
    this.reason = facts.reason;
    if (facts.remedy !== undefined) this.remedy = facts.remedy;
  }
}

/** True for a fault with this code, or, when `code` ends in a dot, of this family. */
export function isFault(error: unknown, code: string): error is LandfallError {
  if (!(error instanceof LandfallError)) return false;
  return code.endsWith('.') ? error.code.startsWith(code) : error.code === code;
}

/** True for the errors of Node's own system calls, which carry `code` such as `ENOENT`. */
export function isErrnoException(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && 'syscall' in error;
}

/** Anything that was thrown, as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/**
 * One line for a person: the message, then each cause that adds something, then the remedy of the outermost fault that has
 * one. Bounded, also when causes form a circle.
 */
export function describeError(thrown: unknown): string {
  const parts: string[] = [];
  let remedy: string | undefined;
  let current: unknown = thrown;
  for (let depth = 0; depth < 8 && current !== undefined && current !== null; depth += 1) {
    const text = messageOf(current);
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text);
    if (current instanceof LandfallError) remedy ??= current.remedy;
    current = current instanceof Error ? current.cause : undefined;
  }
  const line = parts.join('; because: ') || 'unknown error';
  return remedy === undefined ? line : `${line} (${remedy})`;
}

function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) {
    const inner = [...new Set(thrown.errors.map((one: unknown) => messageOf(one)))].slice(0, 4).join(', ');
    return thrown.message === '' ? inner : `${thrown.message}: ${inner}`;
  }
  if (thrown instanceof Error) return thrown.message === '' ? thrown.name : thrown.message;
  return String(thrown);
}
