import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFolderBlobStore, createMemoryBlobStore, type FolderBlobStore } from '../../platform/blobs.ts';
import { exec } from '../../platform/exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../platform/files.ts';
import { createFolderObjectStore } from '../../platform/object-folder.ts';
import { cut, endsChunk } from './borders.ts';
import { decodeChunk, encodeChunk, makeChunks } from './chunk.ts';
import { createChunkedIndexKeeper } from './chunked.ts';
import type { IndexChange, IndexEntry, IndexKeeper, IndexTarget, WrittenIndex } from './keeper.ts';
import { decodeManifest } from './manifest.ts';
import { compareKeys } from './order.ts';
import { createWholeIndexKeeper } from './whole.ts';
import { compressBlocks, readBlocks, streamEnd, streamHeader } from './xz-blocks.ts';

let scratch: TemporaryDirectory;
let count = 0;

beforeAll(async () => {
  scratch = await makeTemporaryDirectory('lf-index-');
});

afterAll(async () => {
  await scratch.remove();
});

function entry(name: string, version = '1.0', qualifier = 'amd64'): IndexEntry {
  const text = `Package: ${name}\nArchitecture: ${qualifier}\nVersion: ${version}\nDescription: what ${name} does\n`;
  return { name, version, qualifier, stanza: text };
}

function numbered(amount: number, from = 0): IndexEntry[] {
  return Array.from({ length: amount }, (_, index) => entry(`package-${String(from + index).padStart(5, '0')}`));
}

function target(stem = 'Packages'): IndexTarget {
  count += 1;
  const store = createFolderObjectStore(scratch.path);
  return { batch: store.batch(), prefix: String(count), stem };
}

/** Writes an index and has the real tools look at its files; gives the plain text. */
async function written(
  write: (to: IndexTarget) => Promise<WrittenIndex | undefined>,
  stem = 'Packages',
): Promise<{ index: WrittenIndex; text: string }> {
  const to = target(stem);
  const index = await write(to);
  if (index === undefined) throw new Error('it is not kept');
  const path = (suffix: string): string => join(scratch.path, to.prefix, `${stem}${suffix}`);
  await exec(['xz', '--test', path('.xz')], { deadlineMs: 30_000 });
  await exec(['gzip', '--test', path('.gz')], { deadlineMs: 30_000 });
  const run = async (argv: [string, ...string[]]): Promise<Buffer> =>
    (await exec(argv, { deadlineMs: 30_000, maxOutput: Infinity })).stdout;
  const fromXz = await run(['xz', '--decompress', '--stdout', path('.xz')]);
  const fromGzip = await run(['gzip', '--decompress', '--stdout', path('.gz')]);
  expect(fromXz.equals(fromGzip)).toBe(true);
  const bytes = new Map([
    [stem, fromXz],
    [`${stem}.gz`, await readFile(path('.gz'))],
    [`${stem}.xz`, await readFile(path('.xz'))],
  ]);
  for (const file of index.files) {
    const found = bytes.get(file.name) ?? Buffer.alloc(0);
    expect(file).toMatchObject({ sha256: createHash('sha256').update(found).digest('hex'), size: found.length });
  }
  return { index, text: fromXz.toString('utf8') };
}

async function whole(entries: readonly IndexEntry[]): Promise<string> {
  const { text } = await written(async (to) => await createWholeIndexKeeper().build(entries, to));
  return text;
}

