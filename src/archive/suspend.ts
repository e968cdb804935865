/**
 * Suspending a submission: nothing of it goes any further. In the caller's transaction its jobs are cancelled, uploads that wait
 * are rejected, a version that is only reserved is freed, and what no publication has shown yet leaves its suite again, with what
 * it replaced back in its place. What apt can read already stays: a suite's version never goes down by itself (I2).
 *
 * Forward only: everything that is undone here is a new row or a move that the states allow, told by one row of `suspensions`, an
 * event and an entry of the audit.
 */
import { sql } from 'kysely';
import { cancel } from '../lighthouse/index.ts';
import type { Trx } from '../platform/database.ts';
import { recordAudit, recordEvent } from '../platform/events.ts';
import { freeVersion, suspendSubmission } from '../registry/index.ts';
import { holdOpenSerial } from './suite-content.ts';

export interface SuspensionRequest {
  readonly submissionId: number;
  readonly actor: string;
  readonly reason: string;
  /** The revoked key that is the reason. */
  readonly keyId?: number | undefined;
}

/** What was ended. */
export interface Ended {
  readonly jobs: number;
  readonly uploads: number;
  readonly versionFreed: boolean;
  /** `ARCHIVE/SUITE` from which packages were taken before any publication had them. */
  readonly takenFrom: readonly string[];
}

const REMEDY = 'release the next version, signed with a registered key that is not revoked';

/** Undefined when it was suspended before. The caller holds the archive's lock (lock.ts). */
export async function suspend(trx: Trx, request: SuspensionRequest): Promise<Ended | undefined> {
  const { submissionId, actor, reason } = request;
  const before = await trx
    .selectFrom('suspensions')
    .select('id')
    .where('submission_id', '=', submissionId)
    .executeTakeFirst();
  if (before !== undefined) return undefined;
  const because = `suspended: ${reason}`;
  const uploads = await rejectWaiting(trx, submissionId, actor, reason);
  const jobs = await cancelJobs(trx, submissionId, actor, because);
  const versionFreed = await freeVersion(trx, submissionId, because);
  const takenFrom = await takeUnpublished(trx, submissionId);
  const ended: Ended = { jobs, uploads, versionFreed, takenFrom };
  await suspendSubmission(trx, { ...request, detail: { ...ended, takenFrom: [...takenFrom] } });
  await recordAudit(trx, {
    actor,
    action: 'submission.suspended',
    subject: `submission ${submissionId}`,
    detail: { reason, ...ended, takenFrom: [...takenFrom] },
  });
  return ended;
}

async function cancelJobs(trx: Trx, submissionId: number, actor: string, because: string): Promise<number> {
  const jobs = await trx
    .selectFrom('builds as b')
    .innerJoin('jobs as j', 'j.id', 'b.job_id')
    .select('j.id')
    .where('b.submission_id', '=', submissionId)
    .where('j.state', 'not in', ['succeeded', 'cancelled'])
    .orderBy('j.id')
    .execute();
  let cancelled = 0;
  for (const { id } of jobs) {
    if ((await cancel(trx, id, actor, because)).kind === 'done') cancelled += 1;
  }
  return cancelled;
}

async function rejectWaiting(trx: Trx, submissionId: number, actor: string, reason: string): Promise<number> {
  const objection = {
    code: 'submission.suspended',
    sentence: `This release was suspended by ${actor}: ${reason}.`,
    remedy: REMEDY,
  };
  const rejected = await trx
    .updateTable('uploads')
    .set({ state: 'rejected', ...objection, decided_at: sql<Date>`clock_timestamp()` })
    .where('submission_id', '=', submissionId)
    .where('state', 'in', ['received', 'held'])
    .returning(['id', 'kind'])
    .execute();
  for (const { id, kind } of rejected) {
    await recordEvent(trx, {
      kind: 'upload.rejected',
      submissionId,
      actor,
      data: { uploadId: id, uploadKind: kind, ...objection },
    });
  }
  return rejected.length;
}

