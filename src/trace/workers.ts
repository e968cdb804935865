/**
 * Workers and queues. A viewer sees the pools of archives that he may see (and pools that no archive uses); of what a worker is
 * busy with, and of what waits in a queue, only what is for him.
 */
import { sql } from 'kysely';
import type { JsonObject } from '../platform/database.ts';
import type { QueueView, TraceDeps, Viewer, WorkerView } from './types.ts';
import { iso, isoOrNull } from './values.ts';

/** A worker that was not heard of for so long is called silent. Workers ask for jobs at least once a minute. */
export const PRESENT_WORKER_SECONDS = 150;

export async function listWorkers(deps: TraceDeps, viewer: Viewer): Promise<readonly WorkerView[]> {
  const audiences = [...viewer.audiences];
  const { rows } = await sql<{
    id: number;
    name: string;
    pool: string;
    architectures: string[];
    state: WorkerView['state'];
    created_at: Date;
    last_contact_at: Date | null;
    openpgp_fingerprint: string;
    facts: JsonObject;
  }>`
    SELECT w.id, w.name, p.name AS pool, w.architectures,
      CASE WHEN w.revoked_at IS NOT NULL THEN 'revoked' WHEN NOT w.enabled THEN 'disabled'
        WHEN w.last_contact_at IS NULL THEN 'new'
        WHEN w.last_contact_at > clock_timestamp() - make_interval(secs => ${PRESENT_WORKER_SECONDS}) THEN 'alive'
        ELSE 'silent' END AS state,
      w.created_at, w.last_contact_at, w.openpgp_fingerprint, w.facts
    FROM workers w JOIN worker_pools p ON p.id = w.worker_pool_id
    WHERE ${poolIsVisible(audiences)}
    ORDER BY w.revoked_at IS NOT NULL, p.name, w.name, w.id LIMIT 1000`.execute(deps.db);
  const { rows: current } = await sql<{
    worker_id: number;
    job_id: number;
    build_id: number | null;
    title: string;
    phase: string;
    started_at: Date;
  }>`
    SELECT a.worker_id, j.id AS job_id, b.id AS build_id, a.phase, a.started_at,
      concat_ws(' ', coalesce(s.source, j.kind), s.version, b.architecture) AS title
    FROM attempts a JOIN jobs j ON j.id = a.job_id
    LEFT JOIN builds b ON b.job_id = j.id LEFT JOIN submissions s ON s.id = b.submission_id
    WHERE a.state = 'running' AND j.audience = ANY (${audiences}::text[])
    ORDER BY a.id`.execute(deps.db);
  return rows.map((row) => ({
    name: row.name,
    pool: row.pool,
    architectures: row.architectures,
    state: row.state,
    joinedAt: iso(row.created_at),
    lastContactAt: isoOrNull(row.last_contact_at),
    fingerprint: row.openpgp_fingerprint,
    current: current
      .filter((one) => one.worker_id === row.id)
      .map((one) => ({
        buildId: one.build_id,
        jobId: one.job_id,
        title: one.title,
        phase: one.phase,
        since: iso(one.started_at),
      })),
    facts: row.facts,
  }));
}

/** A queue for every pool and architecture that has jobs that wait or run, or workers. */
export async function listQueues(deps: TraceDeps, viewer: Viewer): Promise<readonly QueueView[]> {
  const audiences = [...viewer.audiences];
  const { rows } = await sql<{
    pool: string;
    architecture: string | null;
    ready: number;
    running: number;
    workers: number;
    oldest_ready_at: Date | null;
    oldest_job: number | null;
  }>`
    WITH job AS (
      SELECT worker_pool_id, architecture, count(*) FILTER (WHERE state = 'ready') AS ready,
        count(*) FILTER (WHERE state = 'leased') AS running, min(created_at) FILTER (WHERE state = 'ready') AS oldest_ready_at,
        min(id) FILTER (WHERE state = 'ready') AS oldest_job
      FROM jobs WHERE state IN ('ready', 'leased') AND audience = ANY (${audiences}::text[])
      GROUP BY worker_pool_id, architecture
    ), worker AS (
      SELECT w.worker_pool_id, architecture, count(*) AS workers
      FROM workers w CROSS JOIN LATERAL unnest(w.architectures) AS architecture
      WHERE w.enabled AND w.revoked_at IS NULL
        AND w.last_contact_at > clock_timestamp() - make_interval(secs => ${PRESENT_WORKER_SECONDS})
      GROUP BY w.worker_pool_id, architecture
    )
    SELECT p.name AS pool, q.architecture, coalesce(job.ready, 0) AS ready, coalesce(job.running, 0) AS running,
      CASE WHEN q.architecture IS NULL THEN (
        SELECT count(*) FROM workers w WHERE w.worker_pool_id = q.worker_pool_id AND w.enabled AND w.revoked_at IS NULL
          AND w.last_contact_at > clock_timestamp() - make_interval(secs => ${PRESENT_WORKER_SECONDS})
      ) ELSE coalesce(worker.workers, 0) END AS workers,
      job.oldest_ready_at, job.oldest_job
    FROM (
      SELECT worker_pool_id, architecture FROM job UNION SELECT worker_pool_id, architecture FROM worker
    ) AS q
    JOIN worker_pools p ON p.id = q.worker_pool_id
    LEFT JOIN job ON job.worker_pool_id = q.worker_pool_id AND job.architecture IS NOT DISTINCT FROM q.architecture
    LEFT JOIN worker ON worker.worker_pool_id = q.worker_pool_id AND worker.architecture = q.architecture
    WHERE ${poolIsVisible(audiences)}
    ORDER BY p.name, q.architecture NULLS FIRST`.execute(deps.db);
  const waiting = await deps.whyJobsWait(
    deps.db,
    rows.flatMap((row) => row.oldest_job ?? []),
  );
  return rows.map((row) => ({
    pool: row.pool,
    architecture: row.architecture,
    ready: row.ready,
    running: row.running,
    workers: row.workers,
    oldestReadyAt: isoOrNull(row.oldest_ready_at),
    sentence: row.oldest_job === null ? null : (waiting.get(row.oldest_job)?.sentence ?? null),
  }));
}

/** Of pool `p`: an archive that the viewer may see uses it, or none does. */
function poolIsVisible(audiences: string[]) {
  return sql<boolean>`(
    EXISTS (SELECT 1 FROM archives a WHERE a.worker_pool_id = p.id AND a.audience = ANY (${audiences}::text[]))
    OR NOT EXISTS (SELECT 1 FROM archives a WHERE a.worker_pool_id = p.id))`;
}
