import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import type { Trx } from '../platform/database.ts';
import { isCheckViolation } from '../platform/database.ts';
import {
  addMember,
  audiencesOf,
  authenticateToken,
  createAccessToken,
  createGroup,
  createPerson,
  changePerson,
  decide,
  grant,
  listAccessTokens,
  listGrants,
  mayAct,
  removeMember,
  revokeAccessToken,
  withdrawGrant,
  type Actor,
  type SystemActor,
} from './index.ts';

const LANDFALL: SystemActor = { kind: 'system', name: 'landfall' };
const NOW = new Date('2026-05-01T12:00:00Z');

let world: TestDatabase;
let count = 0;
beforeAll(async () => {
  world = await createTestDatabase();
});
afterAll(async () => {
  await world.drop();
});

async function inTransaction<T>(run: (trx: Trx) => Promise<T>): Promise<T> {
  return await world.db.transaction().execute(run);
}

async function person(): Promise<{ id: number; handle: string; actor: Actor }> {
  count += 1;
  const handle = `person-${count}`;
  const { id } = await inTransaction(
    async (trx) => await createPerson(trx, { handle, name: handle, email: `${handle}@example.org` }, LANDFALL),
  );
  return { id, handle, actor: { kind: 'person', personId: id, handle, groups: [], administrator: false } };
}

async function mayRelease(personId: number, at = NOW): Promise<string> {
  const decision = await decide(world.db, {
    personId,
    action: 'release',
    archive: 'main',
    suite: 'landing',
    package: 'hello',
    at,
  });
  return decision.kind === 'allowed' ? 'allowed' : decision.code;
}

