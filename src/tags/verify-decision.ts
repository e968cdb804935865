/**
 * Verifying an old decision again, from what was stored with it. The archive does so when an upload arrives, builds/ before it
 * makes the source job, and a person when he asks (`landfall tag verify`). What is verified, and how, is in evidence.ts.
 */
import { createHash } from 'node:crypto';
import type { BlobStore } from '../platform/blobs.ts';
import type { Db } from '../platform/database.ts';
import { isFault } from '../platform/errors.ts';
import {
  verifyEvidence,
  type DecisionEvidence,
  type SignedFacts,
  type Surroundings,
  type Verification,
} from './evidence.ts';
import { acceptedEvidence, newestEvidence, surroundingsOf } from './evidence-store.ts';

export interface VerifyDeps {
  readonly db: Db;
  /** Where the frozen packs lie; without it their bytes are not looked at. */
  readonly blobs?: BlobStore | undefined;
}

/** The decision that let a submission in, verified again; `signed` is what the tag's signature says. */
export type AcceptanceCheck =
  | { readonly kind: 'verified'; readonly sentence: string; readonly signed: SignedFacts }
  | { readonly kind: 'failed'; readonly code: string; readonly sentence: string };

/** A decision of a tag, its evidence, and what verifying it again gave. */
export interface VerifiedDecision {
  readonly evidence: DecisionEvidence;
  readonly surroundings: Surroundings;
  readonly verification: Verification;
}

/**
 * Verifies the decision that let a submission in, and that its key was not revoked since.
 * @throws LandfallError when the frozen pack, the database or gpg is away: nothing is said about the decision then
 */
export async function verifyDecisionOf(deps: VerifyDeps, submissionId: number): Promise<AcceptanceCheck> {
  const evidence = await acceptedEvidence(deps.db, submissionId);
  if (evidence === undefined) {
    return { kind: 'failed', code: 'decision.none', sentence: 'No tag let this submission in.' };
  }
  const pack = evidence.frozen === null ? undefined : await readPack(deps.blobs, evidence.frozen.sha256);
  const result = await verifyEvidence(evidence, { ...(await surroundingsOf(deps.db, evidence)), ...packOf(pack) });
  if (result.kind === 'failed') return { kind: 'failed', code: result.code, sentence: result.sentence };
  if (result.signed === undefined) throw new Error('an acceptance was verified without a signature');
  return { kind: 'verified', sentence: result.sentence, signed: result.signed };
}

/** Verifies the newest decision of a tag, with all that was looked at; undefined when it is not decided. */
export async function verifyDecisionOfTag(deps: VerifyDeps, tagId: number): Promise<VerifiedDecision | undefined> {
  const evidence = await newestEvidence(deps.db, tagId);
  if (evidence === undefined) return undefined;
  let pack: Surroundings['pack'];
  try {
    pack = evidence.frozen === null ? undefined : await readPack(deps.blobs, evidence.frozen.sha256);
  } catch (error) {
    if (!isFault(error, 'blob.missing')) throw error;
    pack = { kind: 'missing' };
  }
  const surroundings = { ...(await surroundingsOf(deps.db, evidence)), ...packOf(pack) };
  return { evidence, surroundings, verification: await verifyEvidence(evidence, surroundings) };
}

function packOf(pack: Surroundings['pack'] | undefined): Pick<Surroundings, 'pack'> {
  return pack === undefined ? {} : { pack };
}

/** Reads the pack through: a hash in a row says nothing about the bytes on the disk. */
async function readPack(blobs: BlobStore | undefined, sha256: string): Promise<Surroundings['pack']> {
  if (blobs === undefined) return undefined;
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of await blobs.open(sha256)) {
    const bytes: unknown = chunk;
    if (!(bytes instanceof Uint8Array)) throw new Error('a blob is read as bytes');
    hash.update(bytes);
    size += bytes.length;
  }
  return { kind: 'read', sha256: hash.digest('hex'), size };
}
