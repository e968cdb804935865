/**
 * What a suite holds at a serial, and how that differs from an earlier serial. Rows are stamped with the serial of the
 * publication that first (added) or first no longer (removed) has them, so the content at a serial whose publication was
 * begun never changes.
 */
import { sql } from 'kysely';
import type { Db } from '../../platform/database.ts';
import type { IndexChange, IndexEntry } from '../index-keeper/keeper.ts';
import type { PoolFile } from './pool.ts';

/** One index of a suite. */
export type IndexName =
  | { readonly kind: 'sources'; readonly component: string }
  | { readonly kind: 'packages'; readonly component: string; readonly architecture: string };

/** A package that came or went between two publications. */
export interface PackageChange {
  readonly change: 'added' | 'removed';
  readonly name: string;
  readonly version: string;
  /** `source`, or the architecture of the index. */
  readonly architecture: string;
  readonly component: string;
  /** Of its source. */
  readonly submissionId: number;
}

interface ChangeRow extends PackageChange {
  readonly qualifier: string;
  readonly stanza: string;
}

/** How a suite's content at `to` differs from that at `from`. */
export interface ContentChanges {
  readonly packages: readonly PackageChange[];
  /** Changes of one index. */
  indexChanges(index: IndexName): readonly IndexChange[];
}

const PAGE = 5_000;

/** The indices of a suite with these components and architectures, in the order in which Release lists them. */
export function indicesOf(components: readonly string[], architectures: readonly string[]): IndexName[] {
  return components.flatMap((component): IndexName[] => [
    ...architectures.map((architecture) => ({ kind: 'packages' as const, component, architecture })),
    { kind: 'sources', component },
  ]);
}

/** Folder of an index below `dists/SUITE`: `main/binary-amd64`, `main/source`. */
export function indexFolder(index: IndexName): string {
  return index.kind === 'sources' ? `${index.component}/source` : `${index.component}/binary-${index.architecture}`;
}

export function indexStem(index: IndexName): 'Sources' | 'Packages' {
  return index.kind === 'sources' ? 'Sources' : 'Packages';
}

/** All entries of an index at a serial. */
export async function readIndex(db: Db, suiteId: number, index: IndexName, serial: number): Promise<IndexEntry[]> {
  const entries: IndexEntry[] = [];
  for (let after = 0; ;) {
    const rows =
      index.kind === 'sources'
        ? await sourcesPage(db, suiteId, index.component, serial, after)
        : await packagesPage(db, suiteId, index.component, index.architecture, serial, after);
    for (const { name, version, qualifier, stanza } of rows) entries.push({ name, version, qualifier, stanza });
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return entries;
    after = last.row;
  }
}

interface EntryRow extends IndexEntry {
  readonly row: number;
}

async function sourcesPage(
  db: Db,
  suiteId: number,
  component: string,
  serial: number,
  after: number,
): Promise<EntryRow[]> {
  const { rows } = await sql<EntryRow>`
    SELECT m.id AS row, p.name, p.version, '' AS qualifier, p.stanza
    FROM suite_sources m JOIN source_packages p ON p.id = m.source_package_id
    WHERE m.suite_id = ${suiteId} AND m.id > ${after} AND p.component = ${component}
      AND m.added_serial <= ${serial} AND (m.removed_serial IS NULL OR m.removed_serial > ${serial})
    ORDER BY m.id LIMIT ${PAGE}`.execute(db);
  return rows;
}

async function packagesPage(
  db: Db,
  suiteId: number,
  component: string,
  architecture: string,
  serial: number,
  after: number,
): Promise<EntryRow[]> {
  const { rows } = await sql<EntryRow>`
    SELECT m.id AS row, p.name, p.version, p.architecture AS qualifier, p.stanza
    FROM suite_binaries m JOIN binary_packages p ON p.id = m.binary_package_id
    WHERE m.suite_id = ${suiteId} AND m.architecture = ${architecture} AND m.id > ${after}
      AND p.component = ${component} AND p.type = 'deb'
      AND m.added_serial <= ${serial} AND (m.removed_serial IS NULL OR m.removed_serial > ${serial})
    ORDER BY m.id LIMIT ${PAGE}`.execute(db);
  return rows;
}

