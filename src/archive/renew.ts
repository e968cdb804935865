/**
 * Keeps suites valid: a suite whose Valid-Until nears, or that was never published, gets a publication. Renewed at half of its
 * validity, so that days remain to mend what stops it.
 */
import { sql } from 'kysely';
import { withTransaction, type Db } from '../platform/database.ts';
import { enqueuePublication } from './accept.ts';

/** Enqueues the publications that are due; returns the suites. */
export async function renewSuites(db: Db): Promise<number[]> {
  const { rows } = await sql<{ id: number; published: boolean }>`
    SELECT s.id, p.date IS NOT NULL AS published
    FROM suites s
      LEFT JOIN LATERAL (
        SELECT date, valid_until FROM publications
        WHERE suite_id = s.id AND state = 'published' ORDER BY serial DESC LIMIT 1) p ON true
    WHERE p.date IS NULL
      OR (p.valid_until IS NOT NULL AND clock_timestamp() >= p.date + (p.valid_until - p.date) / 2)
      OR EXISTS (SELECT 1 FROM publications o WHERE o.suite_id = s.id AND o.state <> 'published'
                 AND o.started_at < clock_timestamp() - interval '10 minutes')
    ORDER BY s.id`.execute(db);
  for (const { id, published } of rows) {
    await withTransaction(db, async (trx) => {
      await enqueuePublication(trx, id, { reason: published ? 'renewal' : 'change' });
    });
  }
  return rows.map((row) => row.id);
}
