/** From a binary package back to worker, job, source, tag, commit and signer (I4). */
import { sql } from 'kysely';
import type { SubmissionOrigin } from '../platform/schema.ts';
import type { BuiltBy, LeadsBack, TraceDeps, Viewer } from './types.ts';

export interface BinaryName {
  readonly archive: string;
  readonly binary: string;
  readonly version: string;
  /** `all` for an architecture-independent package. */
  readonly arch: string;
}

interface Row {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly sha256: string;
  readonly source: string;
  readonly source_version: string;
  readonly dsc_sha256: string;
  readonly submission_id: number;
  readonly origin: SubmissionOrigin;
  readonly signer_fingerprint: string | null;
  readonly attempt_id: number | null;
  readonly source_attempt_id: number | null;
  readonly tag_id: number | null;
  readonly repository: string | null;
  readonly ref: string | null;
  readonly object_id: string | null;
  readonly commit_id: string | null;
  readonly key_fingerprint: string | null;
  readonly handle: string | null;
  readonly person_name: string | null;
}

/** Undefined when the archive never had such a package, or the viewer may not see it. */
export async function leadsBack(deps: TraceDeps, name: BinaryName, viewer: Viewer): Promise<LeadsBack | undefined> {
  const { rows } = await sql<Row>`
    SELECT bp.name, bp.version, bp.architecture, bp.sha256, sp.name AS source, sp.version AS source_version, sp.dsc_sha256,
      s.id AS submission_id, s.origin, u.signer_fingerprint, u.attempt_id, su.attempt_id AS source_attempt_id,
      t.id AS tag_id, g.name AS repository, t.ref, t.object_id, d.commit_id, d.key_fingerprint, p.handle, p.name AS person_name
    FROM archives a
    JOIN binary_packages bp ON bp.archive_id = a.id
    JOIN source_packages sp ON sp.id = bp.source_package_id
    JOIN uploads u ON u.id = bp.upload_id
    JOIN uploads su ON su.id = sp.upload_id
    JOIN submissions s ON s.id = sp.submission_id
    LEFT JOIN tags t ON t.submission_id = s.id
    LEFT JOIN git_repositories g ON g.id = t.git_repository_id
    LEFT JOIN tag_decisions d ON d.tag_id = t.id AND d.outcome = 'accepted'
    LEFT JOIN people p ON p.id = d.person_id
    WHERE a.name = ${name.archive} AND bp.name = ${name.binary} AND bp.version = ${name.version} AND bp.architecture = ${name.arch}
      AND a.audience = ANY (${[...viewer.audiences]}::text[]) AND s.audience = ANY (${[...viewer.audiences]}::text[])`.execute(
    deps.db,
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  return {
    archive: name.archive,
    binary: { name: row.name, version: row.version, architecture: row.architecture, sha256: row.sha256 },
    source: { name: row.source, version: row.source_version, dscSha256: row.dsc_sha256 },
    submissionId: row.submission_id,
    origin: row.origin,
    built: await builtBy(deps, row.attempt_id),
    sourceBuilt: await builtBy(deps, row.source_attempt_id),
    uploadSigner: row.signer_fingerprint,
    tag: tagOf(row),
  };
}

function tagOf(row: Row): LeadsBack['tag'] {
  const {
    tag_id: id,
    repository,
    ref,
    object_id: objectId,
    commit_id: commitId,
    key_fingerprint: fingerprint,
    handle,
  } = row;
  if (id === null || repository === null || ref === null || objectId === null) return null;
  if (commitId === null || fingerprint === null || handle === null) return null;
  return { id, repository, ref, objectId, commitId, signer: { handle, name: row.person_name ?? handle }, fingerprint };
}

async function builtBy(deps: TraceDeps, attemptId: number | null): Promise<BuiltBy | null> {
  if (attemptId === null) return null;
  const { rows } = await sql<{ worker: string; fingerprint: string; job_id: number; build_id: number | null }>`
    SELECT w.name AS worker, w.openpgp_fingerprint AS fingerprint, a.job_id, b.id AS build_id
    FROM attempts a JOIN workers w ON w.id = a.worker_id LEFT JOIN builds b ON b.job_id = a.job_id
    WHERE a.id = ${attemptId}`.execute(deps.db);
  const row = rows[0];
  return row === undefined
    ? null
    : { worker: row.worker, workerFingerprint: row.fingerprint, jobId: row.job_id, buildId: row.build_id, attemptId };
}
