/**
 * Collects the bytes of packages that no suite has had for longer than its retention: their names leave the published pool, and
 * the stored files, which nothing names any more, go with the next collection of orphans. The rows stay, and the name stands for
 * the same bytes for ever: accepted again, they come back under it.
 *
 * A file stays while any package that it belongs to is in a suite or in a publication that is still kept; a source also while any
 * of its binaries is; an upstream tarball also while a version that is being built needs it. What was never in a suite waits for
 * one (NEW, an architecture that is missing) and stays.
 *
 * Each archive is decided on behind the lock that acceptance takes, so nothing comes into a suite meanwhile; and a package whose
 * bytes went is refused by the database. Killed anywhere, the next run does the rest: what is marked is gone or is removed again
 * by it (H10).
 */
import { sql } from 'kysely';
import { withTransaction, type Db } from '../platform/database.ts';
import type { Logger } from '../platform/log.ts';
import { lockArchive } from './lock.ts';
import { IS_KEPT } from './snapshots/kept.ts';
import type { Storages } from './storage.ts';

export interface CollectPackagesDeps {
  readonly db: Db;
  readonly storage: Storages;
  readonly log: Logger;
}

const BATCH = 500;

/** Returns how many names left the pools, and their bytes. */
export async function collectPackages(deps: CollectPackagesDeps): Promise<{ removed: number; bytes: number }> {
  const archives = await deps.db.selectFrom('archives').select(['id', 'name']).orderBy('id').execute();
  let removed = 0;
  let bytes = 0;
  for (const archive of archives) {
    for (;;) {
      const gone = await collectSome(deps, archive);
      removed += gone.length;
      bytes += gone.reduce((sum, file) => sum + file.size, 0);
      if (gone.length < BATCH) break;
    }
  }
  if (removed > 0) deps.log.info({ removed, bytes }, 'removed files of packages that are in no suite any more');
  return { removed, bytes };
}

interface GoneFile {
  readonly id: number;
  readonly path: string;
  readonly size: number;
}

async function collectSome(
  deps: CollectPackagesDeps,
  archive: { readonly id: number; readonly name: string },
): Promise<readonly GoneFile[]> {
  const { published } = await deps.storage(archive.name);
  return await withTransaction(deps.db, async (trx) => {
    await lockArchive(trx, archive.id);
    // Locked first, and looked at again then: a source that is being prepared may take a tarball from the pool at this moment
    // (sources/store.ts), which only a look behind its lock sees.
    const found = await sql<{ id: number }>`
      ${NEEDED(archive.id)}
      SELECT f.id FROM pool_files f WHERE f.archive_id = ${archive.id} AND ${UNNEEDED} ORDER BY f.id LIMIT ${BATCH}
      FOR UPDATE OF f`.execute(trx);
    const { rows } = await sql<GoneFile>`
      ${NEEDED(archive.id)}
      INSERT INTO collected_pool_files (pool_file_id)
      SELECT f.id FROM pool_files f WHERE f.id = ANY (${found.rows.map(({ id }) => id)}::bigint[]) AND ${UNNEEDED} ORDER BY f.id
      RETURNING pool_file_id AS id,
        (SELECT path FROM pool_files WHERE id = pool_file_id) AS path,
        (SELECT size FROM pool_files WHERE id = pool_file_id) AS size`.execute(trx);
    // Before the transaction ends: cut off here, the rows are not marked, and the next run marks and removes them again. Their
    // bytes are still stored, so whoever needs a name until then gets it from them.
    for (const { path } of rows) await published.delete(path);
    return rows;
  });
}

/** True of a row `m` of suite_sources or suite_binaries, in the suite `s`: it is there, or a kept publication has it. */
const inSomePublication = sql<boolean>`(m.removed_serial IS NULL OR m.removed_serial > coalesce(
    (SELECT max(n.serial) FROM publications n WHERE n.suite_id = s.id AND n.state = 'published'), 0)
  OR EXISTS (SELECT 1 FROM publications p WHERE p.suite_id = s.id
    AND p.serial >= m.added_serial AND p.serial < m.removed_serial AND (p.state <> 'published' OR ${IS_KEPT})))`;

/** What packages of the archive some suite or kept publication has: `needed`, by the ids of source and binary. */
const NEEDED = (archiveId: number) => sql`
  WITH needed AS (
    SELECT m.source_package_id AS source_id, NULL::bigint AS binary_id FROM suite_sources m JOIN suites s ON s.id = m.suite_id
      WHERE s.archive_id = ${archiveId} AND ${inSomePublication}
    UNION
    SELECT b.source_package_id, b.id FROM suite_binaries m JOIN suites s ON s.id = m.suite_id
      JOIN binary_packages b ON b.id = m.binary_package_id
      WHERE s.archive_id = ${archiveId} AND ${inSomePublication})`;

/** True of a row `f` of pool_files whose bytes nothing needs any more. */
const UNNEEDED = sql<boolean>`(
  NOT EXISTS (SELECT 1 FROM collected_pool_files c WHERE c.pool_file_id = f.id)
  AND NOT EXISTS (SELECT 1 FROM taken_down_files t WHERE t.sha256 = f.sha256)
  AND EXISTS (SELECT 1 FROM package_files p WHERE p.pool_file_id = f.id)
  AND NOT EXISTS (
    SELECT 1 FROM package_files p
    WHERE p.pool_file_id = f.id AND (
      p.source_package_id IN (SELECT source_id FROM needed)
      OR p.binary_package_id IN (SELECT binary_id FROM needed WHERE binary_id IS NOT NULL)
      OR (p.source_package_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM suite_sources e WHERE e.source_package_id = p.source_package_id))
      OR (p.binary_package_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM suite_binaries e WHERE e.binary_package_id = p.binary_package_id))))
  AND NOT EXISTS (
    SELECT 1 FROM origs o JOIN versions v ON v.submission_id = o.submission_id AND v.state = 'reserved'
    WHERE o.sha256 = f.sha256))`;
