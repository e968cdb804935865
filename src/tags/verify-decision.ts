/**
 * Verifying an old decision again, from nothing but what was stored with it: the tag object's bytes and the key as it was then.
 * No forge, no network, no key server. The archive does so when an upload arrives, and anybody can years later.
 *
 * Expiry is judged as of the decision. A revocation counts whenever it came: what a revoked key let in is no longer vouched for
 * by its owner, and {@link verifyDecisionOf} says so.
 */
import { verifyDetached } from '../platform/gpg.ts';
import type { Db } from '../platform/database.ts';
import { isProblem, describeProblem } from '../debian/problem.ts';
import { findSigner } from '../permissions/index.ts';
import { hashObject } from './hash-object.ts';
import { isMetadataProblem, readReleaseMetadata } from './metadata.ts';
import { objectFormatOf, parseReleaseRef } from './release-ref.ts';
import { verifySshSignature } from './ssh-signature.ts';
import { acceptedDecision, decisionById, type DecisionEvidence, type StoredDecision } from './store.ts';
import { parseTagObject, type TagObject } from './tag-object.ts';
import { formatTime, groupFingerprint } from './words.ts';

export type DecisionCheck =
  | {
      readonly kind: 'verified';
      readonly commitId: string;
      readonly fingerprint: string;
      /** `Name <email>` of the tagger, as signed. */
      readonly tagger: string;
      readonly sentence: string;
    }
  | { readonly kind: 'failed'; readonly code: string; readonly sentence: string };

/** Verifies one decision offline. Never throws for what the evidence says. */
export async function verifyDecision(evidence: DecisionEvidence): Promise<DecisionCheck> {
  const fail = (code: string, sentence: string): DecisionCheck => ({ kind: 'failed', code, sentence });
  const format = objectFormatOf(evidence.objectId);
  if (hashObject(format, 'tag', evidence.tagObject) !== evidence.objectId) {
    return fail('decision.tag-object', 'The stored tag object does not have the id that was decided.');
  }
  const tag = parseTagObject(evidence.tagObject, format);
  if (isProblem(tag))
    return fail('decision.tag-object', `The stored tag object is malformed: ${describeProblem(tag)}.`);
  const ref = parseReleaseRef(evidence.ref);
  if (ref?.name !== tag.name || ref.version !== evidence.version) {
    return fail(
      'decision.tag-name',
      `The stored tag is signed as ${tag.name}, not as the release of ${evidence.version}.`,
    );
  }
  if (tag.commitId !== evidence.commitId) {
    return fail('decision.commit', `The stored tag is of commit ${tag.commitId}, not of ${evidence.commitId}.`);
  }
  const claim = claimFault(evidence, tag);
  if (claim !== undefined) return fail('decision.metadata', claim);
  const signature = await signatureFault(evidence, tag);
  if (signature !== undefined) return fail('decision.signature', signature);
  return {
    kind: 'verified',
    commitId: tag.commitId,
    fingerprint: evidence.keyFingerprint,
    tagger: `${tag.tagger.name} <${tag.tagger.email}>`,
    sentence: `The tag ${tag.name} of commit ${tag.commitId} carries a good signature by ${groupFingerprint(evidence.keyFingerprint)}, as of ${formatTime(evidence.decidedAt)}.`,
  };
}

function claimFault(evidence: DecisionEvidence, tag: TagObject): string | undefined {
  const metadata = readReleaseMetadata(tag.message);
  if (isMetadataProblem(metadata)) return `Its [dgit …] lines are malformed: ${describeProblem(metadata)}.`;
  // A plain tag says nothing of the source: that was in the row of its Git repository.
  if (metadata.form === 'plain') return undefined;
  if (metadata.form === 'record') return 'It asks for no release.';
  const { request } = metadata;
  if (request.source !== evidence.source || request.version !== evidence.version) {
    return `It asks for the release of ${request.source} ${request.version}, not of ${evidence.source} ${evidence.version}.`;
  }
  const bound = request.upstream?.commitId;
  return evidence.upstreamCommitId === null || bound === evidence.upstreamCommitId
    ? undefined
    : `It binds the upstream commit ${bound ?? '(none)'}, not ${evidence.upstreamCommitId}.`;
}

async function signatureFault(evidence: DecisionEvidence, tag: TagObject): Promise<string | undefined> {
  const { signature } = tag;
  if (signature.kind !== 'one' || signature.format !== evidence.signatureKind) {
    return `It carries no ${evidence.signatureKind} signature.`;
  }
  if (signature.format === 'ssh') {
    const result = await verifySshSignature(signature.bytes, tag.payload);
    if (result.kind === 'bad') return `Its signature is not good: ${result.reason}.`;
    return result.fingerprint === evidence.keyFingerprint
      ? undefined
      : `It is signed by ${result.fingerprint}, not by ${evidence.keyFingerprint}.`;
  }
  const result = await verifyDetached({
    keyring: [evidence.keyMaterial],
    signature: signature.bytes,
    payload: tag.payload,
    at: evidence.decidedAt,
  });
  if (result.kind === 'bad') return `Its signature is not good: ${result.detail}.`;
  return result.primary === evidence.keyFingerprint
    ? undefined
    : `It is signed by ${groupFingerprint(result.primary)}, not by ${groupFingerprint(evidence.keyFingerprint)}.`;
}

/** Verifies the decision that let a submission in, and that its key was not revoked since. */
export async function verifyDecisionOf(db: Db, submissionId: number): Promise<DecisionCheck> {
  const decision = await acceptedDecision(db, submissionId);
  if (decision === undefined) {
    return { kind: 'failed', code: 'decision.none', sentence: 'No tag let this submission in.' };
  }
  return await verifyStored(db, decision);
}

/** The same for one decision by its id; undefined when there is none. */
export async function verifyDecisionById(db: Db, decisionId: number): Promise<DecisionCheck | undefined> {
  const decision = await decisionById(db, decisionId);
  return decision === undefined ? undefined : await verifyStored(db, decision);
}

async function verifyStored(db: Db, decision: StoredDecision): Promise<DecisionCheck> {
  const { evidence } = decision;
  if (evidence === undefined) {
    return {
      kind: 'failed',
      code: 'decision.no-evidence',
      sentence: 'This decision ended before there was a signature by a known key; there is nothing to verify.',
    };
  }
  const result = await verifyDecision(evidence);
  if (result.kind === 'failed') return result;
  const signer = await findSigner(db, evidence.keyFingerprint);
  if (signer === undefined || signer.revokedAt === null) return result;
  return {
    kind: 'failed',
    code: 'decision.key-revoked',
    sentence: `The key ${groupFingerprint(evidence.keyFingerprint)} of ${signer.handle} was revoked at ${formatTime(signer.revokedAt)}: ${signer.revocationReason ?? 'no reason was given'}.`,
  };
}
