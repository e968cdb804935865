/**
 * Checks as an ordered list of named steps. Each step is given what those before it found out, adds what it found out itself,
 * and its outcome is recorded; the first failure ends the list. A step that wants a person to look (held) does not end it: what
 * else is wrong should be known before somebody is asked.
 */

export type CheckResult<Adds extends object> =
  | { readonly kind: 'passed' | 'not-applicable'; readonly adds: Adds; readonly detail?: string }
  | { readonly kind: 'held'; readonly adds: Adds; readonly sentence: string; readonly remedy: string }
  | { readonly kind: 'failed'; readonly sentence: string; readonly remedy: string };

export type Check<Deps, Known extends object, Adds extends object> = (
  deps: Deps,
  known: Known,
) => Promise<CheckResult<Adds>> | CheckResult<Adds>;

/** As it stands in upload_checks. */
export interface RecordedCheck {
  readonly code: string;
  readonly outcome: 'passed' | 'failed' | 'held' | 'not-applicable';
  readonly detail: string | null;
}

/** Why an upload is not accepted as it is. */
export interface Objection {
  readonly code: string;
  readonly sentence: string;
  readonly remedy: string;
}

export type ListOutcome<Found extends object> =
  | {
      readonly kind: 'passed';
      readonly known: Found;
      readonly checks: readonly RecordedCheck[];
      /** What a person must decide, in order; empty when nobody has to. */
      readonly held: readonly Objection[];
    }
  | { readonly kind: 'failed'; readonly objection: Objection; readonly checks: readonly RecordedCheck[] };

export interface Checklist<Deps, Start extends object, Found extends object> {
  /** Codes in order. */
  readonly codes: readonly string[];
  /** This list and one more check behind it. */
  then<Adds extends object>(code: string, check: Check<Deps, Found, Adds>): Checklist<Deps, Start, Found & Adds>;
  run(deps: Deps, start: Start): Promise<ListOutcome<Found>>;
}

/** The list without any check. */
export function checklist<Deps, Start extends object>(): Checklist<Deps, Start, Start> {
  return extend([], (_deps, start) => Promise.resolve({ kind: 'passed', known: start, checks: [], held: [] }));
}

function extend<Deps, Start extends object, Found extends object>(
  codes: readonly string[],
  run: (deps: Deps, start: Start) => Promise<ListOutcome<Found>>,
): Checklist<Deps, Start, Found> {
  return {
    codes,
    run,
    then: (code, check) =>
      extend([...codes, code], async (deps, start) => {
        const before = await run(deps, start);
        if (before.kind === 'failed') return before;
        const result = await check(deps, before.known);
        if (result.kind === 'failed') {
          const { sentence, remedy } = result;
          const checks = [...before.checks, { code, outcome: 'failed' as const, detail: sentence }];
          return { kind: 'failed', objection: { code, sentence, remedy }, checks };
        }
        const detail = result.kind === 'held' ? result.sentence : (result.detail ?? null);
        return {
          kind: 'passed',
          known: { ...before.known, ...result.adds },
          checks: [...before.checks, { code, outcome: result.kind, detail }],
          held:
            result.kind === 'held'
              ? [...before.held, { code, sentence: result.sentence, remedy: result.remedy }]
              : before.held,
        };
      }),
  };
}

export function passed(): CheckResult<object>;
export function passed<Adds extends object>(adds: Adds, detail?: string): CheckResult<Adds>;
export function passed<Adds extends object>(adds?: Adds, detail?: string): CheckResult<object> {
  return { kind: 'passed', adds: adds ?? {}, ...(detail === undefined ? {} : { detail }) };
}

export function failed(sentence: string, remedy: string): CheckResult<never> {
  return { kind: 'failed', sentence, remedy };
}

/** What a worker's result cannot mend by itself: whoever runs the worker must look. */
export const LOOK_AT_WORKER = 'look at the worker that delivered it, then give the build back';
/** What only another release mends. */
export const RELEASE_ANEW = 'mend the package and release the next version';