describe('xz blocks', () => {
  it('made apart and put together are one stream that xz reads', async () => {
    const texts = ['first\n', 'second\n'.repeat(20_000), 'third\n'].map((text) => Buffer.from(text));
    const blocks = [...(await compressBlocks(texts.slice(0, 2), 6)), ...(await compressBlocks(texts.slice(2), 0))];
    const stream = Buffer.concat([streamHeader(), ...blocks.map((block) => block.bytes), streamEnd(blocks)]);
    const path = join(scratch.path, 'blocks.xz');
    await writeFile(path, stream);
    const { stdout } = await exec(['xz', '--decompress', '--stdout', path], { deadlineMs: 30_000 });
    expect(stdout.equals(Buffer.concat(texts))).toBe(true);
    const list = await exec(['xz', '--robot', '--list', path], { deadlineMs: 30_000 });
    expect(list.stdout.toString('utf8')).toMatch(/^file\t1\t3\t/m);
    expect(readBlocks(stream).map((block) => block.uncompressedSize)).toEqual(texts.map((text) => text.length));
  });

  it('of a stream that is damaged are refused', async () => {
    const [block] = await compressBlocks([Buffer.from('text')], 6);
    if (block === undefined) throw new Error('no block');
    const stream = Buffer.concat([streamHeader(), block.bytes, streamEnd([block])]);
    for (const at of [0, 7, stream.length - 1, stream.length - 20]) {
      const damaged = Buffer.from(stream);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      expect(() => readBlocks(damaged)).toThrow();
    }
  });
});

describe('a chunk', () => {
  it('is read back as it was kept, and any changed byte is noticed', async () => {
    const [chunk] = await makeChunks([Buffer.from('Package: a\n\n')]);
    if (chunk === undefined) throw new Error('no chunk');
    const file = encodeChunk(chunk);
    expect(decodeChunk(file)).toEqual(chunk);
    for (let at = 0; at < file.length; at += 1) {
      const damaged = Buffer.from(file);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      expect(decodeChunk(damaged)).toBeUndefined();
    }
    expect(decodeChunk(file.subarray(0, -1))).toBeUndefined();
  });

  it('ends where its last name says, whatever stands around it', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(3_000), { maxLength: 400 }), (numbers) => {
        const entries = numbers.map((number) => entry(`p${number}`)).sort(compareKeys);
        const { chunks, rest } = cut(entries, 128);
        expect([...chunks.flat(), ...rest]).toEqual(entries);
        for (const chunk of chunks)
          expect(chunk.map(({ name }) => endsChunk(name, 128)).indexOf(true)).toBe(chunk.length - 1);
        expect(rest.some(({ name }) => endsChunk(name, 128))).toBe(false);
      }),
    );
  });

  it('holds all versions of a name', () => {
    const border = numbered(5_000).find(({ name }) => endsChunk(name, 128))?.name ?? '';
    const { chunks } = cut([entry(border, '1'), entry(border, '2'), entry(border, '3')], 128);
    expect(chunks).toHaveLength(1);
  });
});

