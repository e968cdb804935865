/**
 * The index files of one publication: Packages and Sources by the index keeper, the small Release beside each, and by-hash
 * names for all of them and for those of earlier publications that clients may still ask for.
 *
 * An index that did not change is a copy of the last publication's, which costs nothing. After return everything is durable.
 */
import { dirname } from 'node:path/posix';
import { z } from 'zod';
import { formatParagraph } from '../../debian/deb822.ts';
import type { ReleaseFile } from '../../debian/release.ts';
import type { Db } from '../../platform/database.ts';
import type { ObjectBatch, ObjectStore } from '../../platform/objects.ts';
import type { IndexEntry, IndexKeeper, WrittenIndex } from '../index-keeper/keeper.ts';
import { readUdebComponents, withIndex, type ContentChanges } from './content.ts';
import { withDerivedIndex } from './derived.ts';
import { indexFolder, indexStem, indicesOf, releaseArchitecture, type IndexName } from './index-names.ts';
import type { SuiteSettings } from './settings.ts';

const writtenIndexSchema = z.object({
  id: z.string().exactOptional(),
  entries: z.int(),
  files: z.array(z.object({ name: z.string(), sha256: z.string(), size: z.int(), stored: z.boolean() })),
});

/** Changed packages that are always few. */
const MAX_CHANGES = 1_000;

/** By the index's path below the publication's folder, `main/binary-amd64/Packages`. */
export const writtenIndicesSchema = z.record(z.string(), writtenIndexSchema);
export type WrittenIndices = z.infer<typeof writtenIndicesSchema>;

/** The publication that apt sees until this one is served. */
export interface PreviousPublication {
  readonly prefix: string;
  readonly indices: WrittenIndices;
}

export interface IndicesToWrite {
  readonly db: Db;
  readonly keeper: IndexKeeper;
  readonly published: ObjectStore;
  readonly suiteId: number;
  readonly settings: SuiteSettings;
  readonly serial: number;
  readonly changes: ContentChanges;
  /** Where the publication lies; nothing is there yet. */
  readonly prefix: string;
  readonly previous: PreviousPublication | undefined;
  /** Files of earlier publications that stay reachable by their hash. */
  readonly recent: readonly ReleaseFile[];
}

/** Writes them all; `files` is what Release lists. */
export async function writeIndices(
  to: IndicesToWrite,
): Promise<{ readonly files: readonly ReleaseFile[]; readonly indices: WrittenIndices }> {
  const batch = to.published.batch();
  const files: ReleaseFile[] = [];
  const indices: WrittenIndices = {};
  const stored: ReleaseFile[] = [];
  for (const index of indicesOf(to.settings.components, to.settings.architectures, await udebComponents(to))) {
    const below = indexFolder(index);
    const written = await writeIndex(to, batch, index);
    indices[`${below}/${indexStem(index)}`] = written;
    const release = await writeSmallRelease(to, batch, index);
    for (const file of release === undefined ? written.files : [...written.files, { ...release, stored: true }]) {
      const entry = { path: `${below}/${file.name}`, sha256: file.sha256, size: file.size };
      files.push(entry);
      if (file.stored) stored.push(entry);
    }
  }
  for (const file of stored) await batch.copy(`${to.prefix}/${file.path}`, byHash(to.prefix, file));
  const folders = new Set(files.map((file) => dirname(file.path)));
  if (to.previous !== undefined) {
    for (const file of to.recent) {
      if (!folders.has(dirname(file.path))) continue;
      await batch.copy(byHash(to.previous.prefix, file), byHash(to.prefix, file));
    }
  }
  await batch.settle();
  return { files: files.sort((a, b) => (a.path < b.path ? -1 : 1)), indices };
}

async function writeIndex(to: IndicesToWrite, batch: ObjectBatch, index: IndexName): Promise<WrittenIndices[string]> {
  const stem = indexStem(index);
  const below = indexFolder(index);
  const target = { batch, prefix: `${to.prefix}/${below}`, stem };
  const before = to.previous?.indices[`${below}/${stem}`];
  if (to.previous !== undefined && before !== undefined) {
    const count = to.changes.changed(index);
    // Where most of it is new, to take it as it comes from the database costs less than to change what was there.
    if (count <= MAX_CHANGES + before.entries / 2) {
      const changes = count === 0 ? [] : await to.changes.indexChanges(index);
      const unchanged = `${to.previous.prefix}/${below}`;
      if (changes.length === 0 && (await copyUnchanged(to, batch, unchanged, target.prefix, before))) return before;
      const changed = before.id === undefined ? undefined : await to.keeper.change(before.id, changes, target);
      if (changed !== undefined) return { ...changed, files: [...changed.files] };
    }
  }
  const build = async (entries: AsyncIterable<IndexEntry>): Promise<WrittenIndex> =>
    await to.keeper.build(entries, target);
  const built =
    index.kind === 'packages' || index.kind === 'sources'
      ? await withIndex(to.db, to.suiteId, index, to.serial, build)
      : await withDerivedIndex(to.db, to.suiteId, index, to.serial, build);
  return { ...built, files: [...built.files] };
}

/** Components whose udebs have indices: those that the last publication had, and those that a udeb came to. */
async function udebComponents(to: IndicesToWrite): Promise<ReadonlySet<string>> {
  if (to.previous === undefined) return new Set(await readUdebComponents(to.db, to.suiteId, to.serial));
  const before = Object.keys(to.previous.indices).flatMap((path) => {
    const component = /^(.+)\/debian-installer\//.exec(path)?.[1];
    return component === undefined ? [] : [component];
  });
  return new Set([...before, ...to.changes.udebs]);
}

/** False, with nothing left behind, when a file of the earlier publication is gone. */
async function copyUnchanged(
  to: IndicesToWrite,
  batch: ObjectBatch,
  from: string,
  prefix: string,
  index: WrittenIndices[string],
): Promise<boolean> {
  const names = index.files.filter((file) => file.stored).map((file) => file.name);
  for (const name of names) {
    if (await batch.copy(`${from}/${name}`, `${prefix}/${name}`)) continue;
    // The others are written anew by the keeper, whose names must be free.
    for (const made of names) await to.published.delete(`${prefix}/${made}`);
    return false;
  }
  return true;
}

/** The Release beside an index: says which part of which suite it is. @see apt_preferences(5) */
async function writeSmallRelease(
  to: IndicesToWrite,
  batch: ObjectBatch,
  index: IndexName,
): Promise<{ name: string; sha256: string; size: number } | undefined> {
  const architecture = releaseArchitecture(index);
  if (architecture === undefined) return undefined;
  const text = smallReleaseText(to.settings, index.component, architecture);
  return { name: 'Release', ...(await batch.put(`${to.prefix}/${indexFolder(index)}/Release`, text)) };
}

/** The text of the Release beside an index: of a publication's own settings, so that a snapshot has the same. */
export function smallReleaseText(settings: SuiteSettings, component: string, architecture: string): string {
  return formatParagraph([
    ['Archive', settings.suite],
    ['Origin', settings.origin],
    ['Label', settings.label],
    ['Acquire-By-Hash', 'yes'],
    ['Component', component],
    ['Architecture', architecture],
  ]);
}

function byHash(prefix: string, file: ReleaseFile): string {
  return `${prefix}/${dirname(file.path)}/by-hash/SHA256/${file.sha256}`;
}
