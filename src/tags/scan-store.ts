/** The SQL of looking at Git repositories: notices, what was there at the first look, what is new. */
import { sql } from 'kysely';
import { storableText, type Db, type Trx } from '../platform/database.ts';
import type { RemoteRef } from '../platform/git.ts';
import type { TagState } from './model.ts';

/** Notices of one Git repository that are kept, in a minute. */
const MAX_NOTICES = 120;
/** Of the newest notices those that a look takes names from. */
const MAX_NAMES = 1_000;
/** The task that took a tag in decides it long before. */
const FORGOTTEN_AFTER_SECONDS = 300;

/** What the key of the task begins with that decides a tag; its id follows. */
export const DECISION_KEY = 'tags.decide:';

/** True of a row `t` of tags for which no task waits or runs. */
export const HAS_NO_TASK = sql<boolean>`NOT EXISTS (SELECT FROM graphile_worker.jobs j WHERE j.key = ${DECISION_KEY} || t.id)`;

/** Keeps a notice for each name, or one without; false when so many came within the last minute that more would tell nothing. */
export async function addNotices(
  trx: Trx,
  gitRepositoryId: number,
  refs: readonly string[],
  via: string,
): Promise<boolean> {
  const named = refs.length === 0 ? [null] : [...refs];
  const { rows } = await sql<{ id: number }>`
    INSERT INTO notices (git_repository_id, ref, via)
    SELECT ${gitRepositoryId}::bigint, ref, ${storableText(via).slice(0, 200)} FROM unnest(${named}::text[]) AS named (ref)
    WHERE (
      SELECT count(*) < ${MAX_NOTICES} FROM (
        SELECT received_at FROM notices WHERE git_repository_id = ${gitRepositoryId} ORDER BY id DESC LIMIT ${MAX_NOTICES}
      ) AS newest
      WHERE received_at > now() - interval '1 minute'
    )
    RETURNING id
  `.execute(trx);
  return rows.length > 0;
}

/**
 * The refs that notices named since the last look began, and a little before: a notice that was being written then is not
 * missed, and naming a ref twice changes nothing.
 */
export async function namedRefs(trx: Trx, gitRepositoryId: number): Promise<readonly string[]> {
  const { rows } = await sql<{ ref: string }>`
    SELECT DISTINCT n.ref
    FROM (
      SELECT ref, received_at FROM notices WHERE git_repository_id = ${gitRepositoryId} ORDER BY id DESC LIMIT ${MAX_NAMES}
    ) AS n, git_repositories r
    WHERE r.id = ${gitRepositoryId} AND n.ref IS NOT NULL
      AND (r.last_scan_at IS NULL OR n.received_at > r.last_scan_at - interval '10 seconds')
  `.execute(trx);
  return rows.map(({ ref }) => ref);
}

/** What is known of a Git repository's scans, its row locked: two scans do not both make the baseline. */
export async function lockScan(trx: Trx, gitRepositoryId: number): Promise<{ readonly hasBaseline: boolean }> {
  const row = await trx
    .selectFrom('git_repositories')
    .select('baseline_at')
    .where('id', '=', gitRepositoryId)
    .forUpdate()
    .executeTakeFirstOrThrow();
  return { hasBaseline: row.baseline_at !== null };
}

export async function addBaseline(trx: Trx, gitRepositoryId: number, refs: readonly RemoteRef[]): Promise<void> {
  await sql`
    INSERT INTO tag_baselines (git_repository_id, ref, object_id)
    SELECT ${gitRepositoryId}::bigint, ref, object_id
    FROM unnest(${refs.map(({ ref }) => ref)}::text[], ${refs.map(({ objectId }) => objectId)}::text[]) AS listed (ref, object_id)
    ON CONFLICT DO NOTHING
  `.execute(trx);
  await trx
    .updateTable('git_repositories')
    .set({ baseline_at: sql<Date>`now()` })
    .where('id', '=', gitRepositoryId)
    .execute();
}

