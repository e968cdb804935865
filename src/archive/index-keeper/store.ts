/**
 * Where an archive's chunks lie, and how those that no index needs any more are collected.
 */
import { join } from 'node:path';
import { createFolderBlobStore, type BlobStore } from '../../platform/blobs.ts';
import { createChunkedIndexKeeper } from './chunked.ts';
import type { IndexKeeper } from './keeper.ts';
import { decodeManifest } from './manifest.ts';

/** The folder of an archive's chunks; its name begins with a dot, so no web server shows it. */
export async function openChunkStore(archiveFolder: string): Promise<BlobStore> {
  return await createFolderBlobStore(join(archiveFolder, '.index-chunks'));
}

/** The keeper of an archive's indices, whose chunks lie beside what it publishes. */
export async function openIndexKeeper(archiveFolder: string): Promise<IndexKeeper> {
  return createChunkedIndexKeeper(await openChunkStore(archiveFolder));
}

/**
 * Removes chunks and manifests that none of the indices `ids` is made of and that were not put since `before`; returns how many,
 * and their bytes.
 */
export async function collectChunks(
  store: BlobStore,
  ids: Iterable<string>,
  before: Date,
): Promise<{ removed: number; bytes: number }> {
  const needed = new Set<string>();
  for (const id of ids) {
    if (needed.has(id) || !(await store.has(id))) continue;
    needed.add(id);
    for (const chunk of decodeManifest(await store.read(id))?.chunks ?? []) needed.add(chunk.id);
  }
  let removed = 0;
  let bytes = 0;
  for await (const entry of store.list()) {
    if (needed.has(entry.sha256) || entry.putAt >= before) continue;
    if (!(await store.delete(entry.sha256, before))) continue;
    removed += 1;
    bytes += entry.size;
  }
  return { removed, bytes };
}
