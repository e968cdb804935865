/**
 * Files of the pool, made from blobs: a hard link where the store is a folder on the same file system, a copy otherwise. A
 * name that exists keeps its bytes (I8): the same bytes again are fine, others are a fault.
 */
import { link, mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BlobStore } from '../../platform/blobs.ts';
import { LandfallError, isErrnoException } from '../../platform/errors.ts';
import { sha256File, storing, syncDirectory, writeFileDurably } from '../../platform/files.ts';

/** A file as pool_files names it. */
export interface PoolFile {
  /** From the archive's root: `pool/main/h/hello/hello_2.10-3.dsc`. */
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
}

/**
 * Puts files into the published pool; returns how many were new. All of them are durable after return.
 * @throws LandfallError `blob.missing`, `pool.other-bytes`, `storage.*`
 */
export async function fillPool(
  archiveFolder: string,
  blobs: BlobStore,
  files: AsyncIterable<PoolFile> | Iterable<PoolFile>,
): Promise<number> {
  const changed = new Set<string>();
  let added = 0;
  for await (const file of files) {
    const path = join(archiveFolder, file.path);
    const folder = dirname(path);
    for (const made of await makeFolders(archiveFolder, folder)) changed.add(made);
    if (!(await place(blobs, file, path))) continue;
    changed.add(folder);
    added += 1;
  }
  for (const folder of changed) await syncDirectory(folder);
  return added;
}

/** Makes the file; false when it is there already. */
async function place(blobs: BlobStore, file: PoolFile, path: string): Promise<boolean> {
  const source = blobs.path?.(file.sha256);
  return await storing(`put ${file.path} into the pool`, async () => {
    const there = await statIfThere(path);
    if (there !== undefined) {
      const blob = source === undefined ? undefined : await statIfThere(source);
      if (blob?.ino === there.ino && blob.dev === there.dev) return false;
      const found = await sha256File(path);
      if (found.sha256 === file.sha256) return false;
      throw new LandfallError({
        code: 'pool.other-bytes',
        doing: `put ${file.path} into the pool`,
        reason: `a file of that name is there with the sha256 ${found.sha256} in place of ${file.sha256}`,
        remedy: '`landfall archive check` lists such files; the stored blob is the right one',
      });
    }
    if (source === undefined || !(await linked(source, path, file.sha256))) {
      await writeFileDurably(path, await blobs.open(file.sha256));
    }
    return true;
  });
}

/** False when a link cannot be made here (another file system, or one without links). */
async function linked(source: string, path: string, sha256: string): Promise<boolean> {
  try {
    await link(source, path);
    return true;
  } catch (error) {
    if (!isErrnoException(error)) throw error;
    if (error.code === 'EXDEV' || error.code === 'EPERM' || error.code === 'EMLINK') return false;
    if (error.code !== 'ENOENT') throw error;
    throw new LandfallError({
      code: 'blob.missing',
      doing: `link ${path}`,
      reason: `the stored file ${sha256} is not there`,
      remedy: 'restore it from a backup; `landfall archive check` lists what needs it',
      cause: error,
    });
  }
}

/** Makes a folder and its parents; returns those whose entries changed. */
async function makeFolders(root: string, folder: string): Promise<string[]> {
  const first = await storing(`make the folder ${folder}`, () => mkdir(folder, { recursive: true }));
  if (first === undefined) return [];
  const changed: string[] = [];
  for (let at = folder; at !== root && at.length > root.length; at = dirname(at)) changed.push(at);
  return [...changed, root];
}

async function statIfThere(path: string): Promise<{ ino: number; dev: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrnoException(error) && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
