/** What a worker says of its attempt: twice, late, out of order, or not its own. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addJob,
  addWorker,
  attemptRow,
  claim,
  eventKinds,
  jobRow,
  mustClaim,
  type JoinedWorker,
} from '../../test/scenarios/lighthouse.ts';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { withTransaction, type Db } from '../platform/database.ts';
import {
  authenticateWorker,
  deliver,
  failAttempt,
  heartbeat,
  markPhase,
  refuseDelivery,
  revokeWorker,
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

describe('what a worker says', () => {
  test('H23 the same result twice has the same answer and no further effect, also after the verdict', async () => {
    const jobId = await addJob(db);
    const { attemptId, token } = await mustClaim(db, worker);
    const say = () => withTransaction(db, (trx) => deliver(trx, worker, attemptId, token));
    expect(await say()).toMatchObject({ kind: 'delivered', jobId, repeated: false });
    expect(await say()).toMatchObject({ kind: 'delivered', jobId, repeated: true });
    await withTransaction(db, (trx) => refuseDelivery(trx, jobId, 'x.y', 'why'));
    expect(await say()).toMatchObject({ kind: 'delivered', jobId, repeated: true });
    expect((await eventKinds(db)).filter((kind) => kind === 'job.delivered').length).toBe(1);
  });

  test('H23 the same failure twice has the same answer', async () => {
    await addJob(db);
    const { attemptId, token } = await mustClaim(db, worker);
    const say = () =>
      withTransaction(db, (trx) =>
        failAttempt(trx, worker, attemptId, token, { kind: 'failed', code: 'build.failed', reason: 'no' }),
      );
    expect(await say()).toEqual({ kind: 'noted' });
    expect(await say()).toEqual({ kind: 'noted' });
    expect((await eventKinds(db)).filter((kind) => kind === 'job.failed').length).toBe(1);
  });

  test('H24 what comes out of order is refused', async () => {
    await addJob(db);
    const { attemptId, token } = await mustClaim(db, worker);
    await withTransaction(db, (trx) => deliver(trx, worker, attemptId, token));
    expect(await heartbeat(db, worker, attemptId, token)).toMatchObject({ status: 410, code: 'attempt.delivered' });
    expect(
      await withTransaction(db, (trx) =>
        failAttempt(trx, worker, attemptId, token, { kind: 'failed', code: 'build.failed', reason: 'no' }),
      ),
    ).toMatchObject({ status: 410, code: 'attempt.delivered' });
    expect(
      await withTransaction(db, (trx) => markPhase(trx, worker, attemptId, token, { name: 'late', logStart: 0 })),
    ).toMatchObject({ status: 410 });
    await addJob(db);
    const next = await mustClaim(db, worker);
    await withTransaction(db, (trx) =>
      failAttempt(trx, worker, next.attemptId, next.token, { kind: 'failed', code: 'build.failed', reason: 'no' }),
    );
    expect(await withTransaction(db, (trx) => deliver(trx, worker, next.attemptId, next.token))).toMatchObject({
      status: 410,
      code: 'attempt.failed',
    });
  });

  test('H33 a worker of another pool, or another worker of the same, is refused with 403 and audited', async () => {
    await addJob(db);
    const { attemptId, token } = await mustClaim(db, worker);
    const outside = await addWorker(db, 'outside', { pool: 'outsiders' });
    const beside = await addWorker(db, 'beside');
    expect(await heartbeat(db, outside, attemptId, token)).toMatchObject({ status: 403, code: 'attempt.other-pool' });
    expect(await withTransaction(db, (trx) => deliver(trx, beside, attemptId, token))).toMatchObject({
      status: 403,
      code: 'attempt.other-worker',
    });
    expect(await db.selectFrom('audit').select(['actor', 'action', 'subject']).orderBy('id').execute()).toEqual([
      { actor: 'worker:outside', action: 'attempt.refused', subject: `attempt ${attemptId}` },
      { actor: 'worker:beside', action: 'attempt.refused', subject: `attempt ${attemptId}` },
    ]);
    expect((await attemptRow(db, attemptId)).state).toBe('running');
  });

  test('an attempt that does not exist is not told apart from one that is gone', async () => {
    expect(await heartbeat(db, worker, 999_999, 1)).toMatchObject({ status: 410, code: 'attempt.unknown' });
  });

  test('H34 a revoked worker is refused with its next request, its job goes back, and what it delivered is listed', async () => {
    const delivered = await addJob(db);
    const first = await mustClaim(db, worker);
    await db
      .insertInto('attempt_files')
      .values({ attempt_id: first.attemptId, name: 'hello.deb', sha256: 'a'.repeat(64), size: 1 })
      .execute();
    await withTransaction(db, (trx) => deliver(trx, worker, first.attemptId, first.token));
    const running = await addJob(db);
    const second = await mustClaim(db, worker);
    expect(await authenticateWorker(db, worker.secret)).toMatchObject({ workerId: worker.workerId });

    const result = await withTransaction(db, (trx) =>
      revokeWorker(trx, 'w1', { actor: 'person:root', reason: 'stolen' }),
    );
    expect(result).toMatchObject({
      kind: 'revoked',
      returnedJobs: [running],
      outputs: [
        {
          attemptId: first.attemptId,
          jobId: delivered,
          state: 'delivered',
          files: [{ name: 'hello.deb', sha256: 'a'.repeat(64) }],
        },
      ],
    });
    expect(await authenticateWorker(db, worker.secret)).toBeUndefined();
    expect(await heartbeat(db, worker, second.attemptId, second.token)).toMatchObject({
      status: 403,
      code: 'worker.revoked',
    });
    expect(await claim(db, worker)).toBeUndefined();
    expect(await jobRow(db, running)).toMatchObject({ state: 'ready', infrastructure_failures: 0 });
    expect(
      await withTransaction(db, (trx) => revokeWorker(trx, 'w1', { actor: 'person:root', reason: 'stolen' })),
    ).toMatchObject({ returnedJobs: [] });
    expect(
      await withTransaction(db, (trx) => revokeWorker(trx, 'nobody', { actor: 'person:root', reason: 'x' })),
    ).toEqual({ kind: 'unknown-worker' });
  });

  test('phases are noted once, in the order of the log', async () => {
    await addJob(db);
    const { attemptId, token } = await mustClaim(db, worker);
    const mark = (name: string, logStart: number) =>
      withTransaction(db, (trx) => markPhase(trx, worker, attemptId, token, { name, logStart }));
    expect(await mark('fetch', 0)).toEqual({ kind: 'noted' });
    expect(await mark('fetch', 0)).toEqual({ kind: 'noted' });
    expect(await mark('build', 100)).toEqual({ kind: 'noted' });
    expect(await mark('early', 50)).toMatchObject({ status: 409, code: 'phase.out-of-order' });
    expect(await db.selectFrom('attempt_phases').select(['position', 'name']).orderBy('position').execute()).toEqual([
      { position: 1, name: 'fetch' },
      { position: 2, name: 'build' },
    ]);
    expect((await attemptRow(db, attemptId)).phase).toBe('build');
  });
});
