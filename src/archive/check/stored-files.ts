/**
 * Reads every stored file that a row names, against its hash. What is missing or damaged is made again from the pool's name of
 * it, where that is sound; otherwise a backup has it, or, an upstream tarball that came from a parent suite, that parent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobStore } from '../../platform/blobs.ts';
import type { Db } from '../../platform/database.ts';
import { isFault } from '../../platform/errors.ts';
import { hashStream } from '../../platform/files.ts';
import { usesOf, type BlobUse, type NamedBlob } from '../named-blobs.ts';
import type { CheckArchiveDeps } from './deps.ts';
import { finding, type CheckFinding, type Repair } from './findings.ts';
import { readObject } from './read-object.ts';

export interface ScanOptions {
  /** Bytes per second; absent: as fast as it goes. */
  readonly pace?: number;
  readonly signal?: AbortSignal;
  /** Told behind each file. */
  readonly onFile?: (blob: NamedBlob) => void;
}

export type BlobState = 'sound' | 'missing' | 'damaged';

/** Reads the files in their order; yields those that are not sound. */
export async function* scanBlobs(
  blobs: BlobStore,
  named: readonly NamedBlob[],
  options: ScanOptions = {},
): AsyncGenerator<{ readonly blob: NamedBlob; readonly state: Exclude<BlobState, 'sound'> }> {
  const started = performance.now();
  let read = 0;
  for (const blob of named) {
    options.signal?.throwIfAborted();
    const state = await readBlob(blobs, blob);
    if (state !== 'sound') yield { blob, state };
    read += blob.size;
    options.onFile?.(blob);
    const ahead = options.pace === undefined ? 0 : (read / options.pace) * 1000 - (performance.now() - started);
    if (ahead > 0) await sleep(ahead, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}

/** Reads one whole. */
export async function readBlob(blobs: BlobStore, blob: NamedBlob): Promise<BlobState> {
  try {
    const found = await hashStream(await blobs.open(blob.sha256));
    return found.sha256 === blob.sha256 && found.size === blob.size ? 'sound' : 'damaged';
  } catch (error) {
    if (isFault(error, 'blob.missing')) return 'missing';
    // The device cannot give the bytes: as good as other bytes.
    if (error instanceof Error && 'code' in error && error.code === 'EIO') return 'damaged';
    throw error;
  }
}

/** What is to be said and done about a stored file that is not sound. */
export async function explainBlob(
  deps: Pick<CheckArchiveDeps, 'db' | 'storage'>,
  blob: NamedBlob,
  state: Exclude<BlobState, 'sound'>,
): Promise<CheckFinding> {
  const uses = await usesOf(deps.db, [blob.sha256]);
  const repair = await soundName(deps, blob, uses);
  return finding(`blob.${state}`, sentence(blob, state, uses), {
    archive: uses[0]?.archive ?? null,
    suites: [...new Set(uses.flatMap((use) => use.suites.map((suite) => `${use.archive}/${suite}`)))],
    packages: [...new Set(uses.flatMap((use) => use.packages))],
    repairs: repair === undefined ? [] : [repair],
    remedy: repair === undefined ? await whereFrom(deps.db, blob) : null,
  });
}

function sentence(blob: NamedBlob, state: string, uses: readonly BlobUse[]): string {
  const what = `the stored file ${blob.sha256} is ${state}`;
  if (uses.length === 0) return `${what}; no pool has it: it belongs to what came in and was not published`;
  const names = uses.map((use) => `${use.path} of ${use.archive}`).join(', ');
  const suites = [...new Set(uses.flatMap((use) => use.suites))];
  const packages = [...new Set(uses.flatMap((use) => use.packages))];
  return `${what}: ${names}, packages ${packages.join(', ') || 'none'}, suites ${suites.join(', ') || 'none at present'}`;
}

/** The name in a pool whose bytes are still right: another file where names are copies, the same one where they are links. */
async function soundName(
  deps: Pick<CheckArchiveDeps, 'storage'>,
  blob: NamedBlob,
  uses: readonly BlobUse[],
): Promise<Repair | undefined> {
  for (const { archive, path } of uses) {
    const { published } = await deps.storage(archive);
    const found = await readObject(published, path);
    if (found?.sha256 === blob.sha256) return { kind: 'blob-from-pool', archive, path, ...blob };
  }
  return undefined;
}

async function whereFrom(db: Db, blob: NamedBlob): Promise<string> {
  const parent = await db
    .selectFrom('origs')
    .select(['name', 'detail'])
    .where('sha256', '=', blob.sha256)
    .where('provenance', '=', 'parent')
    .limit(1)
    .executeTakeFirst();
  const path = `objects/${blob.sha256.slice(0, 2)}/${blob.sha256}`;
  const fromBackup = `restore it from a backup: landfall restore --file ${blob.sha256} DIR takes ${path} out of it`;
  return parent === undefined
    ? fromBackup
    : `${fromBackup}; ${parent.name} also came from a parent suite (${parent.detail}), where apt-get source finds it`;
}
