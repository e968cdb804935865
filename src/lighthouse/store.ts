/**
 * What the services share: locking rows, moving states, telling of it. Locks are taken in one order, job before attempt, so
 * that two requests never wait for each other.
 */
import { sql } from 'kysely';
import type { Db, JsonObject, Trx } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import { recordEvent } from '../platform/events.ts';
import { enqueue } from '../platform/tasks.ts';
import type { WorkerIdentity } from './identity.ts';
import {
  isEndState,
  nextAttemptState,
  nextJobState,
  type AttemptEvent,
  type AttemptState,
  type JobEvent,
  type JobState,
} from './model.ts';

/** Channel on which waiting leases are told that a job became ready. */
export const JOBS_READY = 'jobs_ready';
/** Channel on which readers of a log are told, by attempt id, that it grew or ended. */
export const ATTEMPT_LOG = 'attempt_log';

/** The answer to a worker that may not do what it asked for. */
export interface Refusal {
  readonly kind: 'refused';
  /** 403 never allowed, 409 not now or not so, 410 the attempt is over. */
  readonly status: 403 | 409 | 410;
  readonly code: string;
  readonly reason: string;
}

export function refused(status: Refusal['status'], code: string, reason: string): Refusal {
  return { kind: 'refused', status, code, reason };
}

export interface LockedJob {
  readonly id: number;
  readonly traceId: number;
  readonly audience: string;
  readonly kind: string;
  readonly architecture: string | null;
  readonly state: JobState;
  readonly infrastructureFailures: number;
  readonly endedTask: string | null;
}

export interface LockedAttempt {
  readonly id: number;
  readonly jobId: number;
  readonly state: AttemptState;
  readonly worker: string;
  readonly deliveredAt: Date | null;
  readonly resultReason: string | null;
}

