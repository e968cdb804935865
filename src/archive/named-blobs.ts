/**
 * Which stored bytes the database names, and for how long. One definition for all who ask: the collector keeps these, the
 * check reads these, a backup copies these.
 *
 * Bytes that were taken down (takedown/) are named by nothing. A name in the pool whose bytes were collected (see
 * collect-packages.ts) names them no more, and neither do the records of how they came in: the upload, the attempt, the tarballs
 * of the submission. What is still under way (a version that is being built, an upload that nobody decided yet) keeps its bytes,
 * whatever was collected under other names.
 */
import { sql } from 'kysely';
import type { Db } from '../platform/database.ts';

/** What a failed attempt delivered is kept this long for those who look into it. */
const FAILED_ATTEMPT_DAYS = 30;

/** Bytes that were collected after `moment`, by all the names that they had. */
const collectedAfter = (hash: string, moment: string) => sql<boolean>`EXISTS (
  SELECT 1 FROM pool_files cf JOIN collected_pool_files c ON c.pool_file_id = cf.id
  WHERE cf.sha256 = ${sql.ref(hash)} AND c.collected_at > ${sql.ref(moment)})`;

/** A query of (sha256, size): everything that must be in the store. The same bytes may come more than once. */
export const NAMED_BLOBS = sql<{ sha256: string; size: number }>`
  SELECT n.sha256, n.size FROM (SELECT f.sha256, f.size FROM pool_files f
    WHERE NOT EXISTS (SELECT 1 FROM collected_pool_files c WHERE c.pool_file_id = f.id)
  UNION ALL SELECT f.sha256, f.size FROM frozen_inputs f
  UNION ALL SELECT s.changelog_sha256, s.changelog_size FROM source_packages s WHERE s.changelog_sha256 IS NOT NULL
  UNION ALL SELECT f.sha256, f.size FROM origs f JOIN submissions s ON s.id = f.submission_id
    WHERE EXISTS (SELECT 1 FROM versions v WHERE v.submission_id = s.id AND v.state = 'reserved')
      OR NOT ${collectedAfter('f.sha256', 's.created_at')}
  UNION ALL SELECT f.sha256, f.size FROM upload_files f JOIN uploads u ON u.id = f.upload_id
    WHERE u.state IN ('received', 'held')
      OR (u.state = 'accepted' AND NOT ${collectedAfter('f.sha256', 'u.received_at')})
  UNION ALL SELECT f.sha256, f.size FROM attempt_files f JOIN attempts a ON a.id = f.attempt_id
    WHERE (a.ended_at IS NULL
        OR (a.state = 'succeeded' AND NOT ${collectedAfter('f.sha256', 'a.ended_at')})
        OR (a.state <> 'succeeded' AND a.ended_at > now() - make_interval(days => ${sql.lit(FAILED_ATTEMPT_DAYS)})))) AS n
  WHERE NOT EXISTS (SELECT 1 FROM taken_down_files t WHERE t.sha256 = n.sha256)`;

export interface NamedBlob {
  readonly sha256: string;
  readonly size: number;
}

/** Everything that must be in the store, by hash, each once. */
export async function namedBlobs(db: Db): Promise<NamedBlob[]> {
  const { rows } = await sql<NamedBlob>`
    SELECT sha256, max(size) AS size FROM (${NAMED_BLOBS}) AS named GROUP BY sha256 ORDER BY sha256`.execute(db);
  return rows;
}

/** Those of `hashes` that the database names. */
export async function namedAmong(db: Db, hashes: readonly string[]): Promise<ReadonlySet<string>> {
  if (hashes.length === 0) return new Set();
  const { rows } = await sql<{ sha256: string }>`
    SELECT DISTINCT named.sha256 FROM (${NAMED_BLOBS}) AS named WHERE named.sha256 = ANY (${[...hashes]}::text[])`.execute(
    db,
  );
  return new Set(rows.map((row) => row.sha256));
}

/** What stored bytes are, for a person: names in pools, with the suites and packages that need them. */
export interface BlobUse {
  readonly sha256: string;
  readonly archive: string;
  readonly path: string;
  /** `hello 2.10-3 (source)`, `hello 2.10-3 amd64`. */
  readonly packages: readonly string[];
  /** Suites that have one of the packages now. */
  readonly suites: readonly string[];
}

/** Where in the pools the bytes are used. Bytes that no pool has (a frozen input, an upload that waits) give nothing. */
export async function usesOf(db: Db, hashes: readonly string[]): Promise<BlobUse[]> {
  if (hashes.length === 0) return [];
  const { rows } = await sql<BlobUse>`
    SELECT f.sha256, a.name AS archive, f.path,
      coalesce(array_agg(DISTINCT coalesce(s.name || ' ' || s.version || ' (source)',
        b.name || ' ' || b.version || ' ' || b.architecture)) FILTER (WHERE coalesce(s.id, b.id) IS NOT NULL), '{}') AS packages,
      coalesce(array_agg(DISTINCT t.name) FILTER (WHERE t.id IS NOT NULL), '{}') AS suites
    FROM pool_files f
      JOIN archives a ON a.id = f.archive_id
      LEFT JOIN package_files p ON p.pool_file_id = f.id
      LEFT JOIN source_packages s ON s.id = p.source_package_id
      LEFT JOIN binary_packages b ON b.id = p.binary_package_id
      LEFT JOIN suite_sources ss ON ss.source_package_id = s.id AND ss.removed_serial IS NULL
      LEFT JOIN suite_binaries sb ON sb.binary_package_id = b.id AND sb.removed_serial IS NULL
      LEFT JOIN suites t ON t.id = coalesce(ss.suite_id, sb.suite_id)
    WHERE f.sha256 = ANY (${[...hashes]}::text[])
    GROUP BY f.id, a.name ORDER BY a.name, f.path`.execute(db);
  return rows;
}
