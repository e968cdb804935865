/**
 * Going on above what was published and signed before: for a database that was restored from an older backup. The signer and
 * the published tree remember the last serial and never go back (H18); the suite's next serial is raised above both.
 *
 * What the newer database knew and the restored one does not (uploads, decisions, publications in between) stays lost: readers
 * get a newer publication with the older content.
 */
import { sql } from 'kysely';
import { z } from 'zod';
import { withTransaction, type Db } from '../../platform/database.ts';
import { recordAudit, recordEvent } from '../../platform/events.ts';
import { enqueuePublication } from '../accept.ts';
import type { ReleaseSigner } from '../signer.ts';
import type { Storages } from '../storage.ts';
import { servedSerial } from './tree.ts';

export interface ForwardDeps {
  readonly db: Db;
  readonly storage: Storages;
  readonly signer: Pick<ReleaseSigner, 'readLog'>;
}

export interface SuiteSerials {
  readonly suiteId: number;
  readonly archive: string;
  readonly suite: string;
  /** That the next publication would have. */
  readonly next: number;
  /** The last one that is served, and the last one that was signed; 0: none. */
  readonly served: number;
  readonly signed: number;
  /** sha256 of the last Release that was signed. */
  readonly signedSha256: string | null;
  /** Of a publication that was begun and not finished, and of its Release when that is written. */
  readonly unfinished: number | null;
  readonly unfinishedSha256: string | null;
}

/** True when the signer or the served tree is ahead of the database. */
export function isBehind(serials: SuiteSerials): boolean {
  const { next, served, signed, signedSha256, unfinished, unfinishedSha256 } = serials;
  const highest = Math.max(served, signed);
  if (unfinished === null || highest < unfinished) return highest >= next;
  // One that was cut off behind its signature is the very one that was signed, and goes on.
  return !(highest === unfinished && signed === unfinished && signedSha256 === unfinishedSha256);
}

/** Serials of all suites, as the database, the served tree and the signer have them. @throws LandfallError `signer.unreachable` */
export async function readSerials(deps: ForwardDeps): Promise<SuiteSerials[]> {
  const { rows } = await sql<Omit<SuiteSerials, 'served' | 'signed' | 'signedSha256'>>`
    SELECT s.id AS "suiteId", a.name AS archive, s.name AS suite, s.open_serial AS next,
      p.serial AS unfinished, encode(sha256(convert_to(p.release, 'UTF8')), 'hex') AS "unfinishedSha256"
    FROM suites s JOIN archives a ON a.id = s.archive_id
      LEFT JOIN publications p ON p.suite_id = s.id AND p.state <> 'published'
    ORDER BY a.name, s.name`.execute(deps.db);
  const signed = await lastSigned(deps.signer);
  const serials: SuiteSerials[] = [];
  for (const row of rows) {
    const { published } = await deps.storage(row.archive);
    const last = signed.get(`${row.archive} ${row.suite}`);
    serials.push({
      ...row,
      served: (await servedSerial(published, row.suite)) ?? 0,
      signed: last?.serial ?? 0,
      signedSha256: last?.sha256 ?? null,
    });
  }
  return serials;
}

/**
 * Raises the suite's next serial above what was served and signed, gives up a publication that was begun below it, and asks for
 * a new one. Audited. Returns the serial that the next publication has.
 */
export async function goForward(db: Db, serials: SuiteSerials, actor: string): Promise<number> {
  const next = Math.max(serials.served, serials.signed, serials.next - 1) + 1;
  await withTransaction(db, async (trx) => {
    await trx.selectFrom('suites').select('id').where('id', '=', serials.suiteId).forUpdate().executeTakeFirstOrThrow();
    // It was never served, and what it was to hold is in the next one: rows keep the serial that they were stamped with.
    const given = await sql<{ serial: number; date: Date; state: string; sha256: string | null }>`
      DELETE FROM publications WHERE suite_id = ${serials.suiteId} AND state <> 'published' AND serial < ${next}
      RETURNING serial, date, state, encode(sha256(convert_to(release, 'UTF8')), 'hex') AS sha256`.execute(trx);
    await sql`UPDATE suites SET open_serial = greatest(open_serial, ${next}) WHERE id = ${serials.suiteId}`.execute(
      trx,
    );
    const givenUp = given.rows.map((row) => ({ ...row, date: row.date.toISOString() }));
    const detail = { before: serials.next, next, served: serials.served, signed: serials.signed, givenUp };
    await recordAudit(trx, {
      actor,
      action: 'suite.forwarded',
      subject: `suite ${serials.archive}/${serials.suite}`,
      detail,
    });
    const { audience } = await trx
      .selectFrom('suites')
      .select('audience')
      .where('id', '=', serials.suiteId)
      .executeTakeFirstOrThrow();
    await recordEvent(trx, {
      kind: 'suite.forwarded',
      audience,
      actor,
      data: { ...detail, suite: serials.suite, archive: serials.archive },
    });
    await enqueuePublication(trx, serials.suiteId, { reason: 'request' });
  });
  return next;
}

const signedEntry = z.looseObject({
  entry: z.looseObject({
    kind: z.literal('release'),
    archive: z.string(),
    suite: z.string(),
    serial: z.int(),
    sha256: z.string(),
  }),
});
const PAGE = 500;

interface Signed {
  readonly serial: number;
  readonly sha256: string;
}

/** The highest serial that was signed for each `ARCHIVE SUITE`. */
async function lastSigned(signer: Pick<ReleaseSigner, 'readLog'>): Promise<ReadonlyMap<string, Signed>> {
  const last = new Map<string, Signed>();
  for (let after = 0; ;) {
    const { lines } = await signer.readLog(after, PAGE);
    for (const line of lines) {
      const parsed = signedEntry.safeParse(JSON.parse(line));
      if (!parsed.success) continue;
      const { archive, suite, serial, sha256 } = parsed.data.entry;
      const key = `${archive} ${suite}`;
      if (serial >= (last.get(key)?.serial ?? 0)) last.set(key, { serial, sha256 });
    }
    if (lines.length < PAGE) return last;
    after += lines.length;
  }
}
