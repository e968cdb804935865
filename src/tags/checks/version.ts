/**
 * Check 13, in two steps. `version.unused`: this version was never accepted in this archive, no other submission holds it now,
 * and no other tag object of this name was accepted. `version.newer`: it is newer than what the suite holds and ever held, and
 * keeps the order of suites. Both are looked at again inside the transaction that decides.
 */
import { isNewerVersion } from '../../registry/index.ts';
import type { Candidate, Claim, Suite } from '../facts.ts';
import { passed, rejected, type CheckResult, type Rejection } from '../model.ts';
import type { StandingVersions } from '../standing-versions.ts';
import { releaseNextVersion, shortId } from '../words.ts';

export function checkVersionUnused(
  candidate: Candidate,
  claim: Claim,
  standing: StandingVersions,
): CheckResult<undefined> {
  const { archive, ref, repository } = candidate;
  const { acceptedUnderName: other, holder } = standing;
  if (other !== undefined) {
    return rejected(
      'version.unused',
      `The tag ${ref.name} of ${repository.name} was accepted already, as the tag object ${shortId(other)}; this is another one under the same name.`,
      `A name that was accepted keeps its meaning. ${releaseNextVersion(ref)}`,
    );
  }
  if (holder !== undefined && holder.submissionId !== candidate.submissionId) {
    return versionTaken(candidate, claim, holder.submissionId, holder.state);
  }
  return passed(undefined, `${claim.source} ${claim.version} is free in archive ${archive.name}`);
}

/** The version belongs to somebody else. */
export function versionTaken(
  candidate: Candidate,
  claim: Claim,
  by: number,
  state: 'reserved' | 'accepted',
): Rejection {
  const { archive, ref } = candidate;
  const what = `${claim.source} ${claim.version}`;
  if (state === 'accepted') {
    return rejected(
      'version.unused',
      `${what} was accepted into archive ${archive.name} before (submission ${by}), and a version never returns.`,
      `See where it is: landfall where ${claim.source}. If it shall be in another suite, have it copied there. Otherwise: ${releaseNextVersion(ref)}`,
    );
  }
  return rejected(
    'version.unused',
    `${what} is being released to archive ${archive.name} by another submission (${by}).`,
    `See what becomes of it: landfall where ${claim.source}. If nothing does, its version is free again for another tag. Or: ${releaseNextVersion(ref)}`,
  );
}

export function checkVersionNewer(
  candidate: Candidate,
  claim: Claim,
  suite: Suite,
  standing: StandingVersions,
): CheckResult<undefined> {
  const { archive, ref } = candidate;
  const { source, version } = claim;
  const reject = (sentence: string, than: string): CheckResult<undefined> =>
    rejected(
      'version.newer',
      sentence,
      `Choose a version that dpkg holds to be newer (dpkg --compare-versions ${version} gt ${than}). ${releaseNextVersion(ref)}`,
    );
  const name = `${archive.name}/${suite.name}`;
  const newest = newestOf(standing.held);
  if (newest !== undefined && !isNewerVersion(version, newest)) {
    return reject(`${name} holds ${source} ${newest}, and ${version} is not newer.`, newest);
  }
  const { mark } = standing;
  if (mark !== undefined && !isNewerVersion(version, mark)) {
    return rejected(
      'version.newer',
      `${name} has held ${source} ${mark}, and ${version} is not newer: a version in a suite never goes down.`,
      `${releaseNextVersion(ref)} If ${mark} was a mistake, an administrator lowers the mark: landfall mark lower ${name} ${source} VERSION --reason TEXT.`,
    );
  }
  for (const older of standing.older) {
    const there = newestOf(older.versions);
    if (there === undefined || !isNewerVersion(there, version)) continue;
    return reject(
      `${name} must not be older than ${older.name}, which holds ${source} ${there}; ${version} is older.`,
      there,
    );
  }
  for (const newer of standing.newer) {
    const there = newestOf(newer.versions);
    if (there === undefined || !isNewerVersion(version, there)) continue;
    return rejected(
      'version.newer',
      `${newer.name} must not be older than ${name}; it holds ${source} ${there}, and ${version} is newer.`,
      `Release to ${newer.suite} first (dch -D ${newer.suite}), or choose a version of at most ${there} (dch -v VERSION); then git debpush --distro=${ref.distro} --remote=REMOTE.`,
    );
  }
  return passed(
    undefined,
    newest === undefined ? `${name} holds no ${source} yet` : `${name} holds ${source} ${newest}, which is older`,
  );
}

function newestOf(versions: readonly string[]): string | undefined {
  return versions.reduce<string | undefined>(
    (newest, version) => (newest === undefined || isNewerVersion(version, newest) ? version : newest),
    undefined,
  );
}
