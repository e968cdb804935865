/** The SQL of evidence: a decision with all that was stored with it, the fingerprint that its event keeps, its revocation. */
import { sql, type RawBuilder } from 'kysely';
import type { Db, JsonObject, JsonValue } from '../platform/database.ts';
import { describeGrant, findSigner } from '../permissions/index.ts';
import type { DecisionEvidence, EvidenceCheck, RecordFingerprint, Surroundings } from './evidence.ts';

/** The decision that let a submission in; undefined when none did. */
export async function acceptedEvidence(db: Db, submissionId: number): Promise<DecisionEvidence | undefined> {
  return await readEvidence(db, sql`t.submission_id = ${submissionId} AND d.outcome = 'accepted'`);
}

/** The newest decision about a tag; undefined when it is not decided. */
export async function newestEvidence(db: Db, tagId: number): Promise<DecisionEvidence | undefined> {
  return await readEvidence(db, sql`t.id = ${tagId}`);
}

export async function evidenceOfDecision(db: Db, decisionId: number): Promise<DecisionEvidence | undefined> {
  return await readEvidence(db, sql`d.id = ${decisionId}`);
}

/** What is known beside the record: the fingerprint that the event of the decision keeps, and whether the key was revoked. */
export async function surroundingsOf(
  db: Db,
  evidence: DecisionEvidence,
): Promise<Pick<Surroundings, 'fingerprint' | 'revoked'>> {
  const { rows } = await sql<{ evidence: JsonValue }>`
    SELECT data -> 'evidence' AS evidence FROM events
    WHERE submission_id = ${evidence.submissionId} AND kind IN ('tag.accepted', 'tag.rejected')
      AND data ->> 'decisionId' = ${String(evidence.decisionId)}
    ORDER BY id LIMIT 1`.execute(db);
  const signer = evidence.keyFingerprint === null ? undefined : await findSigner(db, evidence.keyFingerprint);
  return {
    fingerprint: readFingerprint(rows[0]?.evidence),
    revoked:
      signer?.revokedAt == null
        ? undefined
        : { at: signer.revokedAt, reason: signer.revocationReason ?? 'no reason was given' },
  };
}

interface EvidenceRow {
  readonly id: number;
  readonly tag_id: number;
  readonly submission_id: number;
  readonly repository: string;
  readonly archive: string;
  readonly ref: string;
  readonly object_id: string;
  readonly outcome: 'accepted' | 'rejected';
  readonly code: string;
  readonly sentence: string;
  readonly remedy: string | null;
  readonly checks: JsonValue;
  readonly tag_object: Buffer | null;
  readonly signature_kind: 'openpgp' | 'ssh' | null;
  readonly key_fingerprint: string | null;
  readonly key_material: Buffer | null;
  readonly signer: string | null;
  readonly commit_id: string | null;
  readonly upstream_commit_id: string | null;
  readonly source: string | null;
  readonly version: string | null;
  readonly suite: string | null;
  readonly quilt: string | null;
  readonly decided_by: string;
  readonly decided_at: Date;
  readonly grant_id: number | null;
  readonly grant_action: Parameters<typeof describeGrant>[0]['action'] | null;
  readonly grant_archive: string | null;
  readonly grant_suites: string | null;
  readonly grant_packages: string | null;
  readonly grant_to: string | null;
  readonly frozen_sha256: string | null;
  readonly frozen_size: number | null;
  readonly frozen_tag: string | null;
  readonly frozen_commit: string | null;
  readonly frozen_upstream: string | null;
  readonly frozen_pristine: string | null;
}

