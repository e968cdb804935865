/**
 * What a worker says while it holds a lease: that it is alive, in which phase it is, that it delivers, or that it failed. Every
 * request names attempt and fencing token, and is held against the row: a late one (H22), one of another worker or pool (H33),
 * one of a revoked worker (H34) or one out of its order (H24) is refused; one that was said before has the same answer (H23).
 */
import { sql, type RawBuilder } from 'kysely';
import { jsonText, withTransaction, type Db, type JsonObject, type Trx } from '../platform/database.ts';
import { recordAudit } from '../platform/events.ts';
import type { WorkerIdentity } from './identity.ts';
import { LEASE_SECONDS, MAX_INFRASTRUCTURE_FAILURES, afterInfrastructureFailure, afterUnavailable } from './model.ts';
import {
  lockOwnAttempt,
  moveAttempt,
  moveJob,
  readAttemptOwner,
  recordJobEvent,
  refuseEnded,
  refuseForeign,
  refused,
  unknownAttempt,
  type LockedAttempt,
  type LockedJob,
  type Refusal,
} from './store.ts';

export interface Heartbeat {
  readonly phase?: string;
  /** Joined to what the attempt knows already, by name. */
  readonly facts?: JsonObject;
}

/** An attempt's facts are shown on a page; more than this is dropped. */
const MAX_FACTS_BYTES = 1024 * 1024;

/**
 * Moves the lease's expiry. Also a lease that ran out and was not yet taken back goes on: nobody else has the job, and the
 * worker's hours of work are worth more than its late word.
 */
export async function heartbeat(
  db: Db,
  identity: WorkerIdentity,
  attemptId: number,
  token: number,
  beat: Heartbeat = {},
): Promise<{ readonly kind: 'extended'; readonly leaseExpiresAt: Date } | Refusal> {
  const facts = beat.facts === undefined ? null : jsonText(beat.facts);
  const { rows } = await sql<{ lease_expires_at: Date }>`
    UPDATE attempts a SET
      lease_expires_at = clock_timestamp() + make_interval(secs => ${LEASE_SECONDS}),
      phase = coalesce(${beat.phase ?? null}, a.phase),
      facts = ${mergedFacts(facts)}
    FROM workers w
    WHERE a.id = ${attemptId} AND a.worker_id = ${identity.workerId} AND a.token = ${token} AND a.state = 'running'
      AND w.id = a.worker_id AND w.revoked_at IS NULL
    RETURNING a.lease_expires_at`.execute(db);
  const row = rows[0];
  if (row !== undefined) return { kind: 'extended', leaseExpiresAt: row.lease_expires_at };
  return await explainRefusal(db, identity, attemptId, token);
}

/** Marks that a phase begins at a byte of the log; said again, it changes nothing. */
export async function markPhase(
  trx: Trx,
  identity: WorkerIdentity,
  attemptId: number,
  token: number,
  phase: { readonly name: string; readonly logStart: number },
): Promise<{ readonly kind: 'noted' } | Refusal> {
  const held = await holdAttempt(trx, identity, attemptId, token);
  if (held.kind === 'refused') return held;
  const last = await trx
    .selectFrom('attempt_phases')
    .select(['position', 'name', 'log_start'])
    .where('attempt_id', '=', attemptId)
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (last?.name === phase.name && last.log_start === phase.logStart) return { kind: 'noted' };
  if (last !== undefined && last.log_start > phase.logStart) {
    return refused(409, 'phase.out-of-order', `the phase before, ${last.name}, begins later in the log`);
  }
  const position = (last?.position ?? 0) + 1;
  if (position > MAX_PHASES) return refused(409, 'phase.too-many', `an attempt has at most ${MAX_PHASES} phases`);
  await trx
    .insertInto('attempt_phases')
    .values({ attempt_id: attemptId, position, name: phase.name, log_start: phase.logStart })
    .execute();
  await trx.updateTable('attempts').set({ phase: phase.name }).where('id', '=', attemptId).execute();
  return { kind: 'noted' };
}

const MAX_PHASES = 1_000;

