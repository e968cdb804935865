/**
 * All rows that the timelines of some submissions are made from, read in a handful of queries however many they are. Only
 * submissions for one of the viewer's audiences are found.
 */
import { sql } from 'kysely';
import type { Db } from '../platform/database.ts';
import type { AttemptState, JobState, SubmissionOrigin, TagState, UploadState } from '../platform/schema.ts';
import type { PackageView, Viewer } from './types.ts';

export interface SubmissionFacts {
  readonly id: number;
  readonly origin: SubmissionOrigin;
  readonly archive: string;
  readonly audience: string;
  readonly suite: string | null;
  readonly architectures: readonly string[];
  readonly source: string | null;
  readonly version: string | null;
  readonly handle: string | null;
  readonly person_name: string | null;
  readonly created_at: Date;
  readonly version_freed_because: string | null;
  readonly tag: TagFacts | undefined;
  readonly prepared_at: Date | undefined;
  /** Why its source could not be prepared. */
  readonly preparation:
    { readonly code: string; readonly sentence: string; readonly remedy: string | null; readonly at: Date } | undefined;
  readonly suspended_at: Date | null;
  readonly suspended_by: string | null;
  readonly suspended_because: string | null;
  /** Architectures of a source that none of the suite's fits. */
  readonly nothing_to_build: readonly string[] | undefined;
  readonly builds: readonly BuildFacts[];
  readonly uploads: readonly UploadFacts[];
  readonly packages: readonly PackageView[];
}

export interface TagFacts {
  readonly id: number;
  readonly submission_id: number;
  readonly repository: string;
  readonly ref: string;
  readonly object_id: string;
  readonly state: TagState;
  readonly seen_at: Date;
  readonly decided_at: Date | null;
  readonly retry_at: Date | null;
  readonly code: string | null;
  readonly sentence: string | null;
  readonly remedy: string | null;
  readonly commit_id: string | null;
  readonly key_fingerprint: string | null;
  readonly signer: string | null;
  readonly claimed_source: string | null;
  readonly claimed_version: string | null;
  readonly obstacle_code: string | null;
  readonly obstacle_sentence: string | null;
  readonly obstacle_remedy: string | null;
}

export interface BuildFacts {
  readonly id: number;
  readonly submission_id: number;
  readonly kind: 'source' | 'binary';
  readonly architecture: string;
  readonly created_at: Date;
  readonly job_id: number;
  readonly state: JobState;
  readonly changed_at: Date;
  readonly failure_code: string | null;
  readonly failure_reason: string | null;
  /** Of the last attempt. */
  readonly attempt_state: AttemptState | null;
  readonly worker: string | null;
  readonly started_at: Date | null;
  readonly delivered_at: Date | null;
  readonly ended_at: Date | null;
}

export interface UploadFacts {
  readonly id: number;
  readonly submission_id: number;
  readonly kind: 'source' | 'binary';
  /** Of the attempt that delivered it. */
  readonly build_id: number | null;
  readonly state: UploadState;
  readonly code: string | null;
  readonly sentence: string | null;
  readonly remedy: string | null;
  readonly received_at: Date;
  readonly decided_at: Date | null;
  /** How much of it is in a suite, and what of that apt can read. */
  readonly memberships: number;
  readonly unpublished: number;
  readonly published_at: Date | null;
  readonly published_serial: number | null;
  readonly published_suite: string | null;
}

