/**
 * A store of objects in a folder: objects are files, copies hard links, pointers symbolic links with relative targets. Any web
 * server can serve it. What interrupted writes leave behind begins with a dot and ends in `.tmp`, and is never listed.
 */
import { createHash, randomBytes } from 'node:crypto';
import { link, lstat, mkdir, open, readdir, readFile, readlink, rename, rm, unlink } from 'node:fs/promises';
import { dirname, join, posix, sep } from 'node:path';
import { Readable } from 'node:stream';
import { LandfallError, isErrnoException } from './errors.ts';
import {
  chunksOf,
  removeTree,
  replaceSymlink,
  sha256File,
  storing,
  syncDirectory,
  writeAll,
  type Digest,
} from './files.ts';
import { notAPointer, otherBytes, partsOf } from './objects.ts';
import type { ObjectBatch, ObjectFacts, ObjectStore, ObjectWriter, OpenObject, Pointer } from './objects.ts';
import { openInside } from './open-inside.ts';

const READ_BYTES = 256 * 1024;
const TEMPORARY = /^\..*\.[0-9a-f]{12}\.tmp$/;

/** The store in `root`, which is made when something is put. */
export function createFolderObjectStore(root: string): ObjectStore {
  const pathOf = (name: string): string => join(root, ...partsOf(name));

  const pointer = async (name: string): Promise<string | undefined> => {
    const target = await ifThere(() => readlink(pathOf(name)));
    if (target === undefined || target.startsWith('/')) return undefined;
    const resolved = posix.join(posix.dirname(name), target);
    return resolved.startsWith('..') ? undefined : resolved;
  };
  const find = async (name: string): Promise<OpenObject | undefined> => {
    const opened = await openInside(root, partsOf(name));
    if (opened === undefined) return undefined;
    return {
      name: opened.name,
      size: Number(opened.facts.size),
      modifiedAt: wholeSecond(Number(opened.facts.mtimeMs)),
      read: (start, length) => {
        // The stream closes the file: at its end, on an error, and when the client goes away.
        const end = start + length - 1;
        const stream = opened.handle.createReadStream({ start, end, highWaterMark: READ_BYTES });
        return Readable.toWeb(stream) as ReadableStream<Uint8Array>;
      },
      close: () => opened.handle.close(),
    };
  };
  const entries = async (prefix: string) =>
    (await ifThere(() => readdir(pathOf(prefix), { withFileTypes: true }))) ?? [];

  return {
    batch: () => createBatch(root, pathOf),
    pointer,
    point: async (name, target) => {
      partsOf(target);
      const path = pathOf(name);
      const there = await ifThere(() => lstat(path));
      if (there !== undefined && !there.isSymbolicLink()) throw notAPointer(name, target);
      for (const changed of await makeFolders(root, dirname(path))) await syncDirectory(changed);
      await replaceSymlink(posix.relative(posix.dirname(name), target), path);
    },
    pointers: async (prefix) => {
      const found: Pointer[] = [];
      for (const entry of await entries(prefix)) {
        const target =
          entry.isSymbolicLink() && !TEMPORARY.test(entry.name) ? await pointer(`${prefix}/${entry.name}`) : undefined;
        if (target !== undefined) found.push({ name: `${prefix}/${entry.name}`, target });
      }
      return found.sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    unpoint: async (name) => {
      if ((await pointer(name)) === undefined) return false;
      return await remove(pathOf(name));
    },
    open: find,
    stat: async (name) => {
      const opened = await find(name);
      await opened?.close();
      return opened === undefined ? undefined : { name: opened.name, size: opened.size, modifiedAt: opened.modifiedAt };
    },
    read: async (name) => {
      const opened = await openInside(root, partsOf(name));
      if (opened === undefined) return undefined;
      try {
        return await opened.handle.readFile();
      } finally {
        await opened.handle.close();
      }
    },
    list: (prefix) => listFiles(pathOf(prefix), prefix),
    children: async (prefix) =>
      (await entries(prefix))
        .filter((entry) => !entry.isSymbolicLink() && !TEMPORARY.test(entry.name))
        .map(({ name }) => name),
    delete: async (name) => {
      const there = await ifThere(() => lstat(pathOf(name)));
      return there?.isFile() === true && (await remove(pathOf(name)));
    },
    deleteBelow: async (prefix) => {
      const path = pathOf(prefix);
      if ((await ifThere(() => lstat(path)))?.isDirectory() !== true) return;
      await storing(`remove ${path}`, () => removeTree(path));
      await syncDirectory(dirname(path));
    },
  };
}

function createBatch(root: string, pathOf: (name: string) => string): ObjectBatch {
  const changed = new Set<string>();
  const made = new Set<string>();
  const prepare = async (path: string): Promise<void> => {
    const folder = dirname(path);
    if (!made.has(folder)) for (const one of await makeFolders(root, folder)) changed.add(one);
    made.add(folder);
    changed.add(folder);
  };
  /** Gives what lies at `from` the free name `to`; what has it already must be the same. */
  const settleName = async (name: string, from: string, to: string, digest: Digest): Promise<void> => {
    if ((await ifThere(() => lstat(to))) === undefined) {
      await rename(from, to);
      return;
    }
    const there = await sha256File(to);
    await unlink(from);
    if (there.sha256 !== digest.sha256) throw otherBytes(name, there.sha256, digest.sha256);
  };
  const write = async (name: string, chunks: AsyncIterable<Uint8Array>, modifiedAt?: Date): Promise<Digest> => {
    const writer = await createWriter(name, modifiedAt);
    try {
      for await (const chunk of chunks) await writer.write(chunk);
      return await writer.finish();
    } catch (error) {
      await writer.discard();
      throw error;
    }
  };
  const createWriter = async (name: string, modifiedAt?: Date): Promise<ObjectWriter> => {
    const path = pathOf(name);
    return await storing(`write ${path}`, async () => {
      await prepare(path);
      const temporary = join(
        dirname(path),
        `.${posix.basename(name).slice(0, 100)}.${randomBytes(6).toString('hex')}.tmp`,
      );
      const handle = await open(temporary, 'wx', 0o644);
      const hash = createHash('sha256');
      let size = 0;
      return {
        write: (bytes) =>
          storing(`write ${path}`, async () => {
            hash.update(bytes);
            size += bytes.length;
            await writeAll(handle, bytes);
          }),
        finish: () =>
          storing(`write ${path}`, async () => {
            // Whatever the umask says.
            await handle.chmod(0o644);
            if (modifiedAt !== undefined) await handle.utimes(modifiedAt, modifiedAt);
            await handle.sync();
            await handle.close();
            const digest = { sha256: hash.digest('hex'), size };
            await settleName(name, temporary, path, digest);
            return digest;
          }),
        discard: async () => {
          await handle.close().catch(() => undefined);
          await rm(temporary, { force: true }).catch(() => undefined);
        },
      };
    });
  };
  return {
    put: async (name, bytes, options = {}) => await write(name, chunksOf(bytes), options.modifiedAt),
    create: (name) => createWriter(name),
    putBlob: async (name, blobs, blob) => {
      const path = pathOf(name);
      const source = blobs.path?.(blob.sha256);
      return await storing(`put ${name}`, async () => {
        if (await isThere(name, path, source, blob)) return false;
        await prepare(path);
        if (source === undefined || !(await linked(source, path, blob.sha256))) {
          await write(name, chunksOf(await blobs.open(blob.sha256)));
        }
        return true;
      });
    },
    copy: async (from, to) => {
      const [source, path] = [pathOf(from), pathOf(to)];
      return await storing(`link ${path}`, async () => {
        await prepare(path);
        try {
          await link(source, path);
          return true;
        } catch (error) {
          if (isErrnoException(error) && error.code === 'EEXIST') return true;
          if (isErrnoException(error) && error.code === 'ENOENT') return false;
          // A file has its most names: one more file of the same bytes has none yet.
          if (!isErrnoException(error) || (error.code !== 'EMLINK' && error.code !== 'EPERM')) throw error;
          await write(to, chunksOf(await readFile(source)));
          return true;
        }
      });
    },
    settle: async () => {
      const folders = [...changed];
      changed.clear();
      for (let at = 0; at < folders.length; at += SYNCED_TOGETHER) {
        await Promise.all(folders.slice(at, at + SYNCED_TOGETHER).map((folder) => syncDirectory(folder)));
      }
    },
  };
}

/** A first publication changes tens of thousands of folders, and each is an open file while it is synced. */
const SYNCED_TOGETHER = 32;

async function isThere(name: string, path: string, source: string | undefined, blob: Digest): Promise<boolean> {
  const there = await ifThere(() => lstat(path));
  if (there === undefined) return false;
  const original = source === undefined ? undefined : await ifThere(() => lstat(source));
  if (original?.ino === there.ino && original.dev === there.dev) return true;
  const found = await sha256File(path);
  if (found.sha256 === blob.sha256) return true;
  throw otherBytes(name, found.sha256, blob.sha256);
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
  for (let at = folder; at.length > root.length && at.startsWith(root + sep); at = dirname(at)) changed.push(at);
  return [...changed, root, dirname(root)];
}

async function* listFiles(folder: string, prefix: string): AsyncGenerator<ObjectFacts> {
  for (const entry of (await ifThere(() => readdir(folder, { withFileTypes: true }))) ?? []) {
    const [path, name] = [join(folder, entry.name), `${prefix}/${entry.name}`];
    if (entry.isDirectory()) yield* listFiles(path, name);
    if (!entry.isFile() || TEMPORARY.test(entry.name)) continue;
    const facts = await ifThere(() => lstat(path));
    if (facts !== undefined) yield { name, size: facts.size, modifiedAt: wholeSecond(facts.mtimeMs) };
  }
}

async function remove(path: string): Promise<boolean> {
  return await storing(`remove ${path}`, async () => {
    if ((await ifThere(async () => (await unlink(path), true))) === undefined) return false;
    await syncDirectory(dirname(path));
    return true;
  });
}

function wholeSecond(milliseconds: number): Date {
  return new Date(Math.floor(milliseconds / 1000) * 1000);
}

/** What the operation gives, or undefined when there is no such file, or one of another kind. */
async function ifThere<T>(operation: () => Promise<T>): Promise<T | undefined> {
  try {
    return await operation();
  } catch (error) {
    if (isErrnoException(error) && ['ENOENT', 'ENOTDIR', 'EINVAL'].includes(error.code)) return undefined;
    throw error;
  }
}
