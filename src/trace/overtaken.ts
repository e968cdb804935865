/**
 * What a newer version has overtaken: a failure of an older one is history then, and nobody needs to act on it.
 */
import { sql } from 'kysely';
import type { Db } from '../platform/database.ts';

/** Of `ids`, those after which the same suite took another version of their source. */
export async function overtaken(db: Db, ids: readonly number[]): Promise<ReadonlySet<number>> {
  if (ids.length === 0) return new Set();
  const { rows } = await sql<{ id: number }>`
    SELECT s.id FROM submissions s
    WHERE s.id = ANY (${[...ids]}::bigint[]) AND ${TOOK_ANOTHER_VERSION_SINCE}`.execute(db);
  return new Set(rows.map((row) => row.id));
}

/** Of submission `s`: a later one brought the same source into the same suite. */
export const TOOK_ANOTHER_VERSION_SINCE = sql<boolean>`EXISTS (
  SELECT 1 FROM submissions later JOIN source_packages taken ON taken.submission_id = later.id
  WHERE later.source = s.source AND later.archive_id = s.archive_id AND later.suite_id = s.suite_id AND later.id > s.id)`;
