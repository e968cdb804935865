import { sql } from 'kysely';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import {
  createDatabase,
  databaseNow,
  describeConnection,
  isCheckViolation,
  isConnectionError,
  isForeignKeyViolation,
  isRetryable,
  isUniqueViolation,
  jsonText,
  requireReachable,
  storableText,
  withTransaction,
} from './database.ts';

let world: TestDatabase;
beforeAll(async () => {
  world = await createTestDatabase();
});
afterAll(async () => {
  await world.drop();
});

async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

test('values come back as the promised JavaScript types', async () => {
  const { rows } = await sql<
    Record<string, unknown>
  >`SELECT 9007199254740991::int8 AS big, '{1,NULL,3}'::int8[] AS bigs,
    '{}'::int8[] AS none, '2026-01-02 03:04:05+00'::timestamptz AS at, '{"a":[1]}'::jsonb AS json, '\\x0102'::bytea AS bytes,
    1.50::numeric AS exact, '2026-01-02'::date AS day, interval '7 days' AS span, ARRAY['a','b'] AS texts`.execute(
    world.db,
  );
  expect(rows[0]).toEqual({
    big: 9007199254740991,
    bigs: [1, null, 3],
    none: [],
    at: new Date('2026-01-02T03:04:05Z'),
    json: { a: [1] },
    bytes: Buffer.from([1, 2]),
    exact: '1.50',
    day: '2026-01-02',
    span: '7 days',
    texts: ['a', 'b'],
  });
});

test('a number that JavaScript cannot hold is an error, not another number', async () => {
  expect(await thrownBy(sql`SELECT 9007199254740993::int8`.execute(world.db))).toMatchObject({
    code: 'database.integer-too-large',
  });
});

test('the database’s time is a date with its own now', async () => {
  expect(await databaseNow(world.db)).toBeInstanceOf(Date);
});

test('violations are told apart, by constraint too', async () => {
  await world.db.insertInto('worker_pools').values({ name: 'twice' }).execute();
  const doubled = await thrownBy(world.db.insertInto('worker_pools').values({ name: 'twice' }).execute());
  expect(isUniqueViolation(doubled)).toBe(true);
  expect(isUniqueViolation(doubled, 'worker_pools_name_key')).toBe(true);
  expect(isUniqueViolation(doubled, 'another')).toBe(false);
  const checked = await thrownBy(world.db.insertInto('worker_pools').values({ name: 'Not Allowed' }).execute());
  expect(isCheckViolation(checked, 'worker_pools_name_check')).toBe(true);
  const dangling = await thrownBy(world.db.insertInto('group_members').values({ group_id: 1, person_id: 1 }).execute());
  expect(isForeignKeyViolation(dangling)).toBe(true);
  expect(isRetryable(dangling)).toBe(false);
});

test('what is only added to cannot be changed', async () => {
  await world.db.insertInto('audit').values({ actor: 'a', action: 'b', subject: 'c' }).execute();
  const error = await thrownBy(world.db.updateTable('audit').set({ actor: 'x' }).execute());
  expect(isCheckViolation(error, 'audit_only_added')).toBe(true);
});

test('a transaction is kept when its function returns and not when it throws, and one inside is the same one', async () => {
  await withTransaction(world.db, async (trx) => {
    await trx.insertInto('worker_pools').values({ name: 'kept' }).execute();
    await withTransaction(trx, async (inner) => {
      expect(inner).toBe(trx);
      await inner.insertInto('worker_pools').values({ name: 'kept-inside' }).execute();
    });
  });
  await thrownBy(
    withTransaction(world.db, async (trx) => {
      await trx.insertInto('worker_pools').values({ name: 'lost' }).execute();
      throw new Error('no');
    }),
  );
  const names = await world.db.selectFrom('worker_pools').select('name').orderBy('name').execute();
  expect(names.map(({ name }) => name)).toEqual(['kept', 'kept-inside', 'twice']);
});

/** A function whose calls return when there were `count` of them. */
function meetingOf(count: number): () => Promise<void> {
  let open: () => void = () => undefined;
  const met = new Promise<void>((resolve) => (open = resolve));
  let missing = count;
  return async () => {
    missing -= 1;
    if (missing === 0) open();
    await met;
  };
}

