/** One decision at a time changes what an archive holds. */
import { sql } from 'kysely';
import type { Trx } from '../platform/database.ts';

/** The space of advisory locks that decisions take, one per archive. */
const ARCHIVE_LOCKS = 0x4c41;

/** Waits until nobody else decides for this archive, and keeps others waiting until the transaction ends. */
export async function lockArchive(trx: Trx, archiveId: number): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(${ARCHIVE_LOCKS}, ${archiveId}::integer)`.execute(trx);
}
