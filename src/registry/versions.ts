/** Versions that an archive has or had, and the marks below which a suite takes nothing. See model.ts for the states. */
import { sql } from 'kysely';
import { parseVersion } from '../debian/version.ts';
import { actorName, mayAct, type Actor, type SystemActor } from '../permissions/index.ts';
import { withTransaction, type Db, type Trx } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import { recordAudit, recordEvent } from '../platform/events.ts';
import { isNewerVersion } from './model.ts';

export interface VersionKey {
  readonly archiveId: number;
  readonly source: string;
  readonly version: string;
}

export type Reservation =
  | { readonly kind: 'reserved' }
  | { readonly kind: 'taken'; readonly by: number; readonly state: 'reserved' | 'accepted' };

/** A holder that goes away between two looks is asked for again; more often than this is no race any more. */
const MAX_LOOKS = 5;

/**
 * Reserves a version for a submission. Two at the same moment: the second waits until the first one's transaction ends, and
 * is then told. Reserved for the same submission already: reserved, without a second row.
 */
export async function reserveVersion(
  trx: Trx,
  wanted: VersionKey & { readonly submissionId: number },
): Promise<Reservation> {
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const inserted = await trx
      .insertInto('versions')
      .values({
        archive_id: wanted.archiveId,
        source: wanted.source,
        version: wanted.version,
        submission_id: wanted.submissionId,
        freed_because: null,
      })
      .onConflict((conflict) =>
        // Written out: PostgreSQL recognises the partial index only by a constant.
        conflict
          .columns(['archive_id', 'source', 'version'])
          .where(sql<boolean>`state <> 'freed'`)
          .doNothing(),
      )
      .returning('id')
      .executeTakeFirst();
    if (inserted !== undefined) return { kind: 'reserved' };
    const holder = await versionHolder(trx, wanted);
    if (holder === undefined) continue;
    if (holder.submissionId === wanted.submissionId && holder.state === 'reserved') return { kind: 'reserved' };
    return { kind: 'taken', by: holder.submissionId, state: holder.state };
  }
  throw new LandfallError({
    code: 'registry.version-unsettled',
    doing: `reserve ${wanted.source} ${wanted.version}`,
    reason: 'it is reserved and freed again and again by others at this moment',
    remedy: 'try again',
  });
}

/** Who has a version now; undefined when it is free. */
export async function versionHolder(
  db: Db,
  key: VersionKey,
): Promise<{ readonly submissionId: number; readonly state: 'reserved' | 'accepted' } | undefined> {
  const row = await db
    .selectFrom('versions')
    .select(['submission_id', 'state'])
    .where('archive_id', '=', key.archiveId)
    .where('source', '=', key.source)
    .where('version', '=', key.version)
    .where('state', '<>', 'freed')
    .executeTakeFirst();
  if (row === undefined || row.state === 'freed') return undefined;
  return { submissionId: row.submission_id, state: row.state };
}

/**
 * Frees what a submission has reserved, because nothing came of it, and records the event `version.freed`. False when it
 * holds no reservation (any more): an accepted version is never freed.
 */
export async function freeVersion(trx: Trx, submissionId: number, because: string): Promise<boolean> {
  const freed = await trx
    .updateTable('versions')
    .set({ state: 'freed', freed_because: because })
    .where('submission_id', '=', submissionId)
    .where('state', '=', 'reserved')
    .returning(['source', 'version'])
    .execute();
  for (const { source, version } of freed) {
    await recordEvent(trx, {
      kind: 'version.freed',
      submissionId,
      actor: 'landfall',
      data: { source, version, because },
    });
  }
  return freed.length > 0;
}

export type Acceptance =
  | { readonly kind: 'accepted' | 'already-accepted'; readonly source: string; readonly version: string }
  | { readonly kind: 'not-reserved' };

