/** The files of a snapshot below `dists/SUITE/`, as they were served: signed bytes from the database, indices from chunks. */
import { sha256 } from '../../platform/files.ts';
import { parseRelease, type ReleaseFile } from '../../debian/release.ts';
import { openKeptIndex, type IndexForm } from '../index-keeper/reassemble.ts';
import { smallReleaseText } from '../publish/indices.ts';
import type { ArchiveStorage } from '../storage.ts';
import type { Snapshot } from './find.ts';

export interface SnapshotFile {
  readonly size: number;
  readonly sha256: string;
  /** `length` bytes from `start`. */
  read(start: number, length: number): AsyncIterable<Uint8Array>;
}

export type OpenedSnapshotFile =
  | { readonly kind: 'file'; readonly file: SnapshotFile }
  | { readonly kind: 'absent' }
  /** Release names it, and what it is made of is not there any more. */
  | { readonly kind: 'lost' };

/** Opens `path`, as it stands below `dists/SUITE/`: `main/binary-amd64/Packages.xz`, or its name by hash. */
export async function openSnapshotFile(
  storage: Pick<ArchiveStorage, 'chunks'>,
  snapshot: Snapshot,
  path: string,
): Promise<OpenedSnapshotFile> {
  switch (path) {
    case 'InRelease':
      return given(snapshot.inRelease);
    case 'Release':
      return given(Buffer.from(snapshot.release, 'utf8'));
    case 'Release.gpg':
      return given(snapshot.releaseGpg);
  }
  const release = parseRelease(snapshot.release);
  if ('kind' in release) throw new Error(`the Release of publication ${snapshot.serial}: ${release.reason}`);
  const named = namedFile(release.files, path);
  if (named === undefined) return { kind: 'absent' };
  return (await openIndexFile(storage, snapshot, named)) ?? smallRelease(snapshot, named) ?? { kind: 'lost' };
}

/** The entry of Release that a path means, also one by hash. */
function namedFile(files: readonly ReleaseFile[], path: string): ReleaseFile | undefined {
  const [, folder, hash] = /^(.*)\/by-hash\/SHA256\/([0-9a-f]{64})$/.exec(path) ?? [];
  return files.find((file) =>
    hash === undefined
      ? file.path === path
      : file.sha256 === hash && file.path.slice(0, file.path.lastIndexOf('/')) === folder,
  );
}

async function openIndexFile(
  { chunks }: Pick<ArchiveStorage, 'chunks'>,
  snapshot: Snapshot,
  named: ReleaseFile,
): Promise<OpenedSnapshotFile | undefined> {
  for (const [path, index] of Object.entries(snapshot.facts.indices ?? {})) {
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    const file = index.files.find(({ name }) => `${folder}${name}` === named.path);
    if (file === undefined || index.id === undefined) continue;
    const kept = await openKeptIndex(chunks, index.id, formOf(file.name));
    if (kept?.size !== named.size) return { kind: 'lost' };
    const { size, sha256: hash } = named;
    return { kind: 'file', file: { size, sha256: hash, read: (start, length) => kept.read(start, length) } };
  }
  return undefined;
}

function formOf(name: string): IndexForm {
  return name.endsWith('.xz') ? 'xz' : name.endsWith('.gz') ? 'gz' : 'plain';
}

/** The Release beside an index is made of the publication's settings alone. */
function smallRelease({ facts }: Snapshot, named: ReleaseFile): OpenedSnapshotFile | undefined {
  const match = /^(.+?)(?:\/debian-installer)?\/(?:binary-([a-z0-9-]+)|(source))\/Release$/.exec(named.path);
  const [, component, architecture = 'source'] = match ?? [];
  if (component === undefined) return undefined;
  const bytes = Buffer.from(smallReleaseText(facts.settings, component, architecture), 'utf8');
  return sha256(bytes) === named.sha256 ? given(bytes) : undefined;
}

function given(bytes: Buffer): OpenedSnapshotFile {
  return {
    kind: 'file',
    file: {
      size: bytes.length,
      sha256: sha256(bytes),
      read: async function* (start, length) {
        await Promise.resolve();
        yield bytes.subarray(start, start + length);
      },
    },
  };
}
