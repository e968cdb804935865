/** Check 8, `signer.known`: the key belongs to an active person, and was valid for us when the tag was decided. */
import type { Candidate, CheckedSignature, KnownSigner } from '../facts.ts';
import { passed, rejected, type CheckResult } from '../model.ts';
import type { TagObject } from '../tag-object.ts';
import { decideAgain, formatTime, groupFingerprint, remakeTag } from '../words.ts';

/** A registered key with its person, as permissions/ gives it. */
export interface RegisteredSigner {
  readonly personId: number;
  readonly handle: string;
  readonly name: string;
  readonly email: string;
  readonly active: boolean;
  readonly fingerprint: string;
  readonly material: Buffer;
  readonly validFrom: Date;
  readonly validUntil: Date | null;
  readonly revokedAt: Date | null;
  readonly revocationReason: string | null;
}

/** A good signature and who made it. */
export interface SignedBy {
  readonly signature: Extract<CheckedSignature, { kind: 'good' }>;
  readonly signer: KnownSigner;
}

/** `signer` is who `fingerprint` is registered for, or undefined. `at` is the time of the decision. */
export function checkSignerKnown(
  candidate: Candidate,
  tag: TagObject,
  signature: CheckedSignature,
  signer: RegisteredSigner | undefined,
  at: Date,
): CheckResult<SignedBy> {
  const reject = (sentence: string, remedy: string): CheckResult<SignedBy> =>
    rejected('signer.known', sentence, remedy);
  const again = `and then ${decideAgain(candidate.tagId)}.`;
  if (signature.kind === 'unknown-key') {
    return reject(
      `A key of a registered person was expected, and the tag is signed by ${groupFingerprint(signature.key)}, which nobody registered.`,
      `Sign with your registered key, or an administrator adds this key to its person with landfall apply, ${again}`,
    );
  }
  const key = groupFingerprint(signature.fingerprint);
  if (signer === undefined) {
    return reject(
      `The signature is good, and its key ${key} belongs to no registered person.`,
      `An administrator adds this key to its person with landfall apply, ${again}`,
    );
  }
  if (!signer.active) {
    return reject(
      `The key ${key} belongs to ${signer.name} (${signer.handle}), who is not active any more.`,
      `An administrator makes ${signer.handle} active again with landfall apply, ${again}`,
    );
  }
  if (signer.revokedAt !== null) {
    return reject(
      `The key ${key} of ${signer.handle} was revoked here at ${formatTime(signer.revokedAt)}: ${signer.revocationReason ?? 'no reason was given'}.`,
      `Sign with another key of yours that is registered (git config user.signingKey FINGERPRINT). ${remakeTag(candidate.ref, candidate.repository.plainTags)}`,
    );
  }
  if (signer.validUntil !== null && signer.validUntil <= at) {
    return reject(
      `The key ${key} of ${signer.handle} was valid here until ${formatTime(signer.validUntil)}.`,
      `Extend it (gpg --quick-set-expire), have the administrator apply the new public key, ${again}`,
    );
  }
  // The key's own beginning may lie in the future of a machine with a wrong clock.
  if (signer.validFrom > at) {
    return reject(
      `The key ${key} of ${signer.handle} is valid here from ${formatTime(signer.validFrom)} on only.`,
      `An administrator looks at the key's dates (landfall people), ${again}`,
    );
  }
  // A signature from before is nobody's instruction to us: whoever adds the key has to say so.
  const madeAt = signature.madeAt ?? new Date(tag.tagger.time * 1000);
  if (madeAt < signer.validFrom && !candidate.decidedAgain) {
    return reject(
      `The key ${key} of ${signer.handle} was made known here at ${formatTime(signer.validFrom)}, after the tag was signed (${formatTime(madeAt)}).`,
      `${remakeTag(candidate.ref, candidate.repository.plainTags)} Or an administrator vouches for it ${again}`,
    );
  }
  const { personId, handle, name, email, material } = signer;
  return passed(
    { signature, signer: { personId, handle, name, email, material, fingerprint: signature.fingerprint } },
    signature.signingKey === signature.fingerprint
      ? `signed by ${name} (${handle}) with ${key}`
      : `signed by ${name} (${handle}) with the subkey ${groupFingerprint(signature.signingKey)} of ${key}`,
  );
}
