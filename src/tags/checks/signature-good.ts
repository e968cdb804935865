/**
 * Check 7, `signature.good`: the cryptography. OpenPGP is decided by gpgv's status lines, SSH by ssh-keygen, each over exactly
 * the bytes that git signs. A signature by a key that nobody registered cannot be checked; then the next check says so.
 */
import { verifyDetached, type BadSignature } from '../../platform/gpg.ts';
import type { Candidate, CheckedSignature, PresentSignature } from '../facts.ts';
import { notApplicable, passed, rejected, type CheckResult } from '../model.ts';
import { verifySshSignature } from '../ssh-signature.ts';
import type { TagObject } from '../tag-object.ts';
import { formatTime, groupFingerprint, remakeTag } from '../words.ts';

/** `keyring` gives every OpenPGP key that was ever registered, so that a revoked one is called revoked and not unknown. */
export async function checkSignatureGood(
  candidate: Candidate,
  tag: TagObject,
  signature: PresentSignature,
  keyring: () => Promise<readonly Uint8Array[]>,
): Promise<CheckResult<CheckedSignature>> {
  const { ref, repository } = candidate;
  if (signature.format === 'ssh') {
    const result = await verifySshSignature(signature.bytes, tag.payload);
    if (result.kind === 'bad') {
      return rejected(
        'signature.good',
        `A good SSH signature was expected, and ${result.reason}.`,
        remakeTag(ref, repository.plainTags, 'make it again, signed with a registered key'),
      );
    }
    return passed(
      {
        kind: 'good',
        format: 'ssh',
        fingerprint: result.fingerprint,
        signingKey: result.fingerprint,
        madeAt: undefined,
      },
      `good SSH signature by ${result.fingerprint}`,
    );
  }
  const result = await verifyDetached({
    keyring: await keyring(),
    signature: signature.bytes,
    payload: tag.payload,
  });
  if (result.kind === 'good') {
    return passed(
      {
        kind: 'good',
        format: 'openpgp',
        fingerprint: result.primary,
        signingKey: result.fingerprint,
        madeAt: result.createdAt,
      },
      `good OpenPGP signature by ${groupFingerprint(result.fingerprint)}, made ${formatTime(result.createdAt)}`,
    );
  }
  if (result.code === 'signature.unknown-key') {
    const key = result.key ?? 'a key without id';
    return notApplicable(
      { kind: 'unknown-key', format: 'openpgp', key },
      `it cannot be checked: nobody registered the key ${groupFingerprint(key)}`,
    );
  }
  const by = result.key === undefined ? '' : ` (key ${groupFingerprint(result.key)})`;
  return rejected(
    'signature.good',
    `A good OpenPGP signature was expected, and ${result.detail}${by}.`,
    remedyFor(candidate, result),
  );
}

function remedyFor(candidate: Candidate, bad: BadSignature): string {
  const again = remakeTag(candidate.ref, candidate.repository.plainTags);
  switch (bad.code) {
    case 'signature.expired-key':
      return `Extend the key (gpg --quick-set-expire FINGERPRINT 1y, also its subkeys), have the administrator apply the new public key (landfall apply). ${again}`;
    case 'signature.revoked-key':
      return `Sign with another key of yours that is registered (git config user.signingKey FINGERPRINT). ${again}`;
    case 'signature.weak-hash':
      return `Sign with a stronger hash (gpg.conf: personal-digest-preferences SHA512 SHA256). ${again}`;
    case 'signature.expired':
    case 'signature.bad':
    case 'signature.malformed':
    case 'signature.multiple':
    case 'signature.unknown-key':
      return again;
  }
}