describe('a permission', () => {
  test('given to a person or to a group counts while it lasts', async () => {
    const alice = await person();
    const bob = await person();
    expect(await mayRelease(alice.id)).toBe('permission.no-grant');
    expect(await mayRelease(999_999)).toBe('permission.unknown-person');

    const until = new Date('2026-06-01T00:00:00Z');
    await inTransaction(async (trx) => {
      await grant(trx, { to: alice.handle, action: 'release', packages: 'hel*', validUntil: until }, LANDFALL);
      const { id: groupId } = await createGroup(trx, 'core', LANDFALL);
      await grant(trx, { to: 'group:core', action: 'release' }, LANDFALL);
      await addMember(trx, { groupId, group: 'core', personId: bob.id, person: bob.handle }, LANDFALL);
    });
    expect(await mayRelease(alice.id)).toBe('allowed');
    expect(await mayRelease(alice.id, until)).toBe('permission.expired');
    expect(await mayRelease(bob.id)).toBe('allowed');
    expect(await mayAct(world.db, bob.actor, 'release', { archive: 'other', suite: 's', package: 'p' })).toMatchObject({
      kind: 'allowed',
    });

    const group = await world.db.selectFrom('groups').select('id').where('name', '=', 'core').executeTakeFirstOrThrow();
    await inTransaction(
      async (trx) =>
        await removeMember(trx, { groupId: group.id, group: 'core', personId: bob.id, person: bob.handle }, LANDFALL),
    );
    expect(await mayRelease(bob.id)).toBe('permission.no-grant');
    await inTransaction(async (trx) => await changePerson(trx, alice.handle, { active: false }, LANDFALL));
    expect(await mayRelease(alice.id)).toBe('permission.inactive-person');
  });

  test('given again is held already; with another end it replaces the old one, which stays on record', async () => {
    const alice = await person();
    const give = async (validUntil?: Date) =>
      await inTransaction(
        async (trx) => await grant(trx, { to: alice.handle, action: 'release', validUntil }, LANDFALL),
      );
    const first = await give();
    expect(first.kind).toBe('granted');
    expect(await give()).toEqual({ ...first, kind: 'held' });
    expect(await give(new Date('2026-06-01T00:00:00Z'))).toMatchObject({ kind: 'granted' });
    const rows = await world.db.selectFrom('grants').select('withdrawn_at').where('person_id', '=', alice.id).execute();
    expect(rows.filter((row) => row.withdrawn_at === null)).toHaveLength(1);
    expect(rows).toHaveLength(2);
  });

  test('given by two at the same moment is one grant', async () => {
    const alice = await person();
    const results = await Promise.all(
      [1, 2, 3].map(
        async () =>
          await inTransaction(async (trx) => await grant(trx, { to: alice.handle, action: 'hint' }, LANDFALL)),
      ),
    );
    expect(results.map(({ kind }) => kind).sort()).toEqual(['granted', 'held', 'held']);
  });

  test('nobody widens their own rights', async () => {
    const deputy = await person();
    const other = await person();
    await inTransaction(
      async (trx) => await grant(trx, { to: deputy.handle, action: 'grant', packages: 'lib*' }, LANDFALL),
    );
    const give = async (by: Actor, to: string, packages: string) =>
      await inTransaction(async (trx) => await grant(trx, { to, action: 'release', packages }, by));
    expect(await give(deputy.actor, deputy.handle, 'libfoo')).toMatchObject({ code: 'permission.own-rights' });
    expect(await give(deputy.actor, other.handle, 'hello')).toMatchObject({ code: 'permission.may-not-grant' });
    expect(await give(other.actor, other.handle, 'libfoo')).toMatchObject({ code: 'permission.may-not-grant' });
    expect(await give({ kind: 'anonymous' }, other.handle, 'libfoo')).toMatchObject({ code: 'permission.anonymous' });
    expect(await give(deputy.actor, 'nobody-known', 'libfoo')).toMatchObject({ code: 'permission.unknown-receiver' });
    expect(await give(deputy.actor, other.handle, 'libfoo')).toMatchObject({ kind: 'granted' });
  });

  test('is withdrawn by those who could give it, once', async () => {
    const deputy = await person();
    const other = await person();
    const given = await inTransaction(async (trx) => {
      await grant(trx, { to: deputy.handle, action: 'grant', packages: 'lib*' }, LANDFALL);
      return await grant(trx, { to: other.handle, action: 'release', packages: 'libfoo' }, LANDFALL);
    });
    const id = given.kind === 'refused' ? 0 : given.grantId;
    const withdraw = async (by: Actor) => await inTransaction(async (trx) => await withdrawGrant(trx, id, by));
    expect(await withdraw(other.actor)).toMatchObject({ code: 'permission.may-not-grant' });
    expect(await withdraw({ kind: 'anonymous' })).toMatchObject({ code: 'permission.may-not-grant' });
    expect(await withdraw(deputy.actor)).toEqual({ kind: 'withdrawn' });
    expect(await withdraw(deputy.actor)).toMatchObject({ code: 'permission.no-such-grant' });
    expect((await listGrants(world.db)).some((one) => one.id === id)).toBe(false);
  });
});

