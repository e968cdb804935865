/**
 * Files that survive a crash: written beside their place, synced, renamed, and the folder synced, so that a reader sees the
 * old bytes or the new ones, never a part. A full disk and a failing one are faults with codes of their own: after a failed
 * fsync nothing is tried again, since the kernel may have dropped the pages.
 */
import { createHash, randomBytes, type Hash } from 'node:crypto';
import { createReadStream, type PathLike } from 'node:fs';
import { chmod, lstat, mkdir, mkdtemp, open, readFile, rename, rm, statfs, symlink, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { LandfallError, isErrnoException } from './errors.ts';

/** Lower-case hexadecimal sha256 and number of bytes. */
export interface Digest {
  readonly sha256: string;
  readonly size: number;
}

export interface WriteOptions {
  /** Permission bits, exact whatever the umask says; default 0o644. */
  readonly mode?: number;
}

/**
 * Writes `source` to `path` so that after return the bytes and the name are on the disk.
 * @throws LandfallError `storage.full`, `storage.io`, `storage.read-only`, `storage.denied`
 */
export async function writeFileDurably(
  path: string,
  source: Uint8Array | string | Readable,
  options: WriteOptions = {},
): Promise<Digest> {
  const temporary = join(dirname(path), `.${basename(path).slice(0, 100)}.${randomBytes(6).toString('hex')}.tmp`);
  return await storing(`write ${path}`, async () => {
    try {
      const digest = await writeAndSync(temporary, source, options.mode ?? 0o644);
      await rename(temporary, path);
      await syncDirectory(dirname(path));
      return digest;
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
  });
}

/**
 * Writes a new file and syncs it, without renaming; the name must not exist.
 * `limit` ends it with a {@link SizeLimitExceeded} as soon as more bytes come.
 */
export async function writeAndSync(
  path: string,
  source: Uint8Array | string | Readable,
  mode: number,
  limit: number = Number.POSITIVE_INFINITY,
): Promise<Digest> {
  const handle = await open(path, 'wx', mode);
  try {
    await handle.chmod(mode);
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of chunksOf(source)) {
      size += chunk.length;
      if (size > limit) throw new SizeLimitExceeded(limit);
      hash.update(chunk);
      await writeAll(handle, chunk);
    }
    await handle.sync();
    return { sha256: hash.digest('hex'), size };
  } finally {
    await handle.close();
  }
}

/** Thrown inside a write whose source is longer than allowed; callers turn it into a value. */
export class SizeLimitExceeded extends Error {
  override readonly name = 'SizeLimitExceeded';
  readonly limit: number;

  constructor(limit: number) {
    super(`more than ${limit} bytes`);
    this.limit = limit;
  }
}

/** Puts a folder's entries (names made, renamed, removed in it) on the disk. */
export async function syncDirectory(path: string): Promise<void> {
  await storing(`sync the folder ${path}`, async () => {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
}

export async function sha256File(path: string): Promise<Digest> {
  return await hashStream(createReadStream(path, { highWaterMark: 1024 * 1024 }));
}

export async function hashStream(source: Readable): Promise<Digest> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of chunksOf(source)) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { sha256: hash.digest('hex'), size };
}

/** sha256 of bytes in memory, lower-case hexadecimal. */
export function sha256(bytes: Uint8Array | string): string {
  return newSha256().update(bytes).digest('hex');
}

function newSha256(): Hash {
  return createHash('sha256');
}

export interface TemporaryDirectory {
  readonly path: string;
  remove(): Promise<void>;
}

/** Makes a folder that only we can enter. The name is short, because sockets may lie in it. */
export async function makeTemporaryDirectory(
  prefix: string = 'landfall-',
  parent: string = tmpdir(),
): Promise<TemporaryDirectory> {
  const path = await storing(`make a folder in ${parent}`, () => mkdtemp(join(parent, prefix)));
  await chmod(path, 0o700);
  return { path, remove: () => removeTree(path) };
}

/** Runs `use` with a temporary folder, and removes it whatever happens. */
export async function withTemporaryDirectory<T>(
  use: (path: string) => Promise<T>,
  options: { readonly prefix?: string; readonly parent?: string } = {},
): Promise<T> {
  const folder = await makeTemporaryDirectory(options.prefix, options.parent);
  try {
    return await use(folder.path);
  } finally {
    await folder.remove();
  }
}

/** Removes a file or a tree; nothing there is fine. Symbolic links are removed, not followed. */
export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

/** Makes a folder and its parents; an existing one is fine. */
export async function ensureDirectory(path: string, mode: number = 0o755): Promise<void> {
  await storing(`make the folder ${path}`, () => mkdir(path, { recursive: true, mode }));
}

/** Points `linkPath` at `target`, by one rename: a reader follows the old link or the new one. Durable after return. */
export async function replaceSymlink(target: string, linkPath: string): Promise<void> {
  const temporary = join(dirname(linkPath), `.${basename(linkPath)}.${randomBytes(6).toString('hex')}.tmp`);
  await storing(`point ${linkPath} at ${target}`, async () => {
    await symlink(target, temporary);
    try {
      await rename(temporary, linkPath);
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw error;
    }
    await syncDirectory(dirname(linkPath));
  });
}

export interface Space {
  /** Bytes that an ordinary user may still write. */
  readonly availableBytes: number;
  readonly totalBytes: number;
  readonly availableFiles: number;
}

/** Room on the file system that holds `path`. */
export async function freeSpace(path: PathLike): Promise<Space> {
  const facts = await statfs(path);
  return {
    availableBytes: facts.bavail * facts.bsize,
    totalBytes: facts.blocks * facts.bsize,
    availableFiles: facts.ffree,
  };
}

/** Whether something has this name; a dangling symbolic link counts. */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isErrnoException(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return false;
    throw error;
  }
}

