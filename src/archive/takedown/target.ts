/** Everything that a version is: packages, suites that have them, submissions they came by, and the bytes behind all of it. */
import { sql } from 'kysely';
import type { Db } from '../../platform/database.ts';

export interface TargetFile {
  /** A name in the pool, or `upload:NAME`, `input:SUBMISSION`, `changelog`. */
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
}

export interface Target {
  readonly archives: readonly { readonly id: number; readonly name: string; readonly audience: string }[];
  readonly sourcePackages: readonly number[];
  readonly submissions: readonly number[];
  /** That have some of it now; `name` is `ARCHIVE/SUITE`. */
  readonly suites: readonly {
    readonly id: number;
    readonly archiveId: number;
    readonly name: string;
    readonly audience: string;
  }[];
  readonly files: readonly TargetFile[];
  /** Other versions have the same bytes, or may have: they stay. */
  readonly shared: readonly TargetFile[];
}

const UPSTREAM = /\.orig(?:-[a-z0-9-]+)?\.tar\.[a-z0-9]+(?:\.asc)?$/;

/** Undefined when no archive ever had it. */
export async function readTarget(
  db: Db,
  {
    source,
    version,
    keepUpstream,
  }: { readonly source: string; readonly version: string; readonly keepUpstream: boolean },
): Promise<Target | undefined> {
  const packages = await db
    .selectFrom('source_packages as p')
    .innerJoin('archives as a', 'a.id', 'p.archive_id')
    .select(['p.id', 'p.submission_id', 'a.id as archiveId', 'a.name', 'a.audience'])
    .where('p.name', '=', source)
    .where('p.version', '=', version)
    .orderBy('a.id')
    .execute();
  if (packages.length === 0) return undefined;
  const ids = packages.map(({ id }) => id);
  const submissions = await submissionsOf(db, ids);
  const files = await filesOf(db, ids, submissions);
  const shared = await sharedAmong(
    db,
    files.map((file) => file.sha256),
    ids,
  );
  const stays = (file: TargetFile): boolean => shared.has(file.sha256) || (keepUpstream && UPSTREAM.test(file.path));
  return {
    archives: packages.map(({ archiveId, name, audience }) => ({ id: archiveId, name, audience })),
    sourcePackages: ids,
    submissions,
    suites: await suitesOf(db, ids),
    files: files.filter((file) => !stays(file)),
    shared: files.filter(stays),
  };
}

async function submissionsOf(db: Db, sourcePackages: readonly number[]): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    SELECT p.submission_id AS id FROM source_packages p WHERE p.id = ANY (${[...sourcePackages]}::bigint[])
    UNION SELECT u.submission_id FROM binary_packages b JOIN uploads u ON u.id = b.upload_id
      WHERE b.source_package_id = ANY (${[...sourcePackages]}::bigint[])
    ORDER BY id`.execute(db);
  return rows.map((row) => row.id);
}

async function suitesOf(db: Db, sourcePackages: readonly number[]): Promise<Target['suites']> {
  const { rows } = await sql<Target['suites'][number]>`
    SELECT s.id, s.archive_id AS "archiveId", a.name || '/' || s.name AS name, s.audience
    FROM suites s JOIN archives a ON a.id = s.archive_id
    WHERE EXISTS (SELECT 1 FROM suite_sources m WHERE m.suite_id = s.id AND m.removed_serial IS NULL
        AND m.source_package_id = ANY (${[...sourcePackages]}::bigint[]))
      OR EXISTS (SELECT 1 FROM suite_binaries m JOIN binary_packages b ON b.id = m.binary_package_id
        WHERE m.suite_id = s.id AND m.removed_serial IS NULL
          AND b.source_package_id = ANY (${[...sourcePackages]}::bigint[]))
    ORDER BY s.id`.execute(db);
  return rows;
}

async function filesOf(
  db: Db,
  sourcePackages: readonly number[],
  submissions: readonly number[],
): Promise<readonly TargetFile[]> {
  const { rows } = await sql<TargetFile>`
    SELECT DISTINCT ON (sha256) path, sha256, size FROM (
      SELECT 1 AS rank, f.path, f.sha256, f.size FROM pool_files f JOIN package_files p ON p.pool_file_id = f.id
          LEFT JOIN binary_packages b ON b.id = p.binary_package_id
        WHERE coalesce(p.source_package_id, b.source_package_id) = ANY (${[...sourcePackages]}::bigint[])
      UNION ALL SELECT 2, 'changelog', s.changelog_sha256, s.changelog_size FROM source_packages s
        WHERE s.id = ANY (${[...sourcePackages]}::bigint[]) AND s.changelog_sha256 IS NOT NULL
      UNION ALL SELECT 3, 'upload:' || f.name, f.sha256, f.size FROM upload_files f JOIN uploads u ON u.id = f.upload_id
        WHERE u.submission_id = ANY (${[...submissions]}::bigint[])
      UNION ALL SELECT 4, 'input:' || i.submission_id, i.sha256, i.size FROM frozen_inputs i
        WHERE i.submission_id = ANY (${[...submissions]}::bigint[])
      UNION ALL SELECT 5, 'orig:' || o.name, o.sha256, o.size FROM origs o
        WHERE o.submission_id = ANY (${[...submissions]}::bigint[])) AS everything
    ORDER BY sha256, rank`.execute(db);
  return [...rows].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Bytes that some other version has too, in any archive. One that was taken down itself does not count. */
async function sharedAmong(
  db: Db,
  hashes: readonly string[],
  sourcePackages: readonly number[],
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ sha256: string }>`
    SELECT DISTINCT f.sha256
    FROM pool_files f JOIN package_files p ON p.pool_file_id = f.id
      LEFT JOIN binary_packages b ON b.id = p.binary_package_id
      JOIN source_packages s ON s.id = coalesce(p.source_package_id, b.source_package_id)
    WHERE f.sha256 = ANY (${[...hashes]}::text[]) AND s.id <> ALL (${[...sourcePackages]}::bigint[])
      AND NOT EXISTS (SELECT 1 FROM takedowns t
        WHERE t.archive_id = s.archive_id AND t.source = s.name AND t.version = s.version)`.execute(db);
  return new Set(rows.map((row) => row.sha256));
}
