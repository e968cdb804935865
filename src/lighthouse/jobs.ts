/**
 * Jobs from outside: made by those who need work done, ended by those who judged it, given back and cancelled by people.
 *
 * **Turns.** Workers take jobs by priority, then by `fair_position`, then by age. A job's position is behind those of its own
 * group that still wait or run, but never before the head of the queue: a package that brings 10,000 jobs fills the places
 * 7, 8, 9 … 10,006, and the next package's first job takes place 7 beside it. So groups take turns, a burst delays nobody by
 * more than one job, and a claim reads no further than the front of an index (start-time fair queueing).
 */
import { sql } from 'kysely';
import { jsonText, type JsonObject, type JsonValue, type Trx } from '../platform/database.ts';
import { recordAudit } from '../platform/events.ts';
import { nextJobState, type JobState } from './model.ts';
import { JOBS_READY, lockAliveAttempt, moveAttempt, moveJob, notify, recordJobEvent, requireJob } from './store.ts';

export interface NewJob {
  /** Carried by everything that follows from one request; for a submission its id. */
  readonly traceId: number;
  readonly audience: string;
  /** What the worker must know how to do; the payload's shape depends on it. */
  readonly kind: string;
  /** The same key is the same job, however often it is asked for. */
  readonly key: string;
  /** Jobs of one group share their pool's workers fairly with other groups. */
  readonly fairGroup: string;
  readonly workerPoolId: number;
  /** Null: any worker of the pool can run it. */
  readonly architecture: string | null;
  readonly sizeClass?: 'small' | 'medium' | 'large';
  readonly limits?: JsonObject;
  /** Higher runs sooner; default 0. */
  readonly priority?: number;
  readonly payload: JsonValue;
  /** The background task that is enqueued with `{ jobId, state }`, in the same transaction, whenever the job ends. */
  readonly endedTask?: string;
  /** Born blocked, for this reason. */
  readonly blockedBecause?: string;
}

/** The job's id: a new one's, or that of the one which has this key already. */
export async function createJob(trx: Trx, job: NewJob): Promise<number> {
  const inserted = await sql<{ id: number }>`
    INSERT INTO jobs (trace_id, audience, kind, key, fair_group, worker_pool_id, architecture, size_class, limits, priority,
      payload, ended_task, state, blocked_because, fair_position)
    VALUES (${job.traceId}, ${job.audience}, ${job.kind}, ${job.key}, ${job.fairGroup}, ${job.workerPoolId},
      ${job.architecture}, ${job.sizeClass ?? 'medium'}, ${jsonText(job.limits ?? {})}, ${job.priority ?? 0},
      ${jsonText(job.payload)}, ${job.endedTask ?? null},
      ${job.blockedBecause === undefined ? 'ready' : 'blocked'}, ${job.blockedBecause ?? null},
      ${fairPosition(job)})
    ON CONFLICT (key) DO NOTHING
    RETURNING id`.execute(trx);
  const created = inserted.rows[0];
  if (created === undefined) {
    const existing = await trx.selectFrom('jobs').select('id').where('key', '=', job.key).executeTakeFirstOrThrow();
    return existing.id;
  }
  await recordJobEvent(trx, { ...job, id: created.id }, 'job.created', 'landfall', { key: job.key });
  if (job.blockedBecause === undefined) await notify(trx, JOBS_READY, '');
  return created.id;
}

function fairPosition(job: NewJob): ReturnType<typeof sql<number>> {
  const queue = sql`worker_pool_id = ${job.workerPoolId} AND coalesce(architecture, '') = ${job.architecture ?? ''}
    AND priority = ${job.priority ?? 0}`;
  return sql<number>`greatest(
    coalesce(
      (SELECT fair_position FROM jobs WHERE ${queue} AND state = 'ready' ORDER BY fair_position LIMIT 1),
      (SELECT max(fair_position) FROM jobs WHERE ${queue} AND state = 'leased'),
      0),
    coalesce(
      (SELECT fair_position + 1 FROM jobs
       WHERE ${queue} AND fair_group = ${job.fairGroup} AND state IN ('ready', 'leased')
       ORDER BY fair_position DESC LIMIT 1),
      0))`;
}

export type Verdict =
  | { readonly kind: 'done' }
  /** It had this verdict already; nothing was changed. */
  | { readonly kind: 'unchanged' }
  /** There is nothing to judge. */
  | { readonly kind: 'not-delivered'; readonly state: JobState };

/** What was delivered was accepted (or waits in NEW). Called by whoever judged it, in the judging transaction. */
export async function succeedJob(trx: Trx, jobId: number): Promise<Verdict> {
  const job = await requireJob(trx, jobId, 'accept what a job delivered');
  if (job.state === 'succeeded') return { kind: 'unchanged' };
  if (job.state !== 'delivered') return { kind: 'not-delivered', state: job.state };
  const attempt = await lockAliveAttempt(trx, jobId);
  if (attempt !== undefined) await moveAttempt(trx, attempt, 'accept');
  await moveJob(trx, job, 'accept', { failure: null });
  await recordJobEvent(trx, job, 'job.succeeded', 'landfall', attempt === undefined ? {} : { attemptId: attempt.id });
  return { kind: 'done' };
}

