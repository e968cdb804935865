/**
 * What the deciding transaction writes about each outcome: the decision or the obstacle with all checks, the facts of the
 * submission, the frozen input, the event, and the next step.
 */
import type { JsonObject, Trx } from '../platform/database.ts';
import { recordEvent } from '../platform/events.ts';
import { AFTER_DECISIONS, enqueue } from '../platform/tasks.ts';
import { describeSubmission } from '../registry/index.ts';
import { fingerprintOf } from './evidence.ts';
import { evidenceOfDecision } from './evidence-store.ts';
import type { Candidate } from './facts.ts';
import type { FrozenPack } from './freeze.ts';
import { CHECK_COUNT, MAX_OBSTACLES, retryDelayMs } from './model.ts';
import { enqueueDecision, queueOf } from './scan.ts';
import { addDecision, addFrozenInput, addObstacle, moveTag, type NewDecision, type TagRow } from './store.ts';
import type { PartialFacts, Verdict } from './verify.ts';

type Accepted = Extract<Verdict, { kind: 'accepted' }>;
type Rejected = Extract<Verdict, { kind: 'rejected' }>;
type Obstructed = Extract<Verdict, { kind: 'obstructed' }>;

export async function recordAcceptance(
  trx: Trx,
  row: TagRow,
  candidate: Candidate,
  verdict: Accepted,
  frozen: FrozenPack,
  decidedBy: string,
): Promise<void> {
  const { verified, checks } = verdict;
  const { claim, signer, suite, commit, upstream } = verified;
  const what = `${claim.source} ${claim.version}`;
  const decisionId = await addDecision(trx, row.id, {
    outcome: 'accepted',
    code: 'accepted',
    sentence: `All ${CHECK_COUNT} checks passed: ${signer.name} (${signer.handle}) releases ${what} to ${candidate.archive.name}/${suite.name}.`,
    remedy: undefined,
    checks,
    tagObject: verified.tagBytes,
    signatureKind: verified.signature.format,
    keyFingerprint: signer.fingerprint,
    keyMaterial: signer.material,
    personId: signer.personId,
    commitId: commit.commitId,
    upstreamCommitId: upstream?.commitId,
    source: claim.source,
    version: claim.version,
    suiteId: suite.id,
    quilt: verified.quilt,
    grantId: verified.grantId,
    decidedBy,
  });
  await describeSubmission(trx, row.submissionId, {
    suiteId: suite.id,
    source: claim.source,
    version: claim.version,
    personId: signer.personId,
  });
  await addFrozenInput(trx, {
    submissionId: row.submissionId,
    sha256: frozen.sha256,
    size: frozen.size,
    objectFormat: candidate.objectFormat,
    tagObjectId: row.objectId,
    commitId: commit.commitId,
    upstreamCommitId: upstream?.commitId,
    pristineTarCommitId: upstream?.pristineTar?.commitId,
  });
  await recordEvent(trx, {
    kind: 'tag.accepted',
    submissionId: row.submissionId,
    actor: `person:${signer.handle}`,
    data: {
      tagId: row.id,
      decisionId,
      evidence: await fingerprintOfDecision(trx, decisionId),
      name: candidate.ref.name,
      source: claim.source,
      version: claim.version,
      archive: candidate.archive.name,
      suite: suite.name,
      commitId: commit.commitId,
    },
  });
  await enqueue(
    trx,
    'sources.prepare',
    { submissionId: row.submissionId },
    { jobKey: `sources.prepare:${row.submissionId}`, priority: AFTER_DECISIONS },
  );
}

export async function recordRejection(trx: Trx, row: TagRow, verdict: Rejected, decidedBy: string): Promise<void> {
  const { rejection, facts, checks } = verdict;
  const decisionId = await addDecision(trx, row.id, {
    outcome: 'rejected',
    code: rejection.code,
    sentence: rejection.sentence,
    remedy: rejection.remedy,
    checks,
    ...decisionFacts(facts),
    upstreamCommitId: facts.claim?.upstream?.commitId,
    quilt: undefined,
    grantId: undefined,
    decidedBy,
  });
  await recordEvent(trx, {
    kind: 'tag.rejected',
    submissionId: row.submissionId,
    actor: decidedBy,
    data: {
      tagId: row.id,
      decisionId,
      evidence: await fingerprintOfDecision(trx, decisionId),
      name: row.ref,
      code: rejection.code,
      sentence: rejection.sentence,
      remedy: rejection.remedy,
    },
  });
}

/** Kept beside the record, so that a change of the record shows. See evidence.ts. */
async function fingerprintOfDecision(trx: Trx, decisionId: number): Promise<JsonObject> {
  const evidence = await evidenceOfDecision(trx, decisionId);
  if (evidence === undefined) throw new Error(`decision ${decisionId} was not written`);
  const { sha256, fields } = fingerprintOf(evidence);
  return { sha256, fields: { ...fields } };
}

function decisionFacts(
  facts: PartialFacts,
): Pick<
  NewDecision,
  | 'tagObject'
  | 'signatureKind'
  | 'keyFingerprint'
  | 'keyMaterial'
  | 'personId'
  | 'commitId'
  | 'source'
  | 'version'
  | 'suiteId'
> {
  const { signature } = facts;
  return {
    tagObject: facts.tagBytes,
    signatureKind: signature?.format,
    keyFingerprint: signature?.kind === 'good' ? signature.fingerprint : signature?.key,
    keyMaterial: facts.signer?.material,
    personId: facts.signer?.personId,
    commitId: facts.commitId,
    source: facts.claim?.source,
    version: facts.claim?.version,
    suiteId: facts.suite?.id,
  };
}

export async function recordObstacle(
  trx: Trx,
  row: TagRow,
  state: TagRow['state'],
  verdict: Obstructed,
  at: Date,
): Promise<void> {
  const { obstacle, checks } = verdict;
  const { count, isNew } = await addObstacle(trx, row.id, obstacle, checks);
  const retryAt = count < MAX_OBSTACLES ? new Date(at.getTime() + retryDelayMs(count)) : undefined;
  await moveTag(trx, row.id, state, 'obstruct', retryAt);
  if (retryAt !== undefined) await enqueueDecision(trx, row.id, row.gitRepositoryId, retryAt);
  // The same obstacle again is no news.
  if (!isNew) return;
  await recordEvent(trx, {
    kind: 'tag.obstructed',
    submissionId: row.submissionId,
    actor: 'landfall',
    data: { tagId: row.id, name: row.ref, code: obstacle.code, sentence: obstacle.sentence, remedy: obstacle.remedy },
  });
}

/** Something stands in the way of deciding a denied tag again: the denial stays, and it is tried again by itself. */
export async function recordRedecisionObstacle(
  trx: Trx,
  row: TagRow,
  verdict: Obstructed,
  at: Date,
  redecision: { readonly actor: string; readonly afterDecisionId: number },
): Promise<void> {
  const { count } = await addObstacle(trx, row.id, verdict.obstacle, verdict.checks);
  if (count >= MAX_OBSTACLES) return;
  await enqueue(
    trx,
    'tags.decide',
    { tagId: row.id, redecision: { ...redecision } },
    {
      jobKey: `tags.redecide:${row.id}`,
      queueName: queueOf(row.gitRepositoryId),
      runAt: new Date(at.getTime() + retryDelayMs(count)),
    },
  );
}
