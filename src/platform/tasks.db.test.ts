import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bundleProgram } from '../../test/child.ts';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { createDatabase, withTransaction } from './database.ts';
import { silentLogger } from './log.ts';
import { spawnService } from './service.ts';
import { enqueue, startTasks, type TaskHandlers, type Tasks } from './tasks.ts';

const patient = { timeout: 120_000, interval: 20 };

let world: TestDatabase;
let running: Tasks[];
beforeEach(async () => {
  world = await createTestDatabase();
  running = [];
});
afterEach(async () => {
  for (const tasks of running) await tasks.stop(1_000);
  await world.drop();
});

async function start(handlers: TaskHandlers, more: Partial<Parameters<typeof startTasks>[0]> = {}): Promise<Tasks> {
  const tasks = await startTasks({ connection: world.connection, logger: silentLogger(), handlers, ...more });
  running.push(tasks);
  return tasks;
}

async function waiting(): Promise<number> {
  const { rows } = await sql<{ count: number }>`SELECT count(*) FROM graphile_worker.jobs`.execute(world.db);
  return rows[0]?.count ?? -1;
}

test('a task runs when the transaction that enqueued it commits, and never when it does not', async () => {
  const seen: unknown[] = [];
  await start({ note: (payload) => Promise.resolve(void seen.push(payload)) });
  await expect(
    withTransaction(world.db, async (trx) => {
      await enqueue(trx, 'note', { from: 'rolled back' });
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  await withTransaction(world.db, async (trx) => await enqueue(trx, 'note', { from: 'committed', text: 'ä"\\' }));
  await expect.poll(() => seen, patient).toEqual([{ from: 'committed', text: 'ä"\\' }]);
  await expect.poll(waiting, patient).toBe(0);
});

test('tasks of one key are one while they wait, and one more when the first runs already', async () => {
  const seen: unknown[] = [];
  let release: () => void = () => undefined;
  for (let n = 1; n <= 3; n += 1) await enqueue(world.db, 'publish', { n }, { jobKey: 'publish:1' });
  expect(await waiting()).toBe(1);
  await start({
    publish: async (payload) => {
      seen.push(payload);
      if (seen.length === 1) await new Promise<void>((resolve) => (release = resolve));
    },
  });
  await expect.poll(() => seen, patient).toEqual([{ n: 3 }]);
  await withTransaction(world.db, async (trx) => {
    for (let n = 4; n <= 6; n += 1) await enqueue(trx, 'publish', { n }, { jobKey: 'publish:1' });
  });
  release();
  await expect.poll(() => seen, patient).toEqual([{ n: 3 }, { n: 6 }]);
});

test('a task that fails is tried again, knows which attempt it is, and is given up in the end', async () => {
  const attempts: string[] = [];
  const givenUp: unknown[] = [];
  await enqueue(world.db, 'fail', { x: 1 }, { maxAttempts: 2 });
  await start(
    {
      fail: async (_payload, { attempt, maxAttempts }) => {
        attempts.push(`${attempt}/${maxAttempts}`);
        // The pause before the next attempt is the worker's own; skip it.
        await sql`UPDATE graphile_worker._private_jobs SET run_at = now()`.execute(world.db);
        throw new Error('it does not work');
      },
    },
    { onGivenUp: (task, payload, error) => givenUp.push([task, payload, error.message]) },
  );
  await expect.poll(() => attempts, patient).toEqual(['1/2', '2/2']);
  await expect.poll(() => givenUp, patient).toEqual([['fail', { x: 1 }, 'it does not work']]);
});

test('the clock enqueues tasks, whose payload has nothing of the worker’s own', async () => {
  const seen: unknown[] = [];
  await start(
    { tick: (payload) => Promise.resolve(void seen.push(payload)) },
    { cron: [{ match: '* * * * *', task: 'tick', payload: { every: 'minute' } }] },
  );
  await sql`SELECT graphile_worker.add_job('tick', '{"every":"minute","_cron":{"ts":"x"}}'::json)`.execute(world.db);
  await expect.poll(() => seen, patient).toEqual([{ every: 'minute' }]);
});

test('stopping waits for what runs, takes nothing more, and says goodbye', async () => {
  const seen: string[] = [];
  let release: () => void = () => undefined;
  const tasks = await start({
    slow: async () => {
      seen.push('began');
      await new Promise<void>((resolve) => (release = resolve));
      seen.push('ended');
    },
  });
  expect(await world.db.selectFrom('task_pools').select('pool_id').execute()).toEqual([{ pool_id: tasks.poolId }]);
  await enqueue(world.db, 'slow', {});
  await expect.poll(() => seen, patient).toEqual(['began']);
  const stopped = tasks.stop();
  release();
  await stopped;
  await tasks.finished;
  await enqueue(world.db, 'slow', {});
  expect(seen).toEqual(['began', 'ended']);
  expect(await waiting()).toBe(1);
  expect(await world.db.selectFrom('task_pools').selectAll().execute()).toEqual([]);
});

test('a task that does not end in the grace period is given back', async () => {
  const tasks = await start({ stuck: () => new Promise(() => undefined) });
  await enqueue(world.db, 'stuck', {});
  await expect
    .poll(async () => {
      const { rows } = await sql<{ locked_by: string | null }>`SELECT locked_by FROM graphile_worker.jobs`.execute(
        world.db,
      );
      return rows;
    }, patient)
    .toEqual([{ locked_by: tasks.poolId }]);
  await tasks.stop(100);
  const { rows } = await sql<{ locked_by: string | null }>`SELECT locked_by FROM graphile_worker.jobs`.execute(
    world.db,
  );
  expect(rows).toEqual([{ locked_by: null }]);
});

test('a process that is killed with a task in hand loses it to another within seconds', async () => {
  const program = await bundleProgram('hold-task.ts');
  const lines: string[] = [];
  const child = await spawnService([process.execPath, program, JSON.stringify(world.connection)], {
    output: (line) => lines.push(line),
  });
  try {
    await expect.poll(() => lines.filter((line) => line.startsWith('pool ')).length, patient).toBe(1);
    await enqueue(world.db, 'hold', { precious: true });
    await expect.poll(() => lines, patient).toContain('holding');
    const seen: unknown[] = [];
    await start({ hold: (payload) => Promise.resolve(void seen.push(payload)) });
    // While the other lives, its task is its own, however often the others look.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(seen).toEqual([]);
    process.kill(child.pid, 'SIGKILL');
    await expect.poll(() => seen, patient).toEqual([{ precious: true }]);
    expect(await world.db.selectFrom('task_pools').select('pool_id').execute()).toHaveLength(1);
  } finally {
    await child.stop(1_000);
  }
});

test('tasks that an unknown pool holds are given back at start, and those of a silent one after half a minute', async () => {
  await enqueue(world.db, 'note', { of: 'unknown' });
  await enqueue(world.db, 'note', { of: 'silent' }, { queueName: 'queue' });
  await enqueue(world.db, 'note', { of: 'fresh' });
  await sql`UPDATE graphile_worker._private_jobs SET locked_at = now(), locked_by = payload ->> 'of'`.execute(world.db);
  await sql`UPDATE graphile_worker._private_job_queues SET locked_at = now(), locked_by = 'silent'`.execute(world.db);
  // The server's start counts as a sign of life, so the heartbeats are put where they can be told apart from it.
  await sql`INSERT INTO task_pools (pool_id, heartbeat_at) VALUES ('fresh', clock_timestamp() + interval '1 hour')`.execute(
    world.db,
  );
  await sql`INSERT INTO task_pools (pool_id, heartbeat_at) VALUES ('silent', clock_timestamp() - interval '40 s')`.execute(
    world.db,
  );
  const seen: unknown[] = [];
  await start({ note: (payload) => Promise.resolve(void seen.push(payload)) });
  await expect.poll(() => seen.length, patient).toBe(2);
  expect(seen).toEqual(expect.arrayContaining([{ of: 'unknown' }, { of: 'silent' }]));
});

test('what was overtaken while a process held it that died is removed, and what was given up is not', async () => {
  const jobs = async (): Promise<unknown[]> => {
    const { rows } = await sql<{
      payload: unknown;
    }>`SELECT payload FROM graphile_worker._private_jobs ORDER BY id`.execute(world.db);
    return rows.map(({ payload }) => payload);
  };
  const program = await bundleProgram('hold-task.ts');
  const lines: string[] = [];
  const child = await spawnService([process.execPath, program, JSON.stringify(world.connection)], {
    output: (line) => lines.push(line),
  });
  try {
    await enqueue(world.db, 'hold', { of: 'first' }, { jobKey: 'one' });
    await enqueue(world.db, 'hold', { of: 'taken back' }, { jobKey: 'two' });
    await expect.poll(() => lines.filter((line) => line === 'holding').length, patient).toBe(2);
    // Both run. The one is asked for again, the other is not wanted any more; a third never had a key and was given up.
    await enqueue(world.db, 'later', { of: 'second' }, { jobKey: 'one' });
    await sql`SELECT graphile_worker.remove_job('two')`.execute(world.db);
    await enqueue(world.db, 'later', { of: 'given up' });
    await sql`UPDATE graphile_worker._private_jobs SET attempts = max_attempts WHERE payload ->> 'of' = 'given up'`.execute(
      world.db,
    );
    expect(await jobs()).toHaveLength(4);
  } finally {
    process.kill(child.pid, 'SIGKILL');
    await child.stop(1_000);
  }
  await start({ other: () => Promise.resolve() });
  await expect.poll(jobs, patient).toEqual([{ of: 'second' }, { of: 'given up' }]);
});

test('what was overtaken and then failed is removed', async () => {
  const seen: unknown[] = [];
  let fail: () => void = () => undefined;
  const tasks = await start({
    once: async (payload) => {
      seen.push(payload);
      if (seen.length > 1) return;
      await new Promise<void>((resolve) => (fail = resolve));
      throw new Error('it does not work');
    },
  });
  await enqueue(world.db, 'once', { n: 1 }, { jobKey: 'one' });
  await expect.poll(() => seen, patient).toEqual([{ n: 1 }]);
  await enqueue(world.db, 'once', { n: 2 }, { jobKey: 'one' });
  await expect.poll(() => seen, patient).toEqual([{ n: 1 }, { n: 2 }]);
  fail();
  await tasks.stop();
  expect(await waiting()).toBe(1);
  await start({});
  await expect.poll(waiting, patient).toBe(0);
});

async function terminateOthers(): Promise<void> {
  await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`.execute(world.db);
}

test('H20 a server that restarts loses no task: they go on, or end so that the supervisor starts them again', async () => {
  const seen: unknown[] = [];
  const handlers: TaskHandlers = { note: (payload) => Promise.resolve(void seen.push(payload)) };
  const tasks = await start(handlers);
  // Its process would end, and be started again.
  tasks.finished.catch(async () => {
    await tasks.stop(0);
    await start(handlers);
  });
  await enqueue(world.db, 'note', { before: 'restart' });
  await expect.poll(() => seen, patient).toEqual([{ before: 'restart' }]);
  // A task whose end was not recorded before the restart would be run again, as it must.
  await expect.poll(waiting, patient).toBe(0);
  await terminateOthers();
  await enqueue(world.db, 'note', { after: 'restart' });
  await expect.poll(() => seen, patient).toEqual([{ before: 'restart' }, { after: 'restart' }]);
  await expect.poll(() => world.db.selectFrom('task_pools').select('pool_id').execute(), patient).toHaveLength(1);
});

test('H20 tasks that cannot be taken any more, because the first connection was lost, end themselves', async () => {
  const first = createDatabase(world.connection, { poolSize: 1 });
  let release: () => void = () => undefined;
  const locked = new Promise<void>((resolve) => {
    void withTransaction(first, async (trx) => {
      await sql`LOCK TABLE graphile_worker._private_tasks`.execute(trx);
      resolve();
      await new Promise<void>((done) => (release = done));
    });
  });
  await locked;
  const tasks = await start({ note: () => Promise.resolve() }, { standingMs: 500 });
  await expect
    .poll(async () => {
      const { rows } = await sql<{ count: number }>`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`.execute(world.db);
      return rows[0]?.count ?? 0;
    }, patient)
    .toBeGreaterThan(0);
  release();
  await expect(tasks.finished).rejects.toMatchObject({ code: 'tasks.ended' });
  await first.destroy();
});

test('H20 a task that was taken by a connection which was lost with the answer is given back', async () => {
  const seen: unknown[] = [];
  const tasks = await start({ note: (payload) => Promise.resolve(void seen.push(payload)) });
  await withTransaction(world.db, async (trx) => {
    await enqueue(trx, 'note', { lost: true }, { queueName: 'one' });
    await sql`UPDATE graphile_worker._private_jobs SET locked_at = now(), locked_by = ${tasks.poolId}`.execute(trx);
    await sql`UPDATE graphile_worker._private_job_queues SET locked_at = now(), locked_by = ${tasks.poolId}`.execute(
      trx,
    );
  });
  await expect.poll(() => seen, patient).toEqual([{ lost: true }]);
});

test('a database without a server is a fault with a remedy', async () => {
  await expect(
    startTasks({
      connection: { ...world.connection, host: '/nowhere' },
      logger: silentLogger(),
      handlers: {},
    }),
  ).rejects.toMatchObject({ code: 'database.unreachable' });
});
