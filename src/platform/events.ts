/**
 * Events, the replayable account of what happened, and the audit, the account of who changed what. Rows of both are only
 * added; the database refuses anything else.
 *
 * An event is recorded in the transaction of the fact that it tells, so that neither exists without the other. Readers keep a
 * cursor: the transaction number and the id of the last row they saw. Rows are handed out in that order, and only those whose
 * transaction is older than every one that still runs: an event that commits late is therefore never skipped, although
 * younger ones committed before it. The price is that a transaction that writes, anywhere in the database server, holds back
 * what came after it; `pending` tells a reader that this is so, and that it should look again soon.
 */
import { sql } from 'kysely';
import { jsonText, type Db, type JsonObject, type Trx } from './database.ts';

export interface NewEvent {
  /** `thing.happened`, for example `tag.accepted`. */
  readonly kind: string;
  readonly submissionId?: number | undefined;
  /** Who may see it; default: the audience of its submission, and `public` where it has none. */
  readonly audience?: string | undefined;
  /** `person:HANDLE`, `worker:NAME`, `landfall` or `demo`. */
  readonly actor: string;
  readonly data?: JsonObject | undefined;
}

export interface NewAuditEntry {
  readonly actor: string;
  /** `thing.changed`, for example `grant.created`. */
  readonly action: string;
  /** What was changed, in words that find it again: `suite main/landing`. */
  readonly subject: string;
  readonly detail?: JsonObject | undefined;
}

/** `XID-ID` of the last row that was read, opaque to those who keep it. */
export type EventCursor = `${bigint}-${number}`;

/** The cursor before the first event. */
export const FIRST_EVENT: EventCursor = '0-0';

export interface RecordedEvent {
  readonly id: number;
  /** Reading after it goes on behind this event. */
  readonly cursor: EventCursor;
  readonly at: Date;
  readonly kind: string;
  readonly submissionId: number | null;
  readonly audience: string;
  readonly actor: string;
  readonly data: JsonObject;
}

export interface EventQuery {
  /** Absent: from the beginning. */
  readonly after?: EventCursor | undefined;
  readonly limit: number;
  readonly submissionId?: number | undefined;
  /** Only events for one of these are seen, see `audiencesOf` in permissions/. */
  readonly audiences: readonly string[];
}

const MAX_XID = 2n ** 64n - 1n;

/** Adds an event to the caller's transaction; readers are woken when that commits. */
export async function recordEvent(trx: Trx, event: NewEvent): Promise<void> {
  const inherited =
    event.submissionId === undefined
      ? sql<string>`'public'`
      : sql<string>`coalesce((SELECT audience FROM submissions WHERE id = ${event.submissionId}), 'public')`;
  await trx
    .insertInto('events')
    .values({
      kind: event.kind,
      submission_id: event.submissionId ?? null,
      audience: event.audience ?? inherited,
      actor: event.actor,
      data: jsonText(event.data ?? {}),
    })
    .execute();
}

/** Adds an entry to the audit, in the transaction of the change that it tells. */
export async function recordAudit(trx: Trx, entry: NewAuditEntry): Promise<void> {
  await trx
    .insertInto('audit')
    .values({
      actor: entry.actor,
      action: entry.action,
      subject: entry.subject,
      detail: jsonText(entry.detail ?? {}),
    })
    .execute();
}

export interface EventPage {
  readonly events: readonly RecordedEvent[];
  readonly cursor: EventCursor;
  /** There are events that are held back; nothing will wake the reader for them. */
  readonly pending: boolean;
}

/**
 * The next events, oldest first. `cursor` is where to go on: also when nothing was found, it moves past all that was looked
 * at, so that a reader of few events does not search the same rows again.
 */
export async function readEvents(db: Db, query: EventQuery): Promise<EventPage> {
  const [afterXid, afterId] = (query.after ?? FIRST_EVENT).split('-');
  // Taken before the rows are looked at: what is older than this can no longer appear.
  const horizon = await eventHorizon(db);
  let rows = db
    .selectFrom('events')
    .select(['id', 'xid', 'at', 'kind', 'submission_id', 'audience', 'actor', 'data'])
    .where(sql<boolean>`(xid, id) > (${afterXid}::xid8, ${afterId}::bigint)`)
    .where(sql<boolean>`xid < ${horizon}::xid8`)
    .where('audience', 'in', query.audiences.length === 0 ? [''] : [...query.audiences])
    .orderBy('xid')
    .orderBy('id')
    .limit(query.limit);
  if (query.submissionId !== undefined) rows = rows.where('submission_id', '=', query.submissionId);
  const events = (await rows.execute()).map((row) => ({
    id: row.id,
    cursor: cursorOf(row.xid, row.id),
    at: row.at,
    kind: row.kind,
    submissionId: row.submission_id,
    audience: row.audience,
    actor: row.actor,
    data: row.data,
  }));
  const last = events.at(-1);
  if (last !== undefined && events.length >= query.limit) return { events, cursor: last.cursor, pending: false };
  // Everything below the horizon was read; ids begin at 1, so nothing at the horizon itself is passed over.
  const end = BigInt(horizon) > BigInt(afterXid ?? '0') ? cursorOf(horizon, 0) : (query.after ?? FIRST_EVENT);
  const heldBack = await db
    .selectFrom('events')
    .select('id')
    .where(sql<boolean>`xid >= ${horizon}::xid8`)
    .limit(1)
    .executeTakeFirst();
  return { events, cursor: end, pending: heldBack !== undefined };
}

/** The cursor of a reader that only wants what happens from here on. */
export async function currentEventCursor(db: Db): Promise<EventCursor> {
  return cursorOf(await eventHorizon(db), 0);
}

/** Reads a cursor that a client sent; undefined when it is none. */
export function parseEventCursor(text: string): EventCursor | undefined {
  const match = /^(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,15})$/.exec(text);
  if (match === null) return undefined;
  const [, xid = '', id = ''] = match;
  if (BigInt(xid) > MAX_XID || !Number.isSafeInteger(Number(id))) return undefined;
  return cursorOf(xid, Number(id));
}

async function eventHorizon(db: Db): Promise<string> {
  const { rows } = await sql<{ horizon: string }>`
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon`.execute(db);
  return rows[0]?.horizon ?? '0';
}

function cursorOf(xid: string, id: number): EventCursor {
  return `${BigInt(xid)}-${id}`;
}
