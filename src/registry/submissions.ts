/** Submissions: one row for whatever asks to enter an archive. Its id is the trace id of all that follows. */
import { sql } from 'kysely';
import { jsonText, type Db, type JsonObject, type Trx } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import { recordEvent } from '../platform/events.ts';
import type { SubmissionOrigin } from '../platform/schema.ts';

export interface Submission {
  readonly id: number;
  readonly origin: SubmissionOrigin;
  readonly archiveId: number;
  readonly audience: string;
  readonly suiteId: number | null;
  readonly source: string | null;
  readonly version: string | null;
  readonly personId: number | null;
  readonly createdAt: Date;
}

export interface NewSubmission {
  readonly origin: SubmissionOrigin;
  readonly archiveId: number;
  /** Default: the archive's, from which all that follows inherits. */
  readonly audience?: string | undefined;
}

/** Returns the new submission's id. */
export async function createSubmission(trx: Trx, submission: NewSubmission): Promise<number> {
  const audience =
    submission.audience ?? sql<string>`(SELECT audience FROM archives WHERE id = ${submission.archiveId})`;
  const { id } = await trx
    .insertInto('submissions')
    .values({ origin: submission.origin, archive_id: submission.archiveId, audience })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

/** What is known once the request was read and let in. */
export interface SubmissionFacts {
  readonly suiteId: number;
  readonly source: string;
  readonly version: string;
  readonly personId?: number | undefined;
}

/**
 * Records what a submission turned out to be. Said again in the same words it changes nothing; other words are a fault, since
 * everything that follows was begun for the first.
 * @throws LandfallError `registry.submission-described`, `registry.no-such-submission`
 */
export async function describeSubmission(trx: Trx, id: number, facts: SubmissionFacts): Promise<void> {
  const personId = facts.personId ?? null;
  const described = await trx
    .updateTable('submissions')
    .set({ suite_id: facts.suiteId, source: facts.source, version: facts.version, person_id: personId })
    .where('id', '=', id)
    .where('source', 'is', null)
    .where('suite_id', 'is', null)
    .where('version', 'is', null)
    .returning('id')
    .executeTakeFirst();
  if (described !== undefined) return;
  const current = await trx.selectFrom('submissions').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
  if (current === undefined) throw noSuchSubmission(id);
  if (
    current.suite_id !== facts.suiteId ||
    current.source !== facts.source ||
    current.version !== facts.version ||
    current.person_id !== personId
  ) {
    throw new LandfallError({
      code: 'registry.submission-described',
      doing: `describe submission ${id} as ${facts.source} ${facts.version}`,
      reason: `it is known already as ${current.source ?? '?'} ${current.version ?? '?'}`,
    });
  }
}

/** @throws LandfallError `registry.no-such-submission` */
export async function getSubmission(db: Db, id: number): Promise<Submission> {
  const row = await db.selectFrom('submissions').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw noSuchSubmission(id);
  return {
    id: row.id,
    origin: row.origin,
    archiveId: row.archive_id,
    audience: row.audience,
    suiteId: row.suite_id,
    source: row.source,
    version: row.version,
    personId: row.person_id,
    createdAt: row.created_at,
  };
}

function noSuchSubmission(id: number): LandfallError {
  return new LandfallError({
    code: 'registry.no-such-submission',
    doing: `look up submission ${id}`,
    reason: 'there is none',
  });
}

/** Why and by whom a submission was stopped. */
export interface Suspension {
  readonly actor: string;
  readonly reason: string;
  readonly at: Date;
}

/** Undefined while nobody has suspended it. */
export async function findSuspension(db: Db, submissionId: number): Promise<Suspension | undefined> {
  return await db
    .selectFrom('suspensions')
    .select(['actor', 'reason', 'at'])
    .where('submission_id', '=', submissionId)
    .executeTakeFirst();
}

/**
 * Writes down that nothing of a submission goes any further; what is under way, the caller ends in the same transaction. False
 * when it was suspended before.
 */
export async function suspendSubmission(
  trx: Trx,
  suspension: {
    readonly submissionId: number;
    readonly keyId?: number | undefined;
    readonly actor: string;
    readonly reason: string;
    readonly detail: JsonObject;
  },
): Promise<boolean> {
  const { submissionId, keyId, actor, reason, detail } = suspension;
  const added = await trx
    .insertInto('suspensions')
    .values({ submission_id: submissionId, key_id: keyId ?? null, actor, reason, detail: jsonText(detail) })
    .onConflict((conflict) => conflict.column('submission_id').doNothing())
    .returning('id')
    .executeTakeFirst();
  if (added === undefined) return false;
  await recordEvent(trx, { kind: 'submission.suspended', submissionId, actor, data: { reason, ...detail } });
  return true;
}
