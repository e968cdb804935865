import { createHash } from 'node:crypto';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFolderBlobStore, createMemoryBlobStore, type BlobStore, type FolderBlobStore } from './blobs.ts';
import { isFault } from './errors.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from './files.ts';

const hashOf = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

let folder: TemporaryDirectory;
let count = 0;
beforeAll(async () => {
  folder = await makeTemporaryDirectory();
});
afterAll(async () => {
  await folder.remove();
});

async function bytesOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function freshFolder(): Promise<FolderBlobStore> {
  count += 1;
  return await createFolderBlobStore(join(folder.path, String(count)));
}

describe.each<{ name: string; create: () => Promise<BlobStore> }>([
  { name: 'folder', create: freshFolder },
  { name: 'memory', create: () => Promise.resolve(createMemoryBlobStore()) },
])('a blob store in a $name', ({ create }) => {
  test('gives back what was put, by hash, whole and in part', async () => {
    const store = await create();
    const stored = await store.put(Readable.from([Buffer.from('hello '), Buffer.from('world')]));
    expect(stored).toEqual({ kind: 'stored', sha256: hashOf('hello world'), size: 11 });
    const { sha256 } = { sha256: hashOf('hello world') };
    expect((await store.read(sha256)).toString()).toBe('hello world');
    expect(await bytesOf(await store.open(sha256, { offset: 6 }))).toBe('world');
    expect(await bytesOf(await store.open(sha256, { offset: 2, length: 3 }))).toBe('llo');
    expect(await bytesOf(await store.open(sha256, { offset: 2, length: 0 }))).toBe('');
    expect(await bytesOf(await store.open(sha256, { offset: 99 }))).toBe('');
    expect(await store.has(sha256)).toBe(true);
    expect(await store.size(sha256)).toBe(11);
  });

  test('keeps the empty blob too', async () => {
    const store = await create();
    await store.put(new Uint8Array());
    expect(await store.size(hashOf(''))).toBe(0);
    expect((await store.read(hashOf(''))).length).toBe(0);
  });

  test('H35 H36 bytes that are not what was announced are refused and not kept', async () => {
    const store = await create();
    const sha256 = hashOf('right');
    for (const [bytes, expected] of [
      ['wrong', { sha256 }],
      ['righ', { sha256, size: 5 }],
      ['right', { sha256, size: 4 }],
      ['right', { sha256, size: 6 }],
      ['right and more', { size: 5 }],
    ] as const) {
      const result = await store.put(Buffer.from(bytes), expected);
      expect(result).toMatchObject({ kind: 'mismatch', expected });
    }
    const left: string[] = [];
    for await (const entry of store.list()) left.push(entry.sha256);
    expect(left).toEqual([]);
    expect(await store.put(Buffer.from('right'), { sha256, size: 5 })).toMatchObject({ kind: 'stored' });
  });

  test('an endless source ends at the limit, and nothing is kept', async () => {
    const store = await create();
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(1000);
      })(),
    );
    expect(await store.put(endless, {}, 100_000)).toEqual({ kind: 'too-large', limit: 100_000 });
    expect(await store.put(Buffer.alloc(10), {}, 10)).toMatchObject({ kind: 'stored' });
  });

  test('a source that fails is the caller’s error, and nothing is kept', async () => {
    const store = await create();
    const broken = Readable.from(
      (function* () {
        yield Buffer.from('half');
        throw new Error('cut off');
      })(),
    );
    await expect(store.put(broken)).rejects.toThrow('cut off');
    expect(await store.has(hashOf('half'))).toBe(false);
  });

  test('puts of the same bytes at the same moment all succeed', async () => {
    const store = await create();
    const results = await Promise.all(Array.from({ length: 20 }, () => store.put(Buffer.alloc(50_000, 'x'))));
    expect(new Set(results.map(({ kind }) => kind))).toEqual(new Set(['stored']));
    expect((await store.read(hashOf(Buffer.alloc(50_000, 'x')))).length).toBe(50_000);
  });

  test('a missing blob is a fault, its size is undefined, and deleting it does nothing', async () => {
    const store = await create();
    const absent = hashOf('absent');
    await expect(store.open(absent)).rejects.toMatchObject({ code: 'blob.missing' });
    await expect(store.read(absent)).rejects.toMatchObject({ code: 'blob.missing' });
    expect(await store.size(absent)).toBeUndefined();
    expect(await store.delete(absent)).toBe(false);
    expect(await store.delete(absent, new Date())).toBe(false);
  });

  test('H95 a name that is not a hash reaches no file', async () => {
    const store = await create();
    for (const name of ['', '../../etc/passwd', 'A'.repeat(64), `${'a'.repeat(64)}\n`, `${'a'.repeat(63)}/`]) {
      for (const use of [() => store.open(name), () => store.has(name), () => store.delete(name)]) {
        const error: unknown = await use().catch((thrown: unknown) => thrown);
        expect(isFault(error, 'blob.invalid-hash'), name).toBe(true);
      }
    }
  });

  test('lists everything, and deletes', async () => {
    const store = await create();
    for (const text of ['a', 'b', 'c']) await store.put(Buffer.from(text));
    expect(await store.delete(hashOf('b'))).toBe(true);
    const entries: { sha256: string; size: number }[] = [];
    for await (const { sha256, size } of store.list()) entries.push({ sha256, size });
    expect(entries.sort((x, y) => x.sha256.localeCompare(y.sha256))).toEqual(
      ['a', 'c'].map((text) => ({ sha256: hashOf(text), size: 1 })).sort((x, y) => x.sha256.localeCompare(y.sha256)),
    );
  });

  test('H10 a collection leaves alone what was put again since it decided', async () => {
    const store = await create();
    await store.put(Buffer.from('x'));
    const decided = new Date(Date.now() - 60_000);
    expect(await store.delete(hashOf('x'), decided)).toBe(false);
    expect((await store.read(hashOf('x'))).toString()).toBe('x');
    expect(await store.delete(hashOf('x'), new Date(Date.now() + 60_000))).toBe(true);
    expect(await store.has(hashOf('x'))).toBe(false);
  });

  test('whatever bytes are put in whatever pieces come back by their own hash', async () => {
    const store = await create();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), async (pieces) => {
        const whole = Buffer.concat(pieces);
        const stored = await store.put(Readable.from(pieces.map((piece) => Buffer.from(piece))));
        expect(stored).toEqual({ kind: 'stored', sha256: hashOf(whole), size: whole.length });
        expect(await store.read(hashOf(whole))).toEqual(whole);
      }),
      { numRuns: 50 },
    );
  });
});