/** Takes packages out of suites that no publication has had yet, and puts back what they replaced there. */
async function takeUnpublished(trx: Trx, submissionId: number): Promise<string[]> {
  const { rows: suites } = await sql<{ id: number; name: string }>`
    SELECT DISTINCT s.id, a.name || '/' || s.name AS name
    FROM (
      SELECT m.suite_id FROM suite_sources m JOIN source_packages p ON p.id = m.source_package_id
      WHERE p.submission_id = ${submissionId} AND m.removed_serial IS NULL
      UNION
      SELECT m.suite_id FROM suite_binaries m JOIN binary_packages b ON b.id = m.binary_package_id
      JOIN uploads u ON u.id = b.upload_id WHERE u.submission_id = ${submissionId} AND m.removed_serial IS NULL
    ) AS held
    JOIN suites s ON s.id = held.suite_id JOIN archives a ON a.id = s.archive_id
    ORDER BY s.id`.execute(trx);
  const taken: string[] = [];
  for (const suite of suites) {
    const serial = await holdOpenSerial(trx, suite.id);
    const sources = await takeSources(trx, submissionId, suite.id, serial);
    const binaries = await takeBinaries(trx, submissionId, suite.id, serial);
    if (sources + binaries > 0) taken.push(suite.name);
  }
  return taken;
}

async function takeSources(trx: Trx, submissionId: number, suiteId: number, serial: number): Promise<number> {
  const { rows } = await sql<{ name: string }>`
    UPDATE suite_sources m SET removed_serial = ${serial}
    FROM source_packages p
    WHERE m.suite_id = ${suiteId} AND m.added_serial = ${serial} AND m.removed_serial IS NULL
      AND p.id = m.source_package_id AND p.submission_id = ${submissionId}
    RETURNING p.name`.execute(trx);
  await sql`
    INSERT INTO suite_sources (suite_id, source_package_id, added_serial)
    SELECT DISTINCT m.suite_id, m.source_package_id, ${serial}::bigint
    FROM suite_sources m JOIN source_packages p ON p.id = m.source_package_id
    WHERE m.suite_id = ${suiteId} AND m.removed_serial = ${serial} AND m.added_serial < ${serial}
      AND p.name = ANY (${rows.map(({ name }) => name)}::text[])
      AND NOT EXISTS (
        SELECT FROM suite_sources c JOIN source_packages cp ON cp.id = c.source_package_id
        WHERE c.suite_id = m.suite_id AND c.removed_serial IS NULL AND cp.name = p.name)`.execute(trx);
  return rows.length;
}

async function takeBinaries(trx: Trx, submissionId: number, suiteId: number, serial: number): Promise<number> {
  const { rows } = await sql<{ name: string; architecture: string }>`
    UPDATE suite_binaries m SET removed_serial = ${serial}
    FROM binary_packages p JOIN uploads u ON u.id = p.upload_id
    WHERE m.suite_id = ${suiteId} AND m.added_serial = ${serial} AND m.removed_serial IS NULL
      AND p.id = m.binary_package_id AND u.submission_id = ${submissionId}
    RETURNING p.name, m.architecture`.execute(trx);
  await sql`
    INSERT INTO suite_binaries (suite_id, architecture, binary_package_id, added_serial)
    SELECT DISTINCT m.suite_id, m.architecture, m.binary_package_id, ${serial}::bigint
    FROM suite_binaries m JOIN binary_packages p ON p.id = m.binary_package_id
    WHERE m.suite_id = ${suiteId} AND m.removed_serial = ${serial} AND m.added_serial < ${serial}
      AND (p.name || ' ' || m.architecture) = ANY (${rows.map(({ name, architecture }) => `${name} ${architecture}`)}::text[])
      AND NOT EXISTS (
        SELECT FROM suite_binaries c JOIN binary_packages cp ON cp.id = c.binary_package_id
        WHERE c.suite_id = m.suite_id AND c.architecture = m.architecture AND c.removed_serial IS NULL
          AND cp.name = p.name)`.execute(trx);
  return rows.length;
}
