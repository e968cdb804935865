/**
 * Bytes kept by their sha256: written once, never changed. `put` returns only after the bytes are durable, so a row that
 * names a hash may be written after it and never before. Storing what is there already is fine, at the same moment too.
 * A blob that no row names is an orphan; garbage collection removes it when it is old enough.
 *
 * Two stores with one behaviour: a folder, and memory (for tests, and as the measure for an object store).
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, open, opendir, rename, rm, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { LandfallError, isErrnoException } from './errors.ts';
import { SizeLimitExceeded, chunksOf, ensureDirectory, storing, syncDirectory, writeAndSync } from './files.ts';

/** What the caller was told to expect; either may be left out. */
export interface ExpectedBlob {
  readonly sha256?: string;
  readonly size?: number;
}

export type PutResult =
  | { readonly kind: 'stored'; readonly sha256: string; readonly size: number }
  /** The bytes are not those that were announced; nothing was kept. */
  | { readonly kind: 'mismatch'; readonly expected: ExpectedBlob; readonly found: { sha256: string; size: number } }
  /** More bytes came than `limit`; nothing was kept. */
  | { readonly kind: 'too-large'; readonly limit: number };

/** Part of a blob: `length` bytes from `offset`, or all from there. */
export interface BlobRange {
  readonly offset: number;
  readonly length?: number;
}

export interface BlobEntry {
  readonly sha256: string;
  readonly size: number;
  /** When it was last put. */
  readonly putAt: Date;
}

export interface BlobStore {
  put(source: Readable | Uint8Array, expected?: ExpectedBlob, limit?: number): Promise<PutResult>;
  /** @throws LandfallError `blob.missing` */
  open(sha256: string, range?: BlobRange): Promise<Readable>;
  /** The whole blob in memory. @throws LandfallError `blob.missing` */
  read(sha256: string): Promise<Buffer>;
  has(sha256: string): Promise<boolean>;
  /** Bytes of a blob, or undefined when it is not there. */
  size(sha256: string): Promise<number | undefined>;
  /** Where the blob lies, for a store whose blobs are files. */
  path?(sha256: string): string;
  /** Removes a blob, but not one that was put again since `unlessPutSince`. True when it was removed. */
  delete(sha256: string, unlessPutSince?: Date): Promise<boolean>;
  list(): AsyncIterable<BlobEntry>;
}

/** A store whose blobs are files. */
export interface FolderBlobStore extends BlobStore {
  path(sha256: string): string;
  /** Removes what interrupted writes left behind before `olderThan`; returns how many. */
  collectTemporaries(olderThan: Date): Promise<number>;
}

const SHA256 = /^[0-9a-f]{64}$/;

/** A store in `folder`: `ab/abcdef…`, with unfinished writes in `tmp/`. The folder is made when it is not there. */
export async function createFolderBlobStore(folder: string): Promise<FolderBlobStore> {
  const temporaries = join(folder, 'tmp');
  await ensureDirectory(temporaries);
  const pathOf = (sha256: string): string => {
    requireHash(sha256);
    return join(folder, sha256.slice(0, 2), sha256);
  };
  const size = async (sha256: string): Promise<number | undefined> => (await ifThere(() => stat(pathOf(sha256))))?.size;

  /** Marks an existing blob as put now, so that a collection that runs meanwhile leaves it alone. */
  const refresh = async (path: string): Promise<boolean> => {
    const now = new Date();
    return (await ifThere(async () => (await utimes(path, now, now), true))) ?? false;
  };

  const open_ = async (sha256: string, range?: BlobRange): Promise<Readable> => {
    const handle = await ifThere(() => open(pathOf(sha256), 'r'));
    if (handle === undefined) throw missing(sha256);
    const offset = range?.offset ?? 0;
    if (range?.length === 0) {
      await handle.close();
      return Readable.from([]);
    }
    return createReadStream('', {
      fd: handle,
      start: offset,
      ...(range?.length === undefined ? {} : { end: offset + range.length - 1 }),
      highWaterMark: 256 * 1024,
    });
  };

  return {
    path: pathOf,
    size,
    has: async (sha256) => (await size(sha256)) !== undefined,
    open: open_,
    read: async (sha256) => await collect(await open_(sha256)),

    put: async (source, expected = {}, limit = Number.POSITIVE_INFINITY) => {
      if (expected.sha256 !== undefined) requireHash(expected.sha256);
      const temporary = join(temporaries, randomBytes(12).toString('hex'));
      return await storing('store a file', async () => {
        try {
          const found = await writeAndSync(temporary, source, 0o644, Math.min(limit, expected.size ?? limit));
          if (differs(found, expected)) return { kind: 'mismatch', expected, found };
          const path = pathOf(found.sha256);
          // The name is made when there is none, and never replaced: whoever reads it keeps reading the same file.
          while (!(await refresh(path))) {
            await makeShard(folder, found.sha256.slice(0, 2));
            if (await linkIfFree(temporary, path)) break;
          }
          await syncDirectory(join(folder, found.sha256.slice(0, 2)));
          return { kind: 'stored', ...found };
        } catch (error) {
          if (!(error instanceof SizeLimitExceeded)) throw error;
          if (error.limit === limit) return { kind: 'too-large', limit };
          return { kind: 'mismatch', expected, found: { sha256: '', size: error.limit + 1 } };
        } finally {
          await rm(temporary, { force: true });
        }
      });
    },

    delete: async (sha256, unlessPutSince) => {
      const path = pathOf(sha256);
      if (unlessPutSince === undefined) return (await ifThere(async () => (await unlink(path), true))) ?? false;
      // Taken out of its place first and looked at then: a put in between finds no name and writes its own.
      const aside = join(temporaries, `delete-${randomBytes(8).toString('hex')}`);
      if ((await ifThere(async () => (await rename(path, aside), true))) === undefined) return false;
      const facts = await stat(aside);
      const putAgain = facts.mtime >= unlessPutSince;
      if (putAgain) await linkIfFree(aside, path);
      await unlink(aside);
      return !putAgain;
    },

    list: async function* () {
      for await (const shard of await opendir(folder)) {
        if (!shard.isDirectory() || !/^[0-9a-f]{2}$/.test(shard.name)) continue;
        for await (const entry of await opendir(join(folder, shard.name))) {
          if (!SHA256.test(entry.name)) continue;
          const facts = await ifThere(() => stat(join(folder, shard.name, entry.name)));
          if (facts !== undefined) yield { sha256: entry.name, size: facts.size, putAt: facts.mtime };
        }
      }
    },

    collectTemporaries: async (olderThan) => {
      let removed = 0;
      for await (const entry of await opendir(temporaries)) {
        const path = join(temporaries, entry.name);
        const facts = await ifThere(() => stat(path));
        if (facts === undefined || facts.ctime >= olderThan) continue;
        await rm(path, { force: true });
        removed += 1;
      }
      return removed;
    },
  };
}

