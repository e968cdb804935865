/**
 * Check 14, `upstream.bound`: what the orig tarball is made from is what the signer bound. The upstream tag leads to the signed
 * commit; a signed pristine-tar commit is there, holds what pristine-tar needs for this orig, and for the same tree.
 */
import { parseVersion, upstreamOf } from '../../debian/version.ts';
import type { BoundCommit, BoundUpstream, Candidate, Claim } from '../facts.ts';
import type { UpstreamBinding } from '../metadata.ts';
import type { TagSource } from '../git-objects.ts';
import {
  notApplicable,
  obstructed,
  passed,
  rejected,
  type CheckResult,
  type Obstacle,
  type Rejection,
} from '../model.ts';
import { isRegularFile, type TreeListing } from '../tree-listing.ts';
import { quote } from '../../debian/problem.ts';
import { remakeTag, shortId } from '../words.ts';
import { maxTreeBytes } from './commit-bound.ts';
import { NATIVE_FORMAT } from './policy.ts';

const MAX_COMMIT_BYTES = 1024 * 1024;

export async function checkUpstreamBound(
  candidate: Candidate,
  claim: Claim,
  commit: BoundCommit,
  source: TagSource,
): Promise<CheckResult<BoundUpstream | undefined>> {
  const { ref, repository } = candidate;
  const { upstream: binding } = claim;
  const reject = (sentence: string): CheckResult<BoundUpstream | undefined> =>
    rejected('upstream.bound', sentence, remakeTag(ref, repository.plainTags, 'make it again with the right upstream'));
  if (commit.sourceFormat === NATIVE_FORMAT) {
    return notApplicable(undefined, 'a native package has no upstream');
  }
  if (binding === undefined) {
    if (claim.quilt === 'baredebian') {
      return reject(
        'upstream= was expected, because a baredebian branch has no upstream files, and the tag binds none.',
      );
    }
    return notApplicable(
      undefined,
      'the tag binds no upstream commit: the orig tarball must be there already, in the archive or in a parent of the suite',
    );
  }
  const fetched = await source.fetchUpstream(binding);
  switch (fetched.kind) {
    case 'obstructed':
      return fetched;
    case 'absent':
      return reject(`The upstream tag ${quote(binding.tag)} was expected in ${repository.name}, and there is none.`);
    case 'refused':
      return reject(
        `What the upstream tag ${quote(binding.tag)} leads to does not pass git's checks: ${fetched.reason}.`,
      );
    case 'resolved':
    case 'sent':
      break;
  }
  if (fetched.kind === 'resolved' && fetched.commitId !== binding.commitId) {
    return reject(
      `The upstream tag ${quote(binding.tag)} was expected to lead to ${shortId(binding.commitId)}, as signed, and it leads to ${shortId(fetched.commitId)}.`,
    );
  }
  const listing = await source.objects.list(binding.commitId, maxTreeBytes(candidate), () => false);
  if ('kind' in listing) {
    return listing.kind === 'refused'
      ? reject(`The upstream tree ${shortId(binding.commitId)} cannot be taken: ${listing.reason}.`)
      : missing(binding.commitId);
  }
  const found =
    fetched.kind === 'resolved'
      ? `${binding.tag} leads to commit ${shortId(binding.commitId)}, as signed`
      : `commit ${shortId(binding.commitId)}; that ${binding.tag} leads to it is looked at when both are pushed`;
  if (claim.pristineTarCommitId === undefined) {
    return passed({ commitId: binding.commitId, listing, pristineTar: undefined }, found);
  }
  const pristineTar = await bindPristineTar(candidate, claim, binding, claim.pristineTarCommitId, source, listing);
  if ('kind' in pristineTar) return pristineTar;
  return passed(
    { commitId: binding.commitId, listing, pristineTar: { commitId: claim.pristineTarCommitId, listing: pristineTar } },
    `${found}; pristine-tar's data is in ${shortId(claim.pristineTarCommitId)}`,
  );
}

async function bindPristineTar(
  candidate: Candidate,
  claim: Claim,
  binding: UpstreamBinding,
  commitId: string,
  source: TagSource,
  upstreamListing: TreeListing,
): Promise<TreeListing | Rejection | Obstacle> {
  const { ref, repository } = candidate;
  const reject = (sentence: string): Rejection =>
    rejected(
      'upstream.bound',
      sentence,
      `Push the branch pristine-tar with the commit that is signed. ${remakeTag(ref, repository.plainTags)}`,
    );
  const fetched = await source.fetchPristineTar(commitId);
  if (fetched.kind === 'obstructed') return fetched;
  if (fetched.kind === 'absent') {
    return reject(
      `The commit ${shortId(commitId)} of !pristine-tar= was expected in ${repository.name}, and it is not there.`,
    );
  }
  if (fetched.kind === 'refused') {
    return reject(`The commit ${shortId(commitId)} of !pristine-tar= does not pass git's checks: ${fetched.reason}.`);
  }
  const version = parseVersion(claim.version);
  const stem = `${claim.source}_${'kind' in version ? claim.version : upstreamOf(version)}.orig`;
  const listing = await source.objects.list(commitId, maxTreeBytes(candidate), (path) => path.startsWith(stem));
  if ('kind' in listing) {
    return listing.kind === 'refused'
      ? reject(`The tree of the pristine-tar commit ${shortId(commitId)} cannot be taken: ${listing.reason}.`)
      : missing(commitId);
  }
  const names = [...listing.wanted.keys()];
  const primaries = names.filter((name) => name.startsWith(`${stem}.tar.`) && name.endsWith('.id'));
  const [primary] = primaries;
  if (primary === undefined || primaries.length > 1) {
    return reject(
      `Exactly one file ${stem}.tar.*.id was expected in the pristine-tar commit ${shortId(commitId)}, and there are ${primaries.length}.`,
    );
  }
  const idEntry = listing.wanted.get(primary);
  const delta = primary.replace(/\.id$/, '.delta');
  if (!isRegularFile(idEntry) || !isRegularFile(listing.wanted.get(delta))) {
    return reject(
      `${primary} and ${delta} were expected as regular files in the pristine-tar commit ${shortId(commitId)}.`,
    );
  }
  // With components, the primary tarball holds a part of the tree; what they give together is compared when they are made.
  if (names.some((name) => name.startsWith(`${stem}-`))) return listing;
  const id = await source.objects.read(idEntry.objectId, 1024);
  const tree = await treeOf(binding.commitId, source);
  if (id.kind === 'missing' || tree === undefined) return missing(commitId);
  const named = id.kind === 'object' ? id.bytes.toString('latin1').trim() : '';
  if (named !== tree) {
    return reject(
      `${primary} was expected to name the upstream tree ${shortId(tree)} (${upstreamListing.files} files), and it names ${quote(named.slice(0, 64))}.`,
    );
  }
  return listing;
}

/** The id of a commit's root tree. */
async function treeOf(commitId: string, source: TagSource): Promise<string | undefined> {
  const commit = await source.objects.read(commitId, MAX_COMMIT_BYTES);
  if (commit.kind !== 'object') return undefined;
  return /^tree ([0-9a-f]{40}|[0-9a-f]{64})\n/.exec(commit.bytes.toString('latin1', 0, 80))?.[1];
}

function missing(commitId: string): Obstacle {
  return obstructed(
    'upstream.bound',
    'mirror.missing-object',
    `The commit ${shortId(commitId)} was fetched and is not there as a whole.`,
    'It is fetched again by itself; if this stays, look at the disk and at the mirror in the git folder.',
  );
}
