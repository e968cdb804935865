import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { listen } from './notifications.ts';

let world: TestDatabase;
beforeAll(async () => {
  world = await createTestDatabase();
});
afterAll(async () => {
  await world.drop();
});

const patient = { timeout: 120_000, interval: 10 };
const notify = async (payload: string): Promise<void> => {
  await sql`SELECT pg_notify('jobs ready', ${payload})`.execute(world.db);
};

test('a listener hears what is committed, is woken once after its connection was lost, and hears on', async () => {
  const heard: string[] = [];
  const errors: Error[] = [];
  const listener = await listen(world.connection, {
    channels: ['jobs ready'],
    onNotification: (channel, payload) => heard.push(`${channel}:${payload}`),
    onError: (error) => errors.push(error),
    retryMs: 20,
  });
  expect(heard).toEqual(['jobs ready:']);
  await notify('1');
  await expect.poll(() => heard, patient).toEqual(['jobs ready:', 'jobs ready:1']);
  await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'landfall listen'
    AND datname = current_database()`.execute(world.db);
  await expect.poll(() => heard, patient).toEqual(['jobs ready:', 'jobs ready:1', 'jobs ready:']);
  await notify('2');
  await expect.poll(() => heard.at(-1), patient).toBe('jobs ready:2');
  expect(errors.length).toBeGreaterThan(0);
  await listener.stop();
  const count = heard.length;
  await notify('3');
  expect(heard).toHaveLength(count);
});

test('a database that is away at first is tried again, and stopping ends that', async () => {
  const errors: Error[] = [];
  const listener = await listen(
    { ...world.connection, host: '/nowhere' },
    { channels: ['x'], onNotification: () => undefined, onError: (error) => errors.push(error), retryMs: 10 },
  );
  await expect.poll(() => errors.length, patient).toBeGreaterThan(2);
  await listener.stop();
  const count = errors.length;
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(errors).toHaveLength(count);
});