/** The job, locked until the transaction ends; undefined when there is none. */
export async function lockJob(trx: Trx, jobId: number): Promise<LockedJob | undefined> {
  const row = await trx
    .selectFrom('jobs')
    .select(['id', 'trace_id', 'audience', 'kind', 'architecture', 'state', 'infrastructure_failures', 'ended_task'])
    .where('id', '=', jobId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row === undefined
    ? undefined
    : {
        id: row.id,
        traceId: row.trace_id,
        audience: row.audience,
        kind: row.kind,
        architecture: row.architecture,
        state: row.state,
        infrastructureFailures: row.infrastructure_failures,
        endedTask: row.ended_task,
      };
}

/** As {@link lockJob}. @throws LandfallError `job.unknown` */
export async function requireJob(trx: Trx, jobId: number, doing: string): Promise<LockedJob> {
  const job = await lockJob(trx, jobId);
  if (job === undefined) throw new LandfallError({ code: 'job.unknown', doing, reason: `there is no job ${jobId}` });
  return job;
}

/** The attempt that is running or delivered, locked; at most one is. */
export async function lockAliveAttempt(trx: Trx, jobId: number): Promise<LockedAttempt | undefined> {
  const { rows } = await sql<{
    id: number;
    state: AttemptState;
    worker: string;
    delivered_at: Date | null;
    result_reason: string | null;
  }>`
    SELECT a.id, a.state, w.name AS worker, a.delivered_at, a.result_reason
    FROM attempts a JOIN workers w ON w.id = a.worker_id
    WHERE a.job_id = ${jobId} AND a.state IN ('running', 'delivered')
    FOR NO KEY UPDATE OF a`.execute(trx);
  const row = rows[0];
  return row === undefined
    ? undefined
    : {
        id: row.id,
        jobId,
        state: row.state,
        worker: row.worker,
        deliveredAt: row.delivered_at,
        resultReason: row.result_reason,
      };
}

/** The attempt with its job, both locked, when this worker holds it by this token, in whatever state; else why not. */
export async function lockOwnAttempt(
  trx: Trx,
  identity: WorkerIdentity,
  attemptId: number,
  token: number,
): Promise<{ readonly kind: 'own'; readonly job: LockedJob; readonly attempt: LockedAttempt } | Refusal> {
  const owner = await readAttemptOwner(trx, attemptId);
  const refusal = refuseForeign(identity, owner, token);
  if (refusal !== undefined || owner === undefined) return refusal ?? unknownAttempt();
  const job = await requireJob(trx, owner.jobId, 'look up the job of an attempt');
  const { rows } = await sql<{ state: AttemptState; delivered_at: Date | null; result_reason: string | null }>`
    SELECT state, delivered_at, result_reason FROM attempts WHERE id = ${attemptId} FOR NO KEY UPDATE`.execute(trx);
  const row = rows[0];
  if (row === undefined) return unknownAttempt();
  return {
    kind: 'own',
    job,
    attempt: {
      id: attemptId,
      jobId: job.id,
      state: row.state,
      worker: identity.name,
      deliveredAt: row.delivered_at,
      resultReason: row.result_reason,
    },
  };
}

export interface AttemptOwner {
  readonly jobId: number;
  readonly workerId: number;
  readonly workerPoolId: number;
  readonly token: number;
  readonly state: AttemptState;
  readonly resultReason: string | null;
  readonly revoked: boolean;
}

export async function readAttemptOwner(db: Db, attemptId: number): Promise<AttemptOwner | undefined> {
  const { rows } = await sql<{
    job_id: number;
    worker_id: number;
    worker_pool_id: number;
    token: number;
    state: AttemptState;
    result_reason: string | null;
    revoked: boolean;
  }>`
    SELECT a.job_id, a.worker_id, j.worker_pool_id, a.token, a.state, a.result_reason, w.revoked_at IS NOT NULL AS revoked
    FROM attempts a JOIN jobs j ON j.id = a.job_id JOIN workers w ON w.id = a.worker_id
    WHERE a.id = ${attemptId}`.execute(db);
  const row = rows[0];
  return row === undefined
    ? undefined
    : {
        jobId: row.job_id,
        workerId: row.worker_id,
        workerPoolId: row.worker_pool_id,
        token: row.token,
        state: row.state,
        resultReason: row.result_reason,
        revoked: row.revoked,
      };
}

/** Why a worker may not speak for an attempt; undefined when it may. Says nothing of the attempt's state. */
export function refuseForeign(
  identity: WorkerIdentity,
  owner: AttemptOwner | undefined,
  token: number,
): Refusal | undefined {
  if (owner === undefined) return unknownAttempt();
  if (owner.workerPoolId !== identity.workerPoolId) {
    return refused(403, 'attempt.other-pool', 'this attempt belongs to another worker pool');
  }
  if (owner.workerId !== identity.workerId) {
    return refused(403, 'attempt.other-worker', 'this attempt belongs to another worker');
  }
  if (owner.revoked) return refused(403, 'worker.revoked', 'this worker was revoked');
  if (owner.token !== token) {
    return refused(409, 'attempt.stale-token', 'the fencing token is not that of this attempt');
  }
  return undefined;
}

/** Why nothing more may be added to an attempt that is not running any more. */
export function refuseEnded(state: AttemptState, resultReason: string | null): Refusal {
  if (state === 'delivered' || state === 'succeeded') {
    return refused(410, 'attempt.delivered', 'this attempt has delivered; nothing can be added to it');
  }
  return refused(
    410,
    `attempt.${state}`,
    `this attempt is over (${state}): ${resultReason ?? 'no reason was recorded'}`,
  );
}

export function unknownAttempt(): Refusal {
  return refused(410, 'attempt.unknown', 'there is no such attempt');
}

/** What else a move writes; left out, a column keeps its value. */
export interface JobChange {
  /** Seconds from now until it may be leased. */
  readonly delaySeconds?: number;
  readonly infrastructureFailures?: number;
  readonly failure?: { readonly code: string; readonly reason: string } | null;
  readonly blockedBecause?: string | null;
}

/**
 * Takes a locked job to where `event` leads, enqueues its `ended_task` when that is an end, wakes workers when it is ready.
 * @throws LandfallError `job.illegal-event`: the caller must have looked at the state
 */
export async function moveJob(trx: Trx, job: LockedJob, event: JobEvent, change: JobChange = {}): Promise<JobState> {
  const state = nextJobState(job.state, event);
  if (state === undefined) {
    throw new LandfallError({
      code: 'job.illegal-event',
      doing: `move job ${job.id}`,
      reason: `${event} cannot happen to a job that is ${job.state}`,
    });
  }
  await trx
    .updateTable('jobs')
    .set({
      state,
      changed_at: sql<Date>`clock_timestamp()`,
      ...(change.delaySeconds === undefined
        ? {}
        : { not_before: sql<Date>`clock_timestamp() + make_interval(secs => ${change.delaySeconds})` }),
      ...(change.infrastructureFailures === undefined
        ? {}
        : { infrastructure_failures: change.infrastructureFailures }),
      ...(change.failure === undefined
        ? {}
        : { failure_code: change.failure?.code ?? null, failure_reason: change.failure?.reason ?? null }),
      ...(change.blockedBecause === undefined ? {} : { blocked_because: change.blockedBecause }),
    })
    .where('id', '=', job.id)
    .execute();
  if (state === 'ready') await notify(trx, JOBS_READY, '');
  if (isEndState(state) && job.endedTask !== null) await enqueue(trx, job.endedTask, { jobId: job.id, state });
  return state;
}

/** Takes a locked attempt to where `event` leads. @throws LandfallError `attempt.illegal-event` */
export async function moveAttempt(
  trx: Trx,
  attempt: Pick<LockedAttempt, 'id' | 'state'>,
  event: AttemptEvent,
  result?: { readonly code: string; readonly reason: string },
): Promise<AttemptState> {
  const state = nextAttemptState(attempt.state, event);
  if (state === undefined) {
    throw new LandfallError({
      code: 'attempt.illegal-event',
      doing: `move attempt ${attempt.id}`,
      reason: `${event} cannot happen to an attempt that is ${attempt.state}`,
    });
  }
  await trx
    .updateTable('attempts')
    .set({
      state,
      ...(state === 'delivered'
        ? { delivered_at: sql<Date>`clock_timestamp()` }
        : { ended_at: sql<Date>`clock_timestamp()` }),
      ...(result === undefined ? {} : { result_code: result.code, result_reason: result.reason }),
    })
    .where('id', '=', attempt.id)
    .execute();
  await notify(trx, ATTEMPT_LOG, String(attempt.id));
  return state;
}

/** An event of a job; its trace id is the submission that everything about it is found by. */
export async function recordJobEvent(
  trx: Trx,
  job: Pick<LockedJob, 'id' | 'traceId' | 'audience' | 'kind' | 'architecture'>,
  kind: string,
  actor: string,
  data: JsonObject = {},
): Promise<void> {
  await recordEvent(trx, {
    kind,
    submissionId: job.traceId,
    audience: job.audience,
    actor,
    data: { jobId: job.id, jobKind: job.kind, architecture: job.architecture, ...data },
  });
}

/** Wakes listeners when the transaction commits. */
export async function notify(trx: Db, channel: string, payload: string): Promise<void> {
  await sql`SELECT pg_notify(${channel}, ${payload})`.execute(trx);
}
