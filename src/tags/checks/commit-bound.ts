/**
 * Check 9, `commit.bound`: the tagged commit is there with all its objects, holds a Debian source tree, and the files that are
 * read next are regular files within limits. Nothing is written to a disk, and no link is followed.
 */
import type { BoundCommit, Candidate } from '../facts.ts';
import type { GitObjects } from '../git-objects.ts';
import { obstructed, passed, rejected, type CheckResult } from '../model.ts';
import type { TagObject } from '../tag-object.ts';
import { isRegularFile, type TreeListing } from '../tree-listing.ts';
import { formatBytes, mendAndTagAgain, shortId } from '../words.ts';
import { decodeText } from '../../debian/text.ts';
import { quote } from '../../debian/problem.ts';

const CHANGELOG = 'debian/changelog';
const CONTROL = 'debian/control';
const FORMAT = 'debian/source/format';
/** Only looked at where the archive has a rule for licences. */
export const COPYRIGHT = 'debian/copyright';
/** What a source without debian/source/format is taken for. @see dpkg-source(1) */
export const DEFAULT_FORMAT = '1.0';

const LIMITS: ReadonlyMap<string, number> = new Map([
  [CHANGELOG, 16 * 1024 * 1024],
  [CONTROL, 2 * 1024 * 1024],
  [FORMAT, 1024],
]);
/** A tree may unpack to so many times what its pack may have. */
const UNPACK_RATIO = 4;

/** Bytes that the files of one tree may have together. */
export function maxTreeBytes(candidate: Candidate): number {
  return candidate.repository.maxPackBytes * UNPACK_RATIO;
}

export async function checkCommitBound(
  candidate: Candidate,
  tag: TagObject,
  objects: GitObjects,
): Promise<CheckResult<BoundCommit>> {
  const { commitId } = tag;
  const reject = (sentence: string): CheckResult<BoundCommit> =>
    rejected('commit.bound', sentence, mendAndTagAgain(candidate.ref, candidate.repository.plainTags));
  const listing = await objects.list(
    commitId,
    maxTreeBytes(candidate),
    (path) => path === 'debian' || path === COPYRIGHT || LIMITS.has(path),
  );
  if ('kind' in listing) {
    if (listing.kind === 'refused') {
      return reject(`The tree of commit ${shortId(commitId)} cannot be taken: ${listing.reason}.`);
    }
    return obstructed(
      'commit.bound',
      'mirror.missing-object',
      `The commit ${shortId(commitId)} was fetched and is not there as a whole.`,
      'It is fetched again by itself; if this stays, look at the disk and at the mirror in the git folder.',
    );
  }
  for (const [path, limit] of LIMITS) {
    const fault = fileFault(listing, path, limit);
    if (fault !== undefined && fault !== 'absent')
      return reject(`${path} was expected as a plain file in commit ${shortId(commitId)}, and it ${fault}.`);
  }
  const blobs = await Promise.all(
    [...LIMITS].map(async ([path, limit]) => {
      const entry = listing.wanted.get(path);
      return { path, blob: entry === undefined ? undefined : await objects.read(entry.objectId, limit) };
    }),
  );
  const contents = new Map<string, Buffer>();
  for (const { path, blob } of blobs) {
    if (blob === undefined) continue;
    if (blob.kind !== 'object') {
      return obstructed(
        'commit.bound',
        'mirror.missing-object',
        `The content of ${path} in commit ${shortId(commitId)} was fetched and is not there.`,
        'It is fetched again by itself; if this stays, look at the disk and at the mirror in the git folder.',
      );
    }
    contents.set(path, blob.bytes);
  }
  const changelog = contents.get(CHANGELOG);
  const control = contents.get(CONTROL);
  if (changelog === undefined || control === undefined) {
    const missing = changelog === undefined ? CHANGELOG : CONTROL;
    return reject(`${missing} was expected in commit ${shortId(commitId)}, and there is none.`);
  }
  const sourceFormat = readFormat(contents.get(FORMAT));
  if (sourceFormat === undefined) {
    return reject(`${FORMAT} in commit ${shortId(commitId)} does not hold the one line that dpkg-source(1) expects.`);
  }
  return passed(
    { commitId, listing, changelog, control, sourceFormat },
    `commit ${shortId(commitId)}: ${listing.files} files, ${formatBytes(listing.bytes)}`,
  );
}

function fileFault(listing: TreeListing, path: string, limit: number): string | undefined {
  const folder = listing.wanted.get('debian');
  if (folder !== undefined && folder.type !== 'tree') return 'lies in a "debian" that is not a folder of this tree';
  const entry = listing.wanted.get(path);
  if (entry === undefined) return 'absent';
  if (!isRegularFile(entry)) return 'is not a regular file';
  if (entry.size > limit) return `has ${formatBytes(entry.size)}, and at most ${formatBytes(limit)} are read`;
  return undefined;
}

/** The first line, without blanks around it, as dpkg reads it; undefined when it is no text of one short line. */
function readFormat(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return DEFAULT_FORMAT;
  const text = decodeText(bytes, 1024);
  if (typeof text !== 'string') return undefined;
  const [line = '', ...others] = text.split('\n');
  if (others.some((other) => other.trim() !== '')) return undefined;
  const format = line.trim();
  return format === '' || format !== quote(format).slice(1, -1) ? undefined : format;
}
