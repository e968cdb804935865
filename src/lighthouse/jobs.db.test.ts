/** A job from its making to its end. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addJob,
  addWorker,
  attemptRow,
  claim,
  eventKinds,
  jobRow,
  mustClaim,
  queuedTasks,
  type JoinedWorker,
} from '../../test/scenarios/lighthouse.ts';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { withTransaction, type Db } from '../platform/database.ts';
import {
  block,
  cancel,
  deliver,
  failAttempt,
  giveBack,
  heartbeat,
  loseDelivery,
  refuseDelivery,
  succeedJob,
  unblock,
} from './index.ts';

let database: TestDatabase;

let db: Db;

let worker: JoinedWorker;

beforeEach(async () => {
  database = await createTestDatabase();
  db = database.db;
  worker = await addWorker(db, 'w1');
});

afterEach(async () => await database.drop());

describe('a job', () => {
  test('is made once per key, with one event', async () => {
    const first = await addJob(db, { key: 'k' });
    const second = await addJob(db, { key: 'k' });
    expect(second).toBe(first);
    expect(await eventKinds(db)).toEqual(['job.created']);
  });

  test('goes the whole way, and each step leaves its event', async () => {
    const jobId = await addJob(db);
    const { attemptId, token } = await mustClaim(db, worker);
    expect((await jobRow(db, jobId)).state).toBe('leased');
    expect((await heartbeat(db, worker, attemptId, token, { phase: 'build', facts: { load: 1 } })).kind).toBe(
      'extended',
    );
    expect(await withTransaction(db, (trx) => deliver(trx, worker, attemptId, token))).toMatchObject({
      kind: 'delivered',
      repeated: false,
    });
    expect(await withTransaction(db, (trx) => succeedJob(trx, jobId))).toEqual({ kind: 'done' });
    expect((await jobRow(db, jobId)).state).toBe('succeeded');
    expect(await attemptRow(db, attemptId)).toMatchObject({ state: 'succeeded', phase: 'build', facts: { load: 1 } });
    expect(await eventKinds(db)).toEqual(['job.created', 'job.leased', 'job.delivered', 'job.succeeded']);
  });

  test('enqueues its ended task in the transaction that ends it, and only then', async () => {
    const jobId = await addJob(db, { endedTask: 'builds.job-ended' });
    const { attemptId, token } = await mustClaim(db, worker);
    await expect(
      withTransaction(db, async (trx) => {
        await failAttempt(trx, worker, attemptId, token, { kind: 'failed', code: 'build.failed', reason: 'no' });
        throw new Error('the transaction is rolled back');
      }),
    ).rejects.toThrow('rolled back');
    expect(await queuedTasks(db)).toEqual([]);
    await withTransaction(db, (trx) =>
      failAttempt(trx, worker, attemptId, token, { kind: 'failed', code: 'build.failed', reason: 'no' }),
    );
    expect(await queuedTasks(db)).toEqual([{ task: 'builds.job-ended', payload: { jobId, state: 'failed' } }]);
  });

  test('that was refused by the archive is failed, with the reason', async () => {
    const jobId = await addJob(db);
    const { attemptId, token } = await mustClaim(db, worker);
    expect(await withTransaction(db, (trx) => refuseDelivery(trx, jobId, 'x.y', 'why'))).toEqual({
      kind: 'not-delivered',
      state: 'leased',
    });
    await withTransaction(db, (trx) => deliver(trx, worker, attemptId, token));
    expect(await withTransaction(db, (trx) => refuseDelivery(trx, jobId, 'x.y', 'why'))).toEqual({ kind: 'done' });
    expect(await withTransaction(db, (trx) => refuseDelivery(trx, jobId, 'x.y', 'why'))).toEqual({ kind: 'unchanged' });
    expect(await jobRow(db, jobId)).toMatchObject({ state: 'failed', failure_code: 'x.y', failure_reason: 'why' });
    expect(await attemptRow(db, attemptId)).toMatchObject({ state: 'failed', result_code: 'x.y' });
  });

  test('whose delivery was lost is made again, and a person may give a failed one back', async () => {
    const jobId = await addJob(db);
    const first = await mustClaim(db, worker);
    await withTransaction(db, (trx) => deliver(trx, worker, first.attemptId, first.token));
    expect(await withTransaction(db, (trx) => loseDelivery(trx, jobId, 'blob.missing', 'gone'))).toEqual({
      kind: 'done',
    });
    const second = await mustClaim(db, worker);
    expect(second.jobId).toBe(jobId);
    expect(second.token).toBeGreaterThan(first.token);
    expect(await withTransaction(db, (trx) => giveBack(trx, jobId, 'person:alice'))).toMatchObject({
      kind: 'not-possible',
      state: 'leased',
    });
    await withTransaction(db, (trx) =>
      failAttempt(trx, worker, second.attemptId, second.token, { kind: 'failed', code: 'build.failed', reason: 'no' }),
    );
    expect(await withTransaction(db, (trx) => giveBack(trx, jobId, 'person:alice'))).toEqual({ kind: 'done' });
    expect(await withTransaction(db, (trx) => giveBack(trx, jobId, 'person:alice'))).toEqual({ kind: 'unchanged' });
    expect(await jobRow(db, jobId)).toMatchObject({ state: 'ready', failure_code: null });
    expect(await db.selectFrom('audit').select(['actor', 'action']).execute()).toEqual([
      { actor: 'person:alice', action: 'job.given-back' },
    ]);
  });

  test('can be cancelled in every state but succeeded; its worker is told with its next word', async () => {
    const jobId = await addJob(db);
    const { attemptId, token } = await mustClaim(db, worker);
    expect(await withTransaction(db, (trx) => cancel(trx, jobId, 'person:alice', 'superseded'))).toEqual({
      kind: 'done',
    });
    expect(await heartbeat(db, worker, attemptId, token)).toMatchObject({
      kind: 'refused',
      status: 410,
      code: 'attempt.cancelled',
    });
    expect(await withTransaction(db, (trx) => cancel(trx, jobId, 'person:alice', 'superseded'))).toEqual({
      kind: 'unchanged',
    });

    const done = await addJob(db);
    const lease = await mustClaim(db, worker);
    await withTransaction(db, (trx) => deliver(trx, worker, lease.attemptId, lease.token));
    await withTransaction(db, (trx) => succeedJob(trx, done));
    expect(await withTransaction(db, (trx) => cancel(trx, done, 'person:alice', 'no'))).toMatchObject({
      kind: 'not-possible',
    });
  });

  test('that is blocked is not leased before it is unblocked', async () => {
    const jobId = await addJob(db, { blockedBecause: 'libfoo-dev (>= 2) is missing' });
    expect(await claim(db, worker)).toBeUndefined();
    await withTransaction(db, (trx) => unblock(trx, jobId));
    await withTransaction(db, (trx) => block(trx, jobId, 'again'));
    expect(await claim(db, worker)).toBeUndefined();
    await withTransaction(db, (trx) => unblock(trx, jobId));
    expect((await mustClaim(db, worker)).jobId).toBe(jobId);
  });
});