/** Makes a submission's version the archive's for ever. */
export async function acceptVersion(trx: Trx, submissionId: number): Promise<Acceptance> {
  const accepted = await trx
    .updateTable('versions')
    .set({ state: 'accepted' })
    .where('submission_id', '=', submissionId)
    .where('state', '=', 'reserved')
    .returning(['source', 'version'])
    .executeTakeFirst();
  if (accepted !== undefined) return { kind: 'accepted', ...accepted };
  const before = await trx
    .selectFrom('versions')
    .select(['source', 'version'])
    .where('submission_id', '=', submissionId)
    .where('state', '=', 'accepted')
    .executeTakeFirst();
  return before === undefined ? { kind: 'not-reserved' } : { kind: 'already-accepted', ...before };
}

/** The newest version that a suite ever let in (or what an administrator set instead); undefined when none. */
export async function highWaterMark(db: Db, suiteId: number, source: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('high_water_marks')
    .select('version')
    .where('suite_id', '=', suiteId)
    .where('source', '=', source)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.version;
}

export interface NewMark {
  readonly suiteId: number;
  readonly source: string;
  readonly version: string;
  readonly actor: string;
  readonly reason: string;
}

/** Raises the mark to a version that was let in; one that is not newer leaves it where it is. */
export async function raiseHighWaterMark(trx: Trx, mark: NewMark): Promise<void> {
  await lockMark(trx, mark);
  const current = await highWaterMark(trx, mark.suiteId, mark.source);
  if (current !== undefined && !isNewerVersion(mark.version, current)) return;
  await addMark(trx, mark);
}

/** Sets the mark to any version, also a lower one, for an administrator who knows why (someone once typed 20300101). */
export async function setHighWaterMark(trx: Trx, mark: NewMark): Promise<void> {
  await lockMark(trx, mark);
  const before = await highWaterMark(trx, mark.suiteId, mark.source);
  await addMark(trx, mark);
  await recordAudit(trx, {
    actor: mark.actor,
    action: 'high-water-mark.set',
    subject: `suite ${mark.suiteId}: ${mark.source}`,
    detail: { before: before ?? null, after: mark.version, reason: mark.reason },
  });
}

export type LoweredMark =
  | { readonly kind: 'lowered'; readonly before: string }
  | { readonly kind: 'denied'; readonly code: string; readonly reason: string }
  | { readonly kind: 'not-lower'; readonly reason: string };

/** Lowers a mark for somebody who administers this package in this suite. The old mark stays on record. */
export async function lowerHighWaterMark(
  db: Db,
  request: {
    readonly suite: { readonly id: number; readonly name: string; readonly archive: string };
    readonly source: string;
    readonly version: string;
    readonly reason: string;
    readonly by: Actor | SystemActor;
  },
): Promise<LoweredMark> {
  const { suite, source, version, reason, by } = request;
  return await withTransaction(db, async (trx): Promise<LoweredMark> => {
    const allowed = await mayAct(trx, by, 'administer', { archive: suite.archive, suite: suite.name, package: source });
    if (allowed.kind === 'denied') return allowed;
    await lockMark(trx, { suiteId: suite.id, source });
    const before = await highWaterMark(trx, suite.id, source);
    const name = `${suite.archive}/${suite.name}`;
    if (before === undefined) return { kind: 'not-lower', reason: `${name} never had a version of ${source}` };
    if ('kind' in parseVersion(version)) return { kind: 'not-lower', reason: `${version} is not a version` };
    if (!isNewerVersion(before, version)) {
      return {
        kind: 'not-lower',
        reason: `the mark of ${source} in ${name} is ${before}, and ${version} is not older`,
      };
    }
    await setHighWaterMark(trx, { suiteId: suite.id, source, version, actor: actorName(by), reason });
    return { kind: 'lowered', before };
  });
}

/** One at a time per suite and source, until the transaction ends: the newest row must be the one that was meant. */
async function lockMark(trx: Trx, mark: Pick<NewMark, 'suiteId' | 'source'>): Promise<void> {
  const name = `high-water-mark ${mark.suiteId} ${mark.source}`;
  await sql`SELECT pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(trx);
}

async function addMark(trx: Trx, mark: NewMark): Promise<void> {
  await trx
    .insertInto('high_water_marks')
    .values({
      suite_id: mark.suiteId,
      source: mark.source,
      version: mark.version,
      actor: mark.actor,
      reason: mark.reason,
    })
    .execute();
}