/** What changed in a suite after the publication `from` (0: before the first) up to the publication `to`. */
export async function readChanges(db: Db, suiteId: number, from: number, to: number): Promise<ContentChanges> {
  const { rows } = await sql<ChangeRow>`
    SELECT 'source' AS architecture, p.name, p.version, '' AS qualifier, p.component, p.stanza,
           p.submission_id AS "submissionId", CASE WHEN m.added_serial > ${from} THEN 'added' ELSE 'removed' END AS change
    FROM suite_sources m JOIN source_packages p ON p.id = m.source_package_id
    WHERE m.suite_id = ${suiteId} AND ${inRange('m', from, to)}
    UNION ALL
    SELECT m.architecture, p.name, p.version, p.architecture, p.component, p.stanza,
           s.submission_id, CASE WHEN m.added_serial > ${from} THEN 'added' ELSE 'removed' END
    FROM suite_binaries m JOIN binary_packages p ON p.id = m.binary_package_id
      JOIN source_packages s ON s.id = p.source_package_id
    WHERE m.suite_id = ${suiteId} AND p.type = 'deb' AND ${inRange('m', from, to)}`.execute(db);
  const byIndex = new Map<string, IndexChange[]>();
  // What goes comes first: a stanza may come back to the place that it left.
  for (const row of [...rows].sort((a, b) => (a.change === b.change ? 0 : a.change === 'removed' ? -1 : 1))) {
    const key = `${row.component} ${row.architecture}`;
    const changes = byIndex.get(key) ?? [];
    byIndex.set(key, changes);
    const { name, version, qualifier, stanza } = row;
    changes.push(
      row.change === 'added'
        ? { kind: 'put', entry: { name, version, qualifier, stanza } }
        : { kind: 'drop', name, version, qualifier },
    );
  }
  return {
    packages: rows.map(({ change, name, version, architecture, component, submissionId }) => ({
      change,
      name,
      version,
      architecture,
      component,
      submissionId,
    })),
    indexChanges: (index) =>
      byIndex.get(`${index.component} ${index.kind === 'sources' ? 'source' : index.architecture}`) ?? [],
  };
}

/** True when something changed since the last publication that was begun. */
export async function isDirty(db: Db, suiteId: number, openSerial: number): Promise<boolean> {
  const { rows } = await sql<{ dirty: boolean }>`
    SELECT EXISTS (SELECT 1 FROM suite_sources m WHERE m.suite_id = ${suiteId} AND ${touches('m', openSerial)})
        OR EXISTS (SELECT 1 FROM suite_binaries m WHERE m.suite_id = ${suiteId} AND ${touches('m', openSerial)}) AS dirty`.execute(
    db,
  );
  return rows[0]?.dirty === true;
}

/** Files of the packages that came into a suite after `from` and are in it at `to`. */
export async function* readNewPoolFiles(db: Db, suiteId: number, from: number, to: number): AsyncGenerator<PoolFile> {
  for (let after = 0; ;) {
    const { rows } = await sql<PoolFile & { id: number }>`
      SELECT f.id, f.path, f.sha256, f.size FROM pool_files f
      WHERE f.id > ${after} AND f.id IN (
        SELECT pf.pool_file_id FROM suite_sources m JOIN package_files pf ON pf.source_package_id = m.source_package_id
        WHERE m.suite_id = ${suiteId} AND m.added_serial > ${from} AND m.added_serial <= ${to}
          AND (m.removed_serial IS NULL OR m.removed_serial > ${to})
        UNION
        SELECT pf.pool_file_id FROM suite_binaries m JOIN package_files pf ON pf.binary_package_id = m.binary_package_id
        WHERE m.suite_id = ${suiteId} AND m.added_serial > ${from} AND m.added_serial <= ${to}
          AND (m.removed_serial IS NULL OR m.removed_serial > ${to}))
      ORDER BY f.id LIMIT ${PAGE}`.execute(db);
    for (const { path, sha256, size } of rows) yield { path, sha256, size };
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    after = last.id;
  }
}

/** Rows whose presence differs between the two serials. */
function inRange(alias: string, from: number, to: number) {
  const m = sql.raw(alias);
  return sql<boolean>`((${m}.added_serial > ${from} AND ${m}.added_serial <= ${to}
      AND (${m}.removed_serial IS NULL OR ${m}.removed_serial > ${to}))
    OR (${m}.added_serial <= ${from} AND ${m}.removed_serial > ${from} AND ${m}.removed_serial <= ${to}))`;
}

/** A row that was added and removed before any publication saw it changes nothing. */
function touches(alias: string, serial: number) {
  const m = sql.raw(alias);
  return sql<boolean>`((${m}.added_serial = ${serial} AND ${m}.removed_serial IS NULL)
    OR (${m}.removed_serial = ${serial} AND ${m}.added_serial < ${serial}))`;
}
