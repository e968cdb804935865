import { cp, mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createEmptyDatabase, type TestDatabase } from '../../test/postgres.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from './files.ts';
import { migrate, migrationPlan, planMigrations, readMigrations, type Migration } from './migrate.ts';

const REAL = join(import.meta.dirname, '..', '..', 'migrations');

let world: TestDatabase;
let folder: TemporaryDirectory;
beforeEach(async () => {
  world = await createEmptyDatabase();
  folder = await makeTemporaryDirectory();
});
afterEach(async () => {
  await world.drop();
  await folder.remove();
});

async function write(name: string, text: string): Promise<void> {
  await writeFile(join(folder.path, name), text);
}

async function tables(): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`SELECT table_name AS name FROM information_schema.tables
    WHERE table_schema = 'public' ORDER BY 1`.execute(world.db);
  return rows.map(({ name }) => name);
}

test('the real migrations apply to an empty database, with the tables of tasks, and a second run changes nothing', async () => {
  const first = await migrate(world.connection, REAL);
  expect(first.applied).toEqual((await readdir(REAL)).filter((name) => /^\d{4}_/.test(name)).sort());
  expect(await tables()).toContain('submissions');
  await sql`SELECT graphile_worker.add_job('x')`.execute(world.db);
  expect(await migrate(world.connection, REAL)).toEqual({ applied: [], current: first.current });
  expect(await migrationPlan(world.connection, REAL)).toEqual({ kind: 'pending', migrations: [] });
});

test('later migrations are applied in order, only once, and only what is new', async () => {
  await write('0001_first.sql', 'CREATE TABLE first (id int)');
  expect((await migrate(world.connection, folder.path)).applied).toEqual(['0001_first.sql']);
  await write('0002_second.sql', 'CREATE TABLE second AS SELECT * FROM first');
  await write('schema.sql', 'this is not a migration');
  expect(await migrationPlan(world.connection, folder.path)).toMatchObject({ migrations: [{ number: 2 }] });
  expect(await migrate(world.connection, folder.path)).toEqual({ applied: ['0002_second.sql'], current: 2 });
});

test('H11 a migration that fails leaves nothing of itself, and the next run goes on from there', async () => {
  await write('0001_first.sql', 'CREATE TABLE first (id int)');
  await write('0002_second.sql', 'CREATE TABLE second (id int); SELECT 1 / 0');
  await write('0003_third.sql', 'CREATE TABLE third (id int)');
  await expect(migrate(world.connection, folder.path)).rejects.toMatchObject({
    code: 'migrate.failed',
    message: 'could not apply the migration 0002_second.sql: division by zero',
  });
  expect(await tables()).toEqual(['first', 'schema_migrations']);
  await write('0002_second.sql', 'CREATE TABLE second (id int)');
  expect((await migrate(world.connection, folder.path)).applied).toEqual(['0002_second.sql', '0003_third.sql']);
});

test('H11 a process that dies in a migration leaves the old schema and no lock', async () => {
  await write('0001_first.sql', 'CREATE TABLE first (id int); SELECT pg_sleep(600)');
  const dying = migrate(world.connection, folder.path);
  const outcome = expect(dying).rejects.toMatchObject({ code: 'migrate.failed' });
  await expect
    .poll(
      async () => {
        const { rows } = await sql<{ count: number }>`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
          WHERE datname = current_database() AND query LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid()`.execute(
          world.db,
        );
        return rows[0]?.count;
      },
      { timeout: 20_000 },
    )
    .toBe(1);
  await outcome;
  await write('0001_first.sql', 'CREATE TABLE first (id int)');
  expect((await migrate(world.connection, folder.path)).applied).toEqual(['0001_first.sql']);
});

test('several processes at once migrate one after another, each file once', async () => {
  await write('0001_first.sql', 'CREATE TABLE first (id int); SELECT pg_sleep(0.1)');
  const results = await Promise.all([1, 2, 3].map(() => migrate(world.connection, folder.path)));
  expect(results.map(({ applied }) => applied.length).sort()).toEqual([0, 0, 1]);
});

test('a changed, a lost, a squeezed-in migration and a newer database are refused in words', async () => {
  const reasonWith = async (): Promise<string> => {
    const error: unknown = await migrate(world.connection, folder.path).catch((thrown: unknown) => thrown);
    return error instanceof Error ? error.message.replace('could not bring the database up to date: ', '') : 'none';
  };
  await write('0001_first.sql', 'CREATE TABLE first (id int)');
  await write('0002_second.sql', 'CREATE TABLE second (id int)');
  await migrate(world.connection, folder.path);
  const kept = join(folder.path, 'kept');
  await mkdir(kept);
  await cp(join(folder.path, '0002_second.sql'), join(kept, '0002_second.sql'));
  await write('0002_second.sql', 'CREATE TABLE second (id bigint)');
  expect(await reasonWith()).toBe('0002_second.sql was changed after it was applied');
  await rename(join(folder.path, '0002_second.sql'), join(kept, 'away.sql'));
  expect(await reasonWith()).toBe(
    'the database was migrated by a newer Landfall (it has 0002_second.sql, this one ends at 0001_first.sql)',
  );
  await write('0003_third.sql', '');
  await expect(migrate(world.connection, folder.path)).rejects.toMatchObject({ code: 'migrate.numbering' });
});

test('whatever was applied, the plan is the rest of the files in order, or a refusal', () => {
  const migration = (number: number): Migration => ({ number, name: `m${number}`, sha256: `h${number}`, text: '' });
  fc.assert(
    fc.property(fc.nat(6), fc.uniqueArray(fc.integer({ min: 1, max: 8 })), (count, numbers) => {
      const files = Array.from({ length: count }, (_, index) => migration(index + 1));
      const applied = numbers.sort((a, b) => a - b).map(migration);
      const plan = planMigrations(files, applied);
      const isPrefix = applied.every(({ number }, index) => number === index + 1) && applied.length <= count;
      expect(plan.kind).toBe(isPrefix ? 'pending' : 'refused');
      if (plan.kind === 'pending') expect(plan.migrations).toEqual(files.slice(applied.length));
    }),
  );
});

test('the real migrations are numbered without gaps', async () => {
  const migrations = await readMigrations(REAL);
  expect(migrations.map(({ number }) => number)).toEqual(migrations.map((_, index) => index + 1));
});
