/** The record of what was taken down. */
import { sql } from 'kysely';
import type { Db } from '../../platform/database.ts';

export interface TakedownRecord {
  readonly archive: string;
  readonly source: string;
  readonly version: string;
  readonly legal: boolean;
  readonly reason: string;
  readonly by: string;
  readonly at: Date;
  /** When the bytes were gone. */
  readonly removedAt: Date | null;
  readonly files: readonly { readonly path: string; readonly sha256: string; readonly size: number }[];
}

/** Of archives for `audiences`, the newest first. */
export async function listTakedowns(db: Db, audiences: readonly string[]): Promise<readonly TakedownRecord[]> {
  const { rows } = await sql<TakedownRecord>`
    SELECT a.name AS archive, t.source, t.version, t.legal, t.reason, t.actor AS by, t.at, t.removed_at AS "removedAt",
      (SELECT coalesce(jsonb_agg(jsonb_build_object('path', f.path, 'sha256', f.sha256, 'size', f.size) ORDER BY f.path), '[]')
        FROM taken_down_files f WHERE f.takedown_id = t.id) AS files
    FROM takedowns t JOIN archives a ON a.id = t.archive_id
    WHERE a.audience = ANY (${[...audiences]}::text[])
    ORDER BY t.id DESC LIMIT 1000`.execute(db);
  return rows;
}
