/**
 * Keeps suites valid: a suite whose Valid-Until nears, or that was never published, gets a publication. Renewed at half of its
 * validity, so that days remain to mend what stops it; what does stop it is an alert long before readers notice.
 */
import { sql } from 'kysely';
import { clearAlert, openAlertKeys, raiseAlert, type NewAlert } from '../platform/alerts.ts';
import { withTransaction, type Db } from '../platform/database.ts';
import { enqueuePublication } from './accept.ts';

/** A publication takes a second; one that is not there after this needs somebody. */
const PATIENCE_MINUTES = 20;
const NOT_RENEWED = 'suite.not-renewed';
const NOT_PUBLISHED = 'suite.not-published';

interface SuiteRow {
  readonly id: number;
  readonly archive: string;
  readonly suite: string;
  readonly audience: string;
  readonly published: boolean;
  readonly validUntil: Date | null;
  readonly expired: boolean;
  /** Half of the validity is over, or there is none yet. */
  readonly due: boolean;
  /** It was due, or was begun, longer ago than patience lasts. */
  readonly overdue: boolean;
  readonly stuck: boolean;
  /** What stopped the last try. */
  readonly lastError: string | null;
}

/** Enqueues the publications that are due, and raises or clears the alert of each suite; returns the suites that were due. */
export async function renewSuites(db: Db): Promise<number[]> {
  const { rows } = await sql<SuiteRow>`
    SELECT s.id, a.name AS archive, s.name AS suite, s.audience, p.date IS NOT NULL AS published,
      p.valid_until AS "validUntil", coalesce(p.valid_until <= clock_timestamp(), false) AS expired,
      coalesce(d.at <= clock_timestamp(), false)
        OR coalesce(o.started_at < clock_timestamp() - interval '10 minutes', false) AS due,
      coalesce(d.at < clock_timestamp() - make_interval(mins => ${PATIENCE_MINUTES}), false) AS overdue,
      coalesce(o.started_at < clock_timestamp() - make_interval(mins => ${PATIENCE_MINUTES}), false) AS stuck,
      j.last_error AS "lastError"
    FROM suites s JOIN archives a ON a.id = s.archive_id
      LEFT JOIN LATERAL (
        SELECT date, valid_until FROM publications
        WHERE suite_id = s.id AND state = 'published' ORDER BY serial DESC LIMIT 1) p ON true
      LEFT JOIN publications o ON o.suite_id = s.id AND o.state <> 'published'
      LEFT JOIN graphile_worker.jobs j ON j.key = 'publish:' || s.id
      CROSS JOIN LATERAL (
        SELECT CASE WHEN p.date IS NULL THEN s.created_at ELSE p.date + (p.valid_until - p.date) / 2 END AS at) d
    ORDER BY s.id`.execute(db);
  const alerts = new Map<string, NewAlert>();
  for (const row of rows) {
    if (row.due) {
      await withTransaction(db, async (trx) => {
        await enqueuePublication(trx, row.id, { reason: row.published ? 'renewal' : 'change' });
      });
    }
    const alert = alertOf(row);
    if (alert !== undefined) alerts.set(alert.key, alert);
  }
  await settleAlerts(db, alerts);
  return rows.filter(({ due }) => due).map(({ id }) => id);
}

function alertOf(row: SuiteRow): NewAlert | undefined {
  const { archive, suite, audience, validUntil } = row;
  const name = `${archive}/${suite}`;
  const common = {
    audience,
    remedy: 'mend what the reason says; publishing is tried again by itself, and the server’s log has every try',
    data: { archive, suite, validUntil: validUntil?.toISOString() ?? null, reason: row.lastError },
  };
  const because = row.lastError === null ? '' : `: ${row.lastError.split('\n')[0] ?? ''}`;
  if (row.published && row.overdue) {
    const until = validUntil?.toISOString().slice(0, 16).replace('T', ' ') ?? '';
    const sentence = row.expired
      ? `the suite ${name} expired at ${until} UTC: apt refuses it; it could not be renewed${because}`
      : `the suite ${name} expires at ${until} UTC and could not be renewed${because}`;
    return { key: `${NOT_RENEWED} ${name}`, sentence, ...common };
  }
  if (row.stuck || (!row.published && row.overdue)) {
    return { key: `${NOT_PUBLISHED} ${name}`, sentence: `the suite ${name} cannot be published${because}`, ...common };
  }
  return undefined;
}

async function settleAlerts(db: Db, alerts: ReadonlyMap<string, NewAlert>): Promise<void> {
  const open = [...(await openAlertKeys(db, `${NOT_RENEWED} `)), ...(await openAlertKeys(db, `${NOT_PUBLISHED} `))];
  for (const alert of alerts.values()) {
    await withTransaction(db, async (trx) => await raiseAlert(trx, alert));
  }
  for (const key of open) {
    if (!alerts.has(key)) await withTransaction(db, async (trx) => await clearAlert(trx, key));
  }
}
