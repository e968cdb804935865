/**
 * Why does this job wait? One sentence for every state, from facts that one query reads, and who must act, so that nobody
 * waits without knowing for what (H32).
 */
import { sql } from 'kysely';
import type { Db } from '../platform/database.ts';
import { MAX_INFRASTRUCTURE_FAILURES, type JobState } from './model.ts';

export interface Waiting {
  readonly jobId: number;
  readonly sentence: string;
  /** Who must do something before it goes on; null when it goes on by itself. */
  readonly mustAct: string | null;
}

/** A worker that was not heard of for so long is taken for gone. Workers ask for jobs at least once a minute. */
export const PRESENT_SECONDS = 150;
/** Jobs before this one are counted no further. */
const MAX_COUNT = 1_000;

/** The sentence for one job; undefined when there is no such job. */
export async function whyWaiting(db: Db, jobId: number): Promise<string | undefined> {
  return (await whyJobsWait(db, [jobId])).get(jobId)?.sentence;
}

/** Sentence and who must act, for each of `jobIds` that exists. */
export async function whyJobsWait(db: Db, jobIds: readonly number[]): Promise<ReadonlyMap<number, Waiting>> {
  if (jobIds.length === 0) return new Map();
  const { rows } = await sql<WaitingFacts>`
    SELECT j.id, j.state, j.architecture, p.name AS pool, j.blocked_because,
      CASE WHEN j.not_before > clock_timestamp() THEN j.not_before END AS retry_at,
      j.infrastructure_failures, j.failure_code, j.failure_reason,
      w.joined, w.usable, w.present, w.idle, w.last_contact_at,
      ahead.count AS ahead,
      a.number AS attempt_number, a.worker, a.phase, a.started_at, a.delivered_at, a.result_reason
    FROM jobs j
    JOIN worker_pools p ON p.id = j.worker_pool_id
    CROSS JOIN LATERAL (
      SELECT count(*) AS joined,
        count(*) FILTER (WHERE fit.enabled AND fit.revoked_at IS NULL) AS usable,
        count(*) FILTER (WHERE fit.present) AS present,
        count(*) FILTER (WHERE fit.present
          AND NOT EXISTS (SELECT 1 FROM attempts r WHERE r.worker_id = fit.id AND r.state = 'running')) AS idle,
        max(fit.last_contact_at) FILTER (WHERE fit.enabled AND fit.revoked_at IS NULL) AS last_contact_at
      FROM (
        SELECT workers.*, enabled AND revoked_at IS NULL
          AND last_contact_at > clock_timestamp() - make_interval(secs => ${PRESENT_SECONDS}) AS present
        FROM workers
        WHERE worker_pool_id = j.worker_pool_id AND (j.architecture IS NULL OR j.architecture = ANY (architectures))
      ) AS fit
    ) AS w
    CROSS JOIN LATERAL (
      SELECT count(*) AS count FROM (
        SELECT 1 FROM jobs b
        WHERE j.state = 'ready' AND b.state = 'ready' AND b.worker_pool_id = j.worker_pool_id
          AND coalesce(b.architecture, '') = coalesce(j.architecture, '')
          AND (b.priority > j.priority
            OR (b.priority = j.priority AND (b.fair_position, b.id) < (j.fair_position, j.id)))
        LIMIT ${MAX_COUNT}
      ) AS before
    ) AS ahead
    LEFT JOIN LATERAL (
      SELECT last.number, workers.name AS worker, last.phase, last.started_at, last.delivered_at, last.result_reason
      FROM attempts last JOIN workers ON workers.id = last.worker_id
      WHERE last.job_id = j.id ORDER BY last.number DESC LIMIT 1
    ) AS a (number, worker, phase, started_at, delivered_at, result_reason) ON true
    WHERE j.id = ANY (${[...jobIds]}::bigint[])`.execute(db);
  return new Map(rows.map((row) => [row.id, { jobId: row.id, ...explain(row) }]));
}