/** Facts of those of `ids` that the viewer may see, in the order of `ids`. */
export async function readSubmissions(db: Db, ids: readonly number[], viewer: Viewer): Promise<SubmissionFacts[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql<
    Omit<
      SubmissionFacts,
      'tag' | 'builds' | 'uploads' | 'packages' | 'prepared_at' | 'preparation' | 'nothing_to_build'
    >
  >`
    SELECT s.id, s.origin, a.name AS archive, s.audience, suites.name AS suite, coalesce(suites.architectures, '{}') AS architectures,
      s.source, s.version, p.handle, p.name AS person_name, s.created_at,
      (SELECT v.freed_because FROM versions v WHERE v.submission_id = s.id AND NOT EXISTS (
        SELECT 1 FROM versions w WHERE w.submission_id = s.id AND w.state <> 'freed') ORDER BY v.id DESC LIMIT 1) AS version_freed_because,
      x.at AS suspended_at, x.actor AS suspended_by, x.reason AS suspended_because
    FROM submissions s
    LEFT JOIN suspensions x ON x.submission_id = s.id
    JOIN archives a ON a.id = s.archive_id
    LEFT JOIN suites ON suites.id = s.suite_id
    LEFT JOIN people p ON p.id = s.person_id
    WHERE s.id = ANY (${[...ids]}::bigint[]) AND s.audience = ANY (${[...viewer.audiences]}::text[])`.execute(db);
  const visible = rows.map((row) => row.id);
  if (visible.length === 0) return [];
  const [tags, events, builds, uploads, packages] = [
    await readTags(db, visible),
    await readEvents(db, visible),
    await readBuilds(db, visible),
    await readUploads(db, visible),
    await readPackages(db, visible),
  ];
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => {
    const row = byId.get(id);
    if (row === undefined) return [];
    const own = events.filter((event) => event.submission_id === id);
    const failed = own.find((event) => event.kind === 'source.failed');
    return {
      ...row,
      tag: tags.find((tag) => tag.submission_id === id),
      prepared_at: own.find((event) => event.kind === 'source.prepared')?.at,
      preparation:
        failed === undefined
          ? undefined
          : {
              code: failed.code ?? 'source.failed',
              sentence: failed.sentence ?? 'the source could not be prepared',
              remedy: failed.remedy,
              at: failed.at,
            },
      nothing_to_build: own.find((event) => event.kind === 'builds.none')?.architectures ?? undefined,
      builds: builds.filter((build) => build.submission_id === id),
      uploads: uploads.filter((upload) => upload.submission_id === id),
      packages: packages.filter((one) => one.submission_id === id).map(({ submission_id: _id, ...one }) => one),
    };
  });
}

async function readTags(db: Db, ids: readonly number[]): Promise<readonly TagFacts[]> {
  const { rows } = await sql<TagFacts>`
    SELECT t.id, t.submission_id, g.name AS repository, t.ref, t.object_id, t.state, t.seen_at, t.decided_at, t.retry_at,
      d.code, d.sentence, d.remedy, d.commit_id, d.key_fingerprint, p.handle AS signer, d.source AS claimed_source,
      d.version AS claimed_version,
      o.code AS obstacle_code, o.sentence AS obstacle_sentence, o.remedy AS obstacle_remedy
    FROM tags t
    JOIN git_repositories g ON g.id = t.git_repository_id
    LEFT JOIN LATERAL (SELECT * FROM tag_decisions WHERE tag_id = t.id ORDER BY id DESC LIMIT 1) AS d ON true
    LEFT JOIN LATERAL (SELECT * FROM tag_obstacles WHERE tag_id = t.id ORDER BY id DESC LIMIT 1) AS o ON true
    LEFT JOIN people p ON p.id = d.person_id
    WHERE t.submission_id = ANY (${[...ids]}::bigint[])`.execute(db);
  return rows;
}

async function readEvents(db: Db, ids: readonly number[]) {
  const { rows } = await sql<{
    submission_id: number;
    kind: string;
    at: Date;
    code: string | null;
    sentence: string | null;
    remedy: string | null;
    architectures: string[] | null;
  }>`
    SELECT submission_id, kind, at, data ->> 'code' AS code, data ->> 'sentence' AS sentence, data ->> 'remedy' AS remedy,
      CASE WHEN kind = 'builds.none' THEN ARRAY(SELECT jsonb_array_elements_text(data -> 'architectures')) END AS architectures
    FROM events
    WHERE submission_id = ANY (${[...ids]}::bigint[]) AND kind IN ('source.prepared', 'source.failed', 'builds.none')
    ORDER BY id DESC`.execute(db);
  return rows;
}

