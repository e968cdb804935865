/**
 * Collects blobs that no row names: what an upload that was cut off left behind, or one whose transaction never came. A blob is
 * left alone for a while after it was last put, because its row is written after it (H4, H10).
 */
import { sql } from 'kysely';
import type { BlobStore } from '../platform/blobs.ts';
import type { Db } from '../platform/database.ts';
import type { Logger } from '../platform/log.ts';
import { collectChunks } from './index-keeper/store.ts';
import { namedAmong } from './named-blobs.ts';
import { IS_KEPT } from './snapshots/kept.ts';
import type { Storages } from './storage.ts';

export interface OrphanDeps {
  readonly db: Db;
  readonly blobs: BlobStore;
  readonly storage: Storages;
  readonly log: Logger;
}

/** Nothing that is put takes longer than this to be named. */
const GRACE_MS = 24 * 60 * 60_000;
const BATCH = 2_000;

/** Removes them; returns how many, and their bytes. `now` is the clock that blobs are dated by. */
export async function collectOrphans(deps: OrphanDeps, now: Date): Promise<{ removed: number; bytes: number }> {
  const before = new Date(now.getTime() - GRACE_MS);
  let removed = 0;
  let bytes = 0;
  let batch: { sha256: string; size: number }[] = [];
  const flush = async (): Promise<void> => {
    const named = await namedAmong(
      deps.db,
      batch.map(({ sha256 }) => sha256),
    );
    for (const { sha256, size } of batch) {
      if (named.has(sha256) || !(await deps.blobs.delete(sha256, before))) continue;
      removed += 1;
      bytes += size;
    }
    batch = [];
  };
  for await (const entry of deps.blobs.list()) {
    if (entry.putAt >= before) continue;
    batch.push(entry);
    if (batch.length >= BATCH) await flush();
  }
  await flush();
  if (removed > 0) deps.log.info({ removed, bytes }, 'removed stored files that nothing names');
  return { removed, bytes };
}

/**
 * Removes parts of indices that no publication which is kept as a snapshot is made of (snapshots/kept.ts). The newest of each
 * suite is among those whatever its age: the next one is made from it.
 */
export async function collectIndexChunks(deps: OrphanDeps, now: Date): Promise<{ removed: number; bytes: number }> {
  const before = new Date(now.getTime() - GRACE_MS);
  const archives = await deps.db.selectFrom('archives').select(['id', 'name']).execute();
  let removed = 0;
  let bytes = 0;
  for (const archive of archives) {
    const { rows } = await sql<{ id: string }>`
      SELECT DISTINCT i.value ->> 'id' AS id
      FROM suites s JOIN publications p ON p.suite_id = s.id,
        jsonb_each(coalesce(p.facts -> 'indices', '{}')) i
      WHERE s.archive_id = ${archive.id} AND i.value ->> 'id' IS NOT NULL
        AND (p.state <> 'published' OR ${IS_KEPT})`.execute(deps.db);
    const collected = await collectChunks(
      (await deps.storage(archive.name)).chunks,
      rows.map((row) => row.id),
      before,
    );
    removed += collected.removed;
    bytes += collected.bytes;
  }
  if (removed > 0) deps.log.info({ removed, bytes }, 'removed parts of indices that no publication needs');
  return { removed, bytes };
}
