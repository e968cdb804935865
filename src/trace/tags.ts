/** Every tag that was seen, with its decision: also the rejected ones. */
import { sql, type RawBuilder } from 'kysely';
import type { Db, JsonValue } from '../platform/database.ts';
import { isObject, listOf } from './json.ts';
import type { CheckView, TagDetail, TagFilters, TagPage, TagState, TagView, TraceDeps, Viewer } from './types.ts';
import { iso, isoOrNull, limitOf, pageOf, pages } from './values.ts';

interface TagRow {
  readonly id: number;
  readonly submission_id: number;
  readonly repository: string;
  readonly archive: string;
  readonly ref: string;
  readonly object_id: string;
  readonly distro: string;
  readonly state: TagState;
  readonly seen_at: Date;
  readonly decided_at: Date | null;
  readonly retry_at: Date | null;
  readonly source: string | null;
  readonly version: string | null;
  readonly suite: string | null;
  readonly handle: string | null;
  readonly person_name: string | null;
  readonly code: string | null;
  readonly sentence: string | null;
  readonly remedy: string | null;
}

/** The newest tags first, those that the filters fit. */
export async function listTags(deps: TraceDeps, filters: TagFilters & Viewer): Promise<TagPage> {
  const limit = limitOf(filters);
  const rows = await readTags(
    deps.db,
    filters,
    sql`t.id < ${filters.before ?? Number.MAX_SAFE_INTEGER}::bigint
      AND (${filters.state ?? null}::text IS NULL OR t.state = ${filters.state ?? null})
      AND (${filters.repository ?? null}::text IS NULL OR g.name = ${filters.repository ?? null})
      AND (${filters.source ?? null}::text IS NULL OR coalesce(s.source, d.source) = ${filters.source ?? null})`,
    limit + 1,
  );
  const page = pageOf(rows, limit);
  return { tags: page.rows.map((row) => view(deps, row)), next: page.next };
}

/** Rejected tags after which no tag of the same Git repository for that suite was accepted; the newest first. */
export async function listStandingRejections(
  deps: TraceDeps,
  viewer: Viewer,
  limit: number,
): Promise<readonly TagView[]> {
  const rows = await readTags(
    deps.db,
    viewer,
    sql`t.state = 'rejected' AND NOT EXISTS (
      SELECT 1 FROM tags later JOIN tag_decisions ld ON ld.tag_id = later.id AND ld.outcome = 'accepted'
      WHERE later.git_repository_id = t.git_repository_id AND later.distro = t.distro AND later.id > t.id
        AND (d.suite_id IS NULL OR ld.suite_id = d.suite_id))`,
    limit,
  );
  return rows.map((row) => view(deps, row));
}

/** One tag with its checks, decisions and signed text; undefined when there is none that the viewer may see. */
export async function describeTag(deps: TraceDeps, id: number, viewer: Viewer): Promise<TagDetail | undefined> {
  const [row] = await readTags(deps.db, viewer, sql`t.id = ${id}::bigint`, 1);
  if (row === undefined) return undefined;
  const { rows: decisions } = await sql<{
    id: number;
    outcome: 'accepted' | 'rejected';
    code: string;
    sentence: string;
    remedy: string | null;
    checks: JsonValue;
    tag_object: Buffer | null;
    key_fingerprint: string | null;
    commit_id: string | null;
    upstream_commit_id: string | null;
    quilt: string | null;
    decided_by: string;
    decided_at: Date;
  }>`
    SELECT id, outcome, code, sentence, remedy, checks, tag_object, key_fingerprint, commit_id, upstream_commit_id, quilt,
      decided_by, decided_at
    FROM tag_decisions WHERE tag_id = ${id} ORDER BY id DESC`.execute(deps.db);
  const { rows: obstacles } = await sql<{ code: string; sentence: string; checks: JsonValue; at: Date }>`
    SELECT code, sentence, checks, at FROM tag_obstacles WHERE tag_id = ${id} ORDER BY id DESC LIMIT 100`.execute(
    deps.db,
  );
  const { rows: verified } = await sql<{
    upload_id: number;
    kind: 'source' | 'binary';
    outcome: string;
    detail: string | null;
    at: Date;
  }>`
    SELECT u.id AS upload_id, u.kind, c.outcome, c.detail, coalesce(u.decided_at, u.received_at) AS at
    FROM upload_checks c JOIN uploads u ON u.id = c.upload_id
    WHERE u.submission_id = ${row.submission_id} AND c.code = 'decision.verified' AND c.outcome IN ('passed', 'failed')
    ORDER BY u.id DESC LIMIT 20`.execute(deps.db);
  const decision = decisions[0];
  return {
    ...view(deps, row),
    checks: checksOf(decision?.checks ?? obstacles[0]?.checks ?? []),
    fingerprint: decision?.key_fingerprint ?? null,
    commitId: decision?.commit_id ?? null,
    upstreamCommitId: decision?.upstream_commit_id ?? null,
    quilt: decision?.quilt ?? null,
    text: decision?.tag_object == null ? null : decision.tag_object.toString('utf8'),
    retryAt: isoOrNull(row.retry_at),
    decisions: decisions.map((one) => ({
      id: one.id,
      outcome: one.outcome,
      code: one.code,
      sentence: one.sentence,
      remedy: one.remedy,
      decidedBy: one.decided_by,
      decidedAt: iso(one.decided_at),
    })),
    obstacles: obstacles.map((one) => ({ code: one.code, sentence: one.sentence, at: iso(one.at) })),
    verifiedAgain: verified.map((one) => ({
      uploadId: one.upload_id,
      kind: one.kind,
      verified: one.outcome === 'passed',
      sentence: one.detail ?? '',
      at: iso(one.at),
    })),
  };
}

