/**
 * The keeper whose cost follows the change. An index is a list of chunks with borders that its names decide (borders.ts); each
 * chunk is compressed once and kept (chunk.ts). A change makes the chunks that it touches anew; the files are put together
 * from the gzip members and xz blocks of all of them. What remains is to copy and to hash.
 *
 * Chunks and manifests lie in a store of their own, by content. One that is damaged or gone is never used: the index is then
 * built from its entries again.
 */
import { readFileSync } from 'node:fs';
import type { BlobStore } from '../../platform/blobs.ts';
import { LandfallError, isErrnoException, isFault } from '../../platform/errors.ts';
import { writeIndexFiles } from './assemble.ts';
import { cut, cutStream } from './borders.ts';
import { decodeChunk, encodeChunk, makeChunks, type Chunk } from './chunk.ts';
import { formatOf, type IndexFormat } from './format.ts';
import type { IndexChange, IndexEntry, IndexKeeper, IndexTarget, WrittenIndex } from './keeper.ts';
import { decodeManifest, encodeManifest, positionOf, type ChunkRef, type Manifest } from './manifest.ts';
import { compareKeys, type IndexKey } from './order.ts';

/** Bytes of text that one run of xz gets; runs go on side by side. */
const BATCH_BYTES = 4 * 1024 * 1024;
const PARALLEL_RUNS = 2;
/** Chunks that are read ahead while the files are written. */
const READ_AHEAD = 8;

/** What is kept cannot be used; the index must be built from its entries. */
class NotKept extends Error {}

/** A keeper whose chunks lie in `store`, which is for nothing else. */
export function createChunkedIndexKeeper(store: BlobStore): IndexKeeper {
  return {
    build: async (entries, target) => {
      const format = formatOf(target.stem);
      const ordered = Symbol.asyncIterator in entries ? inOrder(entries) : [...entries].sort(compareKeys);
      const chunks = await keep(store, format, made(cutStream(ordered, format.namesPerChunk)));
      return await writeIndex(store, { format: 1, stem: target.stem, chunks }, target);
    },
    change: async (base, changes, target) => {
      try {
        const manifest = await readManifest(store, base);
        const chunks = await keep(store, formatOf(manifest.stem), await applyChanges(store, manifest, changes));
        return await writeIndex(store, { ...manifest, chunks }, target);
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

/** Compresses what is made and keeps it; what stays is passed on. Holds no more than a few batches at a time. */
async function keep(
  store: BlobStore,
  format: IndexFormat,
  parts: AsyncIterable<Part> | Iterable<Part>,
): Promise<ChunkRef[]> {
  const refs: (ChunkRef | undefined)[] = [];
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let batch: Made[] = [];
  let size = 0;
  const compress = async (made: readonly Made[]): Promise<void> => {
    const chunks = await makeChunks(
      made.map(({ text }) => text),
      format.xz,
    );
    for (const [index, { position, first, entries }] of made.entries()) {
      const chunk = chunks[index];
      if (chunk === undefined) throw new Error('a chunk was not made');
      refs[position] = { id: await putFile(store, encodeChunk(chunk)), first, entries };
    }
  };
  const start = async (): Promise<void> => {
    const made = batch;
    batch = [];
    size = 0;
    while (running.size >= PARALLEL_RUNS) await Promise.race(running);
    const run: Promise<void> = compress(made)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => running.delete(run));
    running.add(run);
  };
  try {
    for await (const part of parts) {
      if (failures.length > 0) break;
      if ('kept' in part) {
        refs.push(part.kept);
        continue;
      }
      const text = format.textOf(part.made);
      batch.push({ position: refs.length, first: part.made[0]?.name ?? '', entries: part.made.length, text });
      refs.push(undefined);
      size += text.length;
      if (size >= BATCH_BYTES) await start();
    }
    if (batch.length > 0) await start();
  } finally {
    await Promise.all(running);
  }
  if (failures.length > 0) throw failures[0];
  return refs.map((ref) => {
    if (ref === undefined) throw new Error('a chunk was not kept');
    return ref;
  });
}

async function writeIndex(store: BlobStore, manifest: Manifest, target: IndexTarget): Promise<WrittenIndex> {
  const files = await writeIndexFiles(readAhead(store, manifest.chunks), target);
  return {
    id: await putFile(store, encodeManifest(manifest)),
    entries: manifest.chunks.reduce((sum, { entries }) => sum + entries, 0),
    files,
  };
}

async function* readAhead(store: BlobStore, refs: readonly ChunkRef[]): AsyncGenerator<Chunk> {
  const reading: Promise<Chunk>[] = [];
  try {
    for (const [index] of refs.entries()) {
      for (let next = index + reading.length; next < refs.length && reading.length < READ_AHEAD; next += 1) {
        const ref = refs[next];
        if (ref === undefined) continue;
        const chunk = readChunk(store, ref);
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

async function readManifest(store: BlobStore, id: string): Promise<Manifest> {
  const manifest = decodeManifest(await readKept(store, id));
  if (manifest === undefined) throw new NotKept();
  return manifest;
}

async function readEntries(store: BlobStore, ref: ChunkRef, format: IndexFormat): Promise<readonly IndexEntry[]> {
  const chunk = await readChunk(store, ref);
  const entries = format.entriesOf(chunk.text);
  if (entries?.length !== ref.entries) throw new NotKept();
  return entries;
}

async function readChunk(store: BlobStore, ref: ChunkRef): Promise<Chunk> {
  const chunk = decodeChunk(await readKept(store, ref.id));
  if (chunk !== undefined) return chunk;
  // A file that has the name already would not be written again.
  await store.delete(ref.id);
  throw new NotKept();
}

async function readKept(store: BlobStore, id: string): Promise<Buffer> {
  try {
    if (store.path === undefined) return await store.read(id);
    // Hundreds of small files are read for one index, and were written or read a moment ago: to ask for each in the background
    // takes longer than to read it.
    return readFileSync(store.path(id));
  } catch (error) {
    if (isFault(error, 'blob.') || (isErrnoException(error) && error.code === 'ENOENT')) throw new NotKept();
    throw error;
  }
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
