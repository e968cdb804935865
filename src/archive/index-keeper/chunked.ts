/**
 * The keeper whose cost follows the change. An index is a list of chunks with borders that its names decide (borders.ts); each
 * chunk is compressed once and kept (chunk.ts). A change makes the chunks that it touches anew; the files are put together
 * from the gzip members and xz blocks of all of them. What remains is to copy and to hash.
 *
 * Chunks and manifests lie in a store of their own, by content. One that is damaged or gone is never used: the index is then
 * built from its entries again.
 */
import type { BlobStore } from '../../platform/blobs.ts';
import { LandfallError } from '../../platform/errors.ts';
import { writeIndexFiles } from './assemble.ts';
import { cut, cutStream } from './borders.ts';
import { encodeChunk, makeChunks } from './chunk.ts';
import { formatOf, type IndexFormat } from './format.ts';
import type { IndexChange, IndexEntry, IndexKeeper, IndexTarget, WrittenIndex } from './keeper.ts';
import { NotKept, readChunk, readChunks, readManifest } from './kept.ts';
import { encodeManifest, positionOf, type ChunkRef, type Manifest } from './manifest.ts';
import { compareKeys, type IndexKey } from './order.ts';

/** Bytes of text that one run of xz gets; runs go on side by side. */
const BATCH_BYTES = 4 * 1024 * 1024;
const PARALLEL_RUNS = 2;

/** A keeper whose chunks lie in `store`, which is for nothing else. */
export function createChunkedIndexKeeper(store: BlobStore): IndexKeeper {
  return {
    build: async (entries, target) => {
      const format = formatOf(target.stem);
      const ordered = Symbol.asyncIterator in entries ? inOrder(entries) : [...entries].sort(compareKeys);
      const chunks = await keep(store, format, made(cutStream(ordered, format.namesPerChunk)));
      return await writeIndex(store, target.stem, chunks, target);
    },
    change: async (base, changes, target) => {
      try {
        const manifest = await readManifest(store, base);
        const chunks = await keep(store, formatOf(manifest.stem), await applyChanges(store, manifest, changes));
        return await writeIndex(store, manifest.stem, chunks, target);
      } catch (error) {
        if (error instanceof NotKept) return undefined;
        throw error;
      }
    },
  };
}

/** A chunk that stays, or the entries of one that is made. */
type Part = { readonly kept: ChunkRef } | { readonly made: readonly IndexEntry[] };

/** A chunk that waits to be compressed. */
interface Made {
  readonly position: number;
  readonly first: string;
  readonly entries: number;
  readonly text: Buffer;
}

async function* made(chunks: AsyncIterable<readonly IndexEntry[]>): AsyncGenerator<Part> {
  for await (const chunk of chunks) yield { made: chunk };
}

/** Passes entries on, and makes sure that they come in order: an index out of order could never be changed. */
async function* inOrder(entries: AsyncIterable<IndexEntry>): AsyncGenerator<IndexEntry> {
  let last: IndexEntry | undefined;
  for await (const entry of entries) {
    if (last !== undefined && compareKeys(last, entry) >= 0) throw new Error(`${entry.name} comes out of order`);
    last = entry;
    yield entry;
  }
}

async function applyChanges(store: BlobStore, manifest: Manifest, changes: readonly IndexChange[]): Promise<Part[]> {
  const format = formatOf(manifest.stem);
  const touched = new Map<number, IndexChange[]>();
  for (const change of changes) {
    const position = positionOf(manifest.chunks, nameOf(change));
    const there = touched.get(position);
    if (there === undefined) touched.set(position, [change]);
    else there.push(change);
  }
  const parts: Part[] = [];
  // Entries behind the last border so far: they join the next chunk, whose own border still holds.
  let open: readonly IndexEntry[] = [];
  // An index of no chunks has one place for entries all the same.
  for (const [position, ref] of (manifest.chunks.length === 0 ? [undefined] : manifest.chunks).entries()) {
    const own = touched.get(position);
    if (ref !== undefined && own === undefined && open.length === 0) {
      parts.push({ kept: ref });
      continue;
    }
    const before = ref === undefined ? [] : await readEntries(store, ref, format);
    const after = changed(before, own ?? []);
    if (ref !== undefined && open.length === 0 && after === before) {
      parts.push({ kept: ref });
      continue;
    }
    const { chunks, rest } = cut([...open, ...after], format.namesPerChunk);
    parts.push(...chunks.map((made) => ({ made })));
    open = rest;
  }
  return open.length === 0 ? parts : [...parts, { made: open }];
}