export interface WaitingFacts {
  readonly id: number;
  readonly state: JobState;
  readonly architecture: string | null;
  readonly pool: string;
  readonly blocked_because: string | null;
  readonly retry_at: Date | null;
  readonly infrastructure_failures: number;
  readonly failure_code: string | null;
  readonly failure_reason: string | null;
  /** Workers that fit: ever joined, not revoked or disabled, heard of lately, and of these without a job. */
  readonly joined: number;
  readonly usable: number;
  readonly present: number;
  readonly idle: number;
  readonly last_contact_at: Date | null;
  /** Ready jobs that are served before this one. */
  readonly ahead: number;
  /** Of the last attempt. */
  readonly attempt_number: number | null;
  readonly worker: string | null;
  readonly phase: string | null;
  readonly started_at: Date | null;
  readonly delivered_at: Date | null;
  readonly result_reason: string | null;
}

const ADMINISTRATOR = 'an administrator';

/** The words for a job's facts. */
export function explain(job: WaitingFacts): { readonly sentence: string; readonly mustAct: string | null } {
  const worker = job.worker ?? 'a worker';
  switch (job.state) {
    case 'blocked':
      return { sentence: `waits: ${job.blocked_because ?? 'it may not run yet'}`, mustAct: null };
    case 'ready':
      return explainReady(job);
    case 'leased':
      return {
        sentence: `runs on ${worker}${since(job.started_at)}${job.phase === null ? '' : `, phase ${job.phase}`}`,
        mustAct: null,
      };
    case 'delivered':
      return { sentence: `what ${worker} delivered${since(job.delivered_at)} is being checked`, mustAct: null };
    case 'succeeded':
      return { sentence: `done by ${worker}`, mustAct: null };
    case 'failed':
      return { sentence: `failed: ${job.failure_reason ?? 'no reason was recorded'}`, mustAct: 'the maintainer' };
    case 'quarantined':
      return {
        sentence: `quarantined because ${job.failure_reason ?? 'too many attempts ended without a result'}`,
        mustAct: `${ADMINISTRATOR}: find out what it does to the workers, then give it back`,
      };
    case 'cancelled':
      return { sentence: `cancelled: ${job.failure_reason ?? 'no reason was recorded'}`, mustAct: null };
  }
}

function explainReady(job: WaitingFacts): { readonly sentence: string; readonly mustAct: string | null } {
  const what = job.architecture === null ? 'worker' : `worker for ${job.architecture}`;
  const whats = job.architecture === null ? 'workers' : `workers for ${job.architecture}`;
  if (job.joined === 0) {
    return {
      sentence: `no ${what} has ever joined pool ${job.pool}`,
      mustAct: `${ADMINISTRATOR}: let a ${what} join pool ${job.pool}`,
    };
  }
  if (job.usable === 0) {
    return {
      sentence: `every ${what} in pool ${job.pool} is revoked or disabled`,
      mustAct: `${ADMINISTRATOR}: enable a worker, or let another join`,
    };
  }
  if (job.present === 0) {
    return {
      sentence:
        job.last_contact_at === null
          ? `no ${what} of pool ${job.pool} has made contact yet`
          : `no ${what} since ${moment(job.last_contact_at)}`,
      mustAct: `${ADMINISTRATOR}: start a ${what} of pool ${job.pool}`,
    };
  }
  if (job.retry_at !== null) {
    const before = job.result_reason === null ? '' : ` (${job.result_reason})`;
    return {
      sentence:
        `tried again at ${moment(job.retry_at)}: attempt ${job.attempt_number ?? job.infrastructure_failures} ended without a result${before}` +
        (job.infrastructure_failures === 0
          ? ''
          : `; ${job.infrastructure_failures} of at most ${MAX_INFRASTRUCTURE_FAILURES} in a row`),
      mustAct: null,
    };
  }
  const ahead =
    job.ahead === 0
      ? 'this job is the next'
      : job.ahead === 1
        ? '1 job is before this one'
        : `${job.ahead >= MAX_COUNT ? `at least ${MAX_COUNT}` : job.ahead} jobs are before this one`;
  if (job.idle === 0) {
    const busy = job.present === 1 ? `the only ${what} is busy` : `all ${job.present} ${whats} are busy`;
    return { sentence: `${busy}; ${ahead}`, mustAct: null };
  }
  return { sentence: `${job.idle === 1 ? `a ${what} is` : `${job.idle} ${whats} are`} free; ${ahead}`, mustAct: null };
}

function since(at: Date | null): string {
  return at === null ? '' : ` since ${moment(at)}`;
}

/** `2025-01-31 12:00:05 UTC` */
function moment(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
