/** Holds the pool of an archive against the database: each name that was published has its bytes, and no other name is there (I8). */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import type { Db } from '../../platform/database.ts';
import { isErrnoException } from '../../platform/errors.ts';
import { usesOf } from '../named-blobs.ts';
import type { CheckArchiveDeps } from './deps.ts';
import { finding, type CheckFinding } from './findings.ts';
import { readObject } from './read-object.ts';
import { readBlob } from './stored-files.ts';

interface PublishedName {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  /** A package that has it is or was in a publication. */
  readonly published: boolean;
}

export async function checkPool(deps: CheckArchiveDeps, archive: string): Promise<CheckFinding[]> {
  const findings: CheckFinding[] = [];
  const names = await namesOf(deps.db, archive);
  const { published } = await deps.storage(archive);
  let files = 0;
  let bytes = 0;
  for (const name of names) {
    deps.signal?.throwIfAborted();
    if (!name.published || (await isLink(deps, archive, name))) continue;
    const found = await readObject(published, name.path);
    files += 1;
    bytes += name.size;
    deps.onProgress?.({ what: `pool of ${archive}`, files, bytes });
    if (found?.sha256 === name.sha256) continue;
    const [use] = await usesOf(deps.db, [name.sha256]);
    const sound = (await readBlob(deps.blobs, name)) === 'sound';
    const state = found === undefined ? 'missing' : 'damaged';
    findings.push(
      finding(`pool.${state}`, `${name.path} of ${archive} is ${state}`, {
        archive,
        suites: (use?.suites ?? []).map((suite) => `${archive}/${suite}`),
        packages: use?.packages ?? [],
        repairs: sound ? [{ kind: 'pool-from-blob', archive, ...digestOf(name), path: name.path }] : [],
        remedy: sound ? null : `restore it from a backup: landfall restore --file ${name.sha256} DIR`,
      }),
    );
  }
  const known = new Set(names.map((name) => name.path));
  const unknown: string[] = [];
  for await (const object of published.list('pool')) if (!known.has(object.name)) unknown.push(object.name);
  // Some may have come since the rows were read.
  const since = unknown.length === 0 ? [] : await namesOf(deps.db, archive);
  for (const { path } of since) known.add(path);
  for (const name of unknown) {
    if (known.has(name)) continue;
    findings.push(
      finding('pool.unknown', `${name} of ${archive} lies in the pool, and no row names it`, {
        archive,
        remedy:
          'the database is older than the pool: restore a newer backup, or move the file away when it is not missed',
      }),
    );
  }
  return findings;
}

function digestOf({ sha256, size }: PublishedName): { sha256: string; size: number } {
  return { sha256, size };
}

async function namesOf(db: Db, archive: string): Promise<PublishedName[]> {
  const { rows } = await sql<PublishedName>`
    SELECT f.path, f.sha256, f.size, EXISTS (
      SELECT 1 FROM package_files pf
        LEFT JOIN suite_sources ss ON ss.source_package_id = pf.source_package_id
        LEFT JOIN suite_binaries sb ON sb.binary_package_id = pf.binary_package_id
        JOIN publications p ON p.suite_id = coalesce(ss.suite_id, sb.suite_id) AND p.state = 'published'
          AND p.serial >= coalesce(ss.added_serial, sb.added_serial)
          AND p.serial < coalesce(ss.removed_serial, sb.removed_serial, p.serial + 1)
      WHERE pf.pool_file_id = f.id)
      AND NOT EXISTS (SELECT 1 FROM collected_pool_files c WHERE c.pool_file_id = f.id)
      AND NOT EXISTS (SELECT 1 FROM taken_down_files t WHERE t.sha256 = f.sha256) AS published
    FROM pool_files f JOIN archives a ON a.id = f.archive_id
    WHERE a.name = ${archive} ORDER BY f.id`.execute(db);
  return rows;
}

/** The name and the stored file are one file, which is read where stored files are. */
async function isLink(deps: CheckArchiveDeps, archive: string, name: PublishedName): Promise<boolean> {
  const blob = deps.blobs.path?.(name.sha256);
  const folder = deps.folderOf?.(archive);
  if (blob === undefined || folder === undefined) return false;
  try {
    const [one, other] = await Promise.all([stat(blob), stat(join(folder, name.path))]);
    return one.ino === other.ino && one.dev === other.dev;
  } catch (error) {
    if (isErrnoException(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return false;
    throw error;
  }
}