/** A store in memory with the same behaviour. */
export function createMemoryBlobStore(now: () => Date = () => new Date()): BlobStore {
  const blobs = new Map<string, { readonly bytes: Buffer; readonly putAt: Date }>();
  const get = (sha256: string): Buffer => {
    requireHash(sha256);
    const blob = blobs.get(sha256);
    if (blob === undefined) throw missing(sha256);
    return blob.bytes;
  };
  return {
    put: async (source, expected = {}, limit = Number.POSITIVE_INFINITY) => {
      if (expected.sha256 !== undefined) requireHash(expected.sha256);
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of chunksOf(source)) {
        size += chunk.length;
        if (size > limit) return { kind: 'too-large', limit };
        if (expected.size !== undefined && size > expected.size) {
          return { kind: 'mismatch', expected, found: { sha256: '', size } };
        }
        chunks.push(Uint8Array.from(chunk));
      }
      const bytes = Buffer.concat(chunks);
      const found = { sha256: createHash('sha256').update(bytes).digest('hex'), size };
      if (differs(found, expected)) return { kind: 'mismatch', expected, found };
      blobs.set(found.sha256, { bytes, putAt: now() });
      return { kind: 'stored', ...found };
    },
    open: (sha256, range) => {
      return settle(() => {
        const bytes = get(sha256);
        const offset = range?.offset ?? 0;
        const part = bytes.subarray(offset, range?.length === undefined ? undefined : offset + range.length);
        return Readable.from(part.length === 0 ? [] : [Buffer.from(part)]);
      });
    },
    read: (sha256) => settle(() => Buffer.from(get(sha256))),
    has: (sha256) => settle(() => (requireHash(sha256), blobs.has(sha256))),
    size: (sha256) => settle(() => (requireHash(sha256), blobs.get(sha256)?.bytes.length)),
    delete: (sha256, unlessPutSince) =>
      settle(() => {
        requireHash(sha256);
        const blob = blobs.get(sha256);
        if (blob === undefined || (unlessPutSince !== undefined && blob.putAt >= unlessPutSince)) return false;
        return blobs.delete(sha256);
      }),
    list: async function* () {
      for (const [sha256, { bytes, putAt }] of [...blobs]) {
        await Promise.resolve();
        yield { sha256, size: bytes.length, putAt };
      }
    },
  };
}

function differs(found: { sha256: string; size: number }, expected: ExpectedBlob): boolean {
  return (
    (expected.sha256 !== undefined && expected.sha256 !== found.sha256) ||
    (expected.size !== undefined && expected.size !== found.size)
  );
}

/** A hash becomes a path, so nothing but a hash may come this far. */
function requireHash(sha256: string): void {
  if (SHA256.test(sha256)) return;
  throw new LandfallError({
    code: 'blob.invalid-hash',
    doing: 'look up a stored file',
    reason: 'its name is not a sha256 in lower-case hexadecimal',
  });
}

function missing(sha256: string): LandfallError {
  return new LandfallError({
    code: 'blob.missing',
    doing: `read the stored file ${sha256}`,
    reason: 'it is not there',
    remedy: 'restore it from a backup; `landfall archive check` lists what needs it',
  });
}

async function makeShard(folder: string, name: string): Promise<void> {
  try {
    await mkdir(join(folder, name));
  } catch (error) {
    if (isErrnoException(error) && error.code === 'EEXIST') return;
    throw error;
  }
  await syncDirectory(folder);
}

async function linkIfFree(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (isErrnoException(error) && error.code === 'EEXIST') return false;
    throw error;
  }
}

async function ifThere<T>(operation: () => Promise<T>): Promise<T | undefined> {
  try {
    return await operation();
  } catch (error) {
    if (isErrnoException(error) && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(stream)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The value of `make`, or its exception as a rejection. */
async function settle<T>(make: () => T): Promise<T> {
  return await Promise.resolve().then(make);
}