/** What was delivered was refused, for a reason that the page of the job shows. */
export async function refuseDelivery(trx: Trx, jobId: number, code: string, reason: string): Promise<Verdict> {
  const job = await requireJob(trx, jobId, 'refuse what a job delivered');
  if (job.state === 'failed') return { kind: 'unchanged' };
  if (job.state !== 'delivered') return { kind: 'not-delivered', state: job.state };
  const attempt = await lockAliveAttempt(trx, jobId);
  if (attempt !== undefined) await moveAttempt(trx, attempt, 'refuse', { code, reason });
  await moveJob(trx, job, 'refuse', { failure: { code, reason } });
  await recordJobEvent(trx, job, 'job.failed', 'landfall', {
    ...(attempt === undefined ? {} : { attemptId: attempt.id }),
    code,
    reason,
  });
  return { kind: 'done' };
}

/** What was delivered cannot be read any more, through no fault of its own; the work is done once again. */
export async function loseDelivery(trx: Trx, jobId: number, code: string, reason: string): Promise<Verdict> {
  const job = await requireJob(trx, jobId, 'have a lost delivery made again');
  if (job.state === 'ready') return { kind: 'unchanged' };
  if (job.state !== 'delivered') return { kind: 'not-delivered', state: job.state };
  const attempt = await lockAliveAttempt(trx, jobId);
  if (attempt !== undefined) await moveAttempt(trx, attempt, 'refuse', { code, reason });
  await moveJob(trx, job, 'lose-delivery');
  await recordJobEvent(trx, job, 'job.lost', 'landfall', {
    ...(attempt === undefined ? {} : { attemptId: attempt.id }),
    code,
    reason,
  });
  return { kind: 'done' };
}

export type PersonsMove =
  | { readonly kind: 'done' }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'not-possible'; readonly state: JobState; readonly reason: string };

/** Lets a failed or quarantined job be tried again, with no failures counted against it. */
export async function giveBack(trx: Trx, jobId: number, actor: string): Promise<PersonsMove> {
  const job = await requireJob(trx, jobId, 'give a job back');
  if (job.state === 'ready') return { kind: 'unchanged' };
  if (nextJobState(job.state, 'give-back') === undefined) {
    return {
      kind: 'not-possible',
      state: job.state,
      reason: `only a job that failed or is quarantined can be given back; this one is ${job.state}`,
    };
  }
  await moveJob(trx, job, 'give-back', { delaySeconds: 0, infrastructureFailures: 0, failure: null });
  await recordJobEvent(trx, job, 'job.given-back', actor, { from: job.state });
  await recordAudit(trx, { actor, action: 'job.given-back', subject: `job ${jobId}`, detail: { from: job.state } });
  return { kind: 'done' };
}

/** Ends a job that nobody wants any more; a worker that runs it learns so with its next request. */
export async function cancel(trx: Trx, jobId: number, actor: string, reason: string): Promise<PersonsMove> {
  const job = await requireJob(trx, jobId, 'cancel a job');
  if (job.state === 'cancelled') return { kind: 'unchanged' };
  if (nextJobState(job.state, 'cancel') === undefined) {
    return { kind: 'not-possible', state: job.state, reason: 'a job that succeeded cannot be cancelled' };
  }
  const attempt = await lockAliveAttempt(trx, jobId);
  if (attempt !== undefined) await moveAttempt(trx, attempt, 'cancel', { code: 'job.cancelled', reason });
  await moveJob(trx, job, 'cancel', {
    blockedBecause: null,
    failure: { code: 'job.cancelled', reason },
  });
  await recordJobEvent(trx, job, 'job.cancelled', actor, { from: job.state, reason });
  await recordAudit(trx, {
    actor,
    action: 'job.cancelled',
    subject: `job ${jobId}`,
    detail: { from: job.state, reason },
  });
  return { kind: 'done' };
}

/** What was blocked may run. */
export async function unblock(trx: Trx, jobId: number): Promise<PersonsMove> {
  const job = await requireJob(trx, jobId, 'unblock a job');
  if (job.state !== 'blocked') return { kind: 'unchanged' };
  await moveJob(trx, job, 'unblock', { blockedBecause: null });
  return { kind: 'done' };
}

/** Makes a job that is ready wait for something else; one that runs already is left alone. */
export async function block(trx: Trx, jobId: number, because: string): Promise<PersonsMove> {
  const job = await requireJob(trx, jobId, 'block a job');
  if (job.state === 'blocked') return { kind: 'unchanged' };
  if (nextJobState(job.state, 'block') === undefined) {
    return {
      kind: 'not-possible',
      state: job.state,
      reason: `only a job that is ready can be blocked; this one is ${job.state}`,
    };
  }
  await moveJob(trx, job, 'block', { blockedBecause: because });
  return { kind: 'done' };
}
