import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { addJob, addWorker, mustClaim } from '../../test/scenarios/lighthouse.ts';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { withTransaction, type Db } from '../platform/database.ts';
import { cancel, deliver, failAttempt, succeedJob, whyJobsWait, whyWaiting } from './index.ts';

let database: TestDatabase;
let db: Db;
beforeEach(async () => {
  database = await createTestDatabase();
  db = database.db;
});
afterEach(async () => await database.drop());

const why = async (jobId: number) => await whyWaiting(db, jobId);
const mustAct = async (jobId: number) => (await whyJobsWait(db, [jobId])).get(jobId)?.mustAct;

test('H32 an architecture that never had a worker', async () => {
  const jobId = await addJob(db, { architecture: 'arm64' });
  await addWorker(db, 'w1');
  await addWorker(db, 'outside', { pool: 'outsiders', architectures: ['arm64'] });
  expect(await why(jobId)).toBe('no worker for arm64 has ever joined pool trusted');
  expect(await mustAct(jobId)).toBe('an administrator: let a worker for arm64 join pool trusted');
});

test('H32 an architecture whose workers are gone, silent since the last of them, or not yet seen', async () => {
  const jobId = await addJob(db, { architecture: 'arm64' });
  await addWorker(db, 'new', { architectures: ['arm64'], inContact: false });
  expect(await why(jobId)).toBe('no worker for arm64 of pool trusted has made contact yet');
  await addWorker(db, 'old', { architectures: ['arm64'] });
  await sql`UPDATE workers SET last_contact_at = '2025-01-31 12:00:05.5+00' WHERE name = 'old'`.execute(db);
  expect(await why(jobId)).toBe('no worker for arm64 since 2025-01-31 12:00:05 UTC');
  await sql`UPDATE workers SET enabled = false`.execute(db);
  expect(await why(jobId)).toBe('every worker for arm64 in pool trusted is revoked or disabled');
});

test('busy workers, and how many jobs are before', async () => {
  const jobs: number[] = [];
  for (let index = 0; index < 5; index += 1) jobs.push(await addJob(db));
  const [first = 0, second = 0, third = 0, , fifth = 0] = jobs;
  const one = await addWorker(db, 'w1');
  expect(await why(first)).toBe('a worker for amd64 is free; this job is the next');
  await mustClaim(db, one);
  expect(await why(second)).toBe('the only worker for amd64 is busy; this job is the next');
  const two = await addWorker(db, 'w2');
  await mustClaim(db, two);
  expect(await why(third)).toBe('all 2 workers for amd64 are busy; this job is the next');
  expect(await why(fifth)).toBe('all 2 workers for amd64 are busy; 2 jobs are before this one');
  expect(await mustAct(fifth)).toBeNull();
  const anywhere = await addJob(db, { architecture: null });
  expect(await why(anywhere)).toBe('all 2 workers are busy; this job is the next');
});

test('a job between two attempts says when it is tried again, and after what', async () => {
  const worker = await addWorker(db, 'w1');
  const jobId = await addJob(db);
  const { attemptId, token } = await mustClaim(db, worker);
  await withTransaction(db, (trx) =>
    failAttempt(trx, worker, attemptId, token, { kind: 'infrastructure', code: 'disk.full', reason: 'no room left' }),
  );
  expect(await why(jobId)).toMatch(
    /^tried again at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: attempt 1 ended without a result \(no room left\); 1 of at most 3 in a row$/,
  );
});

test('every other state has its sentence', async () => {
  const worker = await addWorker(db, 'w1');
  expect(await why(await addJob(db, { blockedBecause: 'libfoo-dev is missing' }))).toBe('waits: libfoo-dev is missing');
  const jobId = await addJob(db);
  const { attemptId, token } = await mustClaim(db, worker);
  expect(await why(jobId)).toMatch(/^runs on w1 since .* UTC, phase starting$/);
  await withTransaction(db, (trx) => deliver(trx, worker, attemptId, token));
  expect(await why(jobId)).toMatch(/^what w1 delivered since .* UTC is being checked$/);
  await withTransaction(db, (trx) => succeedJob(trx, jobId));
  expect(await why(jobId)).toBe('done by w1');

  const failing = await addJob(db);
  const second = await mustClaim(db, worker);
  await withTransaction(db, (trx) =>
    failAttempt(trx, worker, second.attemptId, second.token, {
      kind: 'failed',
      code: 'build.failed',
      reason: 'Error 2',
    }),
  );
  expect(await why(failing)).toBe('failed: Error 2');
  await withTransaction(db, (trx) => cancel(trx, failing, 'person:alice', 'superseded'));
  expect(await why(failing)).toBe('cancelled: superseded');

  const quarantined = await addJob(db);
  await mustClaim(db, worker);
  await sql`UPDATE jobs SET state = 'quarantined', failure_code = 'job.quarantined', failure_reason = '3 attempts in a row ended'
    WHERE id = ${quarantined}`.execute(db);
  expect(await why(quarantined)).toBe('quarantined because 3 attempts in a row ended');
  expect(await mustAct(quarantined)).toContain('an administrator');
  expect(await why(999_999)).toBeUndefined();
});

test('many jobs are explained by one question', async () => {
  const jobs = await Promise.all(Array.from({ length: 30 }, () => addJob(db)));
  const answers = await whyJobsWait(db, jobs);
  expect(answers.size).toBe(30);
  expect((await whyJobsWait(db, [])).size).toBe(0);
});