export interface Delivered {
  readonly kind: 'delivered';
  readonly jobId: number;
  readonly traceId: number;
  readonly audience: string;
  /** It was said before. */
  readonly repeated: boolean;
}

/** The worker has brought everything: from here on the result is judged and nobody else gets the job. */
export async function deliver(
  trx: Trx,
  identity: WorkerIdentity,
  attemptId: number,
  token: number,
): Promise<Delivered | Refusal> {
  const own = await lockOwnAttempt(trx, identity, attemptId, token);
  if (own.kind === 'refused') return await noteRefusal(trx, identity, attemptId, own);
  const { job, attempt } = own;
  const answer = { kind: 'delivered', jobId: job.id, traceId: job.traceId, audience: job.audience } as const;
  if (attempt.state !== 'running') {
    return attempt.deliveredAt !== null
      ? { ...answer, repeated: true }
      : refuseEnded(attempt.state, attempt.resultReason);
  }
  await moveAttempt(trx, attempt, 'deliver');
  await moveJob(trx, job, 'deliver');
  await recordJobEvent(trx, job, 'job.delivered', `worker:${identity.name}`, { attemptId });
  return { ...answer, repeated: false };
}

export interface AttemptFailure {
  /**
   * `failed`: the work cannot be done; `infrastructure`: this machine could not do it, another may; `unavailable`: something
   * that the worker can name was away, which says nothing against the job.
   */
  readonly kind: 'failed' | 'infrastructure' | 'unavailable';
  readonly code: string;
  readonly reason: string;
  readonly facts?: JsonObject;
}

/** The worker gives up. A failure of the machine brings the job back to the queue, unless there were too many. */
export async function failAttempt(
  trx: Trx,
  identity: WorkerIdentity,
  attemptId: number,
  token: number,
  failure: AttemptFailure,
): Promise<{ readonly kind: 'noted' } | Refusal> {
  const own = await lockOwnAttempt(trx, identity, attemptId, token);
  if (own.kind === 'refused') return await noteRefusal(trx, identity, attemptId, own);
  const { job, attempt } = own;
  if (attempt.state !== 'running') {
    const said = failure.kind === 'failed' ? 'failed' : 'infrastructure-failed';
    if (attempt.state === said && attempt.deliveredAt === null) return { kind: 'noted' };
    return refuseEnded(attempt.state, attempt.resultReason);
  }
  if (failure.facts !== undefined) {
    await sql`UPDATE attempts a SET facts = ${mergedFacts(jsonText(failure.facts))} WHERE a.id = ${attemptId}`.execute(
      trx,
    );
  }
  const actor = `worker:${identity.name}`;
  if (failure.kind === 'failed') {
    await moveAttempt(trx, attempt, 'fail', failure);
    await moveJob(trx, job, 'fail', { failure });
    await recordJobEvent(trx, job, 'job.failed', actor, { attemptId, code: failure.code, reason: failure.reason });
  } else if (failure.kind === 'unavailable') {
    await waitForMissing(trx, job, attempt, actor, failure);
  } else {
    await endWithoutResult(trx, job, attempt, 'fail-infrastructure', actor, failure);
  }
  return { kind: 'noted' };
}

/** Back to the queue without a word against the job; the pause grows while the same thing stays away. */
async function waitForMissing(
  trx: Trx,
  job: LockedJob,
  attempt: LockedAttempt,
  actor: string,
  result: { readonly code: string; readonly reason: string },
): Promise<void> {
  await moveAttempt(trx, attempt, 'fail-infrastructure', { code: result.code, reason: result.reason });
  const { rows } = await sql<{ times: number }>`
    SELECT count(*)::integer AS times FROM attempts
    WHERE job_id = ${job.id} AND state = 'infrastructure-failed' AND result_code = ${result.code}
      AND ended_at > clock_timestamp() - interval '3 hours'`.execute(trx);
  // A worker that was stopped lacks nothing that another would lack.
  const delaySeconds = result.code === WORKER_STOPPED ? 0 : afterUnavailable(rows[0]?.times ?? 1);
  await recordJobEvent(trx, job, 'job.lost', actor, {
    attemptId: attempt.id,
    worker: attempt.worker,
    code: result.code,
    reason: result.reason,
    failures: job.infrastructureFailures,
  });
  await moveJob(trx, job, 'retry', { delaySeconds });
}

