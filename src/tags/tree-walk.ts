/**
 * Walking a commit's tree object by object, through the one git process that reads objects anyway: what `git ls-tree -r -t -z -l
 * --full-tree` prints for it, entry for entry, for the reader of such listings. A process of its own for each tree would cost more
 * than everything that is read from it.
 */
import { LandfallError } from '../platform/errors.ts';
import type { ObjectFacts, ObjectReader } from '../platform/git-objects.ts';
import type { ListingReader } from './tree-listing.ts';

/** Far more than a million entries with short names take; a tree of this size is refused by its number of entries. */
const MAX_TREE_BYTES = 256 * 1024 * 1024;
/** Questions on their way at the same time. */
const BATCH = 500;
/** Characters that are handed on at once. */
const CHUNK = 64 * 1024;
/** What is read ahead: so many folders at once, each of at most this size, until there are so many entries. */
const AHEAD = { folders: 50, bytes: 128 * 1024, entries: 20_000 } as const;

export type Walked =
  /** To its end, or to where the listing wanted nothing more. */
  | 'walked'
  /** An object is not there. */
  | 'missing'
  /** A tree object is larger than any that is read. */
  | 'too-large';

/** @throws LandfallError `git.damaged` for a tree that git itself would not read. */
export async function walkTree(reader: ObjectReader, treeId: string, listing: ListingReader): Promise<Walked> {
  // One folder may stand in many places, a million times in a tree made for it: it is read once.
  const folders = new Map<string, readonly Line[]>();

  await readAhead(reader, treeId, folders);

  const linesOf = async (folderId: string): Promise<readonly Line[] | Exclude<Walked, 'walked'>> => {
    const known = folders.get(folderId);
    if (known !== undefined) return known;
    const lines = await readFolder(reader, folderId, MAX_TREE_BYTES);
    if (typeof lines !== 'string') folders.set(folderId, lines);
    return lines;
  };

  const walk = async (folderId: string, prefix: string): Promise<Walked | 'enough'> => {
    const lines = await linesOf(folderId);
    if (typeof lines === 'string') return lines;
    let text = '';
    for (const { before, name, folder } of lines) {
      text += `${before}\t${prefix}${name}\0`;
      if (folder === undefined && text.length < CHUNK) continue;
      if (!listing.push(Buffer.from(text, 'latin1'))) return 'enough';
      text = '';
      if (folder === undefined) continue;
      const below = await walk(folder, `${prefix}${name}/`);
      if (below !== 'walked') return below;
    }
    return listing.push(Buffer.from(text, 'latin1')) ? 'walked' : 'enough';
  };

  const end = await walk(treeId, '');
  return end === 'enough' ? 'walked' : end;
}

/** An entry as it is printed, but for the folder that it is in. */
interface Line {
  /** Mode, type, object id and size. */
  readonly before: string;
  readonly name: string;
  /** The tree object of an entry that is a folder. */
  readonly folder: string | undefined;
  readonly facts: ObjectFacts | undefined;
}

/**
 * Reads the folders of each level together: git is then asked twice for a level, and not three times for each folder. What is
 * not there, or too large for this, the walk comes to by itself.
 */
async function readAhead(reader: ObjectReader, treeId: string, folders: Map<string, readonly Line[]>): Promise<void> {
  let level = new Map<string, ObjectFacts | undefined>([[treeId, undefined]]);
  let entries = 0;
  while (level.size > 0) {
    const next = new Map<string, ObjectFacts | undefined>();
    const asked = [...level];
    for (let start = 0; start < asked.length; start += AHEAD.folders) {
      if (entries > AHEAD.entries) return;
      const read = await Promise.all(
        asked.slice(start, start + AHEAD.folders).map(async ([folderId, facts]) => ({
          folderId,
          lines: await readFolder(reader, folderId, AHEAD.bytes, facts),
        })),
      );
      for (const { folderId, lines } of read) {
        if (typeof lines === 'string') continue;
        entries += lines.length;
        folders.set(folderId, lines);
        for (const { folder, facts } of lines)
          if (folder !== undefined && !folders.has(folder)) next.set(folder, facts);
      }
    }
    level = next;
  }
}

async function readFolder(
  reader: ObjectReader,
  treeId: string,
  maxBytes: number,
  treeFacts?: ObjectFacts,
): Promise<readonly Line[] | Exclude<Walked, 'walked'>> {
  const tree = await reader.read(treeId, { maxBytes, facts: treeFacts });
  if (tree.kind !== 'object') return tree.kind;
  if (tree.type !== 'tree') throw damaged(treeId, `it is a ${tree.type}`);
  const entries = parseTreeObject(treeId, tree.bytes);
  const lines: Line[] = [];
  for (let start = 0; start < entries.length; start += BATCH) {
    const batch = entries.slice(start, start + BATCH);
    const facts = await Promise.all(
      batch.map(async ({ type, objectId }) => (type === 'commit' ? undefined : await reader.info(objectId))),
    );
    for (const [index, { mode, type, objectId, name }] of batch.entries()) {
      const found = facts[index];
      if (type === 'blob' && found === undefined) return 'missing';
      if (type === 'blob' && found?.type !== 'blob')
        throw damaged(treeId, `its file ${objectId} is a ${found?.type ?? ''}`);
      lines.push({
        before: `${mode} ${type} ${objectId} ${type === 'blob' ? (found?.size ?? '') : '-'}`,
        name,
        folder: type === 'tree' ? objectId : undefined,
        facts: type === 'tree' ? found : undefined,
      });
    }
  }
  return lines;
}

interface Entry {
  readonly mode: string;
  readonly type: 'blob' | 'tree' | 'commit';
  readonly objectId: string;
  /** One character per byte. */
  readonly name: string;
}

/** The entries of a tree object: mode, blank, name, NUL, and the object id in binary. Exported for its tests. */
export function parseTreeObject(treeId: string, bytes: Buffer): Entry[] {
  const idBytes = treeId.length / 2;
  const entries: Entry[] = [];
  let at = 0;
  while (at < bytes.length) {
    const blank = bytes.indexOf(0x20, at);
    const nul = bytes.indexOf(0, at);
    const end = nul + 1 + idBytes;
    if (blank < 0 || nul < blank || end > bytes.length) throw damaged(treeId, 'it is malformed');
    const digits = bytes.toString('latin1', at, blank);
    if (!/^[0-7]{1,7}$/.test(digits)) throw damaged(treeId, `it has the mode ${JSON.stringify(digits)}`);
    entries.push({
      ...kindOf(Number.parseInt(digits, 8)),
      objectId: bytes.toString('hex', nul + 1, end),
      name: bytes.toString('latin1', blank + 1, nul),
    });
    at = end;
  }
  return entries;
}

const FORMAT = 0o170000;

/** A mode as git shows it, whatever bits are in the object. */
function kindOf(mode: number): Pick<Entry, 'mode' | 'type'> {
  switch (mode & FORMAT) {
    case 0o100000:
      return { mode: (mode & 0o100) === 0 ? '100644' : '100755', type: 'blob' };
    case 0o120000:
      return { mode: '120000', type: 'blob' };
    case 0o040000:
      return { mode: '040000', type: 'tree' };
    default:
      return { mode: '160000', type: 'commit' };
  }
}

function damaged(treeId: string, reason: string): LandfallError {
  return new LandfallError({ code: 'git.damaged', doing: `read the tree ${treeId}`, reason });
}
