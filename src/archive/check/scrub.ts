/**
 * The reading of everything that is stored, in the background: a slice every few minutes, slowly, so that nobody feels it. A pass
 * goes through all stored files in the order of their hashes and on where it was cut off; the next begins a week after the last.
 * What is damaged or missing raises an alert that names suites and packages, and that ends when a later reading finds it sound.
 */
import { sql } from 'kysely';
import { clearAlert, openAlertKeys, raiseAlert } from '../../platform/alerts.ts';
import { withTransaction, type Db } from '../../platform/database.ts';
import { NAMED_BLOBS, type NamedBlob } from '../named-blobs.ts';
import type { CheckArchiveDeps } from './deps.ts';
import { explainBlob, scanBlobs } from './stored-files.ts';

export interface ScrubOptions {
  /** Bytes that one slice reads at most, but for its last file. */
  readonly sliceBytes?: number;
  /** Bytes per second. */
  readonly pace?: number;
  readonly signal?: AbortSignal;
}

export interface ScrubSlice {
  readonly files: number;
  readonly bytes: number;
  readonly damaged: number;
  /** True when the pass came to its end. */
  readonly finished: boolean;
}

const SLICE_BYTES = 256 * 1024 ** 2;
const SLICE_FILES = 5_000;
const PACE = 16 * 1024 ** 2;
const PAUSE_BETWEEN_PASSES = '7 days';
const ALERT = 'storage.damaged ';

/** Reads the next slice; undefined while the next pass is not due. */
export async function scrubSlice(
  deps: Pick<CheckArchiveDeps, 'db' | 'blobs' | 'storage'>,
  options: ScrubOptions = {},
): Promise<ScrubSlice | undefined> {
  const { db } = deps;
  const pass = await openPass(db);
  if (pass === undefined) return undefined;
  const slice = await nextFiles(db, pass.position, options.sliceBytes ?? SLICE_BYTES);
  const unsound = new Set<string>();
  const alerted = new Set((await openAlertKeys(db, ALERT)).map((key) => key.slice(ALERT.length)));
  const scanned = scanBlobs(deps.blobs, slice, {
    pace: options.pace ?? PACE,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  for await (const { blob, state } of scanned) {
    unsound.add(blob.sha256);
    const found = await explainBlob(deps, blob, state);
    const audience = await audienceOf(db, found.archive);
    await withTransaction(db, (trx) =>
      raiseAlert(trx, {
        key: `${ALERT}${blob.sha256}`,
        audience,
        sentence: found.says,
        remedy: found.remedy ?? 'landfall archive check --repair makes it again',
        data: { suites: [...found.suites], packages: [...found.packages], archive: found.archive },
      }),
    );
  }
  const bytes = slice.reduce((sum, one) => sum + one.size, 0);
  const finished = slice.length === 0;
  await withTransaction(db, async (trx) => {
    for (const { sha256 } of slice) {
      if (alerted.has(sha256) && !unsound.has(sha256)) await clearAlert(trx, `${ALERT}${sha256}`);
    }
    if (finished) await clearUnnamed(trx, alerted);
    await sql`
      UPDATE scrubs SET position = ${slice.at(-1)?.sha256 ?? pass.position}, files = files + ${slice.length},
        bytes = bytes + ${bytes}, damaged = damaged + ${unsound.size},
        finished_at = CASE WHEN ${finished} THEN clock_timestamp() END
      WHERE id = ${pass.id}`.execute(trx);
  });
  return { files: slice.length, bytes, damaged: unsound.size, finished };
}

async function openPass(db: Db): Promise<{ readonly id: number; readonly position: string } | undefined> {
  const open = await db
    .selectFrom('scrubs')
    .select(['id', 'position'])
    .where('finished_at', 'is', null)
    .executeTakeFirst();
  if (open !== undefined) return open;
  const { rows } = await sql<{ id: number; position: string }>`
    INSERT INTO scrubs (position)
    SELECT '' WHERE NOT EXISTS (SELECT 1 FROM scrubs WHERE finished_at > clock_timestamp() - ${PAUSE_BETWEEN_PASSES}::interval)
    ON CONFLICT DO NOTHING RETURNING id, position`.execute(db);
  return rows[0];
}

async function nextFiles(db: Db, after: string, sliceBytes: number): Promise<NamedBlob[]> {
  const { rows } = await sql<NamedBlob>`
    SELECT sha256, max(size) AS size FROM (${NAMED_BLOBS}) AS named WHERE sha256 > ${after}
    GROUP BY sha256 ORDER BY sha256 LIMIT ${SLICE_FILES}`.execute(db);
  let bytes = 0;
  const slice: NamedBlob[] = [];
  for (const blob of rows) {
    if (bytes >= sliceBytes) break;
    slice.push(blob);
    bytes += blob.size;
  }
  return slice;
}

/** Files that nothing names any more need nobody. */
async function clearUnnamed(trx: Parameters<typeof clearAlert>[0], alerted: ReadonlySet<string>): Promise<void> {
  if (alerted.size === 0) return;
  const { rows } = await sql<{ sha256: string }>`
    SELECT DISTINCT sha256 FROM (${NAMED_BLOBS}) AS named WHERE sha256 = ANY (${[...alerted]}::text[])`.execute(trx);
  const named = new Set(rows.map((row) => row.sha256));
  for (const sha256 of alerted) if (!named.has(sha256)) await clearAlert(trx, `${ALERT}${sha256}`);
}

async function audienceOf(db: Db, archive: string | null): Promise<string> {
  if (archive === null) return 'public';
  const row = await db.selectFrom('archives').select('audience').where('name', '=', archive).executeTakeFirst();
  return row?.audience ?? 'public';
}
