/**
 * Brings the schema up to date: the numbered files of migrations/, each in one transaction, one process at a time, then the
 * tables of graphile-worker. Killed at any moment, the next run goes on (H11): a file is applied wholly or not at all.
 *
 * Refused, in words: a migration that was changed or lost after it was applied, a gap in the numbers, and a database that was
 * migrated by newer code.
 */
import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runMigrations } from 'graphile-worker';
import pg from 'pg';
import { clientConfig, connectionFault, createPool, type DatabaseConnection } from './database.ts';
import { LandfallError } from './errors.ts';
import { silentGraphileLogger } from './graphile-logger.ts';

export interface Migration {
  readonly number: number;
  /** File name, `0001_path.sql`. */
  readonly name: string;
  readonly sha256: string;
  readonly text: string;
}

export interface MigrationResult {
  /** Names of the files that this run applied, in order. */
  readonly applied: readonly string[];
  /** Number of the last migration that is in the database now. */
  readonly current: number;
}

export interface AppliedMigration {
  readonly number: number;
  readonly name: string;
  readonly sha256: string;
}

/** What stands between the files and the database. */
export type MigrationPlan =
  | { readonly kind: 'pending'; readonly migrations: readonly Migration[] }
  | { readonly kind: 'refused'; readonly reason: string; readonly remedy: string };

/** The key of the advisory lock that lets one process migrate at a time. */
const LOCK = 7_235_419;
const FILE = /^(\d{4})_[a-z0-9-]+\.sql$/;

/** Applies what is missing. @throws LandfallError `migrate.refused`, `migrate.failed`, `database.unreachable` … */
export async function migrate(connection: DatabaseConnection, directory: string): Promise<MigrationResult> {
  const files = await readMigrations(directory);
  const client = new pg.Client(clientConfig(connection, 'landfall migrate'));
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    throw connectionFault(connection, error);
  }
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    await client.query(`CREATE TABLE IF NOT EXISTS schema_migrations (
      number integer PRIMARY KEY,
      name text NOT NULL,
      sha256 text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now()
    )`);
    const plan = planMigrations(files, await readApplied(client));
    if (plan.kind === 'refused') {
      throw new LandfallError({
        code: 'migrate.refused',
        doing: 'bring the database up to date',
        reason: plan.reason,
        remedy: plan.remedy,
      });
    }
    for (const migration of plan.migrations) await applyMigration(client, migration);
    await migrateTasks(connection);
    return { applied: plan.migrations.map(({ name }) => name), current: files.at(-1)?.number ?? 0 };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** What {@link migrate} would do, without doing it. */
export async function migrationPlan(connection: DatabaseConnection, directory: string): Promise<MigrationPlan> {
  const files = await readMigrations(directory);
  const client = new pg.Client(clientConfig(connection, 'landfall migrate'));
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ there: boolean }>(
      "SELECT to_regclass('schema_migrations') IS NOT NULL AS there",
    );
    return planMigrations(files, rows[0]?.there === true ? await readApplied(client) : []);
  } catch (error) {
    throw connectionFault(connection, error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Compares files with what was applied. Both sorted by number. */
export function planMigrations(files: readonly Migration[], applied: readonly AppliedMigration[]): MigrationPlan {
  for (const row of applied) {
    const file = files.find(({ number }) => number === row.number);
    if (file === undefined) {
      const newer = row.number > (files.at(-1)?.number ?? 0);
      return {
        kind: 'refused',
        reason: newer
          ? `the database was migrated by a newer Landfall (it has ${row.name}, this one ends at ${files.at(-1)?.name ?? 'nothing'})`
          : `${row.name} was applied to the database and is missing from this Landfall`,
        remedy: newer
          ? 'start the newer version, or restore a backup made before the update'
          : 'install Landfall again',
      };
    }
    if (file.sha256 !== row.sha256) {
      return {
        kind: 'refused',
        reason: `${file.name} was changed after it was applied`,
        remedy: 'put the applied text back and write the change as a new migration',
      };
    }
  }
  const last = applied.at(-1)?.number ?? 0;
  const skipped = files.find(({ number }) => number <= last && !applied.some((row) => row.number === number));
  if (skipped !== undefined) {
    return {
      kind: 'refused',
      reason: `${skipped.name} was never applied, but a later migration was`,
      remedy: 'give it a number after the last one',
    };
  }
  return { kind: 'pending', migrations: files.filter(({ number }) => number > last) };
}

/** Reads and checks the files; other names in the folder, such as schema.sql, are left alone. */
export async function readMigrations(directory: string): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => FILE.test(name)).sort();
  const migrations: Migration[] = [];
  for (const [index, name] of names.entries()) {
    const number = Number(FILE.exec(name)?.[1]);
    if (number !== index + 1) {
      throw new LandfallError({
        code: 'migrate.numbering',
        doing: `read the migrations in ${directory}`,
        reason: `${name} stands where number ${index + 1} is expected`,
        remedy: 'number them 0001, 0002, … without gaps and doubles',
      });
    }
    const text = await readFile(join(directory, name), 'utf8');
    migrations.push({ number, name, sha256: createHash('sha256').update(text).digest('hex'), text });
  }
  return migrations;
}

async function readApplied(client: pg.Client): Promise<AppliedMigration[]> {
  const { rows } = await client.query<AppliedMigration>(
    'SELECT number, name, sha256 FROM schema_migrations ORDER BY number',
  );
  return rows;
}

async function applyMigration(client: pg.Client, migration: Migration): Promise<void> {
  try {
    await client.query('BEGIN');
    await client.query(migration.text);
    await client.query('INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)', [
      migration.number,
      migration.name,
      migration.sha256,
    ]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw new LandfallError({
      code: 'migrate.failed',
      doing: `apply the migration ${migration.name}`,
      reason: error instanceof Error ? error.message : String(error),
      remedy: 'nothing of it was kept; mend the cause and start again',
      cause: error,
    });
  }
}

/** graphile-worker brings its own migrations, restartable as ours. */
async function migrateTasks(connection: DatabaseConnection): Promise<void> {
  const pool = createPool(connection, { poolSize: 1 });
  try {
    await runMigrations({ pgPool: pool, logger: silentGraphileLogger() });
  } finally {
    await pool.end();
  }
}
