/**
 * Packages that are there for one architecture and wait for another that nobody builds: nothing is wrong with them, and one
 * act (a worker) helps them all, so they are counted together and not told one by one.
 */
import { sql } from 'kysely';
import type { LackedArchitecture, TraceDeps, Viewer } from './types.ts';
import { PRESENT_WORKER_SECONDS } from './workers.ts';

const NAMED = 8;

/** Of job `j` of build `b`: ready, without a worker that could take it, and another architecture of its package was built. */
export const LACKS_ONLY_A_WORKER = sql<boolean>`j.state = 'ready' AND b.kind = 'binary'
  AND NOT EXISTS (
    SELECT 1 FROM workers w WHERE w.worker_pool_id = j.worker_pool_id AND w.enabled AND w.revoked_at IS NULL
      AND (j.architecture IS NULL OR j.architecture = ANY (w.architectures))
      AND w.last_contact_at > clock_timestamp() - make_interval(secs => ${PRESENT_WORKER_SECONDS}))
  AND EXISTS (
    SELECT 1 FROM builds other JOIN jobs oj ON oj.id = other.job_id
    WHERE other.submission_id = b.submission_id AND other.kind = 'binary' AND oj.state = 'succeeded')`;

/** One row for each pool and architecture that is lacked so; the most wanted first. */
export async function lackedArchitectures(deps: TraceDeps, viewer: Viewer): Promise<readonly LackedArchitecture[]> {
  const { rows } = await sql<{
    pool: string;
    architecture: string;
    packages: number;
    newest: string[];
    oldest_job: number;
  }>`
    SELECT p.name AS pool, b.architecture, count(*) AS packages, min(j.id) AS oldest_job,
      (array_agg(s.source ORDER BY b.id DESC))[1:${sql.lit(NAMED)}] AS newest
    FROM jobs j JOIN builds b ON b.job_id = j.id JOIN submissions s ON s.id = b.submission_id
    JOIN worker_pools p ON p.id = j.worker_pool_id
    WHERE j.audience = ANY (${[...viewer.audiences]}::text[]) AND s.audience = ANY (${[...viewer.audiences]}::text[])
      AND ${LACKS_ONLY_A_WORKER}
    GROUP BY p.name, b.architecture
    ORDER BY count(*) DESC, p.name, b.architecture LIMIT 50`.execute(deps.db);
  const waiting = await deps.whyJobsWait(
    deps.db,
    rows.map((row) => row.oldest_job),
  );
  return rows.map((row) => ({
    pool: row.pool,
    architecture: row.architecture,
    packages: row.packages,
    newest: row.newest,
    sentence: waiting.get(row.oldest_job)?.sentence ?? `no worker for ${row.architecture}`,
    mustAct: waiting.get(row.oldest_job)?.mustAct ?? null,
  }));
}
