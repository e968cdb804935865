/** Leases that run out or are given back, and what becomes of the job. */
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addJob,
  addWorker,
  attemptRow,
  claim,
  eventKinds,
  jobRow,
  letLeasesRunOut,
  mustClaim,
  queuedTasks,
  skipPause,
  type JoinedWorker,
} from '../../test/scenarios/lighthouse.ts';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { withTransaction, type Db } from '../platform/database.ts';
import { deliver, failAttempt, giveBack, heartbeat } from './index.ts';
import { expireLeases } from './expiry.ts';
import { releaseAttemptsNotHeld } from './leases.ts';
import { lighthouseTasks } from './tasks.ts';
import { silentLogger } from '../platform/log.ts';

let database: TestDatabase;

let db: Db;

let worker: JoinedWorker;

beforeEach(async () => {
  database = await createTestDatabase();
  db = database.db;
  worker = await addWorker(db, 'w1');
});

afterEach(async () => await database.drop());

const EXPIRED = { steadyMs: 1e12, settleSeconds: 0 };

describe('a lease that is lost', () => {
  test('H21 the job is ready again after a pause, and another worker gets it', async () => {
    const jobId = await addJob(db);
    const first = await mustClaim(db, worker);
    await letLeasesRunOut(db);
    expect(await expireLeases(db, EXPIRED)).toEqual([first.attemptId]);
    expect(await attemptRow(db, first.attemptId)).toMatchObject({ state: 'lost', result_code: 'lease.expired' });
    expect(await jobRow(db, jobId)).toMatchObject({ state: 'ready', infrastructure_failures: 1 });
    expect(await claim(db, worker)).toBeUndefined();
    await skipPause(db);
    const other = await addWorker(db, 'w2');
    expect((await mustClaim(db, other)).jobId).toBe(jobId);
    expect(await eventKinds(db)).toEqual(['job.created', 'job.leased', 'job.lost', 'job.leased']);
  });

  test('H22 the old worker that comes back with a result is refused', async () => {
    const jobId = await addJob(db);
    const old = await mustClaim(db, worker);
    await letLeasesRunOut(db);
    await expireLeases(db, EXPIRED);
    await skipPause(db);
    const current = await mustClaim(db, worker);
    expect(await withTransaction(db, (trx) => deliver(trx, worker, old.attemptId, old.token))).toMatchObject({
      kind: 'refused',
      status: 410,
      code: 'attempt.lost',
    });
    expect(await heartbeat(db, worker, old.attemptId, old.token)).toMatchObject({ status: 410 });
    expect(await heartbeat(db, worker, current.attemptId, old.token)).toMatchObject({
      status: 409,
      code: 'attempt.stale-token',
    });
    expect((await jobRow(db, jobId)).state).toBe('leased');
  });

  test('a heartbeat that comes before the lease is taken back keeps it', async () => {
    await addJob(db);
    const { attemptId, token } = await mustClaim(db, worker);
    await letLeasesRunOut(db);
    expect((await heartbeat(db, worker, attemptId, token)).kind).toBe('extended');
    expect(await expireLeases(db, EXPIRED)).toEqual([]);
  });

  test('H20 a server that was itself away takes nothing back before workers could be heard again', async () => {
    await addJob(db);
    await mustClaim(db, worker);
    await letLeasesRunOut(db);
    expect(await expireLeases(db, { steadyMs: 59_000 })).toEqual([]);
    expect((await expireLeases(db, EXPIRED)).length).toBe(1);
  });

  test('H25 H30 a job whose attempts end three times without a result is quarantined, until a person gives it back', async () => {
    const jobId = await addJob(db, { endedTask: 'builds.job-ended' });
    for (let failure = 1; failure <= 3; failure += 1) {
      await skipPause(db);
      const { attemptId, token } = await mustClaim(db, worker);
      if (failure === 2) {
        await withTransaction(db, (trx) =>
          failAttempt(trx, worker, attemptId, token, { kind: 'infrastructure', code: 'disk.full', reason: 'no room' }),
        );
      } else {
        await letLeasesRunOut(db);
        await expireLeases(db, EXPIRED);
      }
    }
    const job = await jobRow(db, jobId);
    expect(job).toMatchObject({ state: 'quarantined', failure_code: 'job.quarantined', infrastructure_failures: 3 });
    expect(job.failure_reason).toContain('3 attempts in a row');
    expect((await eventKinds(db)).at(-1)).toBe('job.quarantined');
    expect(await queuedTasks(db)).toEqual([{ task: 'builds.job-ended', payload: { jobId, state: 'quarantined' } }]);
    await skipPause(db);
    expect(await claim(db, worker)).toBeUndefined();
    await withTransaction(db, (trx) => giveBack(trx, jobId, 'person:alice'));
    expect(await jobRow(db, jobId)).toMatchObject({ state: 'ready', infrastructure_failures: 0 });
  });

  test('a mirror that stays away counts nothing against the job, however often; a worker that stops hands it back at once', async () => {
    const jobId = await addJob(db, {});
    const pause = async (code: string): Promise<number> => {
      const { attemptId, token } = await mustClaim(db, worker);
      await withTransaction(db, (trx) =>
        failAttempt(trx, worker, attemptId, token, { kind: 'unavailable', code, reason: 'it is away' }),
      );
      expect(await jobRow(db, jobId)).toMatchObject({ state: 'ready', infrastructure_failures: 0 });
      const { rows } = await sql<{ seconds: number }>`
        SELECT round(extract(epoch FROM not_before - changed_at))::integer AS seconds FROM jobs WHERE id = ${jobId}`.execute(
        db,
      );
      return rows[0]?.seconds ?? -1;
    };
    const pauses: number[] = [];
    for (let time = 1; time <= 5; time += 1) {
      await skipPause(db);
      pauses.push(await pause('apt.mirror-away'));
    }
    expect(pauses).toEqual([30, 60, 120, 240, 480]);
    await skipPause(db);
    expect(await pause('worker.stopped')).toBe(0);
    expect(await pause('worker.stopped')).toBe(0);
  });

  test('the task that takes leases back may be run twice', async () => {
    await addJob(db);
    await mustClaim(db, worker);
    await letLeasesRunOut(db);
    const handlers = lighthouseTasks({
      db,
      log: silentLogger(),
      partsFolder: '/nonexistent',
      monotonicMs: () => 1e12,
      settleSeconds: 0,
    });
    const helpers = { signal: new AbortController().signal, attempt: 1, maxAttempts: 3 };
    const handler = handlers['lighthouse.expire-leases'];
    await Promise.all([handler?.({}, helpers), handler?.({}, helpers)]);
    await handler?.({}, helpers);
    expect((await eventKinds(db)).filter((kind) => kind === 'job.lost')).toEqual(['job.lost']);
  });

  test('a worker that begins anew gives back at once what it does not hold, and nothing is counted against the job', async () => {
    const kept = await addJob(db);
    const dropped = await addJob(db);
    const [first, second] = [await mustClaim(db, worker), await mustClaim(db, worker)];
    expect([first.jobId, second.jobId]).toEqual([kept, dropped]);
    expect(await releaseAttemptsNotHeld(db, worker, [first.attemptId])).toEqual([second.attemptId]);
    expect(await jobRow(db, dropped)).toMatchObject({ state: 'ready', infrastructure_failures: 0 });
    expect((await mustClaim(db, worker)).jobId).toBe(dropped);
  });
});
