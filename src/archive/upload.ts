/**
 * An upload as the checks see it: who delivered what, and what it was asked to be.
 */
import type { Db } from '../platform/database.ts';
import type { SubmissionOrigin, UploadState } from '../platform/schema.ts';

export interface UploadedFile {
  readonly sha256: string;
  readonly size: number;
}

export interface Upload {
  readonly id: number;
  readonly kind: 'source' | 'binary';
  readonly state: UploadState;
  readonly changesName: string;
  readonly submissionId: number;
  readonly archiveId: number;
  readonly archive: string;
  readonly suiteId: number;
  readonly files: ReadonlyMap<string, UploadedFile>;
  /** What was asked for. */
  readonly origin: SubmissionOrigin;
  readonly source: string;
  readonly version: string;
  /** The build that it answers, and who delivered it. */
  readonly build: {
    readonly jobId: number;
    /** `source`, or the machine's architecture. */
    readonly architecture: string;
    readonly withAll: boolean;
    readonly worker: string;
    readonly workerFingerprint: string;
    readonly workerRevoked: boolean;
  };
}

/** Reads an upload that a worker delivered; undefined when there is none. */
export async function readUpload(db: Db, uploadId: number): Promise<Upload | undefined> {
  const row = await db
    .selectFrom('uploads as u')
    .innerJoin('archives as r', 'r.id', 'u.archive_id')
    .innerJoin('submissions as s', 's.id', 'u.submission_id')
    .innerJoin('attempts as a', 'a.id', 'u.attempt_id')
    .innerJoin('workers as w', 'w.id', 'a.worker_id')
    .innerJoin('builds as b', 'b.job_id', 'a.job_id')
    .where('u.id', '=', uploadId)
    .select([
      'u.id',
      'u.kind',
      'u.state',
      'u.changes_name',
      'u.submission_id',
      'u.archive_id',
      'r.name as archive',
      'u.suite_id',
      's.origin',
      's.source',
      's.version',
      'a.job_id',
      'b.architecture',
      'b.with_all',
      'w.name as worker',
      'w.openpgp_fingerprint',
      'w.revoked_at',
    ])
    .executeTakeFirst();
  if (row?.source == null || row.version === null) return undefined;
  const files = await db
    .selectFrom('upload_files')
    .select(['name', 'sha256', 'size'])
    .where('upload_id', '=', uploadId)
    .execute();
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    changesName: row.changes_name,
    submissionId: row.submission_id,
    archiveId: row.archive_id,
    archive: row.archive,
    suiteId: row.suite_id,
    files: new Map(files.map(({ name, sha256, size }) => [name, { sha256, size }])),
    origin: row.origin,
    source: row.source,
    version: row.version,
    build: {
      jobId: row.job_id,
      architecture: row.architecture,
      withAll: row.with_all,
      worker: row.worker,
      workerFingerprint: row.openpgp_fingerprint,
      workerRevoked: row.revoked_at !== null,
    },
  };
}
