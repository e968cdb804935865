/** One specification for all stores of objects. */
import { mkdir, readdir, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFolderBlobStore, createMemoryBlobStore, type BlobStore } from './blobs.ts';
import { LandfallError } from './errors.ts';
import { makeTemporaryDirectory, sha256, type TemporaryDirectory } from './files.ts';
import { createFolderObjectStore } from './object-folder.ts';
import { createMemoryObjectStore } from './object-memory.ts';
import type { ObjectStore } from './objects.ts';

let folder: TemporaryDirectory;
let count = 0;
beforeAll(async () => {
  folder = await makeTemporaryDirectory('lf-objects-');
});
afterAll(async () => {
  await folder.remove();
});

interface Made {
  readonly store: ObjectStore;
  readonly blobs: BlobStore;
}

async function freshFolder(): Promise<Made & { readonly root: string }> {
  count += 1;
  const root = join(folder.path, String(count), 'objects');
  const blobs = await createFolderBlobStore(join(folder.path, String(count), 'blobs'));
  return { store: createFolderObjectStore(root), blobs, root };
}

const STORES: readonly (readonly [string, () => Promise<Made>])[] = [
  ['a folder', freshFolder],
  ['memory', () => Promise.resolve({ store: createMemoryObjectStore(), blobs: createMemoryBlobStore() })],
  [
    'a folder whose blobs are no files',
    async () => ({ store: (await freshFolder()).store, blobs: createMemoryBlobStore() }),
  ],
];

async function text(store: ObjectStore, name: string): Promise<string | undefined> {
  return (await store.read(name))?.toString();
}

async function putAll(store: ObjectStore, objects: Readonly<Record<string, string>>): Promise<void> {
  const batch = store.batch();
  for (const [name, bytes] of Object.entries(objects)) await batch.put(name, bytes);
  await batch.settle();
}

async function names(store: ObjectStore, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of store.list(prefix)) found.push(name);
  return found.sort();
}

