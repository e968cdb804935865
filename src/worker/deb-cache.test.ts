import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sha256, withTemporaryDirectory } from '../platform/files.ts';
import { openDebCache } from './deb-cache.ts';

test('gives back what it kept, and never other bytes', async () => {
  await withTemporaryDirectory(async (folder) => {
    const cache = await openDebCache(join(folder, 'debs'));
    const [name, hash] = [join(folder, 'a.deb'), sha256('package')];
    expect(await cache.take(hash, join(folder, 'b.deb'))).toBe(false);
    await writeFile(name, 'package');
    await cache.keep(hash, name);
    await cache.keep(hash, name);
    await cache.keep(sha256('something else'), name);
    expect(await cache.take(hash, join(folder, 'b.deb'))).toBe(true);
    expect(await readFile(join(folder, 'b.deb'), 'utf8')).toBe('package');
    expect(await cache.take(sha256('something else'), join(folder, 'c.deb'))).toBe(false);
    // H17 a bit that flipped on the disk.
    await writeFile(join(folder, 'debs', `${hash}.deb`), 'pacKage');
    expect(await cache.take(hash, join(folder, 'd.deb'))).toBe(false);
    await expect(stat(join(folder, 'd.deb'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test('removes what was not used for longest', async () => {
  await withTemporaryDirectory(async (folder) => {
    const cache = await openDebCache(join(folder, 'debs'));
    for (const [age, bytes] of [
      [3, 'oldest'],
      [2, 'middle'],
      [1, 'newest'],
    ] as const) {
      await writeFile(join(folder, bytes), bytes);
      await cache.keep(sha256(bytes), join(folder, bytes));
      const then = new Date(Date.UTC(2026, 0, 10 - age));
      await utimes(join(folder, 'debs', `${sha256(bytes)}.deb`), then, then);
    }
    await cache.prune(12);
    expect(await cache.take(sha256('oldest'), join(folder, 'x'))).toBe(false);
    expect(await cache.take(sha256('middle'), join(folder, 'y'))).toBe(true);
    expect(await cache.take(sha256('newest'), join(folder, 'z'))).toBe(true);
  });
});