test('a transaction that lost against another is tried again, if the caller asks for it', async () => {
  await world.db.insertInto('people').values({ handle: 'counter', name: '0', email: '' }).execute();
  let runs = 0;
  // All four have read before the first one writes, so that three of them must lose, however slow the machine is.
  const increment = async (retries: number, together: () => Promise<void>): Promise<void> => {
    let isFirst = true;
    await withTransaction(
      world.db,
      async (trx) => {
        runs += 1;
        const { name } = await trx
          .selectFrom('people')
          .select('name')
          .where('handle', '=', 'counter')
          .executeTakeFirstOrThrow();
        if (isFirst) await together();
        isFirst = false;
        await trx
          .updateTable('people')
          .set({ name: String(Number(name) + 1) })
          .where('handle', '=', 'counter')
          .execute();
      },
      { isolation: 'serializable', retries },
    );
  };
  const atOnce = meetingOf(4);
  await Promise.all([1, 2, 3, 4].map(() => increment(50, atOnce)));
  const { name } = await world.db.selectFrom('people').select('name').executeTakeFirstOrThrow();
  expect(name).toBe('4');
  expect(runs).toBeGreaterThan(4);
  const again = meetingOf(4);
  const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => increment(0, again)));
  const losers = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [isRetryable(outcome.reason)] : []));
  expect(losers.length).toBeGreaterThan(0);
  expect(new Set(losers)).toEqual(new Set([true]));
});

test('H20 a connection that the server ends fails its query and nothing else; the next query has a new one', async () => {
  const errors: Error[] = [];
  const db = createDatabase(world.connection, { poolSize: 2, onError: (error) => errors.push(error) });
  const { rows } = await sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`.execute(db);
  const sleeping = thrownBy(sql`SELECT pg_sleep(60)`.execute(db));
  await expect
    .poll(async () => {
      const { rows: found } = await sql<{ count: number }>`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE query LIKE '%pg_sleep(60)' AND pid <> pg_backend_pid() AND datname = current_database()`.execute(
        world.db,
      );
      return found[0]?.count;
    })
    .toBe(1);
  expect(isConnectionError(await sleeping)).toBe(true);
  await sql`SELECT pg_terminate_backend(${rows[0]?.pid ?? 0})`.execute(world.db);
  await expect.poll(async () => (await sql`SELECT 1`.execute(db)).rows.length).toBe(1);
  await db.destroy();
});

test('a database that is away or refuses is told with a remedy and without a password', async () => {
  await requireReachable(world.connection);
  expect(await thrownBy(requireReachable({ ...world.connection, host: '/nowhere' }))).toMatchObject({
    code: 'database.unreachable',
  });
  const away = await thrownBy(requireReachable({ connectionString: 'postgresql://me:hunter2@127.0.0.1:1/there' }));
  expect(away).toMatchObject({
    code: 'database.unreachable',
    message: expect.stringMatching(
      /^could not reach the database there at 127\.0\.0\.1:1: connect ECONNREFUSED/,
    ) as unknown,
  });
  expect(String(away)).not.toContain('hunter2');
  expect(await thrownBy(requireReachable({ ...world.connection, database: 'absent' }))).toMatchObject({
    code: 'database.refused',
  });
  expect(describeConnection({ connectionString: 'nonsense' })).toBe('the database of database.url');
});

test('H47 any text and any JSON is stored, with NUL and halves of surrogate pairs replaced', async () => {
  const text = fc.string({ unit: 'binary' });
  await fc.assert(
    fc.asyncProperty(text, text, async (value, key) => {
      const { rows } = await sql<{ text: string; json: unknown }>`
        SELECT ${storableText(value)}::text AS text, ${jsonText({ [key]: [value, null, 1] })}::jsonb AS json`.execute(
        world.db,
      );
      expect(rows[0]?.text).toBe(storableText(value));
      expect(rows[0]?.json).toEqual({ [storableText(key)]: [storableText(value), null, 1] });
    }),
    { numRuns: 60 },
  );
  expect(storableText('a\0b\ud800c\udc00d\u{1f600}')).toBe('a\ufffdb\ufffdc\ufffdd\u{1f600}');
  expect(jsonText({ a: 'x\0', b: ['\\u0000'] })).toBe('{"a":"x\ufffd","b":["\\\\u0000"]}');
});
