/** Whatever people who administer nothing do with their permissions, nobody comes to hold what they could not pass on. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  NOW,
  PEOPLE,
  beforehand,
  mayPassOn,
  membersOf,
  moves,
  rightsOf,
  type Move,
} from '../../test/scenarios/grant-moves.ts';
import { mayGive, mayWithdraw, type Grant, type Holder } from './model.ts';

const runs = { numRuns: Number(process.env.LANDFALL_FUZZ_RUNS ?? 400) };

interface Held extends Grant {
  readonly to: string;
}

const grantsOf = (person: string, held: readonly Held[]): Held[] =>
  held.filter(({ to }) => membersOf(to).includes(person));

function holderOf(person: string, held: readonly Held[]): Holder {
  return {
    personId: PEOPLE.findIndex((one) => one === person),
    handle: person,
    active: true,
    grants: grantsOf(person, held),
  };
}

/** What there is after a move, when the rules allow it. */
function after(move: Move, held: readonly Held[]): readonly Held[] {
  const giver = holderOf(move.by, held);
  if (move.kind === 'withdraw') {
    const grant = held[move.which];
    if (grant === undefined || !mayWithdraw(giver, grant, NOW)) return held;
    return held.map((one) => (one === grant ? { ...one, withdrawnAt: NOW } : one));
  }
  const receiver = {
    name: move.to,
    personIds: membersOf(move.to).map((person) => PEOPLE.findIndex((one) => one === person)),
  };
  if (mayGive(giver, move, receiver, NOW, false).kind === 'denied') return held;
  return [...held, { ...move, id: held.length + 1, withdrawnAt: null, group: null }];
}

test('no sequence of giving and withdrawing widens the giver’s rights, or gives what lies outside the giver’s own patterns and time', () => {
  let given = 0;
  fc.assert(
    fc.property(beforehand, moves, (initial, sequence) => {
      let held: readonly Held[] = initial.map((one, index) => ({
        ...one,
        id: index + 1,
        withdrawnAt: null,
        group: null,
      }));
      for (const move of sequence) {
        const next = after(move, held);
        if (next === held) continue;
        given += 1;
        const own = grantsOf(move.by, held);
        for (const person of PEOPLE) {
          const before = rightsOf(grantsOf(person, held));
          const gained = [...rightsOf(grantsOf(person, next))].filter((right) => !before.has(right));
          if (person === move.by) expect(gained).toEqual([]);
          expect(gained.filter((right) => !mayPassOn(own, right))).toEqual([]);
        }
        held = next;
      }
    }),
    runs,
  );
  // Not true for want of anything that happened.
  expect(given).toBeGreaterThan(runs.numRuns / 20);
});
