/**
 * Opens a published file so that nothing outside the given folder can ever be read: symbolic links are followed (a suite is
 * one), and then the kernel is asked what was really opened. @see proc_pid_fd(5)
 */
import { constants, type BigIntStats } from 'node:fs';
import { open, readlink, realpath, type FileHandle } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { isErrnoException } from './errors.ts';

export interface OpenedFile {
  readonly handle: FileHandle;
  /** Where the bytes really lie, from the folder. */
  readonly name: string;
  readonly facts: BigIntStats;
}

/** An absent file, a folder, a device, and what leads outside are all simply not there. */
export async function openInside(folder: string, names: readonly string[]): Promise<OpenedFile | undefined> {
  let handle: FileHandle;
  let root: string;
  try {
    root = await realpath(folder);
    // Without O_NONBLOCK, opening a FIFO would wait for ever.
    handle = await open(join(root, ...names), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    if (isErrnoException(error) && ABSENT.has(error.code)) return undefined;
    throw error;
  }
  try {
    const path = await readlink(`/proc/self/fd/${handle.fd}`);
    const facts = await handle.stat({ bigint: true });
    if (path.startsWith(root + sep) && facts.isFile()) return { handle, name: path.slice(root.length + 1), facts };
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

const ABSENT: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTDIR',
  'EISDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'ENXIO',
  'EACCES',
]);
