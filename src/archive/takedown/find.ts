/** Asking whether bytes were taken down, and what to say about it. */
import { sql } from 'kysely';
import type { Db } from '../../platform/database.ts';

export interface TakenDown {
  readonly source: string;
  readonly version: string;
  /** The law demands it. */
  readonly legal: boolean;
  readonly reason: string;
  readonly at: Date;
}

/** The takedown that covers the bytes behind a name in an archive's pool, whatever version they were named for. */
export async function findTakedown(db: Db, archive: string, path: string): Promise<TakenDown | undefined> {
  const { rows } = await sql<TakenDown>`
    SELECT t.source, t.version, t.legal, t.reason, t.at
    FROM archives a
      JOIN pool_files p ON p.archive_id = a.id
      JOIN taken_down_files f ON f.sha256 = p.sha256
      JOIN takedowns t ON t.id = f.takedown_id
    WHERE a.name = ${archive} AND p.path = ${path}
    ORDER BY t.legal DESC, t.id LIMIT 1`.execute(db);
  return rows[0];
}

/** What a reader who asks for such a name is told, by whatever server. */
export function takedownWords(
  { source, version, legal, reason, at }: TakenDown,
  name: string,
): { readonly status: 410 | 451; readonly detail: string; readonly remedy: string } {
  return {
    status: legal ? 451 : 410,
    detail: `${name} of ${source} ${version} was taken down on ${at.toISOString().slice(0, 10)}: ${reason}`,
    remedy: 'use another version; `apt update` tells which there are',
  };
}

/** Those of `hashes` that were taken down. */
export async function takenDownAmong(db: Db, hashes: readonly string[]): Promise<ReadonlySet<string>> {
  if (hashes.length === 0) return new Set();
  const rows = await db
    .selectFrom('taken_down_files')
    .select('sha256')
    .where('sha256', 'in', [...hashes])
    .execute();
  return new Set(rows.map((row) => row.sha256));
}
