/**
 * Removes the bytes of what was taken down, from the published pool and from the store, once its names are marked. It waits a moment for the suites to be
 * published without the version, so that no client is sent after a file that is gone; not for long, since the bytes must go.
 */
import { sql } from 'kysely';
import type { BlobStore } from '../../platform/blobs.ts';
import type { Db } from '../../platform/database.ts';
import type { Logger } from '../../platform/log.ts';
import { changelogName } from '../publish/content.ts';
import type { Storages } from '../storage.ts';
import { markTakenDown } from './markers.ts';

export interface RemoveDeps {
  readonly db: Db;
  readonly blobs: BlobStore;
  readonly storage: Storages;
  readonly log: Logger;
}

/** `waiting`: a publication without the version is still to come; to be asked again soon. */
export type Removal = { readonly kind: 'removed'; readonly files: number } | { readonly kind: 'waiting' };

const PATIENCE = '5 minutes';

export async function removeTakenDown(deps: RemoveDeps, takedownId: number): Promise<Removal> {
  const { db } = deps;
  await markTakenDown(deps, takedownId);
  if (await waitsForPublication(db, takedownId)) return { kind: 'waiting' };
  const names = await sql<{ archive: string; path: string }>`
    SELECT a.name AS archive, p.path FROM taken_down_files f
      JOIN pool_files p ON p.sha256 = f.sha256 JOIN archives a ON a.id = p.archive_id
    WHERE f.takedown_id = ${takedownId} ORDER BY a.name, p.path`.execute(db);
  for (const { archive, path } of names.rows) await (await deps.storage(archive)).published.delete(path);
  for (const { archive, path } of await changelogsOf(db, takedownId)) {
    await (await deps.storage(archive)).published.delete(path);
  }
  const files = await db
    .selectFrom('taken_down_files')
    .select('sha256')
    .where('takedown_id', '=', takedownId)
    .execute();
  let removed = 0;
  for (const { sha256 } of files) if (await deps.blobs.delete(sha256)) removed += 1;
  await sql`UPDATE takedowns SET removed_at = clock_timestamp() WHERE id = ${takedownId} AND removed_at IS NULL`.execute(
    db,
  );
  deps.log.info(
    { takedownId, removed, names: names.rows.length },
    'removed the bytes of a version that was taken down',
  );
  return { kind: 'removed', files: removed };
}

async function waitsForPublication(db: Db, takedownId: number): Promise<boolean> {
  const { rows } = await sql<{ waits: boolean }>`
    SELECT EXISTS (
      SELECT 1 FROM takedowns t
        JOIN source_packages s ON s.archive_id = t.archive_id AND s.name = t.source AND s.version = t.version
        JOIN LATERAL (
          SELECT m.suite_id, m.removed_serial FROM suite_sources m WHERE m.source_package_id = s.id
          UNION SELECT m.suite_id, m.removed_serial FROM suite_binaries m
            JOIN binary_packages b ON b.id = m.binary_package_id WHERE b.source_package_id = s.id) AS held ON true
      WHERE t.id = ${takedownId} AND t.at > clock_timestamp() - ${PATIENCE}::interval
        AND EXISTS (SELECT 1 FROM publications p WHERE p.suite_id = held.suite_id AND p.serial < held.removed_serial)
        AND NOT EXISTS (SELECT 1 FROM publications p
          WHERE p.suite_id = held.suite_id AND p.state = 'published' AND p.serial >= held.removed_serial)) AS waits`.execute(
    db,
  );
  return rows[0]?.waits === true;
}

/** Where `apt changelog` would find the version's: in each component that has a package of it. */
async function changelogsOf(db: Db, takedownId: number): Promise<{ archive: string; path: string }[]> {
  const { rows } = await sql<{ archive: string; component: string; name: string; version: string }>`
    SELECT DISTINCT a.name AS archive, n.component, s.name, s.version
    FROM takedowns t JOIN archives a ON a.id = t.archive_id
      JOIN source_packages s ON s.archive_id = t.archive_id AND s.name = t.source AND s.version = t.version
      JOIN LATERAL (SELECT s.component UNION
        SELECT b.component FROM binary_packages b WHERE b.source_package_id = s.id) AS n ON true
    WHERE t.id = ${takedownId}`.execute(db);
  return rows.map(({ archive, component, name, version }) => ({
    archive,
    path: changelogName(component, name, version),
  }));
}
