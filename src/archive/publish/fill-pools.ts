/** Fills the pools of a published tree that was lost, and its changelogs, from the stored files: all that some suite holds. */
import { sql } from 'kysely';
import { readNewChangelogs } from './content.ts';
import type { PublishDeps } from './publication.ts';
import { fillPool, type PoolFile } from './pool.ts';

/** Returns how many files were new. @throws LandfallError `blob.missing`, `object.other-bytes`, `storage.*` */
export async function fillPools(deps: Pick<PublishDeps, 'db' | 'blobs' | 'storage'>): Promise<number> {
  const archives = await deps.db.selectFrom('archives').select(['id', 'name']).orderBy('id').execute();
  let added = 0;
  for (const { id, name } of archives) {
    const { rows } = await sql<PoolFile>`
      SELECT f.path, f.sha256, f.size FROM pool_files f
      WHERE f.archive_id = ${id} AND NOT EXISTS (SELECT 1 FROM collected_pool_files c WHERE c.pool_file_id = f.id)
        AND NOT EXISTS (SELECT 1 FROM taken_down_files t WHERE t.sha256 = f.sha256)
        AND EXISTS (
          SELECT 1 FROM package_files p
            LEFT JOIN suite_sources s ON s.source_package_id = p.source_package_id AND s.removed_serial IS NULL
            LEFT JOIN suite_binaries b ON b.binary_package_id = p.binary_package_id AND b.removed_serial IS NULL
          WHERE p.pool_file_id = f.id AND coalesce(s.id, b.id) IS NOT NULL)
      ORDER BY f.id`.execute(deps.db);
    const { published } = await deps.storage(name);
    added += await fillPool(published, deps.blobs, rows);
    const suites = await deps.db
      .selectFrom('suites')
      .select(['id', 'open_serial'])
      .where('archive_id', '=', id)
      .execute();
    for (const suite of suites) {
      const changelogs = await readNewChangelogs(deps.db, suite.id, 0, suite.open_serial);
      added += await fillPool(published, deps.blobs, changelogs);
    }
  }
  return added;
}
