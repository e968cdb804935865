/**
 * Which pools of background tasks are alive, the unlocking of what dead ones held, and the removal of what was overtaken while
 * they held it. See tasks.ts for the rule.
 *
 * The server's start counts as a sign of life of every pool, because nobody could send a heartbeat while it was away; and a
 * pool that lost its connection judges the others only when it has had a new one for a while.
 */
import pg from 'pg';
import { clientConfig, type DatabaseConnection } from './database.ts';
import type { Logger } from './log.ts';

/** First half of the advisory locks' key. */
const LOCK_CLASS = 7_235_420;
const BEAT_MS = 1_500;
const SILENT_WITHOUT_LOCK = '5 seconds';
const SILENT = '30 seconds';
const SETTLE_MS = 10_000;
const LOST_MS = 10_000;
/** A minute: nobody waits for it. */
const BEATS_PER_TIDYING = 40;

/** One look at the others: unlocks what dead pools and unknown ones hold, forgets them, and returns their ids. */
const SWEEP = `
  WITH alive AS (
    SELECT pool_id FROM task_pools p
    WHERE greatest(p.heartbeat_at, pg_postmaster_start_time()) > clock_timestamp() - interval '${SILENT}'
      AND (greatest(p.heartbeat_at, pg_postmaster_start_time()) > clock_timestamp() - interval '${SILENT_WITHOUT_LOCK}'
        OR EXISTS (
          SELECT FROM pg_locks l
          WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND l.classid = ${LOCK_CLASS} AND l.objid::bigint = hashtext(p.pool_id)::bigint & 4294967295))
  ), dead AS (
    SELECT locked_by AS pool_id FROM graphile_worker._private_jobs WHERE locked_by IS NOT NULL
    UNION SELECT locked_by FROM graphile_worker._private_job_queues WHERE locked_by IS NOT NULL
    UNION SELECT pool_id FROM task_pools
    EXCEPT SELECT pool_id FROM alive
  ), forgotten AS (
    DELETE FROM task_pools WHERE pool_id IN (SELECT pool_id FROM dead)
  )
  SELECT coalesce(array_agg(pool_id), '{}') AS dead FROM dead`;

/** A flag of each task that was enqueued with a key: so one whose key was taken away is told from one that never had any. */
export const KEYED = 'keyed';

/**
 * True of a row `j` of graphile_worker._private_jobs that is not tried again, and need not be: it was running when the same
 * thing was asked for again (the task that was enqueued behind it does the work), or when it was taken back. graphile-worker
 * then takes its key and its attempts away, and removes it only when its run ends well.
 */
export const IS_SUPERSEDED = `(j.key IS NULL AND j.attempts >= j.max_attempts
  AND (coalesce(j.flags ? '${KEYED}', false) OR coalesce(j.payload::jsonb ? '_cron', false)))`;

/** What is superseded and was left by a run that died or failed. */
const FORGET_SUPERSEDED = `
  DELETE FROM graphile_worker._private_jobs j WHERE ${IS_SUPERSEDED} AND j.locked_at IS NULL RETURNING j.id::text`;

const GIVE_BACK = `
  WITH given AS (
    UPDATE graphile_worker._private_jobs SET locked_at = NULL, locked_by = NULL
    WHERE id = ANY ($1::bigint[]) AND locked_by = $2 RETURNING job_queue_id
  )
  UPDATE graphile_worker._private_job_queues SET locked_at = NULL, locked_by = NULL
  WHERE locked_by = $2 AND id IN (SELECT job_queue_id FROM given)`;

export interface Presence {
  readonly poolId: string;
  /** Since when the database answers without a break, on the scale of `performance.now()`; undefined when it does not. */
  answersSince(): number | undefined;
  /** Says goodbye: what the pool still holds is given back, the row and the lock go at once. */
  end(): Promise<void>;
}

/**
 * Registers the pool, looks at the others, and keeps doing both until ended. `held` are the ids of the tasks that run here:
 * one that is locked for this pool and is not among them was lost on its way, with the connection that took it.
 * @throws what connecting throws
 */