/** Keeps that a notice named a tag of the baseline; true the first time. */
export async function markNoticed(trx: Trx, gitRepositoryId: number, tag: RemoteRef): Promise<boolean> {
  const marked = await trx
    .updateTable('tag_baselines')
    .set({ noticed_at: sql<Date>`now()` })
    .where('git_repository_id', '=', gitRepositoryId)
    .where('ref', '=', tag.ref)
    .where('object_id', '=', tag.objectId)
    .where('noticed_at', 'is', null)
    .returning('ref')
    .execute();
  return marked.length > 0;
}

/** True for a tag of the baseline that nobody adopted: it decides nothing. */
export async function isPassedOver(
  db: Db,
  gitRepositoryId: number,
  ref: string,
  objectId: string | undefined,
): Promise<boolean> {
  let found = db
    .selectFrom('tag_baselines')
    .select('ref')
    .where('git_repository_id', '=', gitRepositoryId)
    .where('ref', '=', ref)
    .where('adopted_at', 'is', null);
  if (objectId !== undefined) found = found.where('object_id', '=', objectId);
  return (await found.executeTakeFirst()) !== undefined;
}

/** Of the listed refs those that were never seen, with what the baseline says of them. */
export async function unseenRefs(
  trx: Trx,
  gitRepositoryId: number,
  refs: readonly RemoteRef[],
): Promise<readonly (RemoteRef & { readonly inBaseline: boolean })[]> {
  const { rows } = await sql<{ ref: string; objectId: string; inBaseline: boolean }>`
    SELECT listed.ref, listed.object_id AS "objectId", b.ref IS NOT NULL AND b.adopted_at IS NULL AS "inBaseline"
    FROM unnest(${refs.map(({ ref }) => ref)}::text[], ${refs.map(({ objectId }) => objectId)}::text[]) AS listed (ref, object_id)
    LEFT JOIN tag_baselines b
      ON b.git_repository_id = ${gitRepositoryId} AND b.ref = listed.ref AND b.object_id = listed.object_id
    WHERE NOT EXISTS (
      SELECT 1 FROM tags t
      WHERE t.git_repository_id = ${gitRepositoryId} AND t.ref = listed.ref AND t.object_id = listed.object_id
    )
    ORDER BY listed.ref
  `.execute(trx);
  return rows;
}

/** Tags that stand in the listing and are obstructed, or were seen long ago and have no task that decides them. */
export async function undecidedTags(
  trx: Trx,
  gitRepositoryId: number,
  refs: readonly RemoteRef[],
): Promise<
  readonly { readonly id: number; readonly ref: string; readonly state: TagState; readonly retryAt: Date | null }[]
> {
  const { rows } = await sql<{ id: number; ref: string; state: TagState; retryAt: Date | null }>`
    SELECT t.id, t.ref, t.state, t.retry_at AS "retryAt"
    FROM tags t
    JOIN unnest(${refs.map(({ ref }) => ref)}::text[], ${refs.map(({ objectId }) => objectId)}::text[]) AS listed (ref, object_id)
      ON t.ref = listed.ref AND t.object_id = listed.object_id
    WHERE t.git_repository_id = ${gitRepositoryId} AND (
      t.state = 'obstructed'
      OR (t.state = 'seen' AND t.seen_at < clock_timestamp() - make_interval(secs => ${FORGOTTEN_AFTER_SECONDS}) AND ${HAS_NO_TASK})
    )
  `.execute(trx);
  return rows;
}

export async function addTag(
  trx: Trx,
  tag: {
    readonly gitRepositoryId: number;
    readonly submissionId: number;
    readonly ref: string;
    readonly objectId: string;
    readonly distro: string;
  },
): Promise<number> {
  const { id } = await trx
    .insertInto('tags')
    .values({
      git_repository_id: tag.gitRepositoryId,
      submission_id: tag.submissionId,
      ref: tag.ref,
      object_id: tag.objectId,
      distro: tag.distro,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}
