/** One build with all that is known of it: attempts, phases, inputs, outputs, the lines that say why it failed. */
import { sql } from 'kysely';
import type { Db, JsonObject, JsonValue } from '../platform/database.ts';
import { readBuilds, summarize } from './build-list.ts';
import { isObject, listOf } from './json.ts';
import { reproduceCommands } from './reproduce.ts';
import { checksOf } from './tags.ts';
import type {
  AttemptState,
  AttemptView,
  BuildDetail,
  FileView,
  TraceDeps,
  UploadState,
  UploadView,
  Viewer,
} from './types.ts';
import { durationMs, iso, isoOrNull, pages } from './values.ts';

/** How much of the end of a log is shown where the worker named no lines. */
const EXCERPT_LINES = 40;
const EXCERPT_BYTES = 16 * 1024;
const MAX_PICKED_LINES = 200;

/** The build; undefined when there is none that the viewer may see. */
export async function describeBuild(deps: TraceDeps, id: number, viewer: Viewer): Promise<BuildDetail | undefined> {
  const [row] = await readBuilds(deps, viewer, sql`b.id = ${id}::bigint`, 1);
  if (row === undefined) return undefined;
  const [summary] = await summarize(deps, [row]);
  const { rows } = await sql<{
    with_all: boolean;
    pool: string;
    failure_code: string | null;
    failure_reason: string | null;
    limits: JsonObject;
    payload: JsonValue;
    repository_url: string | null;
    ref: string | null;
  }>`
    SELECT b.with_all, p.name AS pool, j.failure_code, j.failure_reason, j.limits, j.payload, g.url AS repository_url, t.ref
    FROM builds b JOIN jobs j ON j.id = b.job_id JOIN worker_pools p ON p.id = j.worker_pool_id
    LEFT JOIN tags t ON t.submission_id = b.submission_id
    LEFT JOIN git_repositories g ON g.id = t.git_repository_id
    WHERE b.id = ${id}`.execute(deps.db);
  const job = rows[0];
  if (summary === undefined || job === undefined) return undefined;
  const attempts = await readAttempts(deps, row.job_id);
  const failed = row.state === 'failed' || row.state === 'quarantined';
  return {
    ...summary,
    withAll: job.with_all,
    workerPool: job.pool,
    failureCode: job.failure_code,
    failureReason: job.failure_reason,
    excerpt: failed ? await excerptOf(deps.db, attempts[0]) : [],
    limits: job.limits,
    inputs: inputsOf(job.payload),
    reproduce: reproduceCommands({
      archiveUrl: pages(deps).archive(row.archive),
      keyUrl: pages(deps).key(row.archive),
      payload: job.payload,
      repositoryUrl: job.repository_url,
      ref: job.ref,
    }),
    lastGood: await lastGood(deps, row),
    uploads: await readUploads(deps.db, row.job_id),
    attempts,
  };
}

async function readAttempts(deps: TraceDeps, jobId: number): Promise<AttemptView[]> {
  const { rows } = await sql<{
    id: number;
    number: number;
    worker: string;
    state: AttemptState;
    phase: string;
    started_at: Date;
    ended_at: Date | null;
    delivered_at: Date | null;
    result_code: string | null;
    result_reason: string | null;
    facts: JsonObject;
    log_size: number;
  }>`
    SELECT a.id, a.number, w.name AS worker, a.state, a.phase, a.started_at, a.ended_at, a.delivered_at, a.result_code,
      a.result_reason, a.facts,
      coalesce((SELECT c.start + length(c.bytes) FROM log_chunks c WHERE c.attempt_id = a.id ORDER BY c.start DESC LIMIT 1), 0) AS log_size
    FROM attempts a JOIN workers w ON w.id = a.worker_id
    WHERE a.job_id = ${jobId} ORDER BY a.number DESC LIMIT 100`.execute(deps.db);
  const ids = rows.map((row) => row.id);
  const { rows: phases } = await sql<{ attempt_id: number; name: string; log_start: number; started_at: Date }>`
    SELECT attempt_id, name, log_start, started_at FROM attempt_phases
    WHERE attempt_id = ANY (${ids}::bigint[]) ORDER BY attempt_id, position`.execute(deps.db);
  const { rows: files } = await sql<FileView & { attempt_id: number }>`
    SELECT attempt_id, name, sha256, size FROM attempt_files
    WHERE attempt_id = ANY (${ids}::bigint[]) ORDER BY attempt_id, name`.execute(deps.db);
  return rows.map((row) => {
    const own = phases.filter((phase) => phase.attempt_id === row.id);
    // The work ends with the delivery; what comes after it is the archive's.
    const end = row.delivered_at ?? row.ended_at;
    return {
      id: row.id,
      number: row.number,
      worker: row.worker,
      state: row.state,
      phase: row.phase,
      startedAt: iso(row.started_at),
      endedAt: isoOrNull(end),
      durationMs: durationMs(row.started_at, end),
      code: row.result_code,
      reason: row.result_reason,
      facts: row.facts,
      phases: own.map((phase, index) => {
        const phaseEnd = own[index + 1]?.started_at ?? end;
        return {
          name: phase.name,
          startedAt: iso(phase.started_at),
          endedAt: isoOrNull(phaseEnd),
          durationMs: durationMs(phase.started_at, phaseEnd),
          logStart: phase.log_start,
        };
      }),
      files: files
        .filter((file) => file.attempt_id === row.id)
        .map(({ name, sha256, size }) => ({ name, sha256, size })),
      logSize: row.log_size,
      logUrl: pages(deps).log(row.id),
    };
  });
}

