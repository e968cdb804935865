/**
 * What a suite holds at a serial, and how that differs from an earlier serial. Rows are stamped with the serial of the
 * publication that first (added) or first no longer (removed) has them, so the content at a serial whose publication was
 * begun never changes.
 */
import { sql } from 'kysely';
import { changelogPath } from '../../debian/pool.ts';
import { withTransaction, type Db } from '../../platform/database.ts';
import type { IndexChange, IndexEntry } from '../index-keeper/keeper.ts';
import { compareKeys } from '../index-keeper/order.ts';
import { readDerivedChanges } from './derived.ts';
import type { IndexName, PackageType } from './index-names.ts';
import type { PoolFile } from './pool.ts';

/** A package that came or went between two publications. */
export interface PackageChange {
  readonly change: 'added' | 'removed';
  readonly name: string;
  readonly version: string;
  /** `source`, or the architecture of the index. */
  readonly architecture: string;
  readonly component: string;
  readonly type: PackageType;
  /** Of its source. */
  readonly submissionId: number;
}

/** How a suite's content at `to` differs from that at `from`. */
export interface ContentChanges {
  readonly packages: readonly PackageChange[];
  /** How many packages came or went that the index may list. */
  changed(index: IndexName): number;
  /** Changes of one index. */
  indexChanges(index: IndexName): Promise<readonly IndexChange[]>;
  /** Components that a udeb came to or went from. */
  readonly udebs: ReadonlySet<string>;
}

const PAGE = 5_000;
/** Stanzas that are taken from the database at a time. */
const FETCH = 1_000;

/** Gives all entries of Packages or Sources at a serial to `use`, in the order of the index, without holding them all. */
export async function withIndex<T>(
  db: Db,
  suiteId: number,
  index: Extract<IndexName, { kind: 'packages' | 'sources' }>,
  serial: number,
  use: (entries: AsyncIterable<IndexEntry>) => Promise<T>,
): Promise<T> {
  return await withTransaction(db, async (trx) => {
    await sql`DECLARE whole_index NO SCROLL CURSOR FOR ${whole(suiteId, index, serial)}`.execute(trx);
    const entries = async function* (): AsyncGenerator<IndexEntry> {
      // The database orders by name; versions of one name are few, and only dpkg's rules order them.
      let sameName: IndexEntry[] = [];
      for (;;) {
        const { rows } = await sql<IndexEntry>`FETCH ${sql.raw(String(FETCH))} FROM whole_index`.execute(trx);
        for (const entry of rows) {
          if (sameName[0] !== undefined && sameName[0].name !== entry.name) {
            yield* sameName.sort(compareKeys);
            sameName = [];
          }
          sameName.push(entry);
        }
        if (rows.length < FETCH) break;
      }
      yield* sameName.sort(compareKeys);
    };
    return await use(entries());
  });
}

function whole(suiteId: number, index: Extract<IndexName, { kind: 'packages' | 'sources' }>, serial: number) {
  const present = sql`m.added_serial <= ${serial} AND (m.removed_serial IS NULL OR m.removed_serial > ${serial})`;
  return index.kind === 'sources'
    ? sql`SELECT p.name, p.version, '' AS qualifier, p.stanza
      FROM suite_sources m JOIN source_packages p ON p.id = m.source_package_id
      WHERE m.suite_id = ${suiteId} AND p.component = ${index.component} AND ${present}
      ORDER BY p.name COLLATE "C"`
    : sql`SELECT p.name, p.version, p.architecture AS qualifier, p.stanza
      FROM suite_binaries m JOIN binary_packages p ON p.id = m.binary_package_id
      WHERE m.suite_id = ${suiteId} AND m.architecture = ${index.architecture}
        AND p.component = ${index.component} AND p.type = ${index.type} AND ${present}
      ORDER BY p.name COLLATE "C"`;
}