/** The code by which a worker hands a job back because it was asked to stop. */
const WORKER_STOPPED = 'worker.stopped';

/** Ends an attempt that the job is counted for: back to the queue after a pause, or into quarantine (H25, H30). */
export async function endWithoutResult(
  trx: Trx,
  job: LockedJob,
  attempt: LockedAttempt,
  event: 'lose' | 'fail-infrastructure',
  actor: string,
  result: { readonly code: string; readonly reason: string },
): Promise<void> {
  const failures = job.infrastructureFailures + 1;
  const next = afterInfrastructureFailure(failures);
  await moveAttempt(trx, attempt, event, { code: result.code, reason: result.reason });
  await recordJobEvent(trx, job, 'job.lost', actor, {
    attemptId: attempt.id,
    worker: attempt.worker,
    code: result.code,
    reason: result.reason,
    failures,
  });
  if (next.event === 'retry') {
    await moveJob(trx, job, 'retry', { infrastructureFailures: failures, delaySeconds: next.delaySeconds });
    return;
  }
  const reason =
    `${failures} attempts in a row ended without a result (at most ${MAX_INFRASTRUCTURE_FAILURES} may); ` +
    `the last on ${attempt.worker}: ${result.reason}`;
  await moveJob(trx, job, 'quarantine', {
    infrastructureFailures: failures,
    failure: { code: 'job.quarantined', reason },
  });
  await recordJobEvent(trx, job, 'job.quarantined', 'landfall', { attemptId: attempt.id, reason });
}

/** The attempt, locked, when this worker may still add to it. */
export async function holdAttempt(
  trx: Trx,
  identity: WorkerIdentity,
  attemptId: number,
  token: number,
): Promise<{ readonly kind: 'held'; readonly limits: JsonObject } | Refusal> {
  const { rows } = await sql<{ limits: JsonObject }>`
    SELECT j.limits FROM attempts a JOIN jobs j ON j.id = a.job_id JOIN workers w ON w.id = a.worker_id
    WHERE a.id = ${attemptId} AND a.worker_id = ${identity.workerId} AND a.token = ${token} AND a.state = 'running'
      AND w.revoked_at IS NULL
    FOR NO KEY UPDATE OF a`.execute(trx);
  const row = rows[0];
  return row === undefined
    ? await explainRefusal(trx, identity, attemptId, token)
    : { kind: 'held', limits: row.limits };
}

/** Why this worker may not go on with an attempt; a foreign one is audited (H33). */
export async function explainRefusal(
  db: Db,
  identity: WorkerIdentity,
  attemptId: number,
  token: number,
): Promise<Refusal> {
  const owner = await readAttemptOwner(db, attemptId);
  const foreign = refuseForeign(identity, owner, token);
  if (foreign !== undefined) return await noteRefusal(db, identity, attemptId, foreign);
  return owner === undefined ? unknownAttempt() : refuseEnded(owner.state, owner.resultReason);
}

async function noteRefusal(db: Db, identity: WorkerIdentity, attemptId: number, refusal: Refusal): Promise<Refusal> {
  if (refusal.status === 403) {
    const entry = {
      actor: `worker:${identity.name}`,
      action: 'attempt.refused',
      subject: `attempt ${attemptId}`,
      detail: { code: refusal.code, pool: identity.workerPool },
    };
    await withTransaction(db, async (trx) => await recordAudit(trx, entry));
  }
  return refusal;
}

/** The facts of attempt `a` with `facts` joined, unless they grow beyond what is shown. */
function mergedFacts(facts: string | null): RawBuilder<JsonObject> {
  return sql<JsonObject>`CASE
    WHEN ${facts}::jsonb IS NULL OR octet_length((a.facts || ${facts}::jsonb)::text) > ${MAX_FACTS_BYTES} THEN a.facts
    ELSE a.facts || ${facts}::jsonb END`;
}