async function readUploads(db: Db, jobId: number): Promise<UploadView[]> {
  const { rows } = await sql<{
    id: number;
    attempt_id: number;
    changes_name: string;
    state: UploadState;
    received_at: Date;
    decided_at: Date | null;
    code: string | null;
    sentence: string | null;
    remedy: string | null;
    checks: JsonValue;
  }>`
    SELECT u.id, u.attempt_id, u.changes_name, u.state, u.received_at, u.decided_at, u.code, u.sentence, u.remedy,
      coalesce((SELECT jsonb_agg(jsonb_build_object('code', c.code, 'outcome', c.outcome, 'detail', c.detail) ORDER BY c.position)
        FROM upload_checks c WHERE c.upload_id = u.id), '[]') AS checks
    FROM uploads u JOIN attempts a ON a.id = u.attempt_id
    WHERE a.job_id = ${jobId} ORDER BY u.id DESC`.execute(db);
  return rows.map((row) => ({
    id: row.id,
    attemptId: row.attempt_id,
    changes: row.changes_name,
    state: row.state,
    receivedAt: iso(row.received_at),
    decidedAt: isoOrNull(row.decided_at),
    code: row.code,
    sentence: row.sentence,
    remedy: row.remedy,
    checks: checksOf(row.checks),
  }));
}

/** The lines that the worker picked (`facts.excerpt`), or else the end of its log. */
async function excerptOf(db: Db, attempt: AttemptView | undefined): Promise<readonly string[]> {
  if (attempt === undefined) return [];
  const picked = attempt.facts.excerpt;
  const lines = listOf(picked).filter((line) => typeof line === 'string');
  if (lines.length > 0) return lines.slice(0, MAX_PICKED_LINES);
  if (typeof picked === 'string' && picked !== '') return picked.split('\n').slice(0, MAX_PICKED_LINES);
  const { rows } = await sql<{ bytes: Buffer }>`
    SELECT bytes FROM log_chunks
    WHERE attempt_id = ${attempt.id} AND start + length(bytes) > ${attempt.logSize - EXCERPT_BYTES}::bigint
    ORDER BY start`.execute(db);
  const tail = Buffer.concat(rows.map((row) => row.bytes)).subarray(-EXCERPT_BYTES);
  const end = tail.toString('utf8').replace(/\n$/, '').split('\n');
  return tail.length === 0 ? [] : end.slice(-EXCERPT_LINES);
}

/** The files that a job's payload names, whatever its kind. */
export function inputsOf(payload: JsonValue): readonly FileView[] {
  if (!isObject(payload)) return [];
  const files = [...listOf(payload.files), ...listOf(payload.origs)].flatMap((one) => fileOf(one));
  const frozen = isObject(payload.frozen) ? fileOf({ ...payload.frozen, name: 'frozen input (git pack)' }) : [];
  return [...frozen, ...files];
}

function fileOf(value: JsonValue): readonly FileView[] {
  if (!isObject(value)) return [];
  const { name, sha256, size } = value;
  return typeof name === 'string' && typeof sha256 === 'string' && typeof size === 'number'
    ? [{ name, sha256, size }]
    : [];
}

async function lastGood(
  deps: TraceDeps,
  build: {
    readonly id: number;
    readonly archive_id: number;
    readonly source: string | null;
    readonly kind: string;
    readonly architecture: string;
  },
): Promise<BuildDetail['lastGood']> {
  const { rows } = await sql<{ id: number; version: string }>`
    SELECT b.id, s.version
    FROM submissions s JOIN builds b ON b.submission_id = s.id JOIN jobs j ON j.id = b.job_id
    WHERE s.source = ${build.source} AND s.archive_id = ${build.archive_id} AND b.kind = ${build.kind}
      AND b.architecture = ${build.architecture} AND b.id < ${build.id} AND j.state = 'succeeded'
    ORDER BY b.id DESC LIMIT 1`.execute(deps.db);
  const row = rows[0];
  return row === undefined ? null : { buildId: row.id, version: row.version, url: pages(deps).build(row.id) };
}
