/** Check 11, `signer.permission`: the signer may release this source to this suite of this archive. */
import { decide } from '../../permissions/index.ts';
import type { Db } from '../../platform/database.ts';
import type { Candidate, Claim, KnownSigner, Suite } from '../facts.ts';
import { passed, rejected, type CheckResult } from '../model.ts';
import { decideAgain } from '../words.ts';

/** Gives the grant that allows it. */
export async function checkSignerPermission(
  db: Db,
  candidate: Candidate,
  claim: Claim,
  signer: KnownSigner,
  suite: Suite,
  at: Date,
): Promise<CheckResult<number>> {
  const { archive } = candidate;
  const decision = await decide(db, {
    personId: signer.personId,
    action: 'release',
    archive: archive.name,
    suite: suite.name,
    package: claim.source,
    at,
  });
  if (decision.kind === 'denied') {
    return rejected(
      'signer.permission',
      decision.reason,
      `Somebody who may release ${claim.source} tags it; or an administrator grants it (a [[grant]] with action="release", landfall apply) and ${decideAgain(candidate.tagId)}.`,
    );
  }
  return passed(
    decision.grantId,
    `${signer.handle} may release ${claim.source} to ${archive.name}/${suite.name} (grant ${decision.grantId})`,
  );
}
