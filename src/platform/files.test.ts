import { createReadStream } from 'node:fs';
import { lstat, mkdir, readFile, readdir, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleProgram, onSmallDisk } from '../../test/child.ts';
import { exec, findProgram } from './exec.ts';
import {
  ensureDirectory,
  exists,
  freeSpace,
  hashStream,
  makeTemporaryDirectory,
  readFileIfExists,
  removeTree,
  replaceSymlink,
  sha256,
  sha256File,
  writeFileDurably,
  type TemporaryDirectory,
} from './files.ts';

let folder: TemporaryDirectory;
beforeAll(async () => {
  folder = await makeTemporaryDirectory();
});
afterAll(async () => {
  await folder.remove();
});

test('a durable write replaces the whole file, with the exact mode, and leaves nothing beside it', async () => {
  const path = join(folder.path, 'one', 'file');
  await ensureDirectory(join(folder.path, 'one'));
  await writeFileDurably(path, 'old and long');
  const digest = await writeFileDurably(path, Readable.from([Buffer.from('ne'), 'w']), { mode: 0o606 });
  expect(await readFile(path, 'utf8')).toBe('new');
  expect((await stat(path)).mode & 0o777).toBe(0o606);
  expect(digest).toEqual({ sha256: sha256('new'), size: 3 });
  expect(await readdir(join(folder.path, 'one'))).toEqual(['file']);
});

test('a source that fails leaves the old file and nothing beside it', async () => {
  const path = join(folder.path, 'two', 'file');
  await ensureDirectory(join(folder.path, 'two'));
  await writeFileDurably(path, 'old');
  const source = Readable.from(
    (function* () {
      yield 'half';
      throw new Error('cut off');
    })(),
  );
  await expect(writeFileDurably(path, source)).rejects.toThrow('cut off');
  expect(await readFile(path, 'utf8')).toBe('old');
  expect(await readdir(join(folder.path, 'two'))).toEqual(['file']);
});

test('hashes agree with sha256sum', async () => {
  const path = join(folder.path, 'hashed');
  await writeFile(path, Buffer.alloc(3_000_001, 'x'));
  const { stdout } = await exec(['sha256sum', path], { deadlineMs: 20_000 });
  const expected = { sha256: stdout.toString().slice(0, 64), size: 3_000_001 };
  expect(await sha256File(path)).toEqual(expected);
  expect(await hashStream(createReadStream(path))).toEqual(expected);
});

test('a symbolic link is replaced by one rename and never missing', async () => {
  const link = join(folder.path, 'link');
  await replaceSymlink('first', link);
  await replaceSymlink('second', link);
  expect(await readlink(link)).toBe('second');
  await mkdir(join(folder.path, 'real'));
  await expect(replaceSymlink('x', join(folder.path, 'real'))).rejects.toThrow();
  expect((await lstat(join(folder.path, 'real'))).isDirectory()).toBe(true);
  expect((await readdir(folder.path)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test('existence is of the name: a dangling link exists, a name below a file does not', async () => {
  await symlink('/nowhere', join(folder.path, 'dangling'));
  await writeFile(join(folder.path, 'plain'), '');
  expect(await exists(join(folder.path, 'dangling'))).toBe(true);
  expect(await exists(join(folder.path, 'plain', 'below'))).toBe(false);
  expect(await exists(join(folder.path, 'absent'))).toBe(false);
  expect(await readFileIfExists(join(folder.path, 'absent'))).toBeUndefined();
});

test('temporary folders are private, and removing a tree does not follow links', async () => {
  const temporary = await makeTemporaryDirectory('x-', folder.path);
  expect((await stat(temporary.path)).mode & 0o777).toBe(0o700);
  await writeFile(join(folder.path, 'outside'), 'stays');
  await symlink(join(folder.path, 'outside'), join(temporary.path, 'link'));
  await temporary.remove();
  await removeTree(temporary.path);
  expect(await readFile(join(folder.path, 'outside'), 'utf8')).toBe('stays');
});

test('free space is what df says', async () => {
  const space = await freeSpace(folder.path);
  const { stdout } = await exec(['df', '--block-size=1', '--output=size', folder.path], { deadlineMs: 20_000 });
  expect(space.totalBytes).toBe(Number(stdout.toString().split('\n')[1]));
  expect(space.availableBytes).toBeGreaterThan(0);
});

test('H13 on a full disk a write is a clear fault, the old bytes stay, and it goes on when there is room', async () => {
  const program = await bundleProgram('full-disk.ts');
  const disk = await makeTemporaryDirectory('disk-', folder.path);
  const { stdout } = await exec(onSmallDisk(disk.path, '256k', [process.execPath, program, disk.path]), {
    deadlineMs: 30_000,
  });
  expect(JSON.parse(stdout.toString())).toEqual({
    file: 'storage.full',
    blob: 'storage.full',
    text: 'the old text',
    names: ['blobs', 'file'],
    temporaries: [],
    keptStill: true,
    roomAgain: 'stored',
  });
});

test.skipIf(findProgram('strace') === undefined)(
  'H15 when fsync fails the write is a fault, is not tried again, and the old file stays',
  async () => {
    const program = await bundleProgram('write-file.ts');
    const path = join(folder.path, 'synced');
    await writeFile(path, 'old');
    const trace = join(folder.path, 'trace');
    const { stdout } = await exec(
      [
        'strace',
        '-f',
        '-o',
        trace,
        '-e',
        'trace=fsync',
        '-e',
        'inject=fsync:error=EIO',
        process.execPath,
        program,
        path,
        'new',
      ],
      { deadlineMs: 30_000 },
    );
    expect(stdout.toString()).toBe('storage.io');
    expect(await readFile(path, 'utf8')).toBe('old');
    expect((await readFile(trace, 'utf8')).match(/fsync\(/g)).toHaveLength(1);
  },
);
