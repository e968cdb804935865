/**
 * Where an archive keeps what it publishes: a store of objects that readers see, and one of index parts that they do not. Both
 * may be folders, memory, or whatever else keeps the promises of platform/objects.ts and platform/blobs.ts; nothing in the archive
 * knows which.
 */
import { join } from 'node:path';
import { createFolderBlobStore, createMemoryBlobStore, type BlobStore } from '../platform/blobs.ts';
import { createFolderObjectStore } from '../platform/object-folder.ts';
import { createMemoryObjectStore } from '../platform/object-memory.ts';
import type { ObjectStore } from '../platform/objects.ts';
import type { Paths } from '../platform/paths.ts';

export interface ArchiveStorage {
  /** What apt reads; publish/tree.ts says where things lie in it. */
  readonly published: ObjectStore;
  /** Chunks and manifests of indices, by content. */
  readonly chunks: BlobStore;
}

/** The storage of the archive of that name: one and the same for one name. */
export type Storages = (archive: string) => Promise<ArchiveStorage>;

/** Folders below `archives/`; the chunks beside the published tree, under a name that no web server shows. */
export function folderStorages(paths: Pick<Paths, 'archive'>): Storages {
  return once(async (archive) => {
    const folder = paths.archive(archive);
    return {
      published: createFolderObjectStore(folder),
      chunks: await createFolderBlobStore(join(folder, '.index-chunks')),
    };
  });
}

/** All in memory, gone with the process. */
export function memoryStorages(): Storages {
  return once(() => Promise.resolve({ published: createMemoryObjectStore(), chunks: createMemoryBlobStore() }));
}

function once(open: Storages): Storages {
  const opened = new Map<string, Promise<ArchiveStorage>>();
  return async (archive) => {
    const known = opened.get(archive) ?? open(archive);
    opened.set(archive, known);
    try {
      return await known;
    } catch (error) {
      // A folder that could not be made may be made later.
      opened.delete(archive);
      throw error;
    }
  };
}