describe('an access token', () => {
  test('lets its person in, and says who that is', async () => {
    const alice = await person();
    const { secret } = await inTransaction(async (trx) => {
      await grant(trx, { to: alice.handle, action: 'administer' }, LANDFALL);
      return await createAccessToken(trx, { personId: alice.id, name: 'laptop' });
    });
    expect(secret).toMatch(/^lf_[A-Za-z0-9_-]{43}$/);
    const actor = await authenticateToken(world.db, secret);
    expect(actor).toEqual({
      kind: 'person',
      personId: alice.id,
      handle: alice.handle,
      groups: [],
      administrator: true,
    });
    expect(actor === undefined ? [] : audiencesOf(actor)).toEqual(['public']);
  });

  test('H99 is kept only as a hash, and counts no longer from the moment it is revoked', async () => {
    const alice = await person();
    const { id, secret } = await inTransaction(
      async (trx) => await createAccessToken(trx, { personId: alice.id, name: 'laptop' }),
    );
    const { rows } = await sql<{ found: boolean }>`
      SELECT EXISTS (SELECT FROM access_tokens t WHERE t::text LIKE ${`%${secret.slice(3)}%`}) AS found`.execute(
      world.db,
    );
    expect(rows[0]?.found).toBe(false);
    expect(await authenticateToken(world.db, secret)).toBeDefined();
    expect(await inTransaction(async (trx) => await revokeAccessToken(trx, id, LANDFALL))).toBe(true);
    expect(await authenticateToken(world.db, secret)).toBeUndefined();
    expect(await inTransaction(async (trx) => await revokeAccessToken(trx, id, LANDFALL))).toBe(false);
    expect(await listAccessTokens(world.db, alice.id)).toMatchObject([{ id, name: 'laptop' }]);
  });

  test('does not count when it is expired, made up, or its person is not active', async () => {
    const alice = await person();
    const [expired, good] = await inTransaction(async (trx) => [
      await createAccessToken(trx, { personId: alice.id, name: 'old', expiresAt: new Date('2020-01-01T00:00:00Z') }),
      await createAccessToken(trx, { personId: alice.id, name: 'new' }),
    ]);
    expect(await authenticateToken(world.db, expired.secret)).toBeUndefined();
    for (const wrong of ['', 'lf_', `lf_${'a'.repeat(43)}`, `${good.secret} `, "lf_' OR 1=1 --"]) {
      expect(await authenticateToken(world.db, wrong)).toBeUndefined();
    }
    expect(await authenticateToken(world.db, good.secret)).toBeDefined();
    await inTransaction(async (trx) => await changePerson(trx, alice.handle, { active: false }, LANDFALL));
    expect(await authenticateToken(world.db, good.secret)).toBeUndefined();
  });

  test('that was made with another ends with it at the latest', async () => {
    const alice = await person();
    const [soon, late] = [new Date('2040-01-01T00:00:00Z'), new Date('2050-01-01T00:00:00Z')];
    const ends = await inTransaction(async (trx) => {
      const make = async (madeWith: string | undefined, expiresAt?: Date) =>
        await createAccessToken(trx, { personId: alice.id, name: 'x', madeWith, expiresAt });
      const [short, endless] = [await make(undefined, soon), await make(undefined)];
      return [await make(short.secret), await make(short.secret, late), await make(endless.secret, late)];
    });
    expect(ends.map(({ expiresAt }) => expiresAt)).toEqual([soon, soon, late]);
  });

  test('carries the groups of its person, and with them what he may see', async () => {
    const alice = await person();
    const { secret } = await inTransaction(async (trx) => {
      const { id: groupId } = await createGroup(trx, 'security', LANDFALL);
      await addMember(trx, { groupId, group: 'security', personId: alice.id, person: alice.handle }, LANDFALL);
      return await createAccessToken(trx, { personId: alice.id, name: 'laptop' });
    });
    const actor = await authenticateToken(world.db, secret);
    expect(actor === undefined ? [] : audiencesOf(actor)).toEqual(['public', 'group:security']);
    expect(audiencesOf({ kind: 'anonymous' })).toEqual(['public']);
  });
});

test('I6 the audit only grows', async () => {
  await person();
  await expect(sql`UPDATE audit SET actor = 'nobody'`.execute(world.db)).rejects.toSatisfy((error: unknown) =>
    isCheckViolation(error, 'audit_only_added'),
  );
  await expect(sql`DELETE FROM audit`.execute(world.db)).rejects.toSatisfy((error: unknown) =>
    isCheckViolation(error, 'audit_only_added'),
  );
});

test('a handle is taken once', async () => {
  const alice = await person();
  await expect(
    inTransaction(
      async (trx) => await createPerson(trx, { handle: alice.handle, name: 'A', email: 'a@example.org' }, LANDFALL),
    ),
  ).rejects.toMatchObject({ code: 'permissions.handle-taken' });
});