/** What changed in a suite after the publication `from` (0: before the first) up to the publication `to`. */
export async function readChanges(db: Db, suiteId: number, from: number, to: number): Promise<ContentChanges> {
  const { rows: packages } = await sql<PackageChange>`
    SELECT 'source' AS architecture, p.name, p.version, p.component, 'deb' AS type, p.submission_id AS "submissionId",
      CASE WHEN m.added_serial > ${from} THEN 'added' ELSE 'removed' END AS change
    FROM suite_sources m JOIN source_packages p ON p.id = m.source_package_id
    WHERE m.suite_id = ${suiteId} AND ${inRange('m', from, to)}
    UNION ALL
    SELECT m.architecture, p.name, p.version, p.component, p.type, s.submission_id,
      CASE WHEN m.added_serial > ${from} THEN 'added' ELSE 'removed' END
    FROM suite_binaries m JOIN binary_packages p ON p.id = m.binary_package_id
      JOIN source_packages s ON s.id = p.source_package_id
    WHERE m.suite_id = ${suiteId} AND ${inRange('m', from, to)}`.execute(db);
  return {
    packages,
    changed: (index) => packages.filter((row) => concerns(row, index)).length,
    indexChanges: async (index) => {
      if (index.kind === 'sources' || index.kind === 'packages') {
        return await readIndexChanges(db, suiteId, index, from, to);
      }
      const names = packages.filter((row) => concerns(row, index)).map(({ name }) => name);
      return await readDerivedChanges(db, suiteId, index, [...new Set(names)], from, to);
    },
    udebs: new Set(packages.filter(({ type }) => type === 'udeb').map(({ component }) => component)),
  };
}

async function readIndexChanges(
  db: Db,
  suiteId: number,
  index: Extract<IndexName, { kind: 'packages' | 'sources' }>,
  from: number,
  to: number,
): Promise<IndexChange[]> {
  const { rows } = await sql<IndexEntry & { readonly added: boolean }>`
    SELECT p.name, p.version, ${index.kind === 'sources' ? sql`''` : sql`p.architecture`} AS qualifier, p.stanza,
      m.added_serial > ${from} AS added
    FROM ${
      index.kind === 'sources'
        ? sql`suite_sources m JOIN source_packages p ON p.id = m.source_package_id`
        : sql`suite_binaries m JOIN binary_packages p ON p.id = m.binary_package_id`
    }
    WHERE m.suite_id = ${suiteId} AND p.component = ${index.component} AND ${inRange('m', from, to)}
      ${index.kind === 'sources' ? sql`` : sql`AND m.architecture = ${index.architecture} AND p.type = ${index.type}`}
    -- What goes comes first: a stanza may come back to the place that it left.
    ORDER BY added`.execute(db);
  return rows.map(({ added, name, version, qualifier, stanza }) =>
    added ? { kind: 'put', entry: { name, version, qualifier, stanza } } : { kind: 'drop', name, version, qualifier },
  );
}

/** Whether a package that came or went can change the index. */
function concerns(row: PackageChange, index: IndexName): boolean {
  if (row.component !== index.component) return false;
  if (index.kind === 'sources') return row.architecture === 'source';
  if (index.kind === 'translation') return row.type === 'deb' && row.architecture !== 'source';
  return row.type === index.type && row.architecture === index.architecture;
}

/** Components of a suite that had a udeb at or before a serial: their installer's indices stay, also when they are empty. */
export async function readUdebComponents(db: Db, suiteId: number, serial: number): Promise<string[]> {
  const { rows } = await sql<{ component: string }>`
    SELECT DISTINCT p.component FROM suite_binaries m JOIN binary_packages p ON p.id = m.binary_package_id
    WHERE m.suite_id = ${suiteId} AND p.type = 'udeb' AND m.added_serial <= ${serial}`.execute(db);
  return rows.map(({ component }) => component);
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

/**
 * Changelogs of the sources that came after `from`, and of those whose binaries came: where `apt changelog` looks for them, which is
 * the component of the binary package.
 */
export async function readNewChangelogs(db: Db, suiteId: number, from: number, to: number): Promise<PoolFile[]> {
  const { rows } = await sql<{ component: string; name: string; version: string; sha256: string; size: number }>`
    SELECT DISTINCT n.component, s.name, s.version, s.changelog_sha256 AS sha256, s.changelog_size AS size
    FROM (
      SELECT p.component, p.id AS source_id
      FROM suite_sources m JOIN source_packages p ON p.id = m.source_package_id
      WHERE m.suite_id = ${suiteId} AND m.added_serial > ${from} AND m.added_serial <= ${to}
      UNION
      SELECT p.component, p.source_package_id
      FROM suite_binaries m JOIN binary_packages p ON p.id = m.binary_package_id
      WHERE m.suite_id = ${suiteId} AND m.added_serial > ${from} AND m.added_serial <= ${to}) AS n
      JOIN source_packages s ON s.id = n.source_id
    WHERE s.changelog_sha256 IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM taken_down_files t WHERE t.sha256 = s.changelog_sha256)`.execute(db);
  return rows.map(({ component, name, version, sha256, size }) => ({
    path: changelogName(component, name, version),
    sha256,
    size,
  }));
}

/** Where a changelog is published: what the Changelogs field of Release leads to. */
export function changelogName(component: string, source: string, version: string): string {
  return `changelogs/${changelogPath(component, source, version)}_changelog`;
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
