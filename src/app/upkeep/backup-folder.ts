/**
 * A folder of backups:
 *
 *     landfall-backup            says that it is one
 *     objects/ab/abcdef…         stored files by hash: written once, shared by all snapshots
 *     snapshots/TIME/            database.dump, objects.txt (hash and size of each file that it names), keys.gpg when asked for,
 *                                and manifest.json, written last: a snapshot without one was cut off and is none
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { createFolderBlobStore, type FolderBlobStore } from '../../platform/blobs.ts';
import { LandfallError } from '../../platform/errors.ts';
import { ensureDirectory, exists, readFileIfExists, writeFileDurably } from '../../platform/files.ts';

const MARK = 'landfall-backup';
const digest = z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.int() });

const manifestSchema = z.object({
  format: z.literal(1),
  /** Release of Landfall that made it. */
  landfall: z.string(),
  /** By the database's clock: what the snapshot holds is what was true then. */
  takenAt: z.iso.datetime(),
  migration: z.string(),
  /** Greater than the number of every transaction that the snapshot holds. */
  nextTransaction: z.string().regex(/^\d+$/),
  database: digest,
  objects: digest.extend({ files: z.int(), bytes: z.int() }),
  suites: z.array(z.object({ archive: z.string(), suite: z.string(), serial: z.int() })),
  keys: digest.nullable(),
});
export type BackupManifest = z.infer<typeof manifestSchema>;

export interface Snapshot {
  /** As its folder is called. */
  readonly name: string;
  readonly folder: string;
  readonly manifest: BackupManifest;
}

export interface BackupFolder {
  readonly path: string;
  readonly objects: FolderBlobStore;
  /** Whole ones, oldest first. */
  snapshots(): Promise<Snapshot[]>;
  /** Makes the folder of a new snapshot. */
  begin(takenAt: Date): Promise<string>;
  /** Makes it a snapshot. */
  commit(folder: string, manifest: BackupManifest): Promise<void>;
  /** Removes all snapshots but the newest `keep`, those that were cut off, and objects that none needs. */
  prune(keep: number): Promise<{ snapshots: number; objects: number; bytes: number }>;
  readObjects(snapshot: Snapshot): Promise<{ sha256: string; size: number }[]>;
}

/** When it was taken, to the second; from the second one of a second on, its number. */
const SNAPSHOT = /^(\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z)(?:-(\d+))?$/;

function secondOf(name: string): string {
  return SNAPSHOT.exec(name)?.[1] ?? name;
}

function numberOf(name: string): number {
  return Number(SNAPSHOT.exec(name)?.[2] ?? 1);
}

function bySnapshot(one: string, other: string): number {
  if (secondOf(one) !== secondOf(other)) return secondOf(one) < secondOf(other) ? -1 : 1;
  return numberOf(one) - numberOf(other);
}

/** Opens a folder of backups to write to; makes it where nothing is yet. @throws LandfallError `backup.not-ours` */
export async function makeBackupFolder(path: string): Promise<BackupFolder> {
  await ensureDirectory(path, 0o700);
  if (!(await exists(join(path, MARK)))) {
    if ((await readdir(path)).length > 0) {
      throw new LandfallError({
        code: 'backup.not-ours',
        doing: `back up into ${path}`,
        reason: 'the folder has other files in it',
        remedy: 'name an empty folder, or one that has backups of Landfall already',
      });
    }
    await writeFileDurably(join(path, MARK), 'Backups of Landfall: see `landfall help restore`.\n');
  }
  return await folderAt(path);
}

/** Opens a folder of backups to read. @throws LandfallError `backup.none` */
export async function openBackupFolder(path: string): Promise<BackupFolder> {
  if (await exists(join(path, MARK))) return await folderAt(path);
  throw new LandfallError({
    code: 'backup.none',
    doing: `read the backups in ${path}`,
    reason: 'there are none in that folder',
    remedy: 'name the folder that `landfall backup` was given',
  });
}

