/**
 * The whole tree of a commit as `git ls-tree -r -t -z -l --full-tree` lists it: which objects it needs, how large they are, and
 * whether it holds names or kinds of entries that have no place in a source package. Reading a listing opens no file and
 * follows no link; it is bounded, because a few kilobytes of tree objects can list for ever.
 *
 * Paths are kept as Latin-1, one character per byte, so that no decoding can make two names equal.
 */
import { quote } from '../debian/problem.ts';

export interface TreeEntry {
  readonly mode: string;
  readonly type: 'blob' | 'tree' | 'commit';
  readonly objectId: string;
  /** Of a blob; 0 for others. */
  readonly size: number;
}

export interface TreeListing {
  readonly commitId: string;
  readonly treeId: string;
  /** Every tree and blob but the root tree, each once. */
  readonly objectIds: ReadonlySet<string>;
  /** Entries that are not directories. */
  readonly files: number;
  /** Of all files, unpacked. */
  readonly bytes: number;
  /** Paths of submodules, at most the first ten. */
  readonly submodules: readonly string[];
  /** Entries that were asked for, by path. */
  readonly wanted: ReadonlyMap<string, TreeEntry>;
}

export type ListingProblem = { readonly kind: 'refused'; readonly reason: string };

/** Entries of the largest trees in Debian: some 500,000. */
export const MAX_ENTRIES = 1_000_000;
const MAX_PATH = 4_000;
const MODES: ReadonlySet<string> = new Set(['100644', '100755', '100664', '120000', '040000', '160000']);

/** Takes the listing chunk by chunk; `finish` gives the result. */
export interface ListingReader {
  /** False when a reason to refuse the tree was found and nothing more need be read. */
  push(chunk: Uint8Array): boolean;
  finish(): TreeListing | ListingProblem;
}

/** `wants` chooses the paths whose entries are kept. */
export function readTreeListing(
  { commitId, treeId }: { readonly commitId: string; readonly treeId: string },
  maxBytes: number,
  wants: (path: string) => boolean,
): ListingReader {
  const objectIds = new Set<string>();
  const wanted = new Map<string, TreeEntry>();
  const submodules: string[] = [];
  let refusal: string | undefined;
  let entries = 0;
  let files = 0;
  let bytes = 0;
  let rest = '';

  const take = (record: string): string | undefined => {
    const tab = record.indexOf('\t');
    const [mode, type, objectId, size] = record.slice(0, tab).split(/ +/);
    const path = record.slice(tab + 1);
    if (tab < 0 || mode === undefined || objectId === undefined || size === undefined)
      return 'git gave a malformed listing';
    if (++entries > MAX_ENTRIES) return `it has more than ${MAX_ENTRIES} entries`;
    if (path.length > MAX_PATH) return `a path in it is longer than ${MAX_PATH} bytes`;
    if (!MODES.has(mode)) return `${quote(path)} has the unknown mode ${quote(mode)}`;
    const fault = pathFault(path);
    if (fault !== undefined) return fault;
    if (type === 'commit') {
      files++;
      if (submodules.length < 10) submodules.push(path);
      if (wants(path)) wanted.set(path, { mode, type, objectId, size: 0 });
      return undefined;
    }
    if (type !== 'blob' && type !== 'tree') return `${quote(path)} is of the unknown type ${quote(type ?? '')}`;
    objectIds.add(objectId);
    const entry: TreeEntry = { mode, type, objectId, size: type === 'blob' ? Number(size) : 0 };
    if (!Number.isSafeInteger(entry.size)) return `the size of ${quote(path)} is unknown`;
    if (type === 'blob') {
      files++;
      bytes += entry.size;
      if (bytes > maxBytes) return `its files have more than ${maxBytes} bytes`;
    }
    if (wants(path)) wanted.set(path, entry);
    return undefined;
  };

  return {
    push: (chunk) => {
      if (refusal !== undefined) return false;
      const text = rest + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
      let start = 0;
      for (let end = text.indexOf('\0'); end >= 0; end = text.indexOf('\0', start)) {
        refusal = take(text.slice(start, end));
        if (refusal !== undefined) return false;
        start = end + 1;
      }
      rest = text.slice(start);
      if (rest.length > MAX_PATH + 200) refusal = `a path in it is longer than ${MAX_PATH} bytes`;
      return refusal === undefined;
    },
    finish: () => {
      if (refusal !== undefined) return { kind: 'refused', reason: refusal };
      if (rest !== '') return { kind: 'refused', reason: 'git gave an incomplete listing' };
      return { commitId, treeId, objectIds, files, bytes, submodules, wanted };
    },
  };
}

/** Names that mean something to a file system or to git rather than being a file: none may reach a disk. */
function pathFault(path: string): string | undefined {
  for (const part of path.split('/')) {
    if (part === '' || part === '.' || part === '..') return `${quote(path)} has a part that is empty, "." or ".."`;
    if (isGitFolder(part)) return `${quote(path)} has a part that a file system may take for .git`;
  }
  return undefined;
}

/** `.git` as case-folding (and, for NTFS, short-name or stream) file systems read it. */
function isGitFolder(part: string): boolean {
  return /^(?:\.git|git~1)[ .]*(?::.*)?$/i.test(part);
}

/** True for an entry that is a plain file, not a link, a folder or a submodule. */
export function isRegularFile(entry: TreeEntry | undefined): entry is TreeEntry {
  return entry?.type === 'blob' && entry.mode.startsWith('100');
}