async function readEvidence(db: Db, where: RawBuilder<unknown>): Promise<DecisionEvidence | undefined> {
  const { rows } = await sql<EvidenceRow>`
    SELECT d.id, d.tag_id, t.submission_id, g.name AS repository, a.name AS archive, t.ref, t.object_id, d.outcome, d.code,
      d.sentence, d.remedy, d.checks, d.tag_object, d.signature_kind, d.key_fingerprint, d.key_material, p.handle AS signer,
      d.commit_id, d.upstream_commit_id, d.source, d.version, suites.name AS suite, d.quilt, d.decided_by, d.decided_at,
      r.id AS grant_id, r.action AS grant_action, r.archive AS grant_archive, r.suite_pattern AS grant_suites,
      r.package_pattern AS grant_packages, coalesce('group:' || rg.name, rp.handle) AS grant_to,
      f.sha256 AS frozen_sha256, f.size AS frozen_size, f.tag_object_id AS frozen_tag, f.commit_id AS frozen_commit,
      f.upstream_commit_id AS frozen_upstream, f.pristine_tar_commit_id AS frozen_pristine
    FROM tag_decisions d
    JOIN tags t ON t.id = d.tag_id
    JOIN submissions s ON s.id = t.submission_id
    JOIN archives a ON a.id = s.archive_id
    JOIN git_repositories g ON g.id = t.git_repository_id
    LEFT JOIN people p ON p.id = d.person_id
    LEFT JOIN suites ON suites.id = d.suite_id
    LEFT JOIN grants r ON r.id = d.grant_id
    LEFT JOIN people rp ON rp.id = r.person_id
    LEFT JOIN groups rg ON rg.id = r.group_id
    LEFT JOIN frozen_inputs f ON f.submission_id = t.submission_id AND d.outcome = 'accepted'
    WHERE ${where}
    ORDER BY d.id DESC LIMIT 1`.execute(db);
  const [row] = rows;
  return row === undefined ? undefined : toEvidence(row);
}

function toEvidence(row: EvidenceRow): DecisionEvidence {
  const { frozen_sha256: sha256, frozen_size: size, frozen_tag: tagObjectId, frozen_commit: commitId } = row;
  return {
    decisionId: row.id,
    tagId: row.tag_id,
    submissionId: row.submission_id,
    repository: row.repository,
    archive: row.archive,
    ref: row.ref,
    objectId: row.object_id,
    outcome: row.outcome,
    code: row.code,
    sentence: row.sentence,
    remedy: row.remedy,
    checks: readChecks(row.checks),
    tagObject: row.tag_object,
    signatureKind: row.signature_kind,
    keyFingerprint: row.key_fingerprint,
    keyMaterial: row.key_material,
    signer: row.signer,
    commitId: row.commit_id,
    upstreamCommitId: row.upstream_commit_id,
    source: row.source,
    version: row.version,
    suite: row.suite,
    quilt: row.quilt,
    grant: grantWords(row),
    decidedBy: row.decided_by,
    decidedAt: row.decided_at,
    frozen:
      sha256 === null || size === null || tagObjectId === null || commitId === null
        ? null
        : {
            sha256,
            size,
            tagObjectId,
            commitId,
            upstreamCommitId: row.frozen_upstream,
            pristineTarCommitId: row.frozen_pristine,
          },
  };
}

function grantWords(row: EvidenceRow): string | null {
  const { grant_id: id, grant_action: action, grant_archive: archive, grant_suites: suites } = row;
  const packages = row.grant_packages;
  if (id === null || action === null || archive === null || suites === null || packages === null) return null;
  return `grant ${id} to ${row.grant_to ?? ''}: ${describeGrant({ action, archive, suites, packages })}`;
}

function readChecks(value: JsonValue): EvidenceCheck[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((one: JsonValue): EvidenceCheck[] => {
    if (!isJsonObject(one)) return [];
    const { code, outcome, detail } = one;
    return typeof code === 'string' && typeof outcome === 'string'
      ? [{ code, outcome, detail: typeof detail === 'string' ? detail : '' }]
      : [];
  });
}

function readFingerprint(value: JsonValue | undefined): RecordFingerprint | undefined {
  if (!isJsonObject(value) || typeof value.sha256 !== 'string' || !isJsonObject(value.fields)) return undefined;
  const fields = Object.entries(value.fields).flatMap(([name, digest]) =>
    typeof digest === 'string' ? [[name, digest] as const] : [],
  );
  return { sha256: value.sha256, fields: Object.fromEntries(fields) };
}

function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
