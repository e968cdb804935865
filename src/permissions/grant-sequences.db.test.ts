/** The same as grant-sequences.test.ts by the real services, on a real database. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { GROUPS, PEOPLE, beforehand, mayPassOn, moves, rightsOf, type Move } from '../../test/scenarios/grant-moves.ts';
import type { Grant } from './model.ts';
import { addMember, createGroup, createPerson, grant, listGrants, loadHolder, withdrawGrant } from './index.ts';
import type { PersonActor, SystemActor } from './index.ts';

const LANDFALL: SystemActor = { kind: 'system', name: 'landfall' };
const runs = { numRuns: Number(process.env.LANDFALL_FUZZ_RUNS ?? 12) };

let world: TestDatabase;
const ids = new Map<string, number>();

beforeAll(async () => {
  world = await createTestDatabase();
  await world.db.transaction().execute(async (trx) => {
    for (const handle of PEOPLE) {
      const { id } = await createPerson(trx, { handle, name: handle, email: `${handle}@example.org` }, LANDFALL);
      ids.set(handle, id);
    }
    for (const [group, members] of Object.entries(GROUPS)) {
      const { id: groupId } = await createGroup(trx, group, LANDFALL);
      for (const person of members) {
        await addMember(trx, { groupId, group, personId: ids.get(person) ?? 0, person }, LANDFALL);
      }
    }
  });
});
afterAll(async () => await world.drop());

async function grantsOf(person: string): Promise<readonly Grant[]> {
  return (await loadHolder(world.db, ids.get(person) ?? 0))?.grants ?? [];
}

async function make(move: Move): Promise<boolean> {
  const by: PersonActor = {
    kind: 'person',
    personId: ids.get(move.by) ?? 0,
    handle: move.by,
    groups: [],
    administrator: false,
  };
  return await world.db.transaction().execute(async (trx) => {
    if (move.kind === 'give') {
      const { validUntil, ...wanted } = move;
      return (await grant(trx, { ...wanted, validUntil: validUntil ?? undefined }, by)).kind === 'granted';
    }
    const which = (await listGrants(trx))[move.which];
    return which !== undefined && (await withdrawGrant(trx, which.id, by)).kind === 'withdrawn';
  });
}

test('no sequence of giving and withdrawing by people who administer nothing gives a right that the giver could not pass on', async () => {
  await fc.assert(
    fc.asyncProperty(beforehand, moves, async (initial, sequence) => {
      await world.db
        .updateTable('grants')
        .set({ withdrawn_at: new Date(0) })
        .where('withdrawn_at', 'is', null)
        .execute();
      await world.db.transaction().execute(async (trx) => {
        for (const { validUntil, ...one } of initial) {
          await grant(trx, { ...one, validUntil: validUntil ?? undefined }, LANDFALL);
        }
      });
      for (const move of sequence) {
        const own = await grantsOf(move.by);
        const before = new Map<string, ReadonlySet<number>>();
        for (const person of PEOPLE) before.set(person, rightsOf(await grantsOf(person)));
        if (!(await make(move))) continue;
        for (const person of PEOPLE) {
          const had = before.get(person) ?? new Set();
          const gained = [...rightsOf(await grantsOf(person))].filter((right) => !had.has(right));
          if (person === move.by) expect(gained).toEqual([]);
          expect(gained.filter((right) => !mayPassOn(own, right))).toEqual([]);
        }
      }
    }),
    runs,
  );
}, 120_000);

test('the last permission to administer everything can neither be withdrawn nor given an end that is over', async () => {
  const inTransaction = world.db.transaction();
  await inTransaction.execute(async (trx) => {
    const first = await grant(trx, { to: 'ann', action: 'administer' }, LANDFALL);
    if (first.kind === 'refused') throw new Error(first.reason);
    expect(await withdrawGrant(trx, first.grantId, LANDFALL)).toMatchObject({ code: 'permission.last-administrator' });
    const ended = await grant(trx, { to: 'ann', action: 'administer', validUntil: new Date(0) }, LANDFALL);
    expect(ended).toMatchObject({ kind: 'refused', code: 'permission.last-administrator' });
    await grant(trx, { to: 'group:right', action: 'administer' }, LANDFALL);
    expect(await withdrawGrant(trx, first.grantId, LANDFALL)).toEqual({ kind: 'withdrawn' });
  });
});
