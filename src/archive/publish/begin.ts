/**
 * The beginning of a publication: the next serial and Date are taken, and with them what the suite holds and says is fixed.
 */
import { sql } from 'kysely';
import { jsonText, withTransaction, type Db, type Trx } from '../../platform/database.ts';
import { LandfallError } from '../../platform/errors.ts';
import { isDirty } from './content.ts';
import { publicationFactsSchema, type OpenPublication, type PublishReason, type PublishResult } from './publication.ts';
import { readSuite, settingsSchema, type SuiteSettings } from './settings.ts';

/** A clock may be this far behind the last Date before a person must look. */
const PATIENCE_MS = 5_000;

/** The suite's publication that is not published, if there is one. */
export async function findOpenPublication(db: Db, suiteId: number): Promise<OpenPublication | undefined> {
  const row = await db
    .selectFrom('publications')
    .selectAll()
    .where('suite_id', '=', suiteId)
    .where('state', '<>', 'published')
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const facts = publicationFactsSchema.parse(row.facts);
  return {
    id: row.id,
    suiteId: row.suite_id,
    serial: row.serial,
    state: row.state,
    date: row.date,
    validUntil: row.valid_until,
    reason: row.reason,
    settings: facts.settings,
    from: facts.from,
    facts,
    release: row.release,
    inRelease: row.in_release,
    releaseGpg: row.release_gpg,
  };
}

/** What a publication says beside what the suite's row says. */
export type Announced = Pick<SuiteSettings, 'changelogs' | 'snapshots' | 'signedBy'>;

/** Takes the next serial, or says why there is no publication to make. */
export async function beginPublication(
  db: Db,
  suiteId: number,
  reason: PublishReason,
  announced: Announced,
): Promise<OpenPublication | Exclude<PublishResult, { kind: 'published' | 'busy' }>> {
  const refused = await withTransaction(db, (trx) => begin(trx, suiteId, reason, announced));
  if (refused !== undefined) return refused;
  const begun = await findOpenPublication(db, suiteId);
  if (begun === undefined) throw new Error('a publication that was begun is not there');
  return begun;
}

async function begin(
  trx: Trx,
  suiteId: number,
  reason: PublishReason,
  announced: Announced,
): Promise<Exclude<PublishResult, { kind: 'published' | 'busy' }> | undefined> {
  // Waits for those who are stamping changes with the open serial, and keeps later ones to the next.
  const suite = await readSuite(trx, suiteId, true);
  if (suite === undefined) return { kind: 'no-such-suite' };
  const settings = settingsSchema.parse({ ...suite.settings, ...announced });
  const last = await trx
    .selectFrom('publications')
    .select(['serial', 'date', 'facts', sql<Date>`clock_timestamp()`.as('now')])
    .where('suite_id', '=', suiteId)
    .orderBy('serial', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (last !== undefined) {
    if (reason === 'change') {
      const told = publicationFactsSchema.parse(last.facts).settings;
      const same = JSON.stringify(told) === JSON.stringify(settings);
      if (same && !(await isDirty(trx, suiteId, suite.openSerial))) return { kind: 'nothing-new' };
    }
    // apt compares whole seconds, so the next Date must be in a later one.
    const waitMs = last.date.getTime() + 1_000 - last.now.getTime();
    if (waitMs > PATIENCE_MS) throw clockBehind(settings, last.date, last.now);
    if (waitMs > 0) return { kind: 'too-soon', waitMs };
  }
  const serial = suite.openSerial;
  await trx
    .updateTable('suites')
    .set({ open_serial: serial + 1 })
    .where('id', '=', suiteId)
    .execute();
  await trx
    .insertInto('publications')
    .columns(['suite_id', 'serial', 'date', 'valid_until', 'reason', 'facts'])
    .expression(
      trx
        .selectFrom('suites')
        .select([
          sql<number>`id`.as('suite_id'),
          sql<number>`${serial}::bigint`.as('serial'),
          sql<Date>`date_trunc('second', clock_timestamp())`.as('date'),
          sql<Date>`date_trunc('second', date_trunc('second', clock_timestamp()) + valid_for)`.as('valid_until'),
          sql<string>`${reason}::text`.as('reason'),
          sql<string>`${jsonText({ settings, from: last?.serial ?? 0 })}::jsonb`.as('facts'),
        ])
        .where('id', '=', suiteId),
    )
    .execute();
  return undefined;
}

function clockBehind(settings: SuiteSettings, date: Date, now: Date): LandfallError {
  return new LandfallError({
    code: 'publish.clock-behind',
    doing: `publish the suite ${settings.suite} of ${settings.archive}`,
    reason: `its last publication has the Date ${date.toISOString()} and the database's clock says ${now.toISOString()}`,
    remedy: 'set the clock of the database server right; publishing goes on by itself when the last Date is past',
  });
}
