/**
 * What must be true of the rows, whatever happened to the machine: the invariants of DESIGN.md as queries, each of which gives a
 * row for each violation. Some hold only for a machine that is at rest, with nothing left to do; the others at any moment.
 */
import { sql, type RawBuilder } from 'kysely';
import { compareVersionTexts } from '../../debian/version.ts';
import type { Db } from '../../platform/database.ts';
import { SUPERSEDED } from '../../platform/tasks.ts';

export interface Rule {
  /** What its rows violate. */
  readonly says: string;
  /** Holds only when nothing is left to do. */
  readonly atRest?: boolean;
  /** Gives a row for each violation. */
  readonly query: RawBuilder<{ readonly row: string }>;
}

export const RULES: readonly Rule[] = [
  {
    says: 'I1 what the suite holds was never published',
    atRest: true,
    query: sql`
      SELECT s.name || ' holds rows of serial ' || m.serial AS row
      FROM (
        SELECT suite_id, added_serial AS serial FROM suite_sources UNION SELECT suite_id, removed_serial FROM suite_sources
        UNION SELECT suite_id, added_serial FROM suite_binaries UNION SELECT suite_id, removed_serial FROM suite_binaries
      ) AS m
      JOIN suites s ON s.id = m.suite_id
      WHERE m.serial > coalesce((SELECT max(p.serial) FROM publications p WHERE p.suite_id = s.id AND p.state = 'published'), 0)`,
  },
  {
    says: 'I3 a job has more than one accepted result, or succeeded without one',
    query: sql`
      SELECT 'job ' || j.id || ' is ' || j.state || ', ' || count(a.id) || ' attempts succeeded' AS row
      FROM jobs j LEFT JOIN attempts a ON a.job_id = j.id AND a.state = 'succeeded'
      GROUP BY j.id HAVING count(a.id) <> CASE WHEN j.state = 'succeeded' THEN 1 ELSE 0 END`,
  },
  {
    says: 'I3 a job has more than one accepted upload',
    query: sql`
      SELECT 'job ' || a.job_id || ': uploads ' || string_agg(u.id::text, ', ') AS row
      FROM uploads u JOIN attempts a ON a.id = u.attempt_id
      WHERE u.state = 'accepted' GROUP BY a.job_id HAVING count(*) > 1`,
  },
  {
    says: 'I3 a tag was accepted more than once',
    query: sql`
      SELECT 'tag ' || tag_id || ': ' || count(*) AS row FROM tag_decisions
      WHERE outcome = 'accepted' GROUP BY tag_id HAVING count(*) > 1`,
  },
  {
    says: 'I3 a version came in by more than one submission',
    query: sql`
      SELECT a.name || ' ' || v.source || ' ' || v.version AS row FROM versions v JOIN archives a ON a.id = v.archive_id
      WHERE v.state = 'accepted' GROUP BY a.name, v.source, v.version HAVING count(*) > 1`,
  },
  {
    says: 'I3 a submission has more than one source job, or more than one job for an architecture',
    query: sql`
      SELECT 'submission ' || submission_id || ' ' || architecture AS row FROM builds
      GROUP BY submission_id, architecture HAVING count(*) > 1`,
  },
  {
    says: 'I3 something that happens once was told more than once',
    query: sql`
      SELECT told.kind || ' of ' || told.of || ': ' || count(*) AS row
      FROM (
        SELECT kind, coalesce(
          CASE
            WHEN kind IN ('tag.seen', 'tag.accepted') THEN 'tag ' || (data ->> 'tagId')
            WHEN kind IN ('source.prepared', 'source.accepted') THEN 'submission ' || submission_id
            WHEN kind IN ('upload.received', 'upload.accepted', 'upload.rejected', 'binary.accepted') THEN 'upload ' || (data ->> 'uploadId')
            WHEN kind IN ('job.created', 'job.succeeded') THEN 'job ' || (data ->> 'jobId')
            WHEN kind IN ('job.leased', 'job.delivered', 'job.lost') THEN 'attempt ' || (data ->> 'attemptId')
            WHEN kind = 'suite.published' THEN 'suite ' || (data ->> 'suiteId') || ' serial ' || (data ->> 'serial')
          END, 'an unknown thing') AS of
        FROM events
        WHERE kind IN ('tag.seen', 'tag.accepted', 'source.prepared', 'source.accepted', 'upload.received', 'upload.accepted',
          'upload.rejected', 'binary.accepted', 'job.created', 'job.succeeded', 'job.leased', 'job.delivered', 'job.lost',
          'suite.published')
      ) AS told
      GROUP BY told.kind, told.of HAVING count(*) > 1`,
  },
  {
    says: 'I3 something happened and was not told',
    query: sql`
      SELECT 'tag ' || id || ' is accepted' AS row FROM tags WHERE state = 'accepted'
        AND NOT EXISTS (SELECT 1 FROM events e WHERE e.kind = 'tag.accepted' AND e.submission_id = tags.submission_id)
      UNION ALL SELECT 'source ' || name || ' ' || version FROM source_packages p WHERE NOT EXISTS
        (SELECT 1 FROM events e WHERE e.kind = 'source.accepted' AND e.submission_id = p.submission_id)
      UNION ALL SELECT 'upload ' || id || ' is accepted' FROM uploads u WHERE state = 'accepted' AND NOT EXISTS
        (SELECT 1 FROM events e WHERE e.kind = 'upload.accepted' AND e.data ->> 'uploadId' = u.id::text)
      UNION ALL SELECT 'publication ' || serial || ' of suite ' || suite_id FROM publications p WHERE state = 'published' AND NOT EXISTS
        (SELECT 1 FROM events e WHERE e.kind = 'suite.published' AND e.data ->> 'suiteId' = p.suite_id::text
          AND e.data ->> 'serial' = p.serial::text)`,
  },
  {
    says: 'I4 a binary does not lead back to worker, job, source, tag and signer',
    query: sql`
      SELECT b.name || ' ' || b.version || ' ' || b.architecture AS row
      FROM binary_packages b
      JOIN source_packages s ON s.id = b.source_package_id
      JOIN submissions m ON m.id = s.submission_id
      WHERE m.origin = 'tag' AND NOT EXISTS (
        SELECT 1
        FROM uploads u
        JOIN attempts a ON a.id = u.attempt_id AND a.state = 'succeeded'
        JOIN workers w ON w.id = a.worker_id AND w.openpgp_fingerprint = u.signer_fingerprint
        JOIN builds bu ON bu.job_id = a.job_id AND bu.submission_id = m.id AND bu.kind = 'binary'
        JOIN uploads su ON su.id = s.upload_id AND su.state = 'accepted' AND su.submission_id = m.id
        JOIN attempts sa ON sa.id = su.attempt_id AND sa.state = 'succeeded'
        JOIN builds sb ON sb.job_id = sa.job_id AND sb.submission_id = m.id AND sb.kind = 'source'
        JOIN tags t ON t.submission_id = m.id AND t.state = 'accepted'
        JOIN tag_decisions d ON d.tag_id = t.id AND d.outcome = 'accepted' AND d.source = s.name AND d.version = s.version
        JOIN keys k ON k.fingerprint = d.key_fingerprint AND k.person_id = d.person_id
        JOIN frozen_inputs f ON f.submission_id = m.id AND f.commit_id = d.commit_id AND f.tag_object_id = t.object_id
        WHERE u.id = b.upload_id AND u.state = 'accepted' AND u.submission_id = m.id)`,
  },
  {
    says: 'a background task was given up, or is held by a process that ended',
    query: sql`
      SELECT k.identifier || ' ' || j.id || ': ' || coalesce(j.last_error, 'held by ' || j.locked_by, '') AS row
      FROM graphile_worker._private_jobs j JOIN graphile_worker._private_tasks k ON k.id = j.task_id
      WHERE (j.attempts >= j.max_attempts AND j.locked_at IS NULL AND NOT ${SUPERSEDED})
        OR (j.locked_by IS NOT NULL AND j.locked_by NOT IN (SELECT pool_id FROM task_pools))`,
  },
  {
    says: 'a job is leased and nobody keeps the lease',
    atRest: true,
    query: sql`
      SELECT 'job ' || j.id AS row FROM jobs j
      WHERE j.state = 'leased' AND NOT EXISTS (SELECT 1 FROM attempts a
        WHERE a.job_id = j.id AND a.state = 'running' AND a.lease_expires_at > clock_timestamp() - interval '15 seconds')`,
  },
  {
    says: 'something began and does not end',
    atRest: true,
    query: sql`
      SELECT 'tag ' || id || ' is seen' AS row FROM tags WHERE state = 'seen'
      UNION ALL SELECT 'upload ' || id || ' is received' FROM uploads WHERE state = 'received'
      UNION ALL SELECT 'job ' || id || ' is delivered' FROM jobs WHERE state = 'delivered'
      UNION ALL SELECT 'publication ' || serial || ' is ' || state FROM publications WHERE state <> 'published'
      UNION ALL SELECT 'submission ' || t.submission_id || ' was accepted and nothing follows'
        FROM tags t WHERE t.state = 'accepted' AND NOT EXISTS (SELECT 1 FROM builds b WHERE b.submission_id = t.submission_id)`,
  },
];

