/**
 * Contents and Translation: indices in which one entry may stand for several packages (two versions have one file, two
 * architectures one description). So what changes is found by name: what all packages of that name had before, against what they
 * have now.
 */
import { sql } from 'kysely';
import { pathBytes } from '../../debian/contents.ts';
import { fieldOf } from '../../debian/deb822.ts';
import { withTransaction, type Db } from '../../platform/database.ts';
import type { IndexChange, IndexEntry } from '../index-keeper/keeper.ts';
import type { IndexName } from './index-names.ts';

export type DerivedIndex = Extract<IndexName, { kind: 'contents' | 'translation' }>;

const NAMES_AT_ONCE = 500;
const FETCH = 20_000;

/** How the index differs between two serials, when packages of these names came or went. */
export async function readDerivedChanges(
  db: Db,
  suiteId: number,
  index: DerivedIndex,
  names: readonly string[],
  from: number,
  to: number,
): Promise<IndexChange[]> {
  const changes: IndexChange[] = [];
  for (let at = 0; at < names.length; at += NAMES_AT_ONCE) {
    const some = names.slice(at, at + NAMES_AT_ONCE);
    const before = new Map<string, IndexEntry>();
    const after = new Map<string, IndexEntry>();
    for (const row of await rowsOfNames(db, suiteId, index, some, from, to)) {
      for (const entry of entriesOf(index, row)) {
        const key = `${entry.name}\0${entry.qualifier}`;
        if (row.before) before.set(key, entry);
        if (row.after) after.set(key, entry);
      }
    }
    for (const [key, { name, version, qualifier }] of before) {
      if (!after.has(key)) changes.push({ kind: 'drop', name, version, qualifier });
    }
    for (const [key, entry] of after) if (!before.has(key)) changes.push({ kind: 'put', entry });
  }
  return changes;
}

/** Gives all entries of the index at a serial to `use`, in order, without holding them all. */
export async function withDerivedIndex<T>(
  db: Db,
  suiteId: number,
  index: DerivedIndex,
  serial: number,
  use: (entries: AsyncIterable<IndexEntry>) => Promise<T>,
): Promise<T> {
  return await withTransaction(db, async (trx) => {
    await sql`DECLARE derived_index NO SCROLL CURSOR FOR ${whole(suiteId, index, serial)}`.execute(trx);
    const entries = async function* (): AsyncGenerator<IndexEntry> {
      for (;;) {
        const { rows } = await sql<{ first: string; second: string }>`
          FETCH ${sql.raw(String(FETCH))} FROM derived_index`.execute(trx);
        for (const { first, second } of rows) {
          yield index.kind === 'contents' ? contentsEntry(first, second) : translationEntry(first, second);
        }
        if (rows.length < FETCH) return;
      }
    };
    return await use(entries());
  });
}

interface Row {
  readonly name: string;
  /** Paths, or the stanza of Translation. */
  readonly text: string | null;
  readonly location: string | null;
  readonly before: boolean;
  readonly after: boolean;
}

async function rowsOfNames(
  db: Db,
  suiteId: number,
  index: DerivedIndex,
  names: readonly string[],
  from: number,
  to: number,
): Promise<Row[]> {
  if (index.kind === 'contents' && index.architecture === 'source') {
    const { rows } = await sql<Row>`
      SELECT p.name, c.paths AS text, c.location, ${presentAt(from)} AS before, ${presentAt(to)} AS after
      FROM source_packages p JOIN suite_sources m ON m.source_package_id = p.id
        JOIN package_contents c ON c.source_package_id = p.id
      WHERE p.name = ANY (${names}::text[]) AND m.suite_id = ${suiteId} AND p.component = ${index.component}`.execute(
      db,
    );
    return rows;
  }
  const own =
    index.kind === 'contents'
      ? sql`AND m.architecture = ${index.architecture} AND p.type = ${index.type}`
      : sql`AND p.type = 'deb'`;
  const { rows } = await sql<Row>`
    SELECT p.name, ${index.kind === 'contents' ? sql`c.paths` : sql`p.translation`} AS text, c.location,
      ${presentAt(from)} AS before, ${presentAt(to)} AS after
    FROM binary_packages p JOIN suite_binaries m ON m.binary_package_id = p.id
      LEFT JOIN package_contents c ON c.binary_package_id = p.id
    WHERE p.name = ANY (${names}::text[]) AND m.suite_id = ${suiteId} AND p.component = ${index.component} ${own}`.execute(
    db,
  );
  return rows;
}

/** Everything at a serial, ordered as the keeper orders: paths by their bytes. */
function whole(suiteId: number, index: DerivedIndex, serial: number) {
  if (index.kind === 'translation') {
    return sql`
      SELECT DISTINCT ON (p.name COLLATE "C", substring(p.translation FROM '\nDescription-md5: ([0-9a-f]+)') COLLATE "C")
        p.name AS first, p.translation AS second
      FROM suite_binaries m JOIN binary_packages p ON p.id = m.binary_package_id
      WHERE m.suite_id = ${suiteId} AND p.component = ${index.component} AND p.type = 'deb' AND p.translation IS NOT NULL
        AND ${presentAt(serial)}
      ORDER BY p.name COLLATE "C", substring(p.translation FROM '\nDescription-md5: ([0-9a-f]+)') COLLATE "C"`;
  }
  const packages =
    index.architecture === 'source'
      ? sql`suite_sources m JOIN source_packages p ON p.id = m.source_package_id
          JOIN package_contents c ON c.source_package_id = p.id`
      : sql`suite_binaries m JOIN binary_packages p ON p.id = m.binary_package_id
          JOIN package_contents c ON c.binary_package_id = p.id`;
  const own =
    index.architecture === 'source'
      ? sql``
      : sql`AND m.architecture = ${index.architecture} AND p.type = ${index.type}`;
  return sql`
    SELECT DISTINCT path COLLATE "C" AS first, c.location COLLATE "C" AS second
    FROM ${packages}, string_to_table(c.paths, E'\n') AS path
    WHERE m.suite_id = ${suiteId} AND p.component = ${index.component} ${own} AND path <> '' AND ${presentAt(serial)}
    ORDER BY 1, 2`;
}

function entriesOf(index: DerivedIndex, { name, text, location }: Row): IndexEntry[] {
  if (text === null) return [];
  if (index.kind === 'translation') return [translationEntry(name, text)];
  if (location === null) return [];
  return text
    .split('\n')
    .filter((path) => path !== '')
    .map((path) => contentsEntry(path, location));
}

function contentsEntry(path: string, location: string): IndexEntry {
  return { name: pathBytes(path), version: '', qualifier: location, stanza: '' };
}

function translationEntry(name: string, stanza: string): IndexEntry {
  return { name, version: '', qualifier: fieldOf(stanza.trimEnd(), 'Description-md5') ?? '', stanza };
}

function presentAt(serial: number) {
  return sql<boolean>`(m.added_serial <= ${serial} AND (m.removed_serial IS NULL OR m.removed_serial > ${serial}))`;
}
