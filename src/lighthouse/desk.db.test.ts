import { afterEach, beforeEach, expect, test } from 'vitest';
import { addJob, addWorker, type JoinedWorker } from '../../test/scenarios/lighthouse.ts';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import type { Db } from '../platform/database.ts';
import { silentLogger } from '../platform/log.ts';
import { listen, type Listener } from '../platform/notifications.ts';
import { LIGHTHOUSE_CHANNELS, createSignals, lease, openLeaseDesk, type LeaseDesk, type Signals } from './index.ts';
import { JOBS_READY } from './store.ts';

const NEVER = 600_000;

let database: TestDatabase;
let db: Db;
let signals: Signals;
let listener: Listener;
let leaseDesk: LeaseDesk;
let worker: JoinedWorker;

beforeEach(async () => {
  database = await createTestDatabase();
  db = database.db;
  signals = createSignals();
  listener = await listen(database.connection, { channels: LIGHTHOUSE_CHANNELS, onNotification: signals.notify });
  leaseDesk = openLeaseDesk({ db, signals, log: silentLogger(), pollMs: NEVER });
  worker = await addWorker(db, 'w1');
});
afterEach(async () => {
  leaseDesk.close();
  await listener.stop();
  await database.drop();
});

test('a job that is there already is leased at once, with all that the worker needs', async () => {
  const jobId = await addJob(db, { traceId: 42, payload: { a: 1 }, limits: { seconds: 9 } });
  const found = await lease({ leaseDesk }, worker, { waitMs: 1_000, facts: { load: 0.5 } });
  expect(found).toMatchObject({
    jobId,
    traceId: 42,
    number: 1,
    kind: 'test',
    payload: { a: 1 },
    limits: { seconds: 9 },
    architecture: 'amd64',
  });
  expect((found?.leaseExpiresAt.getTime() ?? 0) > Date.now()).toBe(true);
  expect(await db.selectFrom('workers').select('facts').executeTakeFirst()).toEqual({ facts: { load: 0.5 } });
});

test('a waiting worker is woken by NOTIFY when a job is made', async () => {
  const waiting = lease({ leaseDesk }, worker, { waitMs: NEVER });
  const jobId = await addJob(db);
  expect((await waiting)?.jobId).toBe(jobId);
});

test('polling beneath finds a job when the signal was lost, and one that becomes ready by the clock', async () => {
  const deaf = openLeaseDesk({ db, signals: createSignals(), log: silentLogger(), pollMs: 10 });
  const waiting = lease({ leaseDesk: deaf }, worker, { waitMs: NEVER });
  const jobId = await addJob(db);
  expect((await waiting)?.jobId).toBe(jobId);
  deaf.close();
});

test('many waiting workers are served, each job goes to one of them', async () => {
  const workers = await Promise.all(Array.from({ length: 20 }, (_, index) => addWorker(db, `m${index}`)));
  const waiting = workers.map((one) => lease({ leaseDesk }, one, { waitMs: NEVER }));
  const jobs = await Promise.all(Array.from({ length: 20 }, () => addJob(db)));
  const leases = await Promise.all(waiting);
  expect(new Set(leases.map((one) => one?.jobId))).toEqual(new Set(jobs));
});

test('one worker may wait several times, and gets a job for each', async () => {
  const waiting = [lease({ leaseDesk }, worker, { waitMs: NEVER }), lease({ leaseDesk }, worker, { waitMs: NEVER })];
  const jobs = [await addJob(db), await addJob(db)];
  expect((await Promise.all(waiting)).map((one) => one?.jobId).sort()).toEqual(jobs.sort());
});

test('nothing to do is answered when the time is over, and when the desk closes', async () => {
  expect(await lease({ leaseDesk }, worker, { waitMs: 5 })).toBeUndefined();
  const waiting = lease({ leaseDesk }, worker, { waitMs: NEVER });
  leaseDesk.close();
  expect(await waiting).toBeUndefined();
});

test('a worker that goes away in the very moment of the claim loses no job: it goes back without blame', async () => {
  for (let round = 0; round < 20; round += 1) {
    const leave = new AbortController();
    const jobId = await addJob(db);
    const waiting = lease({ leaseDesk }, worker, { waitMs: NEVER, signal: leave.signal });
    if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
    leave.abort();
    const gone = await waiting;
    const found = gone ?? (await lease({ leaseDesk }, worker, { waitMs: NEVER }));
    expect(found?.jobId).toBe(jobId);
    const job = await db
      .selectFrom('jobs')
      .select(['state', 'infrastructure_failures'])
      .where('id', '=', jobId)
      .executeTakeFirst();
    expect(job).toEqual({ state: 'leased', infrastructure_failures: 0 });
  }
});

test('a worker that says what it holds gives back the rest with its next question', async () => {
  const jobId = await addJob(db);
  const first = await lease({ leaseDesk }, worker, { waitMs: NEVER });
  expect(first?.jobId).toBe(jobId);
  const again = await lease({ leaseDesk }, worker, { waitMs: NEVER, holding: [] });
  expect(again).toMatchObject({ jobId, number: 2 });
  expect(again?.token).toBeGreaterThan(first?.token ?? 0);
});

test('a database that is away is told to those who wait', async () => {
  const waiting = lease({ leaseDesk }, worker, { waitMs: NEVER });
  await new Promise((resolve) => setTimeout(resolve, 20));
  await db.destroy();
  signals.notify(JOBS_READY, '');
  await expect(waiting).rejects.toThrow();
  ({ db } = await reconnect());
});

async function reconnect() {
  await database.drop().catch(() => undefined);
  database = await createTestDatabase();
  return database;
}