/** The entries after the changes, in order; the same array when nothing came of them. */
function changed(before: readonly IndexEntry[], changes: readonly IndexChange[]): readonly IndexEntry[] {
  const entries = new Map(before.map((entry) => [keyOf(entry), entry]));
  let different = false;
  for (const change of changes) {
    if (change.kind === 'drop') {
      different = entries.delete(keyOf(change)) || different;
      continue;
    }
    const key = keyOf(change.entry);
    if (entries.get(key)?.stanza === change.entry.stanza) continue;
    entries.set(key, change.entry);
    different = true;
  }
  return different ? [...entries.values()].sort(compareKeys) : before;
}

/**
 * Compresses what is made and keeps it; what stays is passed on. Holds no more than a few batches at a time. Returns when the last
 * of them is begun, and leaves the waiting for it to whom it gives the chunks.
 */
async function keep(
  store: BlobStore,
  format: IndexFormat,
  parts: AsyncIterable<Part> | Iterable<Part>,
): Promise<readonly Promise<ChunkRef>[]> {
  const chunks: (Promise<ChunkRef> | undefined)[] = [];
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let batch: Made[] = [];
  let size = 0;
  const start = async (): Promise<void> => {
    const made = batch;
    batch = [];
    size = 0;
    while (running.size >= PARALLEL_RUNS) await Promise.race(running);
    const kept = compress(store, format, made);
    for (const [index, { position }] of made.entries()) chunks[position] = oneOf(kept, index);
    const ended: Promise<void> = kept
      .then(() => undefined)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => running.delete(ended));
    running.add(ended);
  };
  try {
    for await (const part of parts) {
      if (failures.length > 0) throw failures[0];
      if ('kept' in part) {
        chunks.push(Promise.resolve(part.kept));
        continue;
      }
      const text = format.textOf(part.made);
      batch.push({ position: chunks.length, first: part.made[0]?.name ?? '', entries: part.made.length, text });
      chunks.push(undefined);
      size += text.length;
      if (size >= BATCH_BYTES) await start();
    }
    if (batch.length > 0) await start();
  } catch (error) {
    await Promise.all(running);
    throw error;
  }
  return chunks.map(present);
}

async function compress(store: BlobStore, format: IndexFormat, made: readonly Made[]): Promise<ChunkRef[]> {
  const chunks = await makeChunks(
    made.map(({ text }) => text),
    format.xz,
  );
  const kept: ChunkRef[] = [];
  for (const [index, { first, entries }] of made.entries()) {
    kept.push({ id: await putFile(store, encodeChunk(present(chunks[index]))), first, entries });
  }
  return kept;
}

/** One of the chunks that come together. Whoever never comes to wait for it must not make its failure an unhandled one. */
function oneOf(kept: Promise<readonly ChunkRef[]>, index: number): Promise<ChunkRef> {
  const one = kept.then((chunks) => present(chunks[index]));
  one.catch(() => undefined);
  return one;
}

function present<T>(chunk: T | undefined): T {
  if (chunk === undefined) throw new Error('a chunk was not made');
  return chunk;
}

/**
 * Writes the files while the last chunks are still being compressed: what stands before them is read and hashed meanwhile. Whatever
 * comes of it, nothing goes on behind it.
 */
async function writeIndex(
  store: BlobStore,
  stem: string,
  coming: readonly Promise<ChunkRef>[],
  target: IndexTarget,
): Promise<WrittenIndex> {
  try {
    const files = await writeIndexFiles(readChunks(store, coming), target);
    const chunks = await Promise.all(coming);
    return {
      id: await putFile(store, encodeManifest({ format: 1, stem, chunks })),
      entries: chunks.reduce((sum, { entries }) => sum + entries, 0),
      files,
    };
  } finally {
    await Promise.allSettled(coming);
  }
}

async function readEntries(store: BlobStore, ref: ChunkRef, format: IndexFormat): Promise<readonly IndexEntry[]> {
  const chunk = await readChunk(store, ref);
  const entries = format.entriesOf(chunk.text);
  if (entries?.length !== ref.entries) throw new NotKept();
  return entries;
}

async function putFile(store: BlobStore, bytes: Buffer): Promise<string> {
  const put = await store.put(bytes);
  if (put.kind === 'stored') return put.sha256;
  throw new LandfallError({ code: 'storage.io', doing: 'keep part of an index', reason: 'it was not stored as given' });
}

function nameOf(change: IndexChange): string {
  return change.kind === 'put' ? change.entry.name : change.name;
}

function keyOf(key: IndexKey): string {
  return `${key.name} ${key.version} ${key.qualifier}`;
}
