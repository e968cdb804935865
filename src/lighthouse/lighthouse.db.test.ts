import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addJob, addWorker, claim, mustClaim, type JoinedWorker } from '../../test/scenarios/lighthouse.ts';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { isCheckViolation, withTransaction, type Db } from '../platform/database.ts';
import {
  authenticateWorker,
  block,
  cancel,
  deliver,
  failAttempt,
  giveBack,
  heartbeat,
  loseDelivery,
  markPhase,
  refuseDelivery,
  revokeWorker,
  setWorkerEnabled,
  succeedJob,
  unblock,
} from './index.ts';
import { expireLeases } from './expiry.ts';
import { claimJobs, releaseAttemptsNotHeld } from './leases.ts';
import { attemptTransitions, jobTransitions, type AttemptState, type JobState } from './model.ts';
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

async function jobRow(jobId: number) {
  return await db.selectFrom('jobs').selectAll().where('id', '=', jobId).executeTakeFirstOrThrow();
}
async function attemptRow(attemptId: number) {
  return await db.selectFrom('attempts').selectAll().where('id', '=', attemptId).executeTakeFirstOrThrow();
}
async function eventKinds(): Promise<string[]> {
  return (await db.selectFrom('events').select('kind').orderBy('id').execute()).map((row) => row.kind);
}
async function letLeasesRunOut(): Promise<void> {
  await sql`UPDATE attempts SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE state = 'running'`.execute(
    db,
  );
}
async function skipPause(): Promise<void> {
  await sql`UPDATE jobs SET not_before = now() - interval '1 second'`.execute(db);
}

describe('the states', () => {
  async function triggerMoves(table: string): Promise<string[]> {
    const { rows } = await sql<{ definition: string }>`
      SELECT pg_get_triggerdef(oid) AS definition FROM pg_trigger WHERE tgname = ${`${table}_transition`}`.execute(db);
    return [...(rows[0]?.definition ?? '').matchAll(/'([a-z-]+>[a-z-]+)'/g)].map((match) => match[1] ?? '').sort();
  }

  test('the moves of a job in code are those of the database', async () => {
    expect(await triggerMoves('jobs')).toEqual(jobTransitions());
  });

  test('the moves of an attempt in code are those of the database', async () => {
    expect(await triggerMoves('attempts')).toEqual(attemptTransitions());
  });

  test('the database refuses every move of a job that is not listed', async () => {
    const states: JobState[] = [
      'blocked',
      'ready',
      'leased',
      'delivered',
      'succeeded',
      'failed',
      'quarantined',
      'cancelled',
    ];
    const legal = new Set(jobTransitions());
    for (const from of states) {
      for (const to of states) {
        const jobId = await addJob(db);
        const set = (state: JobState): Promise<unknown> =>
          sql`UPDATE jobs SET state = ${state}, blocked_because = ${state === 'blocked' ? 'why' : null},
            failure_code = 'x', failure_reason = 'x' WHERE id = ${jobId}`.execute(db);
        await withTransaction(db, async (trx) => {
          await sql`SET LOCAL session_replication_role = replica`.execute(trx);
          await sql`UPDATE jobs SET state = ${from}, blocked_because = ${from === 'blocked' ? 'why' : null},
            failure_code = 'x', failure_reason = 'x' WHERE id = ${jobId}`.execute(trx);
        });
        const outcome = await set(to).then(
          () => 'moved',
          (error: unknown) => (isCheckViolation(error, 'jobs_state_transition') ? 'refused' : error),
        );
        expect([from, to, outcome]).toEqual([
          from,
          to,
          from === to || legal.has(`${from}>${to}`) ? 'moved' : 'refused',
        ]);
      }
    }
  });

  test('the database refuses every move of an attempt that is not listed', async () => {
    const states: AttemptState[] = [
      'running',
      'delivered',
      'succeeded',
      'failed',
      'lost',
      'infrastructure-failed',
      'cancelled',
    ];
    const legal = new Set(attemptTransitions());
    for (const from of states) {
      for (const to of states) {
        await addJob(db);
        const { attemptId } = await mustClaim(db, worker);
        const columns = (state: AttemptState) => sql`state = ${state}, delivered_at = now(),
          ended_at = ${state === 'running' || state === 'delivered' ? null : new Date()}`;
        await withTransaction(db, async (trx) => {
          await sql`SET LOCAL session_replication_role = replica`.execute(trx);
          await sql`UPDATE attempts SET ${columns(from)} WHERE id = ${attemptId}`.execute(trx);
        });
        const outcome = await sql`UPDATE attempts SET ${columns(to)} WHERE id = ${attemptId}`.execute(db).then(
          () => 'moved',
          (error: unknown) => (isCheckViolation(error, 'attempts_state_transition') ? 'refused' : error),
        );
        expect([from, to, outcome]).toEqual([
          from,
          to,
          from === to || legal.has(`${from}>${to}`) ? 'moved' : 'refused',
        ]);
      }
    }
  });
});

