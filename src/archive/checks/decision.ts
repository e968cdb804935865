/**
 * The decision that let a release in, looked at again when its upload arrives: once from what was stored with it, and once inside
 * the deciding transaction for what may have come since, a suspension or a revocation of the key.
 */
import { findSigner } from '../../permissions/index.ts';
import { findSuspension } from '../../registry/index.ts';
import { verifyDecisionOf } from '../../tags/index.ts';
import type { Upload } from '../upload.ts';
import { failed, passed, type CheckResult } from './checklist.ts';
import type { CheckDeps } from './deps.ts';
import type { StateDeps } from './state.ts';

/** What the signed bytes of the tag say; undefined for what came by no tag. */
export interface TagDecision {
  readonly signed: { readonly commitId: string; readonly fingerprint: string; readonly tagger: string } | undefined;
}

const SIGN_ANEW = 'release the next version, signed with a registered key that is not revoked';

/** `decision.verified`: the tag object, its signature and the record of its decision are still what was decided. */
export async function decisionVerified(deps: CheckDeps, upload: Upload): Promise<CheckResult<TagDecision>> {
  if (upload.origin !== 'tag') {
    return { kind: 'not-applicable', adds: { signed: undefined }, detail: `it came by ${upload.origin}, not by a tag` };
  }
  const result = await verifyDecisionOf(deps, upload.submissionId);
  if (result.kind === 'verified') return passed({ signed: result.signed }, result.sentence);
  const revoked = result.code === 'decision.key-revoked';
  return failed(
    `The decision that let this release in does not verify: ${result.sentence}`,
    revoked
      ? SIGN_ANEW
      : `an administrator compares the database with its backups (landfall tag verify shows what was changed); then ${SIGN_ANEW}`,
  );
}

/** `decision.stands`: nobody has suspended the release, and the key that signed it was not revoked meanwhile. */
export async function decisionStands(deps: StateDeps, upload: Upload & TagDecision): Promise<CheckResult<object>> {
  const suspension = await findSuspension(deps.trx, upload.submissionId);
  if (suspension !== undefined) {
    return failed(`This release was suspended by ${suspension.actor}: ${suspension.reason}.`, SIGN_ANEW);
  }
  if (upload.signed === undefined) return { kind: 'not-applicable', adds: {}, detail: 'it came by no tag' };
  const signer = await findSigner(deps.trx, upload.signed.fingerprint);
  if (signer?.revokedAt == null) return passed({}, `signed by ${signer?.handle ?? 'a key'}, not revoked`);
  return failed(
    `The key ${upload.signed.fingerprint} of ${signer.handle}, which signed this release, was revoked: ${signer.revocationReason ?? 'no reason was given'}.`,
    SIGN_ANEW,
  );
}
