import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from 'kysely';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';

let world: TestDatabase;
beforeAll(async () => {
  world = await createTestDatabase();
});
afterAll(async () => {
  await world.drop();
});

test('values come back as the promised JavaScript types', async () => {
  const { rows } = await sql<
    Record<string, unknown>
  >`SELECT 9007199254740991::int8 AS big, '{1,NULL,3}'::int8[] AS bigs,
    '2026-01-02 03:04:05+00'::timestamptz AS at, '{"a":[1]}'::jsonb AS json, '\\x0102'::bytea AS bytes, 1.50::numeric AS exact,
    '2026-01-02'::date AS day, interval '7 days' AS span, ARRAY['a','b'] AS texts`.execute(world.db);
  expect(rows[0]).toEqual({
    big: 9007199254740991,
    bigs: [1, null, 3],
    at: new Date('2026-01-02T03:04:05Z'),
    json: { a: [1] },
    bytes: Buffer.from([1, 2]),
    exact: '1.50',
    day: '2026-01-02',
    span: '7 days',
    texts: ['a', 'b'],
  });
});
