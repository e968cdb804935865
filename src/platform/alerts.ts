/**
 * Alerts: what is wrong and needs somebody, from the moment that it is noticed until it is over. There is one open alert for
 * a key, however often it is raised; raising and clearing each tell an event, and nothing in between does.
 */
import { sql } from 'kysely';
import { jsonText, type Db, type JsonObject, type Trx } from './database.ts';
import { recordEvent } from './events.ts';

export interface NewAlert {
  /** What is wrong, and of what: `storage.low`, `suite.not-renewed main/landing`. */
  readonly key: string;
  /** Who may see it; default `public`. */
  readonly audience?: string;
  /** What a person reads; raised again with other words, the newest stand. */
  readonly sentence: string;
  /** The command or the act that mends it. */
  readonly remedy?: string;
  readonly data?: JsonObject;
}

export interface Alert {
  readonly key: string;
  readonly audience: string;
  readonly sentence: string;
  readonly remedy: string | null;
  readonly data: JsonObject;
  readonly raisedAt: Date;
}

/** Raises an alert, or renews the words of the open one. True when it was not open before. */
export async function raiseAlert(trx: Trx, alert: NewAlert): Promise<boolean> {
  const audience = alert.audience ?? 'public';
  const data = alert.data ?? {};
  const { rows } = await sql<{ fresh: boolean }>`
    INSERT INTO alerts (key, audience, sentence, remedy, data)
    VALUES (${alert.key}, ${audience}, ${alert.sentence}, ${alert.remedy ?? null}::text, ${jsonText(data)}::jsonb)
    ON CONFLICT (key) WHERE cleared_at IS NULL
    DO UPDATE SET audience = excluded.audience, sentence = excluded.sentence, remedy = excluded.remedy, data = excluded.data
    RETURNING xmax = 0 AS fresh`.execute(trx);
  if (rows[0]?.fresh !== true) return false;
  await recordEvent(trx, {
    kind: 'alert.raised',
    audience,
    actor: 'landfall',
    data: { ...data, key: alert.key, sentence: alert.sentence, remedy: alert.remedy ?? null },
  });
  return true;
}

/** Ends an alert; true when it was open. */
export async function clearAlert(trx: Trx, key: string): Promise<boolean> {
  const cleared = await trx
    .updateTable('alerts')
    .set({ cleared_at: sql<Date>`clock_timestamp()` })
    .where('key', '=', key)
    .where('cleared_at', 'is', null)
    .returning(['audience', 'sentence', 'data'])
    .executeTakeFirst();
  if (cleared === undefined) return false;
  const { audience, sentence, data } = cleared;
  await recordEvent(trx, { kind: 'alert.cleared', audience, actor: 'landfall', data: { ...data, key, sentence } });
  return true;
}

/** The open alerts that members of `audiences` may see, oldest first. */
export async function openAlerts(db: Db, audiences: readonly string[]): Promise<Alert[]> {
  const rows = await db
    .selectFrom('alerts')
    .select(['key', 'audience', 'sentence', 'remedy', 'data', 'raised_at'])
    .where('cleared_at', 'is', null)
    .where('audience', 'in', audiences.length === 0 ? [''] : [...audiences])
    .orderBy('id')
    .limit(500)
    .execute();
  return rows.map(({ raised_at: raisedAt, ...row }) => ({ ...row, raisedAt }));
}

/** The keys of open alerts that begin with `prefix`. */
export async function openAlertKeys(db: Db, prefix: string): Promise<string[]> {
  const rows = await db
    .selectFrom('alerts')
    .select('key')
    .where('cleared_at', 'is', null)
    .where(sql<boolean>`starts_with(key, ${prefix})`)
    .execute();
  return rows.map((row) => row.key);
}
