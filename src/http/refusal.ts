/**
 * A refusal ends a request: thrown anywhere below a route, it becomes the problem document that the caller reads. Faults are
 * LandfallErrors and anything else; problems.ts tells the two apart.
 */

export interface RefusalFacts {
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 410 | 413 | 415 | 416 | 422 | 426 | 429 | 451 | 503 | 507;
  readonly code: string;
  /** A sentence: what was not done and why. */
  readonly detail: string;
  readonly remedy?: string | null | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly facts: RefusalFacts;

  constructor(facts: RefusalFacts) {
    super(facts.detail);
    this.facts = facts;
  }
}

/** What does not exist, and what the caller may not know to exist, are answered alike. */
export function notFound(what: string): Refusal {
  return new Refusal({
    status: 404,
    code: 'not-found',
    detail: `there is no ${what}, or it is not for you to see`,
    remedy: 'look at the spelling; if it is meant for a group, send a token of a member',
  });
}
