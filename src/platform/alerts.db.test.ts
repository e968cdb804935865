import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { clearAlert, openAlertKeys, openAlerts, raiseAlert } from './alerts.ts';
import { withTransaction } from './database.ts';

let world: TestDatabase;
beforeAll(async () => {
  world = await createTestDatabase();
});
afterAll(async () => {
  await world.drop();
});

test('an alert is told once when it is raised and once when it is over, however often either is said', async () => {
  const { db } = world;
  const raise = async (sentence: string): Promise<boolean> =>
    await withTransaction(db, (trx) => raiseAlert(trx, { key: 'storage.low', sentence, remedy: 'free some space' }));
  expect(await raise('2 GB are left')).toBe(true);
  expect(await raise('1 GB is left')).toBe(false);
  expect(await openAlerts(db, ['public'])).toMatchObject([{ key: 'storage.low', sentence: '1 GB is left' }]);
  expect(await openAlertKeys(db, 'storage.')).toEqual(['storage.low']);
  expect(await openAlertKeys(db, 'storage_')).toEqual([]);
  expect(await withTransaction(db, (trx) => clearAlert(trx, 'storage.low'))).toBe(true);
  expect(await withTransaction(db, (trx) => clearAlert(trx, 'storage.low'))).toBe(false);
  expect(await raise('again')).toBe(true);
  const events = await db.selectFrom('events').select('kind').orderBy('id').execute();
  expect(events.map((event) => event.kind)).toEqual(['alert.raised', 'alert.cleared', 'alert.raised']);
});

test('an alert is seen by those whose it is, and by nobody else', async () => {
  const { db } = world;
  await withTransaction(db, (trx) =>
    raiseAlert(trx, { key: 'suite.not-renewed embargo/x', audience: 'group:security', sentence: 'x' }),
  );
  expect((await openAlerts(db, ['public'])).map((alert) => alert.key)).toEqual(['storage.low']);
  expect((await openAlerts(db, ['group:security'])).map((alert) => alert.key)).toEqual(['suite.not-renewed embargo/x']);
  expect(await openAlerts(db, [])).toEqual([]);
});
