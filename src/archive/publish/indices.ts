/**
 * The index files of one publication: Packages and Sources by the index keeper, the small Release beside each, and by-hash
 * names for all of them and for those of earlier publications that clients may still ask for.
 *
 * An index that did not change is a hard link to the last publication's file. After return everything is durable.
 */
import { link, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { formatParagraph } from '../../debian/deb822.ts';
import type { ReleaseFile } from '../../debian/release.ts';
import type { Db } from '../../platform/database.ts';
import { isErrnoException } from '../../platform/errors.ts';
import { storing, syncDirectory, writeAndSync } from '../../platform/files.ts';
import type { IndexKeeper } from '../index-keeper/keeper.ts';
import { indexFolder, indexStem, indicesOf, readIndex, type ContentChanges, type IndexName } from './content.ts';
import type { SuiteSettings } from './settings.ts';

const writtenIndexSchema = z.object({
  id: z.string().exactOptional(),
  entries: z.int(),
  files: z.array(z.object({ name: z.string(), sha256: z.string(), size: z.int(), stored: z.boolean() })),
});

/** By the index's path below the publication's folder, `main/binary-amd64/Packages`. */
export const writtenIndicesSchema = z.record(z.string(), writtenIndexSchema);
export type WrittenIndices = z.infer<typeof writtenIndicesSchema>;

/** The publication that apt sees until this one is served. */
export interface PreviousPublication {
  readonly folder: string;
  readonly indices: WrittenIndices;
}

export interface IndicesToWrite {
  readonly db: Db;
  readonly keeper: IndexKeeper;
  readonly suiteId: number;
  readonly settings: SuiteSettings;
  readonly serial: number;
  readonly changes: ContentChanges;
  /** The publication's own folder, empty. */
  readonly folder: string;
  readonly previous: PreviousPublication | undefined;
  /** Files of earlier publications that stay reachable by their hash. */
  readonly recent: readonly ReleaseFile[];
}

/** Writes them all; `files` is what Release lists. */
export async function writeIndices(
  to: IndicesToWrite,
): Promise<{ readonly files: readonly ReleaseFile[]; readonly indices: WrittenIndices }> {
  const files: ReleaseFile[] = [];
  const indices: WrittenIndices = {};
  const stored: ReleaseFile[] = [];
  const folders = new Set<string>();
  for (const index of indicesOf(to.settings.components, to.settings.architectures)) {
    const below = indexFolder(index);
    const directory = join(to.folder, below);
    await storing(`make the folder ${directory}`, () =>
      mkdir(join(directory, 'by-hash', 'SHA256'), { recursive: true }),
    );
    for (const part of [below, `${below}/by-hash`, `${below}/by-hash/SHA256`, dirname(below)]) folders.add(part);
    const written = await writeIndex(to, index, directory);
    indices[`${below}/${indexStem(index)}`] = written;
    const release = await writeSmallRelease(to.settings, index, directory);
    for (const file of [...written.files, { ...release, stored: true }]) {
      const entry = { path: `${below}/${file.name}`, sha256: file.sha256, size: file.size };
      files.push(entry);
      if (file.stored) stored.push(entry);
    }
  }
  for (const file of stored) await linkIfPossible(join(to.folder, file.path), byHash(to.folder, file));
  if (to.previous !== undefined) {
    for (const file of to.recent) {
      if (folders.has(dirname(file.path))) {
        await linkIfPossible(byHash(to.previous.folder, file), byHash(to.folder, file));
      }
    }
  }
  await Promise.all([...folders].map((folder) => syncDirectory(join(to.folder, folder))));
  await syncDirectory(to.folder);
  return { files: files.sort((a, b) => (a.path < b.path ? -1 : 1)), indices };
}

async function writeIndex(to: IndicesToWrite, index: IndexName, directory: string): Promise<WrittenIndices[string]> {
  const stem = indexStem(index);
  const target = { directory, stem };
  const before = to.previous?.indices[`${indexFolder(index)}/${stem}`];
  const changes = to.changes.indexChanges(index);
  if (to.previous !== undefined && before !== undefined) {
    if (
      changes.length === 0 &&
      (await linkUnchanged(join(to.previous.folder, indexFolder(index)), directory, before))
    ) {
      return before;
    }
    const changed = before.id === undefined ? undefined : await to.keeper.change(before.id, changes, target);
    if (changed !== undefined) return { ...changed, files: [...changed.files] };
  }
  const built = await to.keeper.build(await readIndex(to.db, to.suiteId, index, to.serial), target);
  return { ...built, files: [...built.files] };
}

/** False, with nothing left behind, when a file of the earlier publication is gone. */
async function linkUnchanged(from: string, directory: string, index: WrittenIndices[string]): Promise<boolean> {
  const names = index.files.filter((file) => file.stored).map((file) => file.name);
  for (const name of names) {
    if (!(await linkIfPossible(join(from, name), join(directory, name)))) {
      // The others are linked anew by whoever writes them; a name that is taken would stop the keeper.
      for (const made of names) await rm(join(directory, made), { force: true });
      return false;
    }
  }
  return true;
}

/** The Release beside an index: says which part of which suite it is. @see apt_preferences(5) */
async function writeSmallRelease(
  settings: SuiteSettings,
  index: IndexName,
  directory: string,
): Promise<{ name: string; sha256: string; size: number }> {
  const text = formatParagraph([
    ['Archive', settings.suite],
    ['Origin', settings.origin],
    ['Label', settings.label],
    ['Acquire-By-Hash', 'yes'],
    ['Component', index.component],
    ['Architecture', index.kind === 'sources' ? 'source' : index.architecture],
  ]);
  const path = join(directory, 'Release');
  const digest = await storing(`write ${path}`, () => writeAndSync(path, text, 0o644));
  return { name: 'Release', ...digest };
}

function byHash(folder: string, file: ReleaseFile): string {
  return join(folder, dirname(file.path), 'by-hash', 'SHA256', file.sha256);
}

/** False when there is nothing to link. A name that is there already is the same content. */
async function linkIfPossible(from: string, to: string): Promise<boolean> {
  return await storing(`link ${to}`, async () => {
    try {
      await link(from, to);
      return true;
    } catch (error) {
      if (isErrnoException(error) && error.code === 'EEXIST') return true;
      if (isErrnoException(error) && error.code === 'ENOENT') return false;
      throw error;
    }
  });
}
