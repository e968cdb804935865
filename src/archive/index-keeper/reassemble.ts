/**
 * An index of an earlier publication, put together again from its chunks byte for byte, whole or in part, without a copy: one
 * chunk after the other is read and handed on, so that memory is bounded by the largest. What is looked at first is every
 * chunk's header, so that an index of which a part is gone is not begun.
 */
import { gzipSync } from 'node:zlib';
import type { BlobStore } from '../../platform/blobs.ts';
import { LandfallError, isFault } from '../../platform/errors.ts';
import { decodeChunk, readChunkSizes, CHUNK_HEADER_BYTES, type ChunkSizes } from './chunk.ts';
import { decodeManifest, type ChunkRef } from './manifest.ts';
import { streamEnd, streamHeader } from './xz-blocks.ts';

export type IndexForm = 'plain' | 'gz' | 'xz';

export interface KeptIndex {
  readonly size: number;
  /** `length` bytes from `start`. @throws LandfallError `snapshot.damaged` where a chunk is */
  read(start: number, length: number): AsyncGenerator<Buffer>;
}

/** A run of bytes of the file: given, or part of a chunk. */
type Piece = { readonly size: number } & ({ readonly bytes: Buffer } | { readonly chunk: ChunkRef });

/** Headers that are read side by side. */
const PARALLEL = 16;

/** Undefined when the index, or part of it, is not kept any more. */
export async function openKeptIndex(store: BlobStore, id: string, form: IndexForm): Promise<KeptIndex | undefined> {
  const bytes = await ifKept(() => store.read(id));
  const manifest = bytes === undefined ? undefined : decodeManifest(bytes);
  if (manifest === undefined) return undefined;
  const sizes = await readSizes(store, manifest.chunks);
  if (sizes === undefined) return undefined;
  const pieces = piecesOf(manifest.chunks, sizes, form);
  return {
    size: pieces.reduce((sum, { size }) => sum + size, 0),
    read: (start, length) => readPieces(store, pieces, form, start, length),
  };
}

function piecesOf(chunks: readonly ChunkRef[], sizes: readonly ChunkSizes[], form: IndexForm): readonly Piece[] {
  const given = (bytes: Buffer): Piece => ({ bytes, size: bytes.length });
  const parts = chunks.map((chunk, index): Piece => {
    const of = sizes[index];
    if (of === undefined) throw new Error('a chunk without sizes');
    return { chunk, size: form === 'plain' ? of.text : form === 'gz' ? of.gzip : of.xz };
  });
  switch (form) {
    case 'plain':
      return parts;
    case 'gz':
      return parts.length === 0 ? [given(gzipSync(Buffer.alloc(0)))] : parts;
    case 'xz': {
      const records = sizes.map((of) => ({ unpaddedSize: of.xzUnpadded, uncompressedSize: of.text }));
      return [given(streamHeader()), ...parts, given(streamEnd(records))];
    }
  }
}

async function* readPieces(
  store: BlobStore,
  pieces: readonly Piece[],
  form: IndexForm,
  start: number,
  length: number,
): AsyncGenerator<Buffer> {
  const end = start + length;
  let at = 0;
  for (const piece of pieces) {
    const [from, to] = [at, at + piece.size];
    at = to;
    if (to <= start) continue;
    if (from >= end) return;
    const bytes = 'bytes' in piece ? piece.bytes : await readPart(store, piece.chunk, form);
    if (bytes.length !== piece.size) throw damaged(piece);
    yield bytes.subarray(Math.max(0, start - from), Math.min(piece.size, end - from));
  }
}

async function readPart(store: BlobStore, ref: ChunkRef, form: IndexForm): Promise<Buffer> {
  const file = await ifKept(() => store.read(ref.id));
  const chunk = file === undefined ? undefined : decodeChunk(file);
  if (chunk === undefined) throw damaged({ chunk: ref });
  return form === 'plain' ? chunk.text : form === 'gz' ? chunk.gzip : chunk.xz;
}

async function readSizes(store: BlobStore, chunks: readonly ChunkRef[]): Promise<readonly ChunkSizes[] | undefined> {
  const all: ChunkSizes[] = [];
  for (let from = 0; from < chunks.length; from += PARALLEL) {
    const some = await Promise.all(
      chunks.slice(from, from + PARALLEL).map(async ({ id }) => {
        const header = await ifKept(() => readHeader(store, id));
        return header === undefined ? undefined : readChunkSizes(header);
      }),
    );
    for (const sizes of some) {
      if (sizes === undefined) return undefined;
      all.push(sizes);
    }
  }
  return all;
}

async function readHeader(store: BlobStore, id: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of await store.open(id, { offset: 0, length: CHUNK_HEADER_BYTES })) {
    if (!(part instanceof Uint8Array)) throw new TypeError('a stream of bytes was expected');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Undefined for a blob that is not there. */
async function ifKept<T>(use: () => Promise<T>): Promise<T | undefined> {
  try {
    return await use();
  } catch (error) {
    if (isFault(error, 'blob.missing')) return undefined;
    throw error;
  }
}

function damaged(piece: Partial<Extract<Piece, { chunk: ChunkRef }>>): LandfallError {
  return new LandfallError({
    code: 'snapshot.damaged',
    doing: 'put an index of a snapshot together',
    reason: `its part ${piece.chunk?.id ?? ''} is damaged or gone`,
    remedy: 'restore it from a backup; newer publications do not need it',
  });
}
