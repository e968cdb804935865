/**
 * Which publication a snapshot is. An id is a moment as Debian's snapshot archive writes it, `20260131T120000Z`, and means the
 * publication that was in force then; or a serial of the suite.
 */
import { sql } from 'kysely';
import type { Db } from '../../platform/database.ts';
import { publicationFactsSchema, type PublicationFacts } from '../publish/publication.ts';
import { IS_KEPT } from './kept.ts';

export type SnapshotId =
  { readonly kind: 'moment'; readonly at: Date } | { readonly kind: 'serial'; readonly serial: number };

export interface Snapshot {
  readonly kind: 'snapshot';
  readonly serial: number;
  readonly date: Date;
  readonly release: string;
  readonly inRelease: Buffer;
  readonly releaseGpg: Buffer;
  readonly facts: PublicationFacts;
  /** The id will never mean another publication. */
  readonly settled: boolean;
}

export type FoundSnapshot =
  | Snapshot
  /** `reason` is a sentence. */
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'expired'; readonly reason: string };

/** Reads an id; undefined for what is none. */
export function parseSnapshotId(text: string): SnapshotId | undefined {
  if (/^[1-9][0-9]{0,14}$/.test(text)) return { kind: 'serial', serial: Number(text) };
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const at = new Date(`${year ?? ''}-${month ?? ''}-${day ?? ''}T${hour ?? ''}:${minute ?? ''}:${second ?? ''}.000Z`);
  // No 30th of February.
  return Number.isNaN(at.getTime()) || formatSnapshotId(at) !== text ? undefined : { kind: 'moment', at };
}

/** `20260131T120000Z` */
export function formatSnapshotId(at: Date): string {
  return at.toISOString().replace(/[-:]|\.\d{3}/g, '');
}

interface Row {
  readonly serial: number;
  readonly date: Date;
  readonly release: string;
  readonly in_release: Buffer;
  readonly release_gpg: Buffer;
  readonly facts: unknown;
  readonly kept: boolean;
  readonly settled: boolean;
}

/** The publication of a suite that the id means. */
export async function findSnapshot(db: Db, suiteId: number, id: SnapshotId): Promise<FoundSnapshot> {
  const meant =
    id.kind === 'serial' ? sql<boolean>`p.serial = ${id.serial}` : sql<boolean>`p.date <= ${id.at}::timestamptz`;
  const { rows } = await sql<Row>`
    SELECT p.serial, p.date, p.release, p.in_release, p.release_gpg, p.facts, ${IS_KEPT} AS kept,
      ${
        id.kind === 'serial'
          ? sql<boolean>`true`
          : sql<boolean>`p.date = ${id.at}::timestamptz OR EXISTS (SELECT 1 FROM publications later
              WHERE later.suite_id = p.suite_id AND later.date > ${id.at}::timestamptz AND later.state = 'published')`
      } AS settled
    FROM publications p JOIN suites s ON s.id = p.suite_id
    WHERE p.suite_id = ${suiteId} AND p.state = 'published' AND ${meant}
    ORDER BY p.serial DESC LIMIT 1`.execute(db);
  const row = rows[0];
  if (row === undefined) return { kind: 'none', reason: await noneBecause(db, suiteId, id) };
  const expired = {
    kind: 'expired',
    reason: `publication ${row.serial} of ${row.date.toISOString()} is older than the suite's retention`,
  } as const;
  if (!row.kept) return expired;
  return {
    kind: 'snapshot',
    serial: row.serial,
    date: row.date,
    release: row.release,
    inRelease: row.in_release,
    releaseGpg: row.release_gpg,
    facts: publicationFactsSchema.parse(row.facts),
    settled: row.settled,
  };
}

async function noneBecause(db: Db, suiteId: number, id: SnapshotId): Promise<string> {
  const first = await db
    .selectFrom('publications')
    .select(['serial', 'date'])
    .where('suite_id', '=', suiteId)
    .where('state', '=', 'published')
    .orderBy('serial')
    .executeTakeFirst();
  if (first === undefined) return 'the suite was never published';
  const from = `its first publication is ${first.serial} of ${first.date.toISOString()}`;
  return id.kind === 'serial' ? `the suite has no publication ${id.serial}; ${from}` : `that is too early: ${from}`;
}