test('H10 a put refreshes an old blob, so that a collection that runs meanwhile keeps it', async () => {
  const store = await freshFolder();
  await store.put(Buffer.from('x'));
  const old = new Date('2020-01-01T00:00:00Z');
  await utimes(store.path(hashOf('x')), old, old);
  await store.put(Buffer.from('x'));
  expect(await store.delete(hashOf('x'), new Date(Date.now() - 60_000))).toBe(false);
});

test('H10 puts and collections at the same time never lose a blob that was put', async () => {
  const store = await freshFolder();
  for (let round = 0; round < 30; round += 1) {
    await store.put(Buffer.from('contended'));
    const old = new Date('2020-01-01T00:00:00Z');
    await utimes(store.path(hashOf('contended')), old, old);
    const limit = new Date('2021-01-01T00:00:00Z');
    await Promise.all([store.delete(hashOf('contended'), limit), store.put(Buffer.from('contended'))]);
    expect(await store.has(hashOf('contended')), `round ${round}`).toBe(true);
  }
});

test('H3 what an interrupted write left is collected when it is old', async () => {
  const store = await freshFolder();
  const temporaries = join(folder.path, String(count), 'tmp');
  await writeFile(join(temporaries, 'left-over'), 'half');
  expect(await store.collectTemporaries(new Date(Date.now() - 60_000))).toBe(0);
  expect(await store.collectTemporaries(new Date(Date.now() + 60_000))).toBe(1);
  expect(await readdir(temporaries)).toEqual([]);
});