/** I2: the newest version of each package, over the serials of each suite. */
export async function findVersionsGoneDown(db: Db): Promise<string[]> {
  const { rows } = await sql<{ suite: string; name: string; version: string; added: number }>`
    SELECT s.name AS suite, 'source ' || p.name AS name, p.version, m.added_serial AS added
    FROM suite_sources m JOIN suites s ON s.id = m.suite_id JOIN source_packages p ON p.id = m.source_package_id
    UNION ALL
    SELECT s.name, p.name || ':' || m.architecture, p.version, m.added_serial
    FROM suite_binaries m JOIN suites s ON s.id = m.suite_id JOIN binary_packages p ON p.id = m.binary_package_id
    ORDER BY 1, 2, 4`.execute(db);
  const newest = new Map<string, string>();
  const violations: string[] = [];
  for (const { suite, name, version, added } of rows) {
    const key = `${suite} ${name}`;
    const last = newest.get(key);
    if (last !== undefined && compareVersionTexts(version, last) < 0) {
      violations.push(`I2 ${name} went down in ${suite}: ${last} to ${version} at serial ${added}`);
    }
    newest.set(key, version);
  }
  return violations;
}

/** What keeps rows from being changed or removed (I6): each of the triggers that is off, or gone. */
export async function findOpenTables(db: Db): Promise<string[]> {
  const { rows } = await sql<{ row: string }>`
    SELECT wanted.name AS row
    FROM unnest(ARRAY['events', 'audit', 'tag_decisions', 'pool_files', 'high_water_marks', 'upload_checks']) AS wanted (name)
    WHERE NOT EXISTS (
      SELECT 1 FROM pg_trigger t WHERE t.tgrelid = to_regclass(wanted.name) AND t.tgname = wanted.name || '_only_added'
        AND t.tgenabled <> 'D')`.execute(db);
  return rows.map(({ row }) => `I6 rows of ${row} can be changed: its trigger is off`);
}
