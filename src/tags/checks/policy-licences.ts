/**
 * Check 15, `policy.licences`: an archive that declares the licences it takes reads them from debian/copyright of the tagged tree.
 *
 * Every paragraph with Files counts, and what the header says of the whole; one of the former must be about all files (`*`), so
 * that none is without a licence. What a file's own text says is not compared: this is what the signer declares.
 */
import {
  AcceptedLicences,
  describeLicence,
  MAX_COPYRIGHT_BYTES,
  parseCopyright,
  parseLicenceExpression,
} from '../../debian/copyright.ts';
import { describeProblem, isProblem, quote } from '../../debian/problem.ts';
import type { BoundCommit, Candidate } from '../facts.ts';
import type { GitObjects } from '../git-objects.ts';
import { obstructed, passed, rejected, type CheckResult } from '../model.ts';
import { isRegularFile } from '../tree-listing.ts';
import { formatBytes, listSome, mendAndTagAgain, shortId } from '../words.ts';
import { COPYRIGHT } from './commit-bound.ts';

const MANUAL = 'https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/';

export async function checkLicences(
  candidate: Candidate,
  commit: BoundCommit,
  objects: GitObjects,
): Promise<CheckResult<undefined>> {
  const { archive, ref, repository } = candidate;
  const { acceptedLicences } = archive;
  if (acceptedLicences.length === 0) return passed(undefined, `${archive.name} takes every licence`);
  const again = mendAndTagAgain(ref, repository.plainTags);
  const takes = `The archive ${archive.name} takes ${listSome(acceptedLicences, 'or')}`;
  const unreadable = (found: string): CheckResult<undefined> =>
    rejected(
      'policy.licences',
      `${takes}, as a machine-readable debian/copyright says it, and ${found}.`,
      `Write it as ${MANUAL} has it (licensecheck --deb-machine -r . > debian/copyright makes a draft, cme check dpkg-copyright reads it). ${again}`,
    );

  const entry = commit.listing.wanted.get(COPYRIGHT);
  if (entry === undefined) return unreadable(`there is none in commit ${shortId(commit.commitId)}`);
  if (!isRegularFile(entry)) return unreadable('it is not a regular file');
  if (entry.size > MAX_COPYRIGHT_BYTES) {
    return unreadable(
      `it has ${formatBytes(entry.size)}, of which at most ${formatBytes(MAX_COPYRIGHT_BYTES)} are read`,
    );
  }
  const blob = await objects.read(entry.objectId, MAX_COPYRIGHT_BYTES);
  if (blob.kind !== 'object') {
    return obstructed(
      'policy.licences',
      'mirror.missing-object',
      `The content of ${COPYRIGHT} in commit ${shortId(commit.commitId)} was fetched and is not there.`,
      'It is fetched again by itself; if this stays, look at the disk and at the mirror in the git folder.',
    );
  }
  const copyright = parseCopyright(blob.bytes);
  if (isProblem(copyright)) return unreadable(`it cannot be read: ${describeProblem(copyright)}`);
  if (!copyright.files.some(({ patterns }) => patterns.includes('*'))) {
    return unreadable('no paragraph of it is about all other files (Files: *)');
  }

  const accepted = new AcceptedLicences(acceptedLicences);
  const judged = new Set<string>();
  const fields = [
    ...(copyright.whole === undefined ? [] : [{ what: 'the package as a whole', license: copyright.whole }]),
    ...copyright.files.map(({ patterns, license }) => ({ what: describeFiles(patterns), license })),
  ];
  for (const { what, license } of fields) {
    const { synopsis, line } = license;
    if (judged.has(synopsis)) continue;
    judged.add(synopsis);
    const expression = parseLicenceExpression(synopsis);
    if (isProblem(expression)) {
      return unreadable(`line ${line} (License: ${quote(synopsis)}) cannot be read: ${expression.reason}`);
    }
    const refused = accepted.refused(expression);
    if (refused.length === 0) continue;
    return rejected(
      'policy.licences',
      `${takes}, and debian/copyright says ${quote(synopsis)} of ${what} (line ${line}), with ${listSome(refused.map(describeLicence), 'and')}, which it does not take.`,
      `Take these files out of the package (Files-Excluded, gbp import-orig), mend debian/copyright if it is wrong, or have an administrator add to licences of [archive.${archive.name}.policy] in the distribution file: landfall apply FILE. ${again}`,
    );
  }
  return passed(undefined, listSome([...judged], 'and'));
}

function describeFiles(patterns: readonly string[]): string {
  const [first = '*', ...others] = patterns;
  return others.length === 0 ? quote(first) : `${quote(first)} and ${others.length} more`;
}
