/** The SQL of tags: what was seen, what was decided about it, what stood in the way. Rules are in model.ts. */
import { sql } from 'kysely';
import { jsonText, storableText, type Db, type Trx } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import type { QuiltMode } from '../platform/schema.ts';
import { afterStep, type Obstacle, type RecordedCheck, type TagState, type TagStep } from './model.ts';
import type { SignatureKind } from './tag-object.ts';

/** A row of `tags` with what a decision needs beside it. */
export interface TagRow {
  readonly id: number;
  readonly gitRepositoryId: number;
  readonly submissionId: number;
  readonly ref: string;
  readonly objectId: string;
  readonly distro: string;
  readonly state: TagState;
  readonly seenAt: Date;
  readonly archiveId: number;
  /** How many obstacles it has met. */
  readonly obstacles: number;
  /** The database's time when this was read. */
  readonly readAt: Date;
}

export interface NewDecision {
  readonly outcome: 'accepted' | 'rejected';
  readonly code: string;
  readonly sentence: string;
  readonly remedy: string | undefined;
  readonly checks: readonly RecordedCheck[];
  readonly tagObject: Buffer | undefined;
  readonly signatureKind: SignatureKind | undefined;
  readonly keyFingerprint: string | undefined;
  readonly keyMaterial: Buffer | undefined;
  readonly personId: number | undefined;
  readonly commitId: string | undefined;
  readonly upstreamCommitId: string | undefined;
  readonly source: string | undefined;
  readonly version: string | undefined;
  readonly suiteId: number | undefined;
  readonly quilt: QuiltMode | undefined;
  readonly grantId: number | undefined;
  readonly decidedBy: string;
}

export interface NewFrozenInput {
  readonly submissionId: number;
  readonly sha256: string;
  readonly size: number;
  readonly objectFormat: 'sha1' | 'sha256';
  readonly tagObjectId: string;
  readonly commitId: string;
  readonly upstreamCommitId: string | undefined;
  readonly pristineTarCommitId: string | undefined;
}

export async function loadTag(db: Db, id: number): Promise<TagRow | undefined> {
  return await selectTags(db).where('tags.id', '=', id).executeTakeFirst();
}

/** The tag's state now; nobody else moves it until the transaction ends. */
export async function lockTag(trx: Trx, id: number): Promise<TagState> {
  const row = await trx.selectFrom('tags').select('state').where('id', '=', id).forUpdate().executeTakeFirst();
  if (row !== undefined) return row.state;
  throw new LandfallError({ code: 'tags.no-such-tag', doing: `look up tag ${id}`, reason: 'there is none' });
}

/** Moves a locked tag. An illegal step is a fault of ours. */
export async function moveTag(trx: Trx, id: number, from: TagState, step: TagStep, retryAt?: Date): Promise<void> {
  const to = afterStep(from, step);
  if (to === undefined) {
    throw new LandfallError({ code: 'tags.illegal-step', doing: `${step} tag ${id}`, reason: `it is ${from}` });
  }
  await trx
    .updateTable('tags')
    .set({
      state: to,
      retry_at: retryAt ?? null,
      ...(to === 'obstructed' ? {} : { decided_at: sql<Date>`clock_timestamp()` }),
    })
    .where('id', '=', id)
    .execute();
}

