/** Statements that come again: prepared, and never wrong after a migration. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { createDatabase, withTransaction, type Db } from './database.ts';

let world: TestDatabase;
let db: Db;
beforeAll(async () => {
  world = await createTestDatabase();
  db = createDatabase(world.connection, { poolSize: 1 });
  await sql`CREATE TABLE things (id integer, name text)`.execute(db);
  await sql`INSERT INTO things VALUES (1, 'one')`.execute(db);
});
afterAll(async () => {
  await db.destroy();
  await world.drop();
});

const things = async (on: Db, id: number): Promise<readonly unknown[]> =>
  (await sql`SELECT * FROM things WHERE id = ${id}`.execute(on)).rows;
const prepared = async (): Promise<number> =>
  (await sql`SELECT name FROM pg_prepared_statements WHERE statement LIKE '%FROM things%'`.execute(db)).rows.length;

test('a statement is prepared when it comes again and again, and gives the same', async () => {
  await things(db, 1);
  expect(await prepared()).toBe(0);
  for (let index = 0; index < 10; index += 1) expect(await things(db, 1)).toEqual([{ id: 1, name: 'one' }]);
  expect(await things(db, 2)).toEqual([]);
  expect(await prepared()).toBe(1);
});

test('a table that a migration changed is read with its new columns', async () => {
  await sql`ALTER TABLE things ADD COLUMN size integer DEFAULT 7`.execute(db);
  expect(await things(db, 1)).toEqual([{ id: 1, name: 'one', size: 7 }]);
  expect(await things(db, 1)).toEqual([{ id: 1, name: 'one', size: 7 }]);
});

test('in a transaction, the first one after the migration fails whole, and the next one works', async () => {
  const named = async (): Promise<unknown> =>
    await withTransaction(db, async (trx) => (await sql`SELECT t.* FROM things t WHERE id = ${1}`.execute(trx)).rows);
  for (let index = 0; index < 6; index += 1) await named();
  await sql`ALTER TABLE things DROP COLUMN size`.execute(db);
  await expect(named()).rejects.toThrow('cached plan');
  expect(await named()).toEqual([{ id: 1, name: 'one' }]);
});
