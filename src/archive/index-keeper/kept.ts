/**
 * What the keeper of chunks keeps, read back: manifests and chunks by the sha256 of their files. One that is damaged or gone is
 * never used; who asked for it is told by {@link NotKept}, and builds the index from its entries.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { BlobStore } from '../../platform/blobs.ts';
import { isErrnoException, isFault } from '../../platform/errors.ts';
import { decodeChunk, type Chunk } from './chunk.ts';
import { borrowPiece, returnPiece } from './memory.ts';
import { decodeManifest, type ChunkRef, type Manifest } from './manifest.ts';

/** Chunks that are read ahead where a store has to be asked for each. */
const READ_AHEAD = 8;

/** What is kept cannot be used; the index must be built from its entries. */
export class NotKept extends Error {}

export async function readManifest(store: BlobStore, id: string): Promise<Manifest> {
  const manifest = decodeManifest(await orNotKept(() => store.read(id)));
  if (manifest === undefined) throw new NotKept();
  return manifest;
}

export async function readChunk(store: BlobStore, ref: ChunkRef): Promise<Chunk> {
  return await whole(store, ref, await orNotKept(() => store.read(ref.id)));
}

/** Reads chunks in their order, some of which are still being made. Each is good until the next is asked for: then its memory may hold that one. */
export async function* readChunks(store: BlobStore, chunks: readonly Promise<ChunkRef>[]): AsyncGenerator<Chunk> {
  if (store.path === undefined) {
    yield* readAhead(store, chunks);
    return;
  }
  // Hundreds of small files are read for one index, and were written or read a moment ago: to ask for each in the background
  // takes longer than to read it, and memory for each would be free again only when nobody needs it any more.
  const piece = borrowPiece();
  try {
    for (const chunk of chunks) {
      const ref = await chunk;
      const path = store.path(ref.id);
      yield await whole(store, ref, await orNotKept(() => readInto(piece, path)));
    }
  } finally {
    returnPiece(piece);
  }
}

async function* readAhead(store: BlobStore, chunks: readonly Promise<ChunkRef>[]): AsyncGenerator<Chunk> {
  const reading: Promise<Chunk>[] = [];
  const read = async (chunk: Promise<ChunkRef>): Promise<Chunk> => await readChunk(store, await chunk);
  try {
    for (const [index] of chunks.entries()) {
      for (const next of chunks.slice(index + reading.length, index + READ_AHEAD)) {
        const chunk = read(next);
        // Awaited in its turn; that nobody does so yet is no unhandled rejection.
        chunk.catch(() => undefined);
        reading.push(chunk);
      }
      const first = reading.shift();
      if (first !== undefined) yield await first;
    }
  } finally {
    // What was read in vain may have failed too, and nobody else would hear of it.
    await Promise.allSettled(reading);
  }
}

/** The bytes of a file, in `memory` where they have room there. */
function readInto(memory: Buffer, path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const bytes = size <= memory.length ? memory : Buffer.allocUnsafeSlow(size);
    let read = 0;
    for (let count = -1; read < size && count !== 0; read += count)
      count = readSync(file, bytes, read, size - read, read);
    return bytes.subarray(0, read);
  } finally {
    closeSync(file);
  }
}

async function whole(store: BlobStore, ref: ChunkRef, file: Buffer): Promise<Chunk> {
  const chunk = decodeChunk(file);
  if (chunk !== undefined) return chunk;
  // A file that has the name already would not be written again.
  await store.delete(ref.id);
  throw new NotKept();
}

async function orNotKept(read: () => Buffer | Promise<Buffer>): Promise<Buffer> {
  try {
    return await read();
  } catch (error) {
    if (isFault(error, 'blob.') || (isErrnoException(error) && error.code === 'ENOENT')) throw new NotKept();
    throw error;
  }
}