async function readBuilds(db: Db, ids: readonly number[]): Promise<readonly BuildFacts[]> {
  const { rows } = await sql<BuildFacts>`
    SELECT b.id, b.submission_id, b.kind, b.architecture, b.created_at, b.job_id, j.state, j.changed_at, j.failure_code,
      j.failure_reason, a.state AS attempt_state, w.name AS worker, a.started_at, a.delivered_at, a.ended_at
    FROM builds b
    JOIN jobs j ON j.id = b.job_id
    LEFT JOIN LATERAL (SELECT * FROM attempts WHERE job_id = j.id ORDER BY number DESC LIMIT 1) AS a ON true
    LEFT JOIN workers w ON w.id = a.worker_id
    WHERE b.submission_id = ANY (${[...ids]}::bigint[])
    ORDER BY b.kind = 'binary', b.id`.execute(db);
  return rows;
}

/** An upload is published when every package of it that is in a suite is in a publication that apt can read. */
async function readUploads(db: Db, ids: readonly number[]): Promise<readonly UploadFacts[]> {
  const { rows } = await sql<UploadFacts>`
    SELECT u.id, u.submission_id, u.kind, b.id AS build_id, u.state, u.code, u.sentence, u.remedy, u.received_at, u.decided_at,
      m.memberships, m.unpublished, m.published_at, m.published_serial, m.published_suite
    FROM uploads u
    LEFT JOIN attempts a ON a.id = u.attempt_id
    LEFT JOIN builds b ON b.job_id = a.job_id
    CROSS JOIN LATERAL (
      SELECT count(*) AS memberships, count(*) FILTER (WHERE p.id IS NULL) AS unpublished, max(p.published_at) AS published_at,
        max(p.serial) AS published_serial, min(s.name) AS published_suite
      FROM (
        -- What was replaced before any publication was never there.
        SELECT ss.suite_id, ss.added_serial FROM source_packages sp JOIN suite_sources ss ON ss.source_package_id = sp.id
        WHERE sp.upload_id = u.id AND ss.removed_serial IS DISTINCT FROM ss.added_serial
        UNION ALL
        SELECT sb.suite_id, sb.added_serial FROM binary_packages bp JOIN suite_binaries sb ON sb.binary_package_id = bp.id
        WHERE bp.upload_id = u.id AND sb.removed_serial IS DISTINCT FROM sb.added_serial
      ) AS member
      JOIN suites s ON s.id = member.suite_id
      LEFT JOIN LATERAL (
        SELECT * FROM publications
        WHERE suite_id = member.suite_id AND serial >= member.added_serial AND state = 'published'
        ORDER BY serial LIMIT 1
      ) AS p ON true
    ) AS m
    WHERE u.submission_id = ANY (${[...ids]}::bigint[])
    ORDER BY u.id`.execute(db);
  return rows;
}

async function readPackages(
  db: Db,
  ids: readonly number[],
): Promise<readonly (PackageView & { submission_id: number })[]> {
  const { rows } = await sql<PackageView & { submission_id: number }>`
    SELECT u.submission_id, package.kind, package.name, package.version, package.architecture, w.name AS worker,
      w.openpgp_fingerprint AS "workerFingerprint", b.id AS "buildId"
    FROM (
      SELECT 'source' AS kind, upload_id, name, version, 'source' AS architecture FROM source_packages
      WHERE upload_id IN (SELECT id FROM uploads WHERE submission_id = ANY (${[...ids]}::bigint[]))
      UNION ALL
      SELECT 'binary', upload_id, name, version, architecture FROM binary_packages
      WHERE upload_id IN (SELECT id FROM uploads WHERE submission_id = ANY (${[...ids]}::bigint[]))
    ) AS package
    JOIN uploads u ON u.id = package.upload_id
    LEFT JOIN attempts a ON a.id = u.attempt_id
    LEFT JOIN workers w ON w.id = a.worker_id
    LEFT JOIN builds b ON b.job_id = a.job_id
    ORDER BY package.kind DESC, package.architecture, package.name`.execute(db);
  return rows;
}
