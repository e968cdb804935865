/** Sequences of giving and withdrawing permissions by people who administer nothing, and what each comes to hold by them. */
import fc from 'fast-check';
import {
  ACTIONS,
  allows,
  isInForce,
  type Action,
  type Grant,
  type ProposedGrant,
} from '../../src/permissions/model.ts';

export const NOW = new Date('2026-05-01T12:00:00Z');
const SOON = new Date('2026-06-01T00:00:00Z');
const LATE = new Date('2027-01-01T00:00:00Z');
/** Moments at which rights are looked at: now, between the two ends, and behind every end. */
const MOMENTS = [NOW, new Date('2026-07-01T00:00:00Z'), new Date('2030-01-01T00:00:00Z')];

export const PEOPLE = ['ann', 'ben', 'cat', 'dan'] as const;
export const GROUPS: Readonly<Record<string, readonly string[]>> = { left: ['ann', 'ben'], right: ['ben', 'cat'] };
export const RECEIVERS = [...PEOPLE, ...Object.keys(GROUPS).map((name) => `group:${name}`)];

export function membersOf(receiver: string): readonly string[] {
  return receiver.startsWith('group:') ? (GROUPS[receiver.slice('group:'.length)] ?? []) : [receiver];
}

const part = fc.constantFrom('*', 'a', 'a*', '?', 'b');
const until = fc.constantFrom(null, SOON, LATE);
const scope = { archive: fc.constantFrom('*', 'x', 'y'), suites: part, packages: part, validUntil: until };

/** What was given before, by administrators: everything but to administer. */
export const beforehand = fc.array(
  fc.record({
    to: fc.constantFrom(...RECEIVERS),
    action: fc.constantFrom<Action>('grant', 'grant', 'grant', 'release', 'rebuild'),
    archive: fc.constantFrom('*', '*', 'x'),
    suites: fc.constantFrom('*', '*', 'a*'),
    packages: fc.constantFrom('*', '*', 'a*', '?'),
    validUntil: until,
  }),
  { minLength: 1, maxLength: 5 },
);

export type Move =
  | ({ readonly kind: 'give'; readonly by: string; readonly to: string } & ProposedGrant)
  | { readonly kind: 'withdraw'; readonly by: string; readonly which: number };

export const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('give' as const),
        by: fc.constantFrom(...PEOPLE),
        to: fc.constantFrom(...RECEIVERS),
        action: fc.constantFrom<Action>('release', 'release', 'rebuild', ...ACTIONS),
        ...scope,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('withdraw' as const),
        by: fc.constantFrom(...PEOPLE),
        which: fc.nat({ max: 20 }),
      }),
    },
  ),
  { maxLength: 8 },
);

interface Point {
  readonly action: Action;
  readonly archive: string;
  readonly suite: string;
  readonly package: string;
  readonly at: Date;
}

const POINTS: readonly Point[] = ACTIONS.flatMap((action) =>
  ['x', 'y'].flatMap((archive) =>
    ['a', 'ab'].flatMap((suite) =>
      ['b', 'ab'].flatMap((name) => MOMENTS.map((at) => ({ action, archive, suite, package: name, at }))),
    ),
  ),
);

/** The places of all that the grants allow. */
export function rightsOf(grants: readonly Grant[]): ReadonlySet<number> {
  return new Set(POINTS.flatMap((point, index) => (grants.some((one) => covers(one, point)) ? [index] : [])));
}

function covers(grant: Grant, point: Point): boolean {
  return isInForce(grant, point.at) && allows(grant, point);
}

/** True when somebody who holds `grants` now may pass this right on: it lies in the patterns and the time of a `grant` of his. */
export function mayPassOn(grants: readonly Grant[], index: number): boolean {
  const point = POINTS[index];
  if (point === undefined || point.action === 'grant' || point.action === 'administer') return false;
  return grants.some((one) => isInForce(one, NOW) && covers(one, { ...point, action: 'grant' }));
}
