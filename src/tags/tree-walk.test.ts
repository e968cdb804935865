import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { openObjects, type ObjectReader } from '../platform/git-objects.ts';
import { git, initBare } from '../platform/git.ts';
import { isFault } from '../platform/errors.ts';
import { readTreeListing } from './tree-listing.ts';
import { parseTreeObject, walkTree } from './tree-walk.ts';

const ID = 'a'.repeat(40);
let folder: TemporaryDirectory;
let gitDir: string;

beforeAll(async () => {
  folder = await makeTemporaryDirectory('lf-tree-');
  gitDir = `${folder.path}/repository.git`;
  await initBare(gitDir);
});

afterAll(async () => await folder.remove());

async function run(args: readonly [string, ...string[]], input?: Uint8Array | string): Promise<Buffer> {
  const { stdout } = await git(args, { gitDir, deadlineMs: 30_000, ...(input === undefined ? {} : { input }) });
  return stdout;
}

async function store(type: string, content: Uint8Array | string): Promise<string> {
  return (await run(['hash-object', '-t', type, '-w', '--literally', '--stdin'], content)).toString('latin1').trim();
}

function entry(mode: string, name: Buffer | string, objectId: string): Buffer {
  return Buffer.concat([Buffer.from(`${mode} `), Buffer.from(name), Buffer.alloc(1), Buffer.from(objectId, 'hex')]);
}

async function walked(treeId: string, most = Number.POSITIVE_INFINITY): Promise<{ result: string; text: string }> {
  const reader = openObjects(gitDir);
  const chunks: Buffer[] = [];
  try {
    const result = await walkTree(reader, treeId, {
      push: (chunk) => {
        if (chunk.length > 0) chunks.push(Buffer.from(chunk));
        return chunks.length < most;
      },
      finish: () => ({ kind: 'refused', reason: 'nobody asks' }),
    });
    return { result, text: Buffer.concat(chunks).toString('latin1') };
  } finally {
    await reader.close();
  }
}

describe('walking a tree gives what git ls-tree prints', () => {
  test('for files, links, folders, submodules, names of any bytes, and modes that nobody writes any more', async () => {
    const blob = await store('blob', 'content\n');
    const empty = await store('blob', '');
    const deep = await store('tree', entry('100644', 'leaf', empty));
    const inner = await store('tree', Buffer.concat([entry('40000', 'deep', deep), entry('120000', 'link', blob)]));
    const root = await store(
      'tree',
      Buffer.concat([
        entry('100644', 'a file with blanks\tand a tab', blob),
        entry('100755', 'executable', blob),
        entry('40000', 'folder', inner),
        entry('160000', 'module', ID),
        entry('100664', 'old mode', empty),
        entry('100644', Buffer.from([0x66, 0xff, 0xfe]), blob),
      ]),
    );
    const listing = await run(['ls-tree', '-r', '-t', '-z', '-l', '--full-tree', root]);
    const { result, text } = await walked(root);
    expect(result).toBe('walked');
    // git pads the sizes, which nobody reads.
    expect(text).toBe(listing.toString('latin1').replace(/ +(\d+|-)\t/g, ' $1\t'));
  });

  test('for a folder with more files than are asked for at once', async () => {
    const blob = await store('blob', 'content\n');
    const names = Array.from({ length: 1_234 }, (_, index) => `file${String(index).padStart(5, '0')}`);
    const root = await store('tree', Buffer.concat(names.map((name) => entry('100644', name, blob))));
    const { text } = await walked(root);
    expect(text.split('\0').filter((line) => line !== '')).toHaveLength(1_234);
  });

  test('git is asked in a few pieces for each level of folders, however many there are', async () => {
    const blob = await store('blob', 'content\n');
    let tree = await store('tree', entry('100644', 'leaf', blob));
    for (let level = 0; level < 3; level += 1) {
      const folders = [];
      for (let at = 0; at < 12; at += 1) {
        folders.push(
          entry(
            '40000',
            `folder${String(at).padStart(2, '0')}`,
            await store('tree', Buffer.concat([entry('40000', 'below', tree), entry('100644', `own${at}`, blob)])),
          ),
        );
      }
      tree = await store('tree', Buffer.concat(folders));
    }
    const reader = openObjects(gitDir);
    let asked = 0;
    let waits = 0;
    const counting: ObjectReader = {
      ...reader,
      info: async (...args) => await counted(reader.info(...args)),
      read: async (...args) => await counted(reader.read(...args)),
    };
    const counted = async <T>(answer: Promise<T>): Promise<T> => {
      // Nothing else is on its way: the walk stands still until this is answered. In whatever portions answers come.
      if (asked === 0) waits += 1;
      asked += 1;
      try {
        return await answer;
      } finally {
        asked -= 1;
      }
    };
    const listing = readTreeListing({ commitId: ID, treeId: tree }, 1_000_000, () => false);
    expect(await walkTree(counting, tree, listing)).toBe('walked');
    await reader.close();
    expect(listing.finish()).toMatchObject({ files: 12 ** 3 + 12 ** 2 + 12 + 12 ** 3 });
    expect(waits).toBeLessThan(40);
  });

  test('a missing object is told, and a tree that is none is a damaged one', async () => {
    const absent = await store('tree', entry('100644', 'gone', ID));
    expect((await walked(absent)).result).toBe('missing');
    const blob = await store('blob', 'no tree\n');
    for (const mode of ['40000', '100644']) {
      const lying = await store('tree', entry(mode, 'name', mode === '40000' ? blob : absent));
      await expect(walked(lying)).rejects.toThrow(/it is a blob|is a tree/);
    }
  });

  test('H73 a tree that holds itself many times over ends where the listing wants no more', async () => {
    let tree = await store('tree', entry('100644', 'leaf', await store('blob', '')));
    for (let level = 0; level < 12; level += 1) {
      tree = await store('tree', Buffer.concat(['a', 'b', 'c', 'd'].map((name) => entry('40000', name, tree))));
    }
    expect((await walked(tree, 2_000)).text.split('\0').length).toBeLessThan(5_000);
  });
});

describe('parseTreeObject', () => {
  test('whatever the bytes are, it gives entries or says that the tree is damaged', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          return parseTreeObject(ID, Buffer.from(bytes)).every(({ mode }) => /^[0-7]{6}$/.test(mode));
        } catch (error) {
          return isFault(error, 'git.damaged');
        }
      }),
      { numRuns: Number(process.env.LANDFALL_FUZZ_RUNS ?? 300) },
    );
  });

  test('entries come back as they were written', () => {
    const name = fc.uint8Array({ minLength: 1, maxLength: 20 }).filter((bytes) => !bytes.includes(0));
    const mode = fc.constantFrom('100644', '100755', '120000', '40000', '160000');
    fc.assert(
      fc.property(fc.array(fc.tuple(mode, name)), (wanted) => {
        const bytes = Buffer.concat(wanted.map(([one, path]) => entry(one, Buffer.from(path), ID)));
        const found = parseTreeObject(ID, bytes);
        expect(found.map((one) => [one.mode, one.name])).toEqual(
          wanted.map(([one, path]) => [one.padStart(6, '0'), Buffer.from(path).toString('latin1')]),
        );
      }),
      { numRuns: Number(process.env.LANDFALL_FUZZ_RUNS ?? 100) },
    );
  });
});
