/** How chunks that no index needs any more are collected. */
import type { BlobStore } from '../../platform/blobs.ts';
import { decodeManifest } from './manifest.ts';

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