describe.each([
  ['memory', () => Promise.resolve(createMemoryBlobStore())],
  ['a folder', async () => await createFolderBlobStore(join(scratch.path, `store-${(count += 1)}`))],
])('the keeper of chunks in %s', (_name, createStore) => {
  let keeper: IndexKeeper;
  let base: { index: WrittenIndex; text: string };
  const entries = numbered(1_000);

  beforeAll(async () => {
    keeper = createChunkedIndexKeeper(await createStore());
    base = await written(async (to) => await keeper.build(entries, to));
  });

  async function change(changes: readonly IndexChange[]): Promise<{ index: WrittenIndex; text: string }> {
    return await written(async (to) => await keeper.change(base.index.id ?? '', changes, to));
  }

  it('writes the text that the whole keeper writes', async () => {
    expect(base.text).toBe(await whole(entries));
    expect(base.index.entries).toBe(1_000);
  });

  it('writes an index of nothing, fills it, and empties it again', async () => {
    const empty = await written(async (to) => await keeper.build([], to));
    expect(empty.text).toBe('');
    const filled = await written(async (to) => {
      return await keeper.change(empty.index.id ?? '', [{ kind: 'put', entry: entry('a') }], to);
    });
    expect(filled.text).toBe(await whole([entry('a')]));
    const drop: IndexChange = { kind: 'drop', name: 'a', version: '1.0', qualifier: 'amd64' };
    const again = await written(async (to) => await keeper.change(filled.index.id ?? '', [drop], to));
    expect(again.index.id).toBe(empty.index.id);
  });

  it('writes the same files for no change, and for one that is taken back', async () => {
    expect((await change([])).index).toEqual(base.index);
    const name = 'package-00500';
    const gone = await change([{ kind: 'drop', name, version: '1.0', qualifier: 'amd64' }]);
    expect(gone.index.entries).toBe(999);
    const back = await written(async (to) => {
      return await keeper.change(gone.index.id ?? '', [{ kind: 'put', entry: entry(name) }], to);
    });
    expect(back.index).toEqual(base.index);
  });

  it('joins two chunks when the name between them goes, and cuts them again when it comes back', async () => {
    const border = entries.find(({ name }, index) => index > 200 && endsChunk(name, 128));
    if (border === undefined) throw new Error('there is no border');
    const gone = await change([{ kind: 'drop', ...border }]);
    expect(gone.text).toBe(await whole(entries.filter((one) => one !== border)));
    const back = await written(async (to) => {
      return await keeper.change(gone.index.id ?? '', [{ kind: 'put', entry: border }], to);
    });
    expect(back.index).toEqual(base.index);
  });

  it('does not know an index that it has not written', async () => {
    expect(await keeper.change('0'.repeat(64), [], target())).toBeUndefined();
  });
});

