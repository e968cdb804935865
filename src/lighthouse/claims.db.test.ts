/** Who gets which job. */
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addJob, addWorker, claim, mustClaim, type JoinedWorker } from '../../test/scenarios/lighthouse.ts';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { withTransaction, type Db } from '../platform/database.ts';
import { setWorkerEnabled } from './index.ts';
import { claimJobs } from './leases.ts';

let database: TestDatabase;

let db: Db;

let worker: JoinedWorker;

beforeEach(async () => {
  database = await createTestDatabase();
  db = database.db;
  worker = await addWorker(db, 'w1');
});

afterEach(async () => await database.drop());

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
