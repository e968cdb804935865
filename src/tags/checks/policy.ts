/** Check 15, `policy.*`: what the archive takes. What is not supported is refused by its name. */
import { isNative, parseVersion } from '../../debian/version.ts';
import { quote } from '../../debian/problem.ts';
import type { QuiltMode } from '../../platform/schema.ts';
import type { BoundCommit, BoundUpstream, Candidate, Claim } from '../facts.ts';
import { passed, rejected, type CheckResult } from '../model.ts';
import { listWords, mendAndTagAgain, remakeTag } from '../words.ts';

export const NATIVE_FORMAT = '3.0 (native)';
export const QUILT_FORMAT = '3.0 (quilt)';

/** The layouts that are understood; dgit(1) knows others. */
const QUILT_MODES = ['gbp', 'unapplied', 'linear', 'baredebian'] as const;
/** What dgit takes when a tag says nothing. @see tag2upload(5) */
const DEFAULT_QUILT_MODE = 'linear';

/** How a branch of another layout becomes one that is understood; for layouts that Debian's client offers. */
const CONVERSIONS: ReadonlyMap<string, string> = new Map([
  ['dpm', 'export the patches (git-dpm update-patches), and make it again with --quilt=linear'],
  ['nofix', 'make it again with --quilt=linear, which is the same branch'],
  ...['single', 'smash', 'try-linear', 'auto'].map(
    (mode) =>
      [
        mode,
        'put the changes to upstream files into debian/patches (dpkg-source --commit), and make it again with --quilt=linear',
      ] as const,
  ),
]);

/** `policy.source-format` */
export function checkSourceFormat(candidate: Candidate, claim: Claim, commit: BoundCommit): CheckResult<string> {
  const { archive, ref, repository } = candidate;
  const format = commit.sourceFormat;
  const known = [QUILT_FORMAT, NATIVE_FORMAT].filter((one) => archive.acceptedFormats.includes(one));
  if (!known.includes(format)) {
    const version = parseVersion(claim.version);
    const native = !('kind' in version) && isNative(version) && known.includes(NATIVE_FORMAT);
    const better = native ? NATIVE_FORMAT : (known[0] ?? QUILT_FORMAT);
    const patches =
      better === QUILT_FORMAT ? '; dpkg-source --commit puts what differs from upstream into debian/patches' : '';
    return rejected(
      'policy.source-format',
      `Source format ${listWords(known.map(quote), 'or')} was expected in debian/source/format, and ${quote(format)} was found.`,
      `Convert the package: mkdir -p debian/source; echo "${better}" > debian/source/format${patches}. ${mendAndTagAgain(ref, repository.plainTags)}`,
    );
  }
  return passed(format, format);
}

/** `policy.quilt-mode`: the layout that the tag names fits the source format and is one that we understand. */
export function checkQuiltMode(candidate: Candidate, claim: Claim, commit: BoundCommit): CheckResult<QuiltMode> {
  const { ref, repository } = candidate;
  const reject = (sentence: string, what?: string): CheckResult<QuiltMode> =>
    rejected('policy.quilt-mode', sentence, remakeTag(ref, repository.plainTags, what));
  if (commit.sourceFormat === NATIVE_FORMAT) {
    if (claim.quilt !== undefined) {
      return reject(
        `The source format is ${NATIVE_FORMAT}, which has no patches, and the tag says --quilt=${claim.quilt}.`,
        'make it again without --quilt',
      );
    }
    return passed('native', 'native');
  }
  if (claim.plain && claim.quilt === undefined) {
    return rejected(
      'policy.quilt-mode',
      `The Git repository is declared to hold a native package, and the source format is ${commit.sourceFormat}.`,
      `An administrator declares its layout (plain-quilt = "gbp", landfall apply), or the package becomes native. ${remakeTag(ref, repository.plainTags)}`,
    );
  }
  const asked = claim.quilt ?? DEFAULT_QUILT_MODE;
  const mode = QUILT_MODES.find((one) => one === asked);
  if (mode === undefined) {
    return reject(
      `A branch laid out as ${listWords(QUILT_MODES, 'or')} was expected, and the tag says --quilt=${asked}, which is not supported.`,
      CONVERSIONS.get(asked) ??
        'convert the branch, and make it again with --quilt=gbp, --quilt=linear or --quilt=baredebian',
    );
  }
  return passed(mode, claim.quilt === undefined ? `${mode}, as the tag says nothing` : mode);
}

/** `policy.native-version`: a revision where there is an upstream, none where there is not. */
export function checkNativeVersion(candidate: Candidate, claim: Claim, commit: BoundCommit): CheckResult<undefined> {
  const version = parseVersion(claim.version);
  const native = 'kind' in version || isNative(version);
  const format = commit.sourceFormat;
  const again = mendAndTagAgain(candidate.ref, candidate.repository.plainTags);
  if (format === NATIVE_FORMAT && !native) {
    return rejected(
      'policy.native-version',
      `Source format ${format} goes with a version without a revision, and ${claim.version} has one.`,
      `Use format "${QUILT_FORMAT}" (echo "${QUILT_FORMAT}" > debian/source/format). ${again} Or choose a version without hyphen (dch -v VERSION).`,
    );
  }
  if (format === QUILT_FORMAT && native) {
    return rejected(
      'policy.native-version',
      `Source format ${format} needs a version with a revision (UPSTREAM-REVISION), and ${claim.version} has none.`,
      `Use format "${NATIVE_FORMAT}" (echo "${NATIVE_FORMAT}" > debian/source/format). ${again} Or choose a version with a revision (dch -v ${claim.version}-1).`,
    );
  }
  return passed(undefined, native ? `${claim.version} is native` : `${claim.version} has a revision`);
}

/** `policy.submodules`: everything is in the tree itself. */
export function checkSubmodules(
  candidate: Candidate,
  commit: BoundCommit,
  upstream: BoundUpstream | undefined,
): CheckResult<undefined> {
  const places = [
    { where: 'the tagged commit', listing: commit.listing },
    ...(upstream === undefined ? [] : [{ where: 'the upstream commit', listing: upstream.listing }]),
  ];
  for (const { where, listing } of places) {
    if (listing.submodules.length === 0) continue;
    return rejected(
      'policy.submodules',
      `No submodule was expected, and ${where} has ${listWords(listing.submodules.map(quote), 'and')}: what lies in a submodule is not covered by the signature.`,
      `Put its files into the tree itself (git rm --cached, or gbp import-orig with the release tarball). ${mendAndTagAgain(candidate.ref, candidate.repository.plainTags)}`,
    );
  }
  return passed(undefined, 'no submodules');
}
