/** File names below pool/: each stands for the same bytes for ever. */
import type { Db, Trx } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';

export interface PoolFile {
  readonly id: number;
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
}

export interface NewPoolFile {
  readonly archiveId: number;
  /** Begins with `pool/`. */
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
}

export type Naming =
  | { readonly kind: 'named'; readonly id: number }
  /** The name stands for other bytes already. */
  | { readonly kind: 'conflict'; readonly sha256: string; readonly size: number };

/** Gives bytes a name in an archive. The same bytes under the same name again are the same row. */
export async function namePoolFile(trx: Trx, file: NewPoolFile): Promise<Naming> {
  const inserted = await trx
    .insertInto('pool_files')
    .values({ archive_id: file.archiveId, path: file.path, sha256: file.sha256, size: file.size })
    .onConflict((conflict) => conflict.columns(['archive_id', 'path']).doNothing())
    .returning('id')
    .executeTakeFirst();
  if (inserted !== undefined) return { kind: 'named', id: inserted.id };
  const existing = await findPoolFile(trx, file.archiveId, file.path);
  if (existing === undefined) {
    throw new LandfallError({
      code: 'registry.pool-name-unsettled',
      doing: `name ${file.path}`,
      reason: 'another transaction names it at this moment',
      remedy: 'try again',
    });
  }
  if (existing.sha256 === file.sha256 && existing.size === file.size) {
    // Its bytes may have been collected; who names it has stored them again.
    await trx.deleteFrom('collected_pool_files').where('pool_file_id', '=', existing.id).execute();
    return { kind: 'named', id: existing.id };
  }
  return { kind: 'conflict', sha256: existing.sha256, size: existing.size };
}

export async function findPoolFile(db: Db, archiveId: number, path: string): Promise<PoolFile | undefined> {
  return await db
    .selectFrom('pool_files')
    .select(['id', 'path', 'sha256', 'size'])
    .where('archive_id', '=', archiveId)
    .where('path', '=', path)
    .executeTakeFirst();
}
