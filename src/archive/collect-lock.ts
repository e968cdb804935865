/**
 * Who needs that nothing is collected for a while (a backup, which copies what an earlier moment of the database named) holds a
 * shared lock; the collector takes it alone, and leaves its work to the next time when it cannot. The lock belongs to a
 * connection, so that a process that ends holds nothing up.
 */
import { sql } from 'kysely';
import type { Db } from '../platform/database.ts';

const COLLECT_LOCK = 0x4c43;

/** Runs `use` while nothing is collected; waits for a collection that runs. */
export async function withoutCollection<T>(db: Db, use: () => Promise<T>): Promise<T> {
  return await db.connection().execute(async (connection) => {
    await sql`SELECT pg_advisory_lock_shared(${COLLECT_LOCK}, 0)`.execute(connection);
    try {
      return await use();
    } finally {
      await sql`SELECT pg_advisory_unlock_shared(${COLLECT_LOCK}, 0)`.execute(connection);
    }
  });
}

/** Runs `use`, alone; undefined when somebody holds it up. */
export async function collecting<T>(db: Db, use: () => Promise<T>): Promise<T | undefined> {
  return await db.connection().execute(async (connection) => {
    const { rows } = await sql<{ locked: boolean }>`
      SELECT pg_try_advisory_lock(${COLLECT_LOCK}, 0) AS locked`.execute(connection);
    if (rows[0]?.locked !== true) return undefined;
    try {
      return await use();
    } finally {
      await sql`SELECT pg_advisory_unlock(${COLLECT_LOCK}, 0)`.execute(connection);
    }
  });
}