describe('a job', () => {
  test('is made once per key, with one event', async () => {
    const first = await addJob(db, { key: 'k' });
    const second = await addJob(db, { key: 'k' });
    expect(second).toBe(first);
    expect(await eventKinds()).toEqual(['job.created']);
  });

  test('goes the whole way, and each step leaves its event', async () => {
    const jobId = await addJob(db);
    const { attemptId, token } = await mustClaim(db, worker);
    expect((await jobRow(jobId)).state).toBe('leased');
    expect((await heartbeat(db, worker, attemptId, token, { phase: 'build', facts: { load: 1 } })).kind).toBe(
      'extended',
    );
    expect(await withTransaction(db, (trx) => deliver(trx, worker, attemptId, token))).toMatchObject({
      kind: 'delivered',
      repeated: false,
    });
    expect(await withTransaction(db, (trx) => succeedJob(trx, jobId))).toEqual({ kind: 'done' });
    expect((await jobRow(jobId)).state).toBe('succeeded');
    expect(await attemptRow(attemptId)).toMatchObject({ state: 'succeeded', phase: 'build', facts: { load: 1 } });
    expect(await eventKinds()).toEqual(['job.created', 'job.leased', 'job.delivered', 'job.succeeded']);
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
    expect(await queuedTasks()).toEqual([]);
    await withTransaction(db, (trx) =>
      failAttempt(trx, worker, attemptId, token, { kind: 'failed', code: 'build.failed', reason: 'no' }),
    );
    expect(await queuedTasks()).toEqual([{ task: 'builds.job-ended', payload: { jobId, state: 'failed' } }]);
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
    expect(await jobRow(jobId)).toMatchObject({ state: 'failed', failure_code: 'x.y', failure_reason: 'why' });
    expect(await attemptRow(attemptId)).toMatchObject({ state: 'failed', result_code: 'x.y' });
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
    expect(await jobRow(jobId)).toMatchObject({ state: 'ready', failure_code: null });
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

describe('a claim', () => {
  test('16 claimers take 500 jobs, each of them once', async () => {
    const jobs = new Set<number>();
    await withTransaction(db, async (trx) => {
      for (let index = 0; index < 500; index += 1) jobs.add(await addJob(trx, { fairGroup: `p${index % 7}` }));
    });
    const workers = await Promise.all(Array.from({ length: 16 }, (_, index) => addWorker(db, `c${index}`)));
    const taken: number[] = [];
    await Promise.all(
      workers.map(async (one) => {
        for (let idle = 0; idle < 3;) {
          const leases = await claimJobs(db, [one.workerId, one.workerId]);
          idle = leases.length === 0 ? idle + 1 : 0;
          taken.push(...leases.map((lease) => lease.jobId));
        }
      }),
    );
    expect(taken.length).toBe(500);
    expect(new Set(taken)).toEqual(jobs);
    const tokens = await db.selectFrom('attempts').select('token').execute();
    expect(new Set(tokens.map((row) => row.token)).size).toBe(500);
  });

  test('serves many workers of different architectures and pools in one statement, each with what fits', async () => {
    const arm = await addWorker(db, 'arm', { architectures: ['arm64'] });
    const both = await addWorker(db, 'both', { architectures: ['amd64', 'arm64'] });
    const outside = await addWorker(db, 'outside', { pool: 'outsiders' });
    const amdJob = await addJob(db);
    const armJob = await addJob(db, { architecture: 'arm64' });
    const anyJob = await addJob(db, { architecture: null });
    const outsideJob = await addJob(db, { pool: 'outsiders' });
    const ids = [worker, arm, both, outside].map((one) => one.workerId);
    const leases = [...(await claimJobs(db, ids)), ...(await claimJobs(db, ids))];
    expect(leases.map((lease) => lease.jobId).sort()).toEqual([amdJob, armJob, anyJob, outsideJob].sort());
    for (const lease of leases) {
      if (lease.jobId === outsideJob) expect(lease.workerId).toBe(outside.workerId);
      else expect(lease.workerId).not.toBe(outside.workerId);
      if (lease.jobId === armJob) expect(lease.workerId).not.toBe(worker.workerId);
      if (lease.jobId === amdJob) expect(lease.workerId).not.toBe(arm.workerId);
    }
  });

  test('goes by priority, then by turns between groups, then by age', async () => {
    const low = await addJob(db, { priority: -1, fairGroup: 'low' });
    const a1 = await addJob(db, { fairGroup: 'a' });
    const a2 = await addJob(db, { fairGroup: 'a' });
    const a3 = await addJob(db, { fairGroup: 'a' });
    const b1 = await addJob(db, { fairGroup: 'b' });
    const b2 = await addJob(db, { fairGroup: 'b' });
    const urgent = await addJob(db, { priority: 5, fairGroup: 'a' });
    const order: number[] = [];
    for (let next = await claim(db, worker); next !== undefined; next = await claim(db, worker)) order.push(next.jobId);
    expect(order).toEqual([urgent, a1, b1, a2, b2, a3, low]);
  });

  test('H31 a burst of 10,000 jobs does not stand before the next package, and a claim still reads only the front', async () => {
    await sql`
      INSERT INTO jobs (trace_id, kind, key, fair_group, worker_pool_id, architecture, payload, fair_position)
      SELECT 1, 'test', 'burst-' || n, 'burst', ${worker.workerPoolId}, 'amd64', '{}', n FROM generate_series(0, 9999) AS n`.execute(
      db,
    );
    await sql`ANALYZE jobs`.execute(db);
    const late = await addJob(db, { fairGroup: 'late' });
    const first = await mustClaim(db, worker);
    const second = await mustClaim(db, worker);
    expect([first.jobId, second.jobId]).toContain(late);
    const { rows } = await sql<{ 'QUERY PLAN': string }>`
      EXPLAIN SELECT id FROM jobs WHERE state = 'ready' AND worker_pool_id = ${worker.workerPoolId}
        AND coalesce(architecture, '') = 'amd64' AND not_before <= now()
      ORDER BY priority DESC, fair_position, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED`.execute(db);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('Index Scan using jobs_queue');
    expect(plan).not.toContain('Sort');
  });

  test('gives nothing to a worker that is disabled or revoked', async () => {
    await addJob(db);
    await withTransaction(db, (trx) => setWorkerEnabled(trx, 'w1', false, 'person:root'));
    expect(await claim(db, worker)).toBeUndefined();
    await withTransaction(db, (trx) => setWorkerEnabled(trx, 'w1', true, 'person:root'));
    expect(await claim(db, worker)).toBeDefined();
  });
});

describe('a lease that is lost', () => {
  test('H21 the job is ready again after a pause, and another worker gets it', async () => {
    const jobId = await addJob(db);
    const first = await mustClaim(db, worker);
    await letLeasesRunOut();
    expect(await expireLeases(db, EXPIRED)).toEqual([first.attemptId]);
    expect(await attemptRow(first.attemptId)).toMatchObject({ state: 'lost', result_code: 'lease.expired' });
    expect(await jobRow(jobId)).toMatchObject({ state: 'ready', infrastructure_failures: 1 });
    expect(await claim(db, worker)).toBeUndefined();
    await skipPause();
    const other = await addWorker(db, 'w2');
    expect((await mustClaim(db, other)).jobId).toBe(jobId);
    expect(await eventKinds()).toEqual(['job.created', 'job.leased', 'job.lost', 'job.leased']);
  });

  test('H22 the old worker that comes back with a result is refused', async () => {
    const jobId = await addJob(db);
    const old = await mustClaim(db, worker);
    await letLeasesRunOut();
    await expireLeases(db, EXPIRED);
    await skipPause();
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
    expect((await jobRow(jobId)).state).toBe('leased');
  });

  test('a heartbeat that comes before the lease is taken back keeps it', async () => {
    await addJob(db);
    const { attemptId, token } = await mustClaim(db, worker);
    await letLeasesRunOut();
    expect((await heartbeat(db, worker, attemptId, token)).kind).toBe('extended');
    expect(await expireLeases(db, EXPIRED)).toEqual([]);
  });

  test('H20 a server that was itself away takes nothing back before workers could be heard again', async () => {
    await addJob(db);
    await mustClaim(db, worker);
    await letLeasesRunOut();
    expect(await expireLeases(db, { steadyMs: 59_000 })).toEqual([]);
    expect((await expireLeases(db, EXPIRED)).length).toBe(1);
  });

  test('H25 H30 a job whose attempts end three times without a result is quarantined, until a person gives it back', async () => {
    const jobId = await addJob(db, { endedTask: 'builds.job-ended' });
    for (let failure = 1; failure <= 3; failure += 1) {
      await skipPause();
      const { attemptId, token } = await mustClaim(db, worker);
      if (failure === 2) {
        await withTransaction(db, (trx) =>
          failAttempt(trx, worker, attemptId, token, { kind: 'infrastructure', code: 'disk.full', reason: 'no room' }),
        );
      } else {
        await letLeasesRunOut();
        await expireLeases(db, EXPIRED);
      }
    }
    const job = await jobRow(jobId);
    expect(job).toMatchObject({ state: 'quarantined', failure_code: 'job.quarantined', infrastructure_failures: 3 });
    expect(job.failure_reason).toContain('3 attempts in a row');
    expect((await eventKinds()).at(-1)).toBe('job.quarantined');
    expect(await queuedTasks()).toEqual([{ task: 'builds.job-ended', payload: { jobId, state: 'quarantined' } }]);
    await skipPause();
    expect(await claim(db, worker)).toBeUndefined();
    await withTransaction(db, (trx) => giveBack(trx, jobId, 'person:alice'));
    expect(await jobRow(jobId)).toMatchObject({ state: 'ready', infrastructure_failures: 0 });
  });

  test('a mirror that stays away counts nothing against the job, however often; a worker that stops hands it back at once', async () => {
    const jobId = await addJob(db, {});
    const pause = async (code: string): Promise<number> => {
      const { attemptId, token } = await mustClaim(db, worker);
      await withTransaction(db, (trx) =>
        failAttempt(trx, worker, attemptId, token, { kind: 'unavailable', code, reason: 'it is away' }),
      );
      expect(await jobRow(jobId)).toMatchObject({ state: 'ready', infrastructure_failures: 0 });
      const { rows } = await sql<{ seconds: number }>`
        SELECT round(extract(epoch FROM not_before - changed_at))::integer AS seconds FROM jobs WHERE id = ${jobId}`.execute(
        db,
      );
      return rows[0]?.seconds ?? -1;
    };
    const pauses: number[] = [];
    for (let time = 1; time <= 5; time += 1) {
      await skipPause();
      pauses.push(await pause('apt.mirror-away'));
    }
    expect(pauses).toEqual([30, 60, 120, 240, 480]);
    await skipPause();
    expect(await pause('worker.stopped')).toBe(0);
    expect(await pause('worker.stopped')).toBe(0);
  });

  test('the task that takes leases back may be run twice', async () => {
    await addJob(db);
    await mustClaim(db, worker);
    await letLeasesRunOut();
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
    expect((await eventKinds()).filter((kind) => kind === 'job.lost')).toEqual(['job.lost']);
  });

  test('a worker that begins anew gives back at once what it does not hold, and nothing is counted against the job', async () => {
    const kept = await addJob(db);
    const dropped = await addJob(db);
    const [first, second] = [await mustClaim(db, worker), await mustClaim(db, worker)];
    expect([first.jobId, second.jobId]).toEqual([kept, dropped]);
    expect(await releaseAttemptsNotHeld(db, worker, [first.attemptId])).toEqual([second.attemptId]);
    expect(await jobRow(dropped)).toMatchObject({ state: 'ready', infrastructure_failures: 0 });
    expect((await mustClaim(db, worker)).jobId).toBe(dropped);
  });
});

describe('what a worker says', () => {
  test('H23 the same result twice has the same answer and no further effect, also after the verdict', async () => {
    const jobId = await addJob(db);
    const { attemptId, token } = await mustClaim(db, worker);
    const say = () => withTransaction(db, (trx) => deliver(trx, worker, attemptId, token));
    expect(await say()).toMatchObject({ kind: 'delivered', jobId, repeated: false });
    expect(await say()).toMatchObject({ kind: 'delivered', jobId, repeated: true });
    await withTransaction(db, (trx) => refuseDelivery(trx, jobId, 'x.y', 'why'));
    expect(await say()).toMatchObject({ kind: 'delivered', jobId, repeated: true });
    expect((await eventKinds()).filter((kind) => kind === 'job.delivered').length).toBe(1);
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
    expect((await eventKinds()).filter((kind) => kind === 'job.failed').length).toBe(1);
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
    expect((await attemptRow(attemptId)).state).toBe('running');
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
    expect(await jobRow(running)).toMatchObject({ state: 'ready', infrastructure_failures: 0 });
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
    expect((await attemptRow(attemptId)).phase).toBe('build');
  });
});

async function queuedTasks(): Promise<{ task: string; payload: unknown }[]> {
  const { rows } = await sql<{ task: string; payload: unknown }>`
    SELECT t.identifier AS task, j.payload
    FROM graphile_worker._private_jobs j JOIN graphile_worker._private_tasks t ON t.id = j.task_id ORDER BY j.id`.execute(
    db,
  );
  return rows;
}
