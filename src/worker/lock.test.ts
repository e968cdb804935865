import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withTemporaryDirectory } from '../platform/files.ts';
import { withLock } from './lock.ts';
import { isAlive, ownMark } from './process-mark.ts';

test('holders come one after another, and a failure lets the next one in', async () => {
  await withTemporaryDirectory(async (folder) => {
    const lock = join(folder, 'lock');
    let inside = 0;
    let most = 0;
    const one = async (fails: boolean): Promise<void> =>
      await withLock(lock, async () => {
        inside += 1;
        most = Math.max(most, inside);
        await new Promise((resolve) => setTimeout(resolve, 5));
        inside -= 1;
        if (fails) throw new Error('it failed');
      });
    const outcomes = await Promise.allSettled([one(false), one(true), one(false), one(true), one(false)]);
    expect(most).toBe(1);
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    await expect(readFile(lock)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test('a lock whose holder lives no more is taken over', async () => {
  await withTemporaryDirectory(async (folder) => {
    const lock = join(folder, 'lock');
    await writeFile(lock, '4194304 1@some-earlier-boot\n');
    expect(await withLock(lock, () => Promise.resolve('held'))).toBe('held');
  });
});

test('a lock that another holds is waited for until one is called away', async () => {
  await withTemporaryDirectory(async (folder) => {
    const lock = join(folder, 'lock');
    // As another process with our number would leave it: alive.
    await writeFile(lock, await ownMark());
    await expect(withLock(lock, () => Promise.resolve(), AbortSignal.timeout(50))).rejects.toBeDefined();
    expect(await readFile(lock, 'utf8')).toBe(await ownMark());
  });
});

test('a mark names this process and no other', async () => {
  const mark = await ownMark();
  expect(await isAlive(mark)).toBe(true);
  expect(await isAlive(mark.replace(/ \d+/, ' 1'))).toBe(false);
  for (const strange of ['', 'x', '1', '-1 2', `${process.pid} `]) expect(await isAlive(strange)).toBe(false);
});