/** The bytes of a file, or undefined when there is none. */
export async function readFileIfExists(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isErrnoException(error) && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

const STORAGE_FAULTS: ReadonlyMap<string, { code: string; reason: string; remedy: string }> = new Map([
  ['ENOSPC', { code: 'storage.full', reason: 'no space left on the device', remedy: 'free some space there' }],
  [
    'EDQUOT',
    { code: 'storage.full', reason: 'the disk quota is used up', remedy: 'free some space or raise the quota' },
  ],
  [
    'EIO',
    {
      code: 'storage.io',
      reason: 'the device failed to write',
      remedy: 'look at the kernel log; the bytes must be considered lost',
    },
  ],
  [
    'EROFS',
    {
      code: 'storage.read-only',
      reason: 'the file system is read-only',
      remedy: 'look at the kernel log and mount it',
    },
  ],
  ['EACCES', { code: 'storage.denied', reason: 'permission denied', remedy: 'give the service user the folder' }],
  ['EPERM', { code: 'storage.denied', reason: 'operation not permitted', remedy: 'give the service user the folder' }],
]);

/** Runs a storage operation; what the disk refuses becomes a `storage.*` fault that says what was being done. */
export async function storing<T>(doing: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    const known = isErrnoException(error) ? STORAGE_FAULTS.get(error.code) : undefined;
    if (known === undefined) throw error;
    throw new LandfallError({ ...known, doing, cause: error });
  }
}

/** The chunks of a source, as buffers. */
export async function* chunksOf(source: Uint8Array | string | Readable): AsyncGenerator<Uint8Array> {
  if (typeof source === 'string') {
    yield Buffer.from(source, 'utf8');
    return;
  }
  if (source instanceof Uint8Array) {
    yield source;
    return;
  }
  for await (const chunk of source) {
    if (chunk instanceof Uint8Array) yield chunk;
    else if (typeof chunk === 'string') yield Buffer.from(chunk, 'utf8');
    else throw new TypeError('a stream of bytes was expected');
  }
}

/** Writes all of the bytes, in as many pieces as the kernel takes them in. */
export async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let offset = 0;
  while (offset < chunk.length) {
    const { bytesWritten } = await handle.write(chunk, offset, chunk.length - offset);
    offset += bytesWritten;
  }
}