async function folderAt(path: string): Promise<BackupFolder> {
  const parent = join(path, 'snapshots');
  await ensureDirectory(parent, 0o700);
  const objects = await createFolderBlobStore(join(path, 'objects'));
  const folders = async (): Promise<string[]> =>
    (await readdir(parent)).filter((name) => SNAPSHOT.test(name)).sort(bySnapshot);
  const snapshots = async (): Promise<Snapshot[]> => {
    const found: Snapshot[] = [];
    for (const name of await folders()) {
      const bytes = await readFileIfExists(join(parent, name, 'manifest.json'));
      if (bytes !== undefined) found.push({ name, folder: join(parent, name), manifest: parseManifest(bytes, name) });
    }
    return found;
  };
  const readObjects = async (snapshot: Snapshot): Promise<{ sha256: string; size: number }[]> =>
    parseObjects((await readFileIfExists(join(snapshot.folder, 'objects.txt'))) ?? Buffer.alloc(0));
  return {
    path,
    objects,
    snapshots,
    readObjects,
    begin: async (takenAt) => {
      const base = takenAt.toISOString().slice(0, 19).replaceAll(':', '-') + 'Z';
      // Behind all of its second: what was pruned leaves names before it.
      const last = (await folders()).findLast((one) => secondOf(one) === base);
      const name = last === undefined ? base : `${base}-${numberOf(last) + 1}`;
      await ensureDirectory(join(parent, name), 0o700);
      return join(parent, name);
    },
    commit: async (folder, manifest) => {
      const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
      await writeFileDurably(join(folder, 'manifest.json'), text, { mode: 0o600 });
    },
    prune: async (keep) => {
      const whole = await snapshots();
      const kept = whole.slice(-Math.max(1, keep));
      const names = new Set(kept.map((snapshot) => snapshot.name));
      let removed = 0;
      for (const name of await folders()) {
        if (names.has(name)) continue;
        // The manifest goes first: what is half removed is no snapshot any more.
        await rm(join(parent, name, 'manifest.json'), { force: true });
        await rm(join(parent, name), { recursive: true, force: true });
        removed += 1;
      }
      const needed = new Set<string>();
      for (const snapshot of kept) for (const { sha256 } of await readObjects(snapshot)) needed.add(sha256);
      let files = 0;
      let bytes = 0;
      for await (const entry of objects.list()) {
        if (needed.has(entry.sha256) || !(await objects.delete(entry.sha256))) continue;
        files += 1;
        bytes += entry.size;
      }
      return { snapshots: removed, objects: files, bytes };
    },
  };
}

function parseManifest(bytes: Buffer, name: string): BackupManifest {
  try {
    return manifestSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch (cause) {
    throw new LandfallError({
      code: 'backup.damaged',
      doing: `read the snapshot ${name}`,
      reason: 'its manifest.json cannot be read, or a newer Landfall made it',
      remedy: 'restore another snapshot: give its name with --snapshot',
      cause,
    });
  }
}

/** Lines of `sha256 size`. */
export function formatObjects(objects: readonly { readonly sha256: string; readonly size: number }[]): string {
  return objects.map(({ sha256, size }) => `${sha256} ${size}\n`).join('');
}

/** Reads what {@link formatObjects} wrote; a line that it cannot have written is a fault. */
export function parseObjects(bytes: Buffer): { sha256: string; size: number }[] {
  return bytes
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, sha256, size] = /^([0-9a-f]{64}) (\d{1,15})$/.exec(line) ?? [];
      if (sha256 !== undefined && size !== undefined) return { sha256, size: Number(size) };
      throw new LandfallError({
        code: 'backup.damaged',
        doing: 'read the list of files of a backup',
        reason: `${JSON.stringify(line.slice(0, 80))} is no line of it`,
        remedy: 'restore another snapshot: give its name with --snapshot',
      });
    });
}
