/**
 * Check 10, `changelog.agrees`: the commit says the same as the tag. Source and version of debian/changelog are the tag's, its
 * Distribution is one suite of the archive that takes tags, and debian/control names the same source.
 */
import { isProblem, describeProblem, quote } from '../../debian/problem.ts';
import { parseControl } from '../../debian/control.ts';
import { parseTopEntry } from '../../debian/changelog.ts';
import type { AgreedRelease, BoundCommit, Candidate, Claim, Suite } from '../facts.ts';
import { passed, rejected, type CheckResult } from '../model.ts';
import { listWords, mendAndTagAgain, remakeTag } from '../words.ts';

/** A suite that a name may lead to. */
export interface SuiteChoice extends Suite {
  readonly accepts: readonly string[];
  readonly components: readonly string[];
}

/** How suites of the candidate's archive are found. */
export interface SuiteFinder {
  /** By name, codename or alias. */
  find(name: string): Promise<SuiteChoice | undefined>;
  /** Names of the suites that take tags. */
  takingTags(): Promise<readonly string[]>;
}

export async function checkChangelogAgrees(
  candidate: Candidate,
  claim: Claim,
  commit: BoundCommit,
  suites: SuiteFinder,
): Promise<CheckResult<AgreedRelease>> {
  const { archive, ref, repository } = candidate;
  const reject = (sentence: string, remedy: string): CheckResult<AgreedRelease> =>
    rejected('changelog.agrees', sentence, remedy);
  const again = mendAndTagAgain(ref, repository.plainTags);
  const tagTheRightCommit = remakeTag(ref, repository.plainTags, 'make it on the commit that releases this version');

  const entry = parseTopEntry(commit.changelog);
  if (isProblem(entry)) {
    return reject(
      `The first entry of debian/changelog cannot be read: ${describeProblem(entry)}.`,
      `Look at it with dpkg-parsechangelog and mend it as deb-changelog(5) says. ${again}`,
    );
  }
  if (entry.source !== claim.source) {
    return reject(
      `debian/changelog is that of ${quote(entry.source)}, and the tag ${claim.plain ? "(by its Git repository's row) " : ''}asks for the release of ${quote(claim.source)}.`,
      tagTheRightCommit,
    );
  }
  if (entry.version !== claim.version) {
    return reject(
      `The first entry of debian/changelog is of version ${quote(entry.version)}, and the tag asks for the release of ${quote(claim.version)}.`,
      tagTheRightCommit,
    );
  }
  const control = parseControl(commit.control);
  if (isProblem(control)) {
    return reject(
      `debian/control cannot be read: ${describeProblem(control)}.`,
      `Mend it as deb-src-control(5) says. ${again}`,
    );
  }
  if (control.source.name !== claim.source) {
    return reject(
      `debian/control describes the source ${quote(control.source.name)}, and debian/changelog is that of ${quote(claim.source)}.`,
      `Make both name one source. ${again}`,
    );
  }
  const [distribution, second] = entry.distributions;
  if (distribution === undefined || second !== undefined) {
    return reject(
      `One distribution was expected in the first line of debian/changelog, and ${quote(entry.distributions.join(' '))} was found.`,
      `Set it with dch -r -D ${(await suites.takingTags())[0] ?? 'SUITE'} --force-distribution. ${again}`,
    );
  }
  if (distribution === 'UNRELEASED') {
    const taking = await suites.takingTags();
    return reject(
      `A suite (${listWords(taking, 'or')}) was expected as the Distribution of debian/changelog, and its first entry is UNRELEASED.`,
      `Finish it with dch -r -D ${taking[0] ?? 'SUITE'} --force-distribution. ${again}`,
    );
  }
  const suite = await suites.find(distribution);
  if (suite?.accepts.includes('tags') !== true) {
    const taking = await suites.takingTags();
    const expected =
      taking.length === 0
        ? `no suite of archive ${archive.name} takes tags`
        : `${listWords(taking, 'or')} of archive ${archive.name} was expected`;
    const found = suite === undefined ? 'is no suite of it' : 'does not take tags';
    return reject(
      `The Distribution of debian/changelog is ${quote(distribution)}, which ${found}; ${expected}.`,
      `Set it with dch -r -D ${taking[0] ?? 'SUITE'} --force-distribution. ${again}`,
    );
  }
  const { id, name, components } = suite;
  return passed(
    { suite: { id, name }, components, control },
    `${entry.source} ${entry.version} for suite ${suite.name}`,
  );
}
