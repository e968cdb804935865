/**
 * A mark beside the published tree for each name in the pool whose bytes were taken down: `.taken-down/410/NAME`, or `451` where
 * the law demands it, with the words for the reader. So a web server that serves the tree from the disk (packaging/nginx/) gives
 * the same answer as ours, also while the bytes are still there, and also while Landfall is away.
 */
import { sql } from 'kysely';
import type { Db } from '../../platform/database.ts';
import type { Storages } from '../storage.ts';
import { takedownWords, type TakenDown } from './find.ts';

const MARKS = '.taken-down';

/** Writes the marks of one takedown, or of all; durable after return. What is there already is left as it is. */
export async function markTakenDown(
  deps: { readonly db: Db; readonly storage: Storages },
  takedownId?: number,
): Promise<void> {
  const { rows } = await sql<TakenDown & { archive: string; path: string }>`
    SELECT DISTINCT ON (a.name, p.path) a.name AS archive, p.path, t.source, t.version, t.legal, t.reason, t.at
    FROM taken_down_files f
      JOIN takedowns t ON t.id = f.takedown_id
      JOIN pool_files p ON p.sha256 = f.sha256
      JOIN archives a ON a.id = p.archive_id
    WHERE p.sha256 IN (SELECT sha256 FROM taken_down_files
      WHERE ${takedownId ?? null}::bigint IS NULL OR takedown_id = ${takedownId ?? null}::bigint)
    ORDER BY a.name, p.path, t.legal DESC, t.id`.execute(deps.db);
  const byArchive = new Map<string, typeof rows>();
  for (const row of rows) byArchive.set(row.archive, [...(byArchive.get(row.archive) ?? []), row]);
  for (const [archive, taken] of byArchive) {
    const { published } = await deps.storage(archive);
    const batch = published.batch();
    for (const one of taken) {
      const { status, detail, remedy } = takedownWords(one, one.path);
      const name = `${MARKS}/${status}/${one.path}`;
      const text = Buffer.from(`${detail}\n${remedy}\n`);
      const there = await published.read(name);
      if (there?.equals(text) === true) continue;
      // Written by a version that had other words for it.
      if (there !== undefined) await published.delete(name);
      await batch.put(name, text);
    }
    await batch.settle();
  }
}
