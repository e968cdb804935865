/**
 * A lock between processes of one machine that does not outlive its holder: a file that names who holds it. Somebody else's
 * file is taken over when that process lives no more.
 */
import { link, open, readFile, rename, unlink } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrnoException } from '../platform/errors.ts';
import { isAlive, ownMark } from './process-mark.ts';

const POLL_MS = 200;
const held = new Map<string, Promise<void>>();

/** Runs `use` while holding the lock `path`. Waits for it; `signal` ends the waiting, not `use`. */
export async function withLock<T>(path: string, use: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  // Within this process callers queue up, since the file cannot tell them apart.
  const before = held.get(path) ?? Promise.resolve();
  let free = (): void => undefined;
  const mine = new Promise<void>((resolve) => {
    free = resolve;
  });
  const queue = before.then(() => mine);
  held.set(path, queue);
  try {
    await before;
    await take(path, signal);
    try {
      return await use();
    } finally {
      await unlink(path);
    }
  } finally {
    free();
    if (held.get(path) === queue) held.delete(path);
  }
}

async function take(path: string, signal: AbortSignal | undefined): Promise<void> {
  const own = `${path}.${randomBytes(6).toString('hex')}`;
  const file = await open(own, 'wx');
  await file.writeFile(await ownMark());
  await file.close();
  try {
    for (;;) {
      signal?.throwIfAborted();
      try {
        // A link appears with its content, so that nobody sees a lock without its holder.
        await link(own, path);
        return;
      } catch (error) {
        if (!isErrnoException(error) || error.code !== 'EEXIST') throw error;
      }
      const mark = await readFile(path, 'utf8').catch(() => undefined);
      if (mark !== undefined && !(await isAlive(mark))) {
        await breakLock(path, mark);
        continue;
      }
      await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal });
    }
  } finally {
    await unlink(own);
  }
}

/** Two may find the same dead holder: each moves the file aside and looks at what it got; a living one is put back. */
async function breakLock(path: string, mark: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (isErrnoException(error) && error.code === 'ENOENT') return;
    throw error;
  }
  if ((await readFile(aside, 'utf8')) !== mark) await link(aside, path).catch(() => undefined);
  await unlink(aside);
}
