/** The tables of this module: which origs a submission has. It reads what the decision on its tag has left. */
import { sql } from 'kysely';
import type { Db, Trx } from '../platform/database.ts';
import type { ObjectFormat } from '../platform/git.ts';
import { QUILT_MODES, type QuiltMode } from './recipe.ts';
import type { Provenance } from './model.ts';

/** What the decision on a tag says about the source that is to be assembled. The one reading of it, for later modules too. */
export interface AcceptedTag {
  readonly submissionId: number;
  readonly archiveId: number;
  readonly suiteId: number;
  readonly audience: string;
  readonly source: string;
  readonly version: string;
  readonly quilt: QuiltMode;
  readonly frozen: { readonly sha256: string; readonly size: number; readonly objectFormat: ObjectFormat };
  readonly tagObjectId: string;
  readonly commitId: string;
  readonly upstreamCommitId: string | undefined;
  readonly pristineTarCommitId: string | undefined;
}

export interface Orig {
  readonly name: string;
  readonly sha256: string;
  readonly size: number;
  readonly provenance: Provenance;
  readonly detail: string;
}

/** Undefined when the submission is not one of an accepted tag. */
export async function findAcceptedTag(db: Db, submissionId: number): Promise<AcceptedTag | undefined> {
  const row = await db
    .selectFrom('submissions as s')
    .innerJoin('tags as t', 't.submission_id', 's.id')
    .innerJoin('tag_decisions as d', 'd.tag_id', 't.id')
    .innerJoin('frozen_inputs as f', 'f.submission_id', 's.id')
    .where('s.id', '=', submissionId)
    .where('d.outcome', '=', 'accepted')
    .select([
      's.archive_id',
      's.suite_id',
      's.audience',
      's.source',
      's.version',
      'd.quilt',
      'f.sha256',
      'f.size',
      'f.object_format',
      'f.tag_object_id',
      'f.commit_id',
      'f.upstream_commit_id',
      'f.pristine_tar_commit_id',
    ])
    .executeTakeFirst();
  const quilt = QUILT_MODES.find((mode) => mode === row?.quilt);
  if (row?.suite_id == null || row.source === null || row.version === null || quilt === undefined) return undefined;
  return {
    submissionId,
    archiveId: row.archive_id,
    suiteId: row.suite_id,
    audience: row.audience,
    source: row.source,
    version: row.version,
    quilt,
    frozen: { sha256: row.sha256, size: row.size, objectFormat: row.object_format },
    tagObjectId: row.tag_object_id,
    commitId: row.commit_id,
    upstreamCommitId: row.upstream_commit_id ?? undefined,
    pristineTarCommitId: row.pristine_tar_commit_id ?? undefined,
  };
}

/** The origs of a submission, by name; none for a native package. */
export async function origsOf(db: Db, submissionId: number): Promise<Orig[]> {
  return await db
    .selectFrom('origs')
    .where('submission_id', '=', submissionId)
    .orderBy('name')
    .select(['name', 'sha256', 'size', 'provenance', 'detail'])
    .execute();
}

/** Written once: what a second run of the task found is the same or comes too late. */
export async function recordOrigs(trx: Trx, submissionId: number, origs: readonly Orig[]): Promise<void> {
  if (origs.length === 0) return;
  await trx
    .insertInto('origs')
    .values(origs.map((orig) => ({ submission_id: submissionId, ...orig })))
    .onConflict((conflict) => conflict.columns(['submission_id', 'name']).doNothing())
    .execute();
}

/**
 * Holds the pool files that lend their bytes, until the transaction ends; false when one of them was collected since it was found.
 * The collector locks what it takes and looks again behind that, so it either came before or sees the rows of this transaction.
 */
export async function holdLentFiles(trx: Trx, hashes: readonly string[]): Promise<boolean> {
  if (hashes.length === 0) return true;
  const wanted = [...new Set(hashes)];
  await trx.selectFrom('pool_files').select('id').where('sha256', 'in', wanted).orderBy('id').forShare().execute();
  const { rows } = await sql<{ lent: number }>`
    SELECT count(DISTINCT f.sha256) AS lent FROM pool_files f
    WHERE f.sha256 = ANY (${wanted}::text[])
      AND NOT EXISTS (SELECT 1 FROM collected_pool_files c WHERE c.pool_file_id = f.id)`.execute(trx);
  return Number(rows[0]?.lent) === wanted.length;
}

/** Pool files whose name begins as the origs of a source do, of one archive or of all others that the suite builds on. */
export async function findPoolFiles(
  db: Db,
  archiveIds: readonly number[],
  prefix: string,
): Promise<{ archiveId: number; name: string; sha256: string; size: number }[]> {
  if (archiveIds.length === 0) return [];
  const escaped = prefix.replace(/[\\%_]/g, '\\$&');
  const rows = await db
    .selectFrom('pool_files')
    .where('archive_id', 'in', archiveIds)
    .where('path', 'like', `%/${escaped}%`)
    // Names whose bytes are gone lend none.
    .where((eb) =>
      eb.not(
        eb.exists(
          eb.selectFrom('collected_pool_files').select('pool_file_id').whereRef('pool_file_id', '=', 'pool_files.id'),
        ),
      ),
    )
    .select(['archive_id', 'path', 'sha256', 'size'])
    .orderBy('path')
    .execute();
  return rows.map((row) => ({
    archiveId: row.archive_id,
    name: row.path.slice(row.path.lastIndexOf('/') + 1),
    sha256: row.sha256,
    size: row.size,
  }));
}

/** A source that cannot be prepared has no job that could fail; the reservation of its version says whether that was done. */
export async function isReserved(trx: Trx, submissionId: number): Promise<boolean> {
  const row = await trx
    .selectFrom('versions')
    .where('submission_id', '=', submissionId)
    .where('state', '=', 'reserved')
    .select('id')
    .executeTakeFirst();
  return row !== undefined;
}