export async function addDecision(trx: Trx, tagId: number, decision: NewDecision): Promise<number> {
  const { id } = await trx
    .insertInto('tag_decisions')
    .values({
      tag_id: tagId,
      outcome: decision.outcome,
      code: decision.code,
      sentence: storableText(decision.sentence),
      remedy: decision.remedy === undefined ? null : storableText(decision.remedy),
      checks: jsonText(decision.checks),
      tag_object: decision.tagObject ?? null,
      signature_kind: decision.signatureKind ?? null,
      key_fingerprint: decision.keyFingerprint ?? null,
      key_material: decision.keyMaterial ?? null,
      person_id: decision.personId ?? null,
      commit_id: decision.commitId ?? null,
      upstream_commit_id: decision.upstreamCommitId ?? null,
      source: decision.source ?? null,
      version: decision.version ?? null,
      suite_id: decision.suiteId ?? null,
      quilt: decision.quilt ?? null,
      grant_id: decision.grantId ?? null,
      decided_by: decision.decidedBy,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

export async function addFrozenInput(trx: Trx, frozen: NewFrozenInput): Promise<void> {
  await trx
    .insertInto('frozen_inputs')
    .values({
      submission_id: frozen.submissionId,
      sha256: frozen.sha256,
      size: frozen.size,
      object_format: frozen.objectFormat,
      tag_object_id: frozen.tagObjectId,
      commit_id: frozen.commitId,
      upstream_commit_id: frozen.upstreamCommitId ?? null,
      pristine_tar_commit_id: frozen.pristineTarCommitId ?? null,
    })
    .execute();
}

/** Adds an obstacle; gives how many there are now, and whether it is another one than the last. */
export async function addObstacle(
  trx: Trx,
  tagId: number,
  obstacle: Obstacle,
  checks: readonly RecordedCheck[],
): Promise<{ readonly count: number; readonly isNew: boolean }> {
  const last = await trx
    .selectFrom('tag_obstacles')
    .select('code')
    .where('tag_id', '=', tagId)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  await trx
    .insertInto('tag_obstacles')
    .values({
      tag_id: tagId,
      code: obstacle.code,
      sentence: storableText(obstacle.sentence),
      remedy: storableText(obstacle.remedy),
      checks: jsonText(checks),
    })
    .execute();
  const { count } = await trx
    .selectFrom('tag_obstacles')
    .select(sql<number>`count(*)`.as('count'))
    .where('tag_id', '=', tagId)
    .executeTakeFirstOrThrow();
  return { count, isNew: last?.code !== obstacle.code };
}

/** What was said of a tag, last. */
export interface Said {
  readonly id: number;
  readonly code: string;
  readonly sentence: string;
  readonly remedy: string | null;
}

/** The newest decision about a tag. */
export async function lastDecision(db: Db, tagId: number): Promise<Said | undefined> {
  return await db
    .selectFrom('tag_decisions')
    .select(['id', 'code', 'sentence', 'remedy'])
    .where('tag_id', '=', tagId)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** The newest obstacle of a tag. */
export async function lastObstacle(db: Db, tagId: number): Promise<Said | undefined> {
  return await db
    .selectFrom('tag_obstacles')
    .select(['id', 'code', 'sentence', 'remedy'])
    .where('tag_id', '=', tagId)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** The tag that was seen last under a ref, or the very object that is named. */
export async function findTagByRef(
  db: Db,
  gitRepositoryId: number,
  ref: string,
  objectId: string | undefined,
): Promise<TagRow | undefined> {
  let tags = selectTags(db).where('tags.git_repository_id', '=', gitRepositoryId).where('tags.ref', '=', ref);
  if (objectId !== undefined) tags = tags.where('tags.object_id', '=', objectId);
  return await tags.orderBy('tags.id', 'desc').limit(1).executeTakeFirst();
}

function selectTags(db: Db) {
  return db
    .selectFrom('tags')
    .innerJoin('submissions', 'submissions.id', 'tags.submission_id')
    .select([
      'tags.id',
      'tags.git_repository_id as gitRepositoryId',
      'tags.submission_id as submissionId',
      'tags.ref',
      'tags.object_id as objectId',
      'tags.distro',
      'tags.state',
      'tags.seen_at as seenAt',
      'submissions.archive_id as archiveId',
      sql<number>`(SELECT count(*) FROM tag_obstacles o WHERE o.tag_id = tags.id)`.as('obstacles'),
      sql<Date>`clock_timestamp()`.as('readAt'),
    ]);
}