export async function beginPresence(
  connection: DatabaseConnection,
  poolId: string,
  held: ReadonlySet<string>,
  logger: Logger,
): Promise<Presence> {
  let client: pg.Client | undefined;
  let answersSince: number | undefined;
  /** Tasks that seem lost, and when that was seen first. */
  const suspects = new Map<string, number>();
  /** When the others may be judged: at once at start, later after a lost connection. */
  let judgeFrom = 0;
  let isFirst = true;
  let beats = 0;
  let ended = false;
  let timer: NodeJS.Timeout | undefined;

  async function connect(): Promise<pg.Client> {
    const fresh = new pg.Client(clientConfig(connection, `landfall ${poolId}`));
    const lose = (): void => {
      if (client !== fresh) return;
      client = undefined;
      answersSince = undefined;
    };
    fresh.on('error', lose);
    fresh.on('end', lose);
    try {
      await fresh.connect();
      await fresh.query('SELECT pg_advisory_lock($1, hashtext($2))', [LOCK_CLASS, poolId]);
      return fresh;
    } catch (error) {
      await fresh.end().catch(() => undefined);
      throw error;
    }
  }

  const beat = async (): Promise<void> => {
    if (client === undefined) {
      client = await connect();
      answersSince = performance.now();
      judgeFrom = isFirst ? 0 : answersSince + SETTLE_MS;
      isFirst = false;
    }
    await client.query(
      `INSERT INTO task_pools (pool_id) VALUES ($1)
       ON CONFLICT (pool_id) DO UPDATE SET heartbeat_at = clock_timestamp()`,
      [poolId],
    );
    await giveBackLost(client);
    if (performance.now() < judgeFrom) return;
    const { rows } = await client.query<{ dead: string[] }>(SWEEP);
    const dead = rows[0]?.dead ?? [];
    if (dead.length > 0) {
      await client.query('SELECT graphile_worker.force_unlock_workers($1::text[])', [dead]);
      logger.warn({ pools: dead }, 'gave back the tasks of processes that ended');
    }
    if (dead.length > 0 || beats % BEATS_PER_TIDYING === 0) await forgetSuperseded(client);
    beats += 1;
  };

  async function forgetSuperseded(by: pg.Client): Promise<void> {
    const { rows } = await by.query<{ id: string }>(FORGET_SUPERSEDED);
    if (rows.length > 0) {
      logger.info({ tasks: rows.map(({ id }) => id) }, 'removed tasks that did not end and that others had replaced');
    }
  }

  async function giveBackLost(by: pg.Client): Promise<void> {
    const { rows } = await by.query<{ id: string }>(
      'SELECT id::text FROM graphile_worker._private_jobs WHERE locked_by = $1',
      [poolId],
    );
    const locked = new Set(rows.map(({ id }) => id));
    for (const id of suspects.keys()) if (!locked.has(id) || held.has(id)) suspects.delete(id);
    for (const id of locked) if (!held.has(id) && !suspects.has(id)) suspects.set(id, performance.now());
    const lost = [...suspects].filter(([, seen]) => performance.now() - seen > LOST_MS).map(([id]) => id);
    if (lost.length === 0) return;
    await by.query(GIVE_BACK, [lost, poolId]);
    for (const id of lost) suspects.delete(id);
    logger.warn({ tasks: lost }, 'gave back tasks that were lost with a connection');
  }

  let beating: Promise<void> = Promise.resolve();
  const schedule = (): void => {
    if (ended) return;
    timer = setTimeout(() => {
      beating = beat()
        .catch((error: unknown) => logger.warn({ error }, 'the heartbeat of background tasks failed'))
        .then(schedule);
    }, BEAT_MS);
  };
  try {
    await beat();
  } catch (error) {
    await client?.end().catch(() => undefined);
    throw error;
  }
  schedule();

  return {
    poolId,
    answersSince: () => answersSince,
    end: async () => {
      ended = true;
      clearTimeout(timer);
      await beating;
      clearTimeout(timer);
      try {
        await client?.query('SELECT graphile_worker.force_unlock_workers($1::text[])', [[poolId]]);
        await client?.query('DELETE FROM task_pools WHERE pool_id = $1', [poolId]);
      } catch (error) {
        logger.debug({ error }, 'the database was away when background tasks ended');
      }
      await client?.end().catch(() => undefined);
    },
  };
}