describe('the keeper of chunks', () => {
  it('writes what the whole keeper writes, after any changes in any steps', async () => {
    const keeper = createChunkedIndexKeeper(createMemoryBlobStore());
    const name = fc.nat(600).map((number) => `p${number}`);
    const version = fc.constantFrom('1', '2', '1:0', '2~rc1');
    const step = fc.array(fc.record({ put: fc.boolean(), name, version }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(name, { maxLength: 400 }),
        fc.array(step, { maxLength: 3 }),
        async (start, steps) => {
          const now = new Map(start.map((one) => [`${one} 1`, entry(one, '1')]));
          let index = await keeper.build([...now.values()], target());
          for (const changes of steps) {
            const list = changes.map((one): IndexChange => {
              const key = `${one.name} ${one.version}`;
              if (one.put) now.set(key, entry(one.name, one.version));
              else now.delete(key);
              return one.put
                ? { kind: 'put', entry: entry(one.name, one.version) }
                : { kind: 'drop', name: one.name, version: one.version, qualifier: 'amd64' };
            });
            const changed = await keeper.change(index.id ?? '', list, target());
            if (changed === undefined) throw new Error('it is not kept');
            index = changed;
          }
          const expected = await createWholeIndexKeeper().build([...now.values()], target());
          expect(index.files[0]).toEqual(expected.files[0]);
          expect(index.entries).toBe(now.size);
        },
      ),
      { numRuns: 12 },
    );
  });

  it('makes one chunk anew when one package changes', async () => {
    const store = createMemoryBlobStore();
    const keeper = createChunkedIndexKeeper(store);
    const entries = numbered(3_000);
    const before = await keeper.build(entries, target());
    const chunksOf = async (id: string): Promise<string[]> =>
      (decodeManifest(await store.read(id))?.chunks ?? []).map((chunk) => chunk.id);
    const old = await chunksOf(before.id ?? '');
    expect(old.length).toBeGreaterThan(10);
    const put: IndexChange = { kind: 'put', entry: entry('package-01500', '2.0') };
    const drop: IndexChange = { kind: 'drop', name: 'package-01500', version: '1.0', qualifier: 'amd64' };
    const after = await keeper.change(before.id ?? '', [drop, put], target());
    const fresh = (await chunksOf(after?.id ?? '')).filter((id) => !old.includes(id));
    expect(fresh).toHaveLength(1);
  });

  it('keeps sources apart by name and version alone', async () => {
    const keeper = createChunkedIndexKeeper(createMemoryBlobStore());
    const source = (version: string): IndexEntry => ({
      name: 'hello',
      version,
      qualifier: '',
      stanza: `Package: hello\nArchitecture: any\nVersion: ${version}\n`,
    });
    const base = await written(async (to) => await keeper.build([source('1')], to), 'Sources');
    const changes: IndexChange[] = [
      { kind: 'drop', name: 'hello', version: '1', qualifier: '' },
      { kind: 'put', entry: source('2') },
    ];
    const next = await written(async (to) => await keeper.change(base.index.id ?? '', changes, to), 'Sources');
    expect(next.text).toBe('Package: hello\nArchitecture: any\nVersion: 2\n\n');
  });

  it('writes indices at the same time, and chunks larger than the memory that it lends itself', async () => {
    const keeper = createChunkedIndexKeeper(await createFolderBlobStore(join(scratch.path, 'large')));
    const large = {
      ...entry('large'),
      stanza: `Package: large\nVersion: 1.0\nArchitecture: amd64\nX: ${'y'.repeat(3e6)}\n`,
    };
    const lists = [[...numbered(1_000), large], numbered(600), [large], numbered(30)];
    const all = await Promise.all(lists.map((list) => written(async (to) => await keeper.build(list, to))));
    expect(all.map(({ text }) => text)).toEqual(await Promise.all(lists.map(whole)));
    const added = await Promise.all(
      all.map(({ index }) =>
        written(async (to) => await keeper.change(index.id ?? '', [{ kind: 'put', entry: entry('a') }], to)),
      ),
    );
    expect(added.map(({ text }) => text)).toEqual(await Promise.all(lists.map((list) => whole([entry('a'), ...list]))));
  });

  it('H15 leaves nothing behind and nothing going on when a new chunk cannot be kept, and can do it the next time', async () => {
    const store = createMemoryBlobStore();
    let [failing, going] = [false, 0];
    const keeper = createChunkedIndexKeeper({
      ...store,
      put: async (source) => {
        going += 1;
        await new Promise((resolve) => setImmediate(resolve));
        going -= 1;
        if (failing) throw new Error('no room');
        return await store.put(source);
      },
    });
    const entries = numbered(1_000);
    const base = await keeper.build(entries, target());
    // Behind what stays, and in several chunks.
    const changes = ['package-00700', 'package-00900', 'zzz'].map((name): IndexChange => {
      return { kind: 'put', entry: entry(name, '2.0') };
    });
    const to = target();
    failing = true;
    await expect(keeper.change(base.id ?? '', changes, to)).rejects.toThrow('no room');
    await expect(keeper.build([...entries, entry('zzz')], to)).rejects.toThrow('no room');
    expect(going).toBe(0);
    failing = false;
    const after = await keeper.change(base.id ?? '', changes, to);
    expect(after?.entries).toBe(1_003);
  });

  it('H17 does not use a chunk that was damaged or lost, leaves no file behind, and is whole again after a build', async () => {
    const folder = join(scratch.path, 'damaged');
    const store: FolderBlobStore = await createFolderBlobStore(folder);
    const keeper = createChunkedIndexKeeper(store);
    const entries = numbered(1_000);
    const base = await keeper.build(entries, target());
    const manifest = decodeManifest(await store.read(base.id ?? ''));
    const victim = store.path(manifest?.chunks[2]?.id ?? '');
    const bytes = await readFile(victim);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(victim, bytes);
    const to = target();
    expect(await keeper.change(base.id ?? '', [{ kind: 'put', entry: entry('zzz') }], to)).toBeUndefined();
    const rebuilt = await keeper.build(entries, to);
    expect(rebuilt).toEqual(base);
    await store.delete(manifest?.chunks[3]?.id ?? '');
    expect(await keeper.change(base.id ?? '', [{ kind: 'put', entry: entry('zzz') }], target())).toBeUndefined();
  });
});