describe.each(STORES)('objects in %s', (_kind, create) => {
  test('what is put is read, whole and in part, with its size and date', async () => {
    const { store } = await create();
    const modifiedAt = new Date('2026-11-22T10:00:00Z');
    const batch = store.batch();
    expect(await batch.put('a/b/c', 'hello', { modifiedAt })).toEqual({ sha256: sha256('hello'), size: 5 });
    await batch.settle();
    expect(await text(store, 'a/b/c')).toBe('hello');
    expect(await store.stat('a/b/c')).toEqual({ name: 'a/b/c', size: 5, modifiedAt });
    const opened = await store.open('a/b/c');
    expect(opened).toMatchObject({ name: 'a/b/c', size: 5, modifiedAt });
    expect(opened === undefined ? '' : await new Response(opened.read(1, 3)).text()).toBe('ell');
  });

  test('I8 the same bytes again are fine, other bytes under a name are a fault, and the first ones stay', async () => {
    const { store, blobs } = await create();
    await putAll(store, { 'pool/x': 'one' });
    const batch = store.batch();
    await batch.put('pool/x', 'one');
    await expect(batch.put('pool/x', 'two')).rejects.toMatchObject({ code: 'object.other-bytes' });
    const other = await blobs.put(Buffer.from('three'));
    if (other.kind !== 'stored') throw new Error('not stored');
    await expect(batch.putBlob('pool/x', blobs, other)).rejects.toMatchObject({ code: 'object.other-bytes' });
    expect(await text(store, 'pool/x')).toBe('one');
    expect(await names(store, 'pool')).toEqual(['pool/x']);
  });

  test('a blob gets a name once', async () => {
    const { store, blobs } = await create();
    const blob = await blobs.put(Buffer.from('bytes of a package'));
    if (blob.kind !== 'stored') throw new Error('not stored');
    const batch = store.batch();
    expect(await batch.putBlob('pool/main/h/x.deb', blobs, blob)).toBe(true);
    expect(await batch.putBlob('pool/main/h/x.deb', blobs, blob)).toBe(false);
    await batch.settle();
    expect(await text(store, 'pool/main/h/x.deb')).toBe('bytes of a package');
    const gone = { sha256: sha256('gone'), size: 4 };
    await expect(batch.putBlob('pool/gone', blobs, gone)).rejects.toMatchObject({ code: 'blob.missing' });
    expect(await store.stat('pool/gone')).toBeUndefined();
  });

  test('a writer gives a name when it is finished, and none when it is discarded', async () => {
    const { store } = await create();
    const batch = store.batch();
    const writer = await batch.create('d/Packages.gz');
    await writer.write(Buffer.from('one '));
    expect(await store.stat('d/Packages.gz')).toBeUndefined();
    await writer.write(Buffer.from('two'));
    expect(await writer.finish()).toEqual({ sha256: sha256('one two'), size: 7 });
    expect(await text(store, 'd/Packages.gz')).toBe('one two');
    const discarded = await batch.create('d/other');
    await discarded.write(Buffer.from('x'));
    await discarded.discard();
    const taken = await batch.create('d/Packages.gz');
    await taken.write(Buffer.from('else'));
    await expect(taken.finish()).rejects.toMatchObject({ code: 'object.other-bytes' });
    expect(await names(store, 'd')).toEqual(['d/Packages.gz']);
    expect(await store.children('d')).toEqual(['Packages.gz']);
  });

  test('a copy is the same bytes under a second name, and outlives the first', async () => {
    const { store } = await create();
    await putAll(store, { 'v/1/x': 'same' });
    const batch = store.batch();
    expect(await batch.copy('v/1/x', 'v/2/by-hash/x')).toBe(true);
    expect(await batch.copy('v/1/x', 'v/2/by-hash/x')).toBe(true);
    expect(await batch.copy('v/1/absent', 'v/2/absent')).toBe(false);
    await batch.settle();
    await store.deleteBelow('v/1');
    expect(await text(store, 'v/2/by-hash/x')).toBe('same');
    expect(await store.children('v')).toEqual(['2']);
  });

  test('a pointer stands for a prefix, is replaced, leads on, and is removed without what it stands for', async () => {
    const { store } = await create();
    await putAll(store, { '.p/landing/1/Release': 'one', '.p/landing/2/Release': 'two' });
    await store.point('dists/landing', '.p/landing/1');
    await store.point('dists/testing', 'dists/landing');
    expect(await text(store, 'dists/testing/Release')).toBe('one');
    await store.point('dists/landing', '.p/landing/2');
    expect(await text(store, 'dists/testing/Release')).toBe('two');
    expect(await store.stat('dists/testing/Release')).toMatchObject({ name: '.p/landing/2/Release' });
    expect(await store.pointer('dists/landing')).toBe('.p/landing/2');
    expect(await store.pointer('dists/absent')).toBeUndefined();
    expect(await store.pointers('dists')).toEqual([
      { name: 'dists/landing', target: '.p/landing/2' },
      { name: 'dists/testing', target: 'dists/landing' },
    ]);
    expect(await names(store, 'dists')).toEqual([]);
    expect(await store.unpoint('dists/testing')).toBe(true);
    expect(await store.unpoint('dists/testing')).toBe(false);
    expect(await store.stat('dists/testing/Release')).toBeUndefined();
    expect(await text(store, '.p/landing/2/Release')).toBe('two');
  });

  test('a pointer takes the place of nothing that is none, and one that leads nowhere or to itself opens nothing', async () => {
    const { store } = await create();
    await putAll(store, { 'dists/real/Release': 'x', 'dists/file': 'y' });
    await expect(store.point('dists/real', '.p/1')).rejects.toMatchObject({ code: 'object.not-a-pointer' });
    await expect(store.point('dists/file', '.p/1')).rejects.toMatchObject({ code: 'object.not-a-pointer' });
    await store.point('dists/nowhere', '.p/9');
    await store.point('dists/circle', 'dists/circle');
    expect(await store.open('dists/nowhere/Release')).toBeUndefined();
    expect(await store.open('dists/circle/Release')).toBeUndefined();
    expect(await store.unpoint('dists/file')).toBe(false);
  });

  test('what is no object is not opened; absent prefixes are empty', async () => {
    const { store } = await create();
    await putAll(store, { 'a/b': 'x' });
    for (const name of ['a', 'absent', 'a/b/c', 'absent/x']) expect(await store.open(name), name).toBeUndefined();
    expect(await names(store, 'absent')).toEqual([]);
    expect(await store.children('absent')).toEqual([]);
    expect(await store.pointers('absent')).toEqual([]);
    expect(await store.delete('absent')).toBe(false);
    await store.deleteBelow('absent');
  });

  test('deletes one object, or all below a prefix', async () => {
    const { store } = await create();
    await putAll(store, { 'a/1': 'x', 'a/2': 'y', 'ab/3': 'z' });
    expect(await store.delete('a/1')).toBe(true);
    expect(await store.delete('a/1')).toBe(false);
    expect(await names(store, 'a')).toEqual(['a/2']);
    await store.deleteBelow('a');
    expect(await names(store, 'a')).toEqual([]);
    expect(await names(store, 'ab')).toEqual(['ab/3']);
    await putAll(store, { 'a/1': 'other bytes, since the name is free again' });
  });

  test('H95 names that lead outside, or that a store cannot have, reach nothing', async () => {
    const { store } = await create();
    for (const name of ['', '/etc/passwd', 'a/../b', '..', './a', 'a//b', 'a/', 'a\0b', 'a\\b', 'a\nb']) {
      const uses = [
        () => store.open(name),
        () => store.delete(name),
        () => store.batch().put(name, 'x'),
        () => store.point(name, 'x'),
        () => store.point('x', name),
      ];
      for (const use of uses) {
        const thrown: unknown = await (async () => await use())().catch((error: unknown) => error);
        expect(thrown instanceof LandfallError && thrown.code, JSON.stringify(name)).toBe('object.invalid-name');
      }
    }
  });

  test('readers see one publication whole while pointers move', async () => {
    const { store } = await create();
    for (let serial = 1; serial <= 20; serial += 1) await putAll(store, { [`.p/${serial}/a`]: String(serial) });
    await store.point('dists/s', '.p/1');
    let seen = 0;
    const reader = (async () => {
      while (seen < 20) {
        const at = Number(await text(store, 'dists/s/a'));
        expect(at).toBeGreaterThanOrEqual(seen);
        seen = at;
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let serial = 2; serial <= 20; serial += 1) await store.point('dists/s', `.p/${serial}`);
    await reader;
  });
});

test('both stores answer alike whatever is done to them', async () => {
  const name = fc.constantFrom('a/x', 'a/y', 'b/x', 'p/x', 'p/q/y');
  const prefix = fc.constantFrom('a', 'b', 'p');
  const step = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), name, bytes: fc.constantFrom('1', '2') }),
    fc.record({ kind: fc.constant('copy' as const), from: name, name }),
    fc.record({ kind: fc.constant('delete' as const), name }),
    fc.record({ kind: fc.constant('below' as const), prefix }),
    fc.record({
      kind: fc.constant('point' as const),
      pointer: fc.constantFrom('d/s', 'd/t'),
      target: fc.constantFrom('a', 'b', 'd/s'),
    }),
    fc.record({ kind: fc.constant('unpoint' as const), pointer: fc.constantFrom('d/s', 'd/t') }),
  );
  const run = async (
    store: ObjectStore,
    one: typeof step extends fc.Arbitrary<infer S> ? S : never,
  ): Promise<unknown> => {
    switch (one.kind) {
      case 'put':
        return await store.batch().put(one.name, one.bytes);
      case 'copy':
        return await store.batch().copy(one.from, one.name);
      case 'delete':
        return await store.delete(one.name);
      case 'below':
        await store.deleteBelow(one.prefix);
        return undefined;
      case 'point':
        await store.point(one.pointer, one.target);
        return undefined;
      case 'unpoint':
        return await store.unpoint(one.pointer);
    }
  };
  const outcome = async (use: () => Promise<unknown>): Promise<unknown> =>
    await use().catch((error: unknown) => (error instanceof LandfallError ? error.code : error));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const [one, other] = [(await freshFolder()).store, createMemoryObjectStore()];
      for (const each of steps) {
        expect(await outcome(() => run(one, each))).toEqual(await outcome(() => run(other, each)));
      }
      for (const top of ['a', 'b', 'p', 'd']) {
        expect(await names(one, top)).toEqual(await names(other, top));
        expect(await one.pointers(top)).toEqual(await other.pointers(top));
        for (const below of ['x', 'y', 's/x', 't/x']) {
          expect(await text(one, `${top}/${below}`)).toEqual(await text(other, `${top}/${below}`));
        }
      }
    }),
    { numRuns: 40 },
  );
});

test('in a folder objects are files that any web server can serve: links relative, modes open, nothing left over', async () => {
  const { store, root, blobs } = await freshFolder();
  await putAll(store, { '.p/s/1/Release': 'x' });
  await store.point('dists/s', '.p/s/1');
  expect(await readlink(join(root, 'dists', 's'))).toBe('../.p/s/1');
  expect((await stat(join(root, 'dists', 's', 'Release'))).mode & 0o777).toBe(0o644);
  const blob = await blobs.put(Buffer.from('bytes'));
  if (blob.kind !== 'stored') throw new Error('not stored');
  await store.batch().putBlob('pool/x', blobs, blob);
  expect((await stat(join(root, 'pool', 'x'))).nlink).toBe(2);
  expect(await readdir(join(root, 'dists'))).toEqual(['s']);
});

test('what an interrupted write left in a folder is neither listed nor in the way', async () => {
  const { store, root } = await freshFolder();
  await mkdir(join(root, 'a'), { recursive: true });
  await writeFile(join(root, 'a', '.x.0123456789ab.tmp'), 'half');
  await putAll(store, { 'a/x': 'whole' });
  expect(await names(store, 'a')).toEqual(['a/x']);
  expect(await store.children('a')).toEqual(['x']);
});
