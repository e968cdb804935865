/**
 * Files of the pool, made from blobs. A name that exists keeps its bytes (I8): the same bytes again are fine, others are a fault.
 */
import type { BlobStore } from '../../platform/blobs.ts';
import type { ObjectStore } from '../../platform/objects.ts';

/** A file as pool_files names it. */
export interface PoolFile {
  /** From the archive's root: `pool/main/h/hello/hello_2.10-3.dsc`. */
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
}

/**
 * Puts files into the published pool; returns how many were new. All of them are durable after return.
 * @throws LandfallError `blob.missing`, `object.other-bytes`, `storage.*`
 */
export async function fillPool(
  store: ObjectStore,
  blobs: BlobStore,
  files: AsyncIterable<PoolFile> | Iterable<PoolFile>,
): Promise<number> {
  const batch = store.batch();
  let added = 0;
  for await (const { path, sha256, size } of files) {
    if (await batch.putBlob(path, blobs, { sha256, size })) added += 1;
  }
  await batch.settle();
  return added;
}