const OUTCOMES: readonly CheckView['outcome'][] = [
  'passed',
  'failed',
  'held',
  'obstructed',
  'not-applicable',
  'not-reached',
];

/** The checks that a decision recorded, read leniently: an old record must be shown too. */
export function checksOf(recorded: JsonValue): readonly CheckView[] {
  return listOf(recorded).flatMap((one) => {
    if (!isObject(one) || typeof one.code !== 'string') return [];
    const outcome = OUTCOMES.find((known) => known === one.outcome);
    if (outcome === undefined) return [];
    return { code: one.code, outcome, detail: typeof one.detail === 'string' ? one.detail : null };
  });
}

async function readTags(db: Db, viewer: Viewer, where: RawBuilder<unknown>, limit: number): Promise<readonly TagRow[]> {
  const { rows } = await sql<TagRow>`
    SELECT t.id, t.submission_id, g.name AS repository, a.name AS archive, t.ref, t.object_id, t.distro, t.state, t.seen_at,
      t.decided_at, t.retry_at, coalesce(s.source, d.source) AS source, coalesce(s.version, d.version) AS version,
      suites.name AS suite, p.handle, p.name AS person_name,
      CASE WHEN t.state = 'obstructed' THEN o.code ELSE d.code END AS code,
      CASE WHEN t.state = 'obstructed' THEN o.sentence ELSE d.sentence END AS sentence,
      CASE WHEN t.state = 'obstructed' THEN o.remedy ELSE d.remedy END AS remedy
    FROM tags t
    JOIN submissions s ON s.id = t.submission_id
    JOIN archives a ON a.id = s.archive_id
    JOIN git_repositories g ON g.id = t.git_repository_id
    LEFT JOIN LATERAL (SELECT * FROM tag_decisions WHERE tag_id = t.id ORDER BY id DESC LIMIT 1) AS d ON true
    LEFT JOIN LATERAL (SELECT * FROM tag_obstacles WHERE tag_id = t.id ORDER BY id DESC LIMIT 1) AS o ON true
    LEFT JOIN suites ON suites.id = coalesce(s.suite_id, d.suite_id)
    LEFT JOIN people p ON p.id = coalesce(s.person_id, d.person_id)
    WHERE s.audience = ANY (${[...viewer.audiences]}::text[]) AND ${where}
    ORDER BY t.id DESC LIMIT ${limit}`.execute(db);
  return rows;
}

function view(deps: TraceDeps, row: TagRow): TagView {
  return {
    id: row.id,
    submissionId: row.submission_id,
    repository: row.repository,
    archive: row.archive,
    ref: row.ref,
    objectId: row.object_id,
    distro: row.distro,
    state: row.state,
    seenAt: iso(row.seen_at),
    decidedAt: isoOrNull(row.decided_at),
    source: row.source,
    version: row.version,
    suite: row.suite,
    signer: row.handle === null ? null : { handle: row.handle, name: row.person_name ?? row.handle },
    code: row.code,
    sentence: row.sentence,
    remedy: row.remedy,
    url: pages(deps).tag(row.id),
  };
}
