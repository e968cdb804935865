/** Submissions as people ask for them: one by its number, all of a package. */
import { sql } from 'kysely';
import { overtaken } from './overtaken.ts';
import { readSubmissions } from './submission-facts.ts';
import { traceOf } from './timeline.ts';
import type { PageOptions, SubmissionTrace, TraceDeps, Viewer, Where } from './types.ts';
import { limitOf, pages } from './values.ts';

/** One submission; undefined when there is none that the viewer may see. */
export async function describeSubmission(
  deps: TraceDeps,
  id: number,
  viewer: Viewer,
): Promise<SubmissionTrace | undefined> {
  return (await traceSubmissions(deps, [id], viewer))[0];
}

/** Timelines of those of `ids` that the viewer may see, in that order. */
export async function traceSubmissions(
  deps: TraceDeps,
  ids: readonly number[],
  viewer: Viewer,
): Promise<readonly SubmissionTrace[]> {
  const facts = await readSubmissions(deps.db, ids, viewer);
  const open = facts.flatMap((one) =>
    one.builds
      .filter((build) => build.state !== 'succeeded' && build.state !== 'delivered')
      .map((build) => build.job_id),
  );
  const waiting = await deps.whyJobsWait(deps.db, open);
  const traces = facts.map((one) => traceOf(deps, one, waiting));
  const past = await overtaken(
    deps.db,
    traces.filter(stopped).map(({ id }) => id),
  );
  return traces.map((one) => (past.has(one.id) ? asHistory(one) : one));
}

/** It does not go on by itself, and has not arrived. */
function stopped(trace: SubmissionTrace): boolean {
  return trace.mustAct !== null && trace.state !== 'in-flight' && trace.state !== 'published';
}

/** A newer version is there: what became of this one stays told, and nobody needs to act on it. */
function asHistory(trace: SubmissionTrace): SubmissionTrace {
  return {
    ...trace,
    state: trace.state === 'attention' ? 'failed' : trace.state,
    sentence: `${trace.sentence}; the suite has taken a newer version since`,
    remedy: null,
    mustAct: null,
    steps: trace.steps.map((step) => ({ ...step, mustAct: null })),
  };
}

/**
 * Where is my package? By the name of a source, or of a binary package, which leads to its source. Also tags that only claimed
 * to release it, and tags not yet read that lie in a Git repository of its name. Undefined when nothing of that name was seen.
 */
export async function whereIs(deps: TraceDeps, name: string, viewer: Viewer & PageOptions): Promise<Where | undefined> {
  const limit = limitOf(viewer);
  const audiences = [...viewer.audiences];
  let source = name;
  let ids = await submissionsOf(deps, source, audiences, limit, viewer.before);
  if (ids.length === 0) {
    const found = await sourceOfBinary(deps, name, audiences);
    if (found !== undefined && found !== name) {
      source = found;
      ids = await submissionsOf(deps, source, audiences, limit, viewer.before);
    }
  }
  const suites = await suitesHolding(deps, source, audiences);
  if (ids.length === 0 && suites.length === 0) return undefined;
  return {
    package: name,
    source,
    url: pages(deps).where(source),
    suites,
    submissions: await traceSubmissions(deps, ids, viewer),
  };
}

async function submissionsOf(
  deps: TraceDeps,
  source: string,
  audiences: readonly string[],
  limit: number,
  before: number | undefined,
): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    SELECT id FROM (
      SELECT s.id, s.audience FROM submissions s WHERE s.source = ${source}
      UNION
      SELECT s.id, s.audience FROM tag_decisions d JOIN tags t ON t.id = d.tag_id JOIN submissions s ON s.id = t.submission_id
      WHERE d.source = ${source} AND s.source IS NULL
      UNION
      SELECT s.id, s.audience FROM git_repositories g JOIN tags t ON t.git_repository_id = g.id
      JOIN submissions s ON s.id = t.submission_id
      WHERE (g.name = ${source} OR right(g.name, length(${source}) + 1) = '/' || ${source}) AND s.source IS NULL
        AND NOT EXISTS (SELECT 1 FROM tag_decisions d WHERE d.tag_id = t.id AND d.source <> ${source})
    ) AS found
    WHERE audience = ANY (${[...audiences]}::text[]) AND id < ${before ?? Number.MAX_SAFE_INTEGER}::bigint
    ORDER BY id DESC LIMIT ${limit}`.execute(deps.db);
  return rows.map((row) => row.id);
}

async function sourceOfBinary(
  deps: TraceDeps,
  name: string,
  audiences: readonly string[],
): Promise<string | undefined> {
  const { rows } = await sql<{ source: string }>`
    SELECT sp.name AS source
    FROM archives a
    JOIN binary_packages bp ON bp.archive_id = a.id AND bp.name = ${name}
    JOIN source_packages sp ON sp.id = bp.source_package_id
    JOIN submissions s ON s.id = sp.submission_id
    WHERE s.audience = ANY (${[...audiences]}::text[])
    ORDER BY bp.id DESC LIMIT 1`.execute(deps.db);
  return rows[0]?.source;
}

/** What the last publication of each suite holds of a source; binaries count by their own version's source. */
async function suitesHolding(deps: TraceDeps, source: string, audiences: readonly string[]): Promise<Where['suites']> {
  const { rows } = await sql<{ archive: string; suite: string; version: string; architectures: string[] }>`
    WITH last AS (
      SELECT s.id AS suite_id, a.id AS archive_id, a.name AS archive, s.name AS suite, p.serial
      FROM suites s JOIN archives a ON a.id = s.archive_id
      JOIN LATERAL (
        SELECT serial FROM publications WHERE suite_id = s.id AND state = 'published' ORDER BY serial DESC LIMIT 1
      ) AS p ON true
      WHERE s.audience = ANY (${[...audiences]}::text[]) AND a.audience = ANY (${[...audiences]}::text[])
    )
    SELECT last.archive, last.suite, sp.version,
      coalesce((
        SELECT array_agg(DISTINCT sb.architecture ORDER BY sb.architecture)
        FROM binary_packages bp JOIN suite_binaries sb ON sb.binary_package_id = bp.id
        WHERE bp.source_package_id = sp.id AND sb.suite_id = last.suite_id AND sb.added_serial <= last.serial
          AND (sb.removed_serial IS NULL OR sb.removed_serial > last.serial)
      ), '{}') AS architectures
    FROM last
    JOIN source_packages sp ON sp.archive_id = last.archive_id AND sp.name = ${source}
    JOIN suite_sources ss ON ss.source_package_id = sp.id AND ss.suite_id = last.suite_id
    WHERE ss.added_serial <= last.serial AND (ss.removed_serial IS NULL OR ss.removed_serial > last.serial)
    ORDER BY last.archive, last.suite, sp.id DESC`.execute(deps.db);
  return rows;
}
