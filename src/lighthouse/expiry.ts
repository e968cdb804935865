/**
 * Taking back the leases whose worker fell silent, by the database's clock alone. When the server itself was away (restarted,
 * or its database was, or the clock was set), workers had nobody to send their heartbeats to: then nothing is taken back before they had a whole
 * lease's time to be heard again, so that a restart costs no builds (H20).
 */
import { sql } from 'kysely';
import { withTransaction, type Db } from '../platform/database.ts';
import { endWithoutResult } from './attempts.ts';
import { LEASE_SECONDS } from './model.ts';
import { lockAliveAttempt, lockJob } from './store.ts';

export interface ExpiryOptions {
  /** For how long workers could be heard and the clock was to be trusted, see steadiness.ts. */
  readonly steadyMs: number;
  /** Least time that this and the database's uptime must have lasted; default a lease. */
  readonly settleSeconds?: number;
}

/** Ends every attempt whose lease ran out; its job is ready again after a pause, or quarantined. Returns their ids. */
export async function expireLeases(db: Db, options: ExpiryOptions): Promise<readonly number[]> {
  const settleSeconds = options.settleSeconds ?? LEASE_SECONDS;
  if (options.steadyMs < settleSeconds * 1_000) return [];
  const { rows } = await sql<{ id: number; job_id: number }>`
    SELECT id, job_id FROM attempts
    WHERE state = 'running' AND lease_expires_at < clock_timestamp()
      AND pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => ${settleSeconds})
    ORDER BY job_id`.execute(db);
  const ended: number[] = [];
  for (const row of rows) {
    // One transaction each: one job that cannot be moved does not hold back the others.
    const done = await withTransaction(db, async (trx) => {
      const job = await lockJob(trx, row.job_id);
      const attempt = await lockAliveAttempt(trx, row.job_id);
      if (job?.state !== 'leased' || attempt?.id !== row.id || attempt.state !== 'running') return false;
      // A heartbeat may have come since it was listed.
      const still = await sql<{ silent: number }>`
        SELECT extract(epoch FROM clock_timestamp() - lease_expires_at)::integer AS silent
        FROM attempts WHERE id = ${row.id} AND lease_expires_at < clock_timestamp()`.execute(trx);
      if (still.rows[0] === undefined) return false;
      await endWithoutResult(trx, job, attempt, 'lose', 'landfall', {
        code: 'lease.expired',
        reason: `worker ${attempt.worker} was not heard of any more`,
      });
      return true;
    });
    if (done) ended.push(row.id);
  }
  return ended;
}
