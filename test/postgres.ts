/**
 * A database of its own for a test, migrated and empty, in some 20 ms.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { clientConfig, createDatabase, type Db } from '../src/platform/database.ts';
import type { SocketConnection } from '../src/platform/postgres-cluster.ts';
import { TEMPLATE } from './postgres-setup.ts';

export interface TestDatabase {
  readonly db: Db;
  readonly connection: SocketConnection;
  drop(): Promise<void>;
}

/** Makes a database from the migrated template. Call `drop` when the test is over. */
export async function createTestDatabase(): Promise<TestDatabase> {
  return await createDatabaseFrom(TEMPLATE);
}

/** Makes a database without any table, for tests of the migrations. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  return await createDatabaseFrom('template0');
}

async function createDatabaseFrom(template: string): Promise<TestDatabase> {
  const cluster = inject('postgres');
  const database = `test_${randomBytes(8).toString('hex')}`;
  await administer(cluster, `CREATE DATABASE ${database} TEMPLATE ${template} STRATEGY file_copy`);
  const connection = { ...cluster, database };
  const db = createDatabase(connection, { poolSize: 5 });
  return {
    db,
    connection,
    drop: async () => {
      await db.destroy();
      await administer(cluster, `DROP DATABASE ${database} WITH (FORCE)`);
    },
  };
}

async function administer(cluster: SocketConnection, statement: string): Promise<void> {
  const client = new pg.Client(clientConfig({ ...cluster, database: 'postgres' }));
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
