/**
 * Handing jobs to workers. Every worker of this process that waits for a job is served by one statement, which takes as many
 * jobs as it can for all of them: claims of separate processes pass each other by `FOR UPDATE SKIP LOCKED`, so that no job
 * goes to two workers and nobody waits for a lock.
 *
 * A waiting worker is served when a job becomes ready (NOTIFY), and looked after every few seconds besides, because a signal
 * may be lost and a job may become ready by the clock alone.
 */
import { sql } from 'kysely';
import { jsonText, withTransaction, type Db, type JsonObject, type JsonValue } from '../platform/database.ts';
import { toError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { WorkerIdentity } from './identity.ts';
import { LEASE_SECONDS } from './model.ts';
import type { Signals } from './signals.ts';
import { JOBS_READY, moveAttempt, moveJob, readAttemptOwner, recordJobEvent, requireJob } from './store.ts';

export interface Lease {
  readonly attemptId: number;
  readonly jobId: number;
  readonly traceId: number;
  readonly audience: string;
  /** The how-manieth attempt of the job, from 1. */
  readonly number: number;
  /** Fencing token: goes with every request about this attempt. */
  readonly token: number;
  readonly leaseExpiresAt: Date;
  readonly kind: string;
  readonly architecture: string | null;
  readonly sizeClass: 'small' | 'medium' | 'large';
  readonly limits: JsonObject;
  readonly payload: JsonValue;
}

export interface LeaseRequest {
  /** How long to wait for a job. */
  readonly waitMs: number;
  /** Aborted when the worker went away; a job that was already claimed for it goes back at once. */
  readonly signal?: AbortSignal;
  /** What the worker says of its machine: load, memory, disk. */
  readonly facts?: JsonObject;
  /** Attempts that the worker still works on; others of its own go back at once, as after a restart of the worker. */
  readonly holding?: readonly number[];
}

/** Where the workers of one process wait. Made once by the process, see {@link openLeaseDesk}. */
export interface LeaseDesk {
  lease(identity: WorkerIdentity, request: LeaseRequest): Promise<Lease | undefined>;
  /** Sends everyone home without a job. */
  close(): void;
}

export interface LeaseDeskDeps {
  readonly db: Db;
  readonly signals: Signals;
  readonly log: Logger;
  /** How often to look without a signal; default 2 s. */
  readonly pollMs?: number;
  readonly leaseSeconds?: number;
}

/** Most workers that one statement serves. */
const BATCH = 256;

interface Waiting {
  readonly identity: WorkerIdentity;
  readonly settle: (lease: Lease | undefined) => void;
  readonly fail: (error: Error) => void;
  gone: boolean;
}

export function openLeaseDesk(deps: LeaseDeskDeps): LeaseDesk {
  const waiting = new Set<Waiting>();
  const pollMs = deps.pollMs ?? 2_000;
  let serving = false;
  let lookAgain = false;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  /** One claim after another until a claim brought nothing that somebody still waits for. */
  const serve = async (): Promise<void> => {
    while (waiting.size > 0 && lookAgain) {
      lookAgain = false;
      const batch = [...waiting].slice(0, BATCH);
      let leases: readonly (Lease & { readonly workerId: number })[];
      try {
        leases = await claimJobs(
          deps.db,
          batch.map((one) => one.identity.workerId),
          deps.leaseSeconds,
        );
      } catch (error) {
        // Told to those who wait, who come again: what is wrong is seen there and not hidden behind "nothing to do".
        for (const one of batch) {
          waiting.delete(one);
          one.fail(toError(error));
        }
        continue;
      }
      for (const lease of leases) {
        const taker = batch.find((one) => one.identity.workerId === lease.workerId && waiting.has(one));
        if (taker === undefined || taker.gone) {
          if (taker !== undefined) waiting.delete(taker);
          await returnUnclaimed(deps.db, lease.attemptId);
          continue;
        }
        waiting.delete(taker);
        taker.settle(lease);
      }
      for (const one of batch) if (one.gone) waiting.delete(one);
      // More than one batch waits, or one claim could not use all that it found (two kinds of workers wanted the same job).
      if (leases.length > 0) lookAgain = true;
    }
  };
  const kick = (): void => {
    lookAgain = true;
    if (serving || closed) return;
    serving = true;
    serve()
      .catch((error: unknown) => deps.log.error({ error }, 'waiting workers could not be served'))
      .finally(() => {
        serving = false;
        if (waiting.size > 0 && lookAgain) kick();
        else schedule();
      });
  };
  const schedule = (): void => {
    clearTimeout(timer);
    timer = waiting.size > 0 && !closed ? setTimeout(kick, pollMs) : undefined;
  };
  const unsubscribe = deps.signals.subscribe(JOBS_READY, undefined, () => {
    if (waiting.size > 0) kick();
  });

  return {
    lease: async (identity, request) => {
      if (request.facts !== undefined) await noteFacts(deps.db, identity, request.facts);
      if (request.holding !== undefined) await releaseAttemptsNotHeld(deps.db, identity, request.holding);
      if (closed || request.signal?.aborted === true) return undefined;
      return await new Promise<Lease | undefined>((resolve, reject) => {
        const leave = (): void => {
          // A claim may be on its way: it is settled by what that brings.
          one.gone = true;
          if (!serving) waiting.delete(one);
          finish(undefined);
        };
        const finish = (lease: Lease | undefined): void => {
          clearTimeout(deadline);
          request.signal?.removeEventListener('abort', leave);
          resolve(lease);
        };
        const one: Waiting = {
          identity,
          gone: false,
          settle: finish,
          fail: (error) => {
            clearTimeout(deadline);
            request.signal?.removeEventListener('abort', leave);
            reject(error);
          },
        };
        const deadline = setTimeout(leave, request.waitMs);
        request.signal?.addEventListener('abort', leave, { once: true });
        waiting.add(one);
        kick();
      });
    },
    close: () => {
      closed = true;
      unsubscribe();
      clearTimeout(timer);
      for (const one of waiting) {
        one.gone = true;
        one.settle(undefined);
      }
      if (!serving) waiting.clear();
    },
  };
}

/** Asks for a job and waits until there is one, or until the time is over. */
export async function lease(
  deps: { readonly leaseDesk: LeaseDesk },
  identity: WorkerIdentity,
  request: LeaseRequest,
): Promise<Lease | undefined> {
  return await deps.leaseDesk.lease(identity, request);
}

/**
 * Takes at most one job for each of `workerIds` (a worker may be named twice), in one statement: attempt, event and state of
 * the job are written together. A revoked or disabled worker gets nothing.
 */
export async function claimJobs(
  db: Db,
  workerIds: readonly number[],
  leaseSeconds: number = LEASE_SECONDS,
): Promise<readonly (Lease & { readonly workerId: number })[]> {
  if (workerIds.length === 0) return [];
  const { rows } = await sql<{
    attempt_id: number;
    job_id: number;
    trace_id: number;
    audience: string;
    number: number;
    token: number;
    lease_expires_at: Date;
    kind: string;
    architecture: string | null;
    size_class: Lease['sizeClass'];
    limits: JsonObject;
    payload: JsonValue;
    worker_id: number;
  }>`
    WITH waiter AS (
      -- Workers that can do the same jobs stand in one line; "turn" is the place in it.
      SELECT w.id, w.name, w.worker_pool_id, w.architectures,
        row_number() OVER (PARTITION BY w.worker_pool_id, w.architectures ORDER BY asked.position) AS turn
      FROM unnest(${[...workerIds]}::bigint[]) WITH ORDINALITY AS asked (id, position)
      JOIN workers w ON w.id = asked.id
      WHERE w.enabled AND w.revoked_at IS NULL
    ), line AS (
      SELECT worker_pool_id, architectures, count(*) AS length FROM waiter GROUP BY worker_pool_id, architectures
    ), candidate AS MATERIALIZED (
      SELECT line.worker_pool_id, line.architectures, job.*
      FROM line
      CROSS JOIN LATERAL unnest(line.architectures || ''::text) AS wanted (architecture)
      CROSS JOIN LATERAL (
        SELECT j.id, j.priority, j.fair_position FROM jobs j
        WHERE j.state = 'ready' AND j.worker_pool_id = line.worker_pool_id
          AND coalesce(j.architecture, '') = wanted.architecture AND j.not_before <= clock_timestamp()
        ORDER BY j.priority DESC, j.fair_position, j.id
        LIMIT line.length
        FOR NO KEY UPDATE SKIP LOCKED
      ) AS job
    ), once AS (
      -- Two lines may have found the same job.
      SELECT DISTINCT ON (id) * FROM candidate ORDER BY id, architectures
    ), ranked AS (
      SELECT *, row_number() OVER (PARTITION BY worker_pool_id, architectures ORDER BY priority DESC, fair_position, id) AS turn
      FROM once
    ), leased AS (
      UPDATE jobs SET state = 'leased', changed_at = clock_timestamp()
      FROM ranked JOIN waiter USING (worker_pool_id, architectures, turn)
      WHERE jobs.id = ranked.id
      RETURNING jobs.id, jobs.trace_id, jobs.audience, jobs.kind, jobs.architecture, jobs.size_class, jobs.limits, jobs.payload,
        waiter.id AS worker_id, waiter.name AS worker
    ), attempt AS (
      INSERT INTO attempts (job_id, number, worker_id, lease_expires_at)
      SELECT leased.id, 1 + coalesce((SELECT max(a.number) FROM attempts a WHERE a.job_id = leased.id), 0), leased.worker_id,
        clock_timestamp() + make_interval(secs => ${leaseSeconds})
      FROM leased
      RETURNING id, job_id, number, token, lease_expires_at
    ), event AS (
      INSERT INTO events (kind, submission_id, audience, actor, data)
      SELECT 'job.leased', leased.trace_id, leased.audience, 'worker:' || leased.worker,
        jsonb_build_object('jobId', leased.id, 'jobKind', leased.kind, 'architecture', leased.architecture,
          'attemptId', attempt.id, 'number', attempt.number)
      FROM leased JOIN attempt ON attempt.job_id = leased.id
    )
    SELECT attempt.id AS attempt_id, leased.id AS job_id, leased.trace_id, leased.audience, attempt.number, attempt.token,
      attempt.lease_expires_at, leased.kind, leased.architecture, leased.size_class, leased.limits, leased.payload,
      leased.worker_id
    FROM leased JOIN attempt ON attempt.job_id = leased.id
    ORDER BY attempt.id`.execute(db);
  return rows.map((row) => ({
    attemptId: row.attempt_id,
    jobId: row.job_id,
    traceId: row.trace_id,
    audience: row.audience,
    number: row.number,
    token: row.token,
    leaseExpiresAt: row.lease_expires_at,
    kind: row.kind,
    architecture: row.architecture,
    sizeClass: row.size_class,
    limits: row.limits,
    payload: row.payload,
    workerId: row.worker_id,
  }));
}

/** Gives a job back that was claimed for a worker which never saw it: nothing counts against the job. */
async function returnUnclaimed(db: Db, attemptId: number): Promise<void> {
  await loseWithoutBlame(db, attemptId, 'lease.unclaimed', 'the worker went away before it was told of the job');
}

/** Gives back what a worker does not work on any more, as when it was killed and began anew. */
export async function releaseAttemptsNotHeld(
  db: Db,
  identity: WorkerIdentity,
  holding: readonly number[],
): Promise<readonly number[]> {
  const { rows } = await sql<{ id: number }>`
    SELECT id FROM attempts
    WHERE worker_id = ${identity.workerId} AND state = 'running' AND NOT id = ANY (${[...holding]}::bigint[])
    ORDER BY id`.execute(db);
  for (const row of rows) {
    await loseWithoutBlame(db, row.id, 'lease.dropped', `worker ${identity.name} does not work on it any more`);
  }
  return rows.map((row) => row.id);
}

async function loseWithoutBlame(db: Db, attemptId: number, code: string, reason: string): Promise<void> {
  await withTransaction(db, async (trx) => {
    const owner = await readAttemptOwner(trx, attemptId);
    if (owner === undefined) return;
    const job = await requireJob(trx, owner.jobId, 'give a job back');
    // Read again under the job's lock: a request of the worker itself may have come between.
    const current = await readAttemptOwner(trx, attemptId);
    if (current?.state !== 'running' || job.state !== 'leased') return;
    await moveAttempt(trx, { id: attemptId, state: current.state }, 'lose', { code, reason });
    await moveJob(trx, job, 'retry', { delaySeconds: 0 });
    await recordJobEvent(trx, job, 'job.lost', 'landfall', { attemptId, code, reason });
  });
}

async function noteFacts(db: Db, identity: WorkerIdentity, facts: JsonObject): Promise<void> {
  await sql`UPDATE workers SET facts = ${jsonText(facts)} WHERE id = ${identity.workerId}`.execute(db);
}
