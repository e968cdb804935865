/** Builds as a list, and the jobs behind them: state, why each waits, who must act. */
import { sql, type RawBuilder } from 'kysely';
import type { JobState } from '../platform/schema.ts';
import { TOOK_ANOTHER_VERSION_SINCE } from './overtaken.ts';
import type { BuildFilters, BuildPage, BuildSummary, JobView, TraceDeps, Viewer } from './types.ts';
import { iso, limitOf, pageOf, pages } from './values.ts';

export interface BuildRow {
  readonly id: number;
  readonly submission_id: number;
  readonly job_id: number;
  readonly kind: 'source' | 'binary';
  readonly architecture: string;
  readonly archive: string;
  readonly archive_id: number;
  readonly suite: string | null;
  readonly source: string | null;
  readonly version: string | null;
  readonly state: JobState;
  readonly created_at: Date;
  readonly changed_at: Date;
}

/** The newest builds first, those that the filters fit. */
export async function listBuilds(deps: TraceDeps, filters: BuildFilters & Viewer): Promise<BuildPage> {
  const limit = limitOf(filters);
  const rows = await readBuilds(
    deps,
    filters,
    sql`b.id < ${filters.before ?? Number.MAX_SAFE_INTEGER}::bigint
      AND (${filters.state ?? null}::text IS NULL OR j.state = ${filters.state ?? null})
      AND (${filters.architecture ?? null}::text IS NULL OR b.architecture = ${filters.architecture ?? null})
      AND (${filters.source ?? null}::text IS NULL OR s.source = ${filters.source ?? null})`,
    limit + 1,
  );
  const page = pageOf(rows, limit);
  return { builds: await summarize(deps, page.rows), next: page.next };
}

/**
 * Builds that failed for good or are quarantined, and that a newer version has not overtaken: by the same build of its own,
 * however that stands, or by having come into the suite. The newest first.
 */
export async function listFailures(deps: TraceDeps, viewer: Viewer, limit: number): Promise<readonly BuildSummary[]> {
  const rows = await readBuilds(
    deps,
    viewer,
    sql`j.state IN ('failed', 'quarantined') AND NOT ${TOOK_ANOTHER_VERSION_SINCE} AND NOT EXISTS (
      SELECT 1 FROM submissions newer JOIN builds nb ON nb.submission_id = newer.id JOIN jobs nj ON nj.id = nb.job_id
      WHERE newer.source = s.source AND newer.archive_id = s.archive_id AND newer.suite_id = s.suite_id AND newer.id > s.id
        AND nb.kind = b.kind AND nb.architecture = b.architecture AND nj.state <> 'cancelled'
    )`,
    limit,
  );
  return await summarize(deps, rows);
}

export async function readBuilds(
  deps: TraceDeps,
  viewer: Viewer,
  where: RawBuilder<unknown>,
  limit: number,
): Promise<readonly BuildRow[]> {
  const { rows } = await sql<BuildRow>`
    SELECT b.id, b.submission_id, b.job_id, b.kind, b.architecture, a.name AS archive, a.id AS archive_id, suites.name AS suite,
      s.source, s.version, j.state, b.created_at, j.changed_at
    FROM builds b
    JOIN jobs j ON j.id = b.job_id
    JOIN submissions s ON s.id = b.submission_id
    JOIN archives a ON a.id = s.archive_id
    LEFT JOIN suites ON suites.id = s.suite_id
    WHERE s.audience = ANY (${[...viewer.audiences]}::text[]) AND j.audience = ANY (${[...viewer.audiences]}::text[])
      AND ${where}
    ORDER BY b.id DESC LIMIT ${limit}`.execute(deps.db);
  return rows;
}

export async function summarize(deps: TraceDeps, rows: readonly BuildRow[]): Promise<readonly BuildSummary[]> {
  const waiting = await deps.whyJobsWait(
    deps.db,
    rows.map((row) => row.job_id),
  );
  return rows.map((row) => {
    const why = waiting.get(row.job_id);
    return {
      id: row.id,
      submissionId: row.submission_id,
      jobId: row.job_id,
      kind: row.kind,
      architecture: row.architecture,
      archive: row.archive,
      suite: row.suite,
      source: row.source,
      version: row.version,
      state: row.state,
      createdAt: iso(row.created_at),
      changedAt: iso(row.changed_at),
      sentence: why?.sentence ?? row.state,
      mustAct: why?.mustAct ?? null,
      url: pages(deps).build(row.id),
    };
  });
}

const WAITS: ReadonlySet<JobState> = new Set<JobState>(['blocked', 'ready', 'quarantined']);

/** One job of the queue; undefined when there is none that the viewer may see. */
export async function describeJob(deps: TraceDeps, id: number, viewer: Viewer): Promise<JobView | undefined> {
  const { rows } = await sql<{
    id: number;
    kind: string;
    trace_id: number;
    build_id: number | null;
    state: JobState;
    architecture: string | null;
    pool: string;
    size_class: string;
    priority: number;
    created_at: Date;
    changed_at: Date;
  }>`
    SELECT j.id, j.kind, j.trace_id, b.id AS build_id, j.state, j.architecture, p.name AS pool, j.size_class, j.priority,
      j.created_at, j.changed_at
    FROM jobs j JOIN worker_pools p ON p.id = j.worker_pool_id LEFT JOIN builds b ON b.job_id = j.id
    WHERE j.id = ${id} AND j.audience = ANY (${[...viewer.audiences]}::text[])`.execute(deps.db);
  const row = rows[0];
  if (row === undefined) return undefined;
  const why = (await deps.whyJobsWait(deps.db, [id])).get(id);
  return {
    id: row.id,
    kind: row.kind,
    traceId: row.trace_id,
    buildId: row.build_id,
    state: row.state,
    architecture: row.architecture,
    workerPool: row.pool,
    sizeClass: row.size_class,
    priority: row.priority,
    createdAt: iso(row.created_at),
    changedAt: iso(row.changed_at),
    waitsBecause: WAITS.has(row.state) ? (why?.sentence ?? null) : null,
    mustAct: why?.mustAct ?? null,
  };
}
