/**
 * Pools and the workers in them, as people manage them. A revoked worker's row stays, with the key that its results were
 * signed by: what it brought must lead back to it for ever.
 */
import { sql } from 'kysely';
import type { Trx } from '../platform/database.ts';
import { recordAudit, recordEvent } from '../platform/events.ts';
import { moveAttempt, moveJob, lockAliveAttempt, recordJobEvent, requireJob } from './store.ts';
import type { AttemptState } from './model.ts';

/** The pool of this name, made when there is none. */
export async function ensureWorkerPool(trx: Trx, name: string): Promise<number> {
  await sql`INSERT INTO worker_pools (name) VALUES (${name}) ON CONFLICT (name) DO NOTHING`.execute(trx);
  const row = await trx.selectFrom('worker_pools').select('id').where('name', '=', name).executeTakeFirstOrThrow();
  return row.id;
}

/** What a worker brought and what became of it, so that people can judge what to do about it. */
export interface WorkerOutput {
  readonly attemptId: number;
  readonly jobId: number;
  readonly traceId: number;
  readonly state: AttemptState;
  readonly files: readonly { readonly name: string; readonly sha256: string }[];
}

export type RevokeResult =
  | {
      readonly kind: 'revoked';
      readonly workerId: number;
      readonly revokedAt: Date;
      /** Jobs that were taken from it. */
      readonly returnedJobs: readonly number[];
      /** Everything that it ever delivered, the newest first. */
      readonly outputs: readonly WorkerOutput[];
    }
  | { readonly kind: 'unknown-worker' };

/** Most outputs that a revocation lists; a page shows the rest. */
const MAX_OUTPUTS = 1_000;

/**
 * Revokes a worker: its next request is refused, what it runs goes back to the queue at once and is not counted against the
 * jobs, and what it delivered is listed (H34). Revoked again, the list is made again and nothing else happens.
 */
export async function revokeWorker(
  trx: Trx,
  name: string,
  by: { readonly actor: string; readonly reason: string },
): Promise<RevokeResult> {
  const { rows } = await sql<{ id: number; revoked_at: Date | null }>`
    SELECT id, revoked_at FROM workers WHERE name = ${name}
    ORDER BY revoked_at IS NULL DESC, id DESC LIMIT 1 FOR NO KEY UPDATE`.execute(trx);
  const worker = rows[0];
  if (worker === undefined) return { kind: 'unknown-worker' };
  if (worker.revoked_at !== null) {
    return {
      kind: 'revoked',
      workerId: worker.id,
      revokedAt: worker.revoked_at,
      returnedJobs: [],
      outputs: await outputsOf(trx, worker.id),
    };
  }
  const revoked = await sql<{ revoked_at: Date }>`
    UPDATE workers SET revoked_at = now(), enabled = false WHERE id = ${worker.id} RETURNING revoked_at`.execute(trx);
  const returnedJobs: number[] = [];
  const running = await trx
    .selectFrom('attempts')
    .select('job_id')
    .where('worker_id', '=', worker.id)
    .where('state', '=', 'running')
    .orderBy('job_id')
    .execute();
  for (const { job_id: jobId } of running) {
    const job = await requireJob(trx, jobId, 'take a job from a revoked worker');
    const attempt = await lockAliveAttempt(trx, jobId);
    if (attempt?.state !== 'running' || job.state !== 'leased') continue;
    const result = { code: 'worker.revoked', reason: `worker ${name} was revoked: ${by.reason}` };
    await moveAttempt(trx, attempt, 'lose', result);
    await moveJob(trx, job, 'retry', { delaySeconds: 0 });
    await recordJobEvent(trx, job, 'job.lost', by.actor, { attemptId: attempt.id, worker: name, ...result });
    returnedJobs.push(jobId);
  }
  await recordEvent(trx, { kind: 'worker.revoked', actor: by.actor, data: { worker: name, reason: by.reason } });
  await recordAudit(trx, {
    actor: by.actor,
    action: 'worker.revoked',
    subject: `worker ${name}`,
    detail: { reason: by.reason, returnedJobs },
  });
  return {
    kind: 'revoked',
    workerId: worker.id,
    revokedAt: revoked.rows[0]?.revoked_at ?? new Date(0),
    returnedJobs,
    outputs: await outputsOf(trx, worker.id),
  };
}

/** A disabled worker keeps what it runs and gets nothing new. */
export async function setWorkerEnabled(
  trx: Trx,
  name: string,
  enabled: boolean,
  actor: string,
): Promise<{ readonly kind: 'done' } | { readonly kind: 'unknown-worker' }> {
  const { rows } = await sql<{ id: number }>`
    UPDATE workers SET enabled = ${enabled} WHERE name = ${name} AND revoked_at IS NULL RETURNING id`.execute(trx);
  if (rows[0] === undefined) return { kind: 'unknown-worker' };
  await recordAudit(trx, {
    actor,
    action: enabled ? 'worker.enabled' : 'worker.disabled',
    subject: `worker ${name}`,
  });
  return { kind: 'done' };
}

async function outputsOf(trx: Trx, workerId: number): Promise<WorkerOutput[]> {
  const { rows } = await sql<{
    attempt_id: number;
    job_id: number;
    trace_id: number;
    state: AttemptState;
    files: { name: string; sha256: string }[];
  }>`
    SELECT a.id AS attempt_id, a.job_id, j.trace_id, a.state,
      coalesce((SELECT jsonb_agg(jsonb_build_object('name', f.name, 'sha256', f.sha256) ORDER BY f.name)
        FROM attempt_files f WHERE f.attempt_id = a.id), '[]') AS files
    FROM attempts a JOIN jobs j ON j.id = a.job_id
    WHERE a.worker_id = ${workerId} AND a.delivered_at IS NOT NULL
    ORDER BY a.id DESC LIMIT ${MAX_OUTPUTS}`.execute(trx);
  return rows.map((row) => ({
    attemptId: row.attempt_id,
    jobId: row.job_id,
    traceId: row.trace_id,
    state: row.state,
    files: row.files,
  }));
}
