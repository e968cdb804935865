import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exec } from './exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from './files.ts';
import { openInside } from './open-inside.ts';

let folder: TemporaryDirectory;
let root: string;
beforeEach(async () => {
  folder = await makeTemporaryDirectory();
  root = join(folder.path, 'archive');
  await mkdir(join(root, '.publications', '1'), { recursive: true });
  await writeFile(join(root, '.publications', '1', 'Release'), 'one');
  await mkdir(join(root, 'dists'));
  await symlink('../.publications/1', join(root, 'dists', 'landing'));
  await writeFile(join(folder.path, 'secret'), 'secret');
  await mkdir(join(folder.path, 'archive-other'));
  await writeFile(join(folder.path, 'archive-other', 'x'), 'secret');
});
afterEach(async () => await folder.remove());

async function read(...names: string[]): Promise<string | undefined> {
  const opened = await openInside(root, names);
  if (opened === undefined) return undefined;
  try {
    return await opened.handle.readFile('utf8');
  } finally {
    await opened.handle.close();
  }
}

test('a file behind a link within the archive is served: a suite is such a link', async () => {
  expect(await read('dists', 'landing', 'Release')).toBe('one');
});

test('H95 a link that leads outside is not there', async () => {
  await symlink('../../secret', join(root, 'dists', 'a'));
  await symlink(join(folder.path, 'secret'), join(root, 'dists', 'b'));
  await symlink(folder.path, join(root, 'dists', 'c'));
  await symlink('../../archive-other', join(root, 'dists', 'd'));
  expect(await read('dists', 'a')).toBeUndefined();
  expect(await read('dists', 'b')).toBeUndefined();
  expect(await read('dists', 'c', 'secret')).toBeUndefined();
  expect(await read('dists', 'd', 'x')).toBeUndefined();
});

test('H95 names that climb are not there either, should they ever come this far', async () => {
  expect(await read('..', 'secret')).toBeUndefined();
});

test('folders, FIFOs, loops and absent files are not there, and nothing waits for a writer', async () => {
  await exec(['mkfifo', join(root, 'fifo')], { deadlineMs: 5_000 });
  await symlink('loop', join(root, 'loop'));
  expect(await read('dists')).toBeUndefined();
  expect(await read('fifo')).toBeUndefined();
  expect(await read('loop')).toBeUndefined();
  expect(await read('nothing')).toBeUndefined();
  expect(await read('dists', 'landing', 'Release', 'x')).toBeUndefined();
});
