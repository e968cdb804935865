import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { withTransaction, type Db } from '../platform/database.ts';
import { exportPublicKey, generateKey, killAgents } from '../platform/gpg.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { authenticateWorker, createJoinToken, ensureWorkerPool, joinWorker, revokeWorker } from './index.ts';

let home: TemporaryDirectory;
const keys: { fingerprint: string; armored: Buffer }[] = [];
beforeAll(async () => {
  home = await makeTemporaryDirectory('lf-join-');
  for (const name of ['one', 'two']) {
    const fingerprint = await generateKey({
      home: home.path,
      userId: `worker ${name} <${name}@example.org>`,
      algorithm: 'ed25519',
    });
    keys.push({ fingerprint, armored: await exportPublicKey(home.path, fingerprint) });
  }
});
afterAll(async () => {
  await killAgents(home.path);
  await home.remove();
});

let database: TestDatabase;
let db: Db;
beforeEach(async () => {
  database = await createTestDatabase();
  db = database.db;
});
afterEach(async () => await database.drop());

function key(index: 0 | 1) {
  const found = keys[index];
  if (found === undefined) throw new Error('no key');
  return found;
}
async function invite(name = 'amd64-1', validSeconds = 600): Promise<string> {
  return await withTransaction(db, async (trx) => {
    const workerPoolId = await ensureWorkerPool(trx, 'trusted');
    const token = { workerName: name, workerPoolId, architectures: ['amd64'], validSeconds, actor: 'person:root' };
    return (await createJoinToken(trx, token)).secret;
  });
}

test('a worker joins with a one-time token and its key, and is known by its secret from then on', async () => {
  const joined = await joinWorker(db, { token: await invite(), openpgpKey: key(0).armored, facts: { cores: 2 } });
  if (joined.kind !== 'joined') throw new Error(joined.reason);
  expect(joined).toMatchObject({ name: 'amd64-1', pool: 'trusted', architectures: ['amd64'] });
  const identity = await authenticateWorker(db, joined.secret);
  expect(identity).toEqual({
    kind: 'worker',
    workerId: joined.workerId,
    name: 'amd64-1',
    workerPoolId: identity?.workerPoolId,
    workerPool: 'trusted',
    architectures: ['amd64'],
    openpgpFingerprint: key(0).fingerprint,
  });
  expect(await db.selectFrom('workers').select('last_contact_at').executeTakeFirst()).not.toEqual({
    last_contact_at: null,
  });
  expect(await db.selectFrom('events').select('kind').execute()).toEqual([{ kind: 'worker.joined' }]);
});

test('no secret is kept in the database', async () => {
  const token = await invite();
  const joined = await joinWorker(db, { token, openpgpKey: key(0).armored });
  const rows = JSON.stringify([
    await db.selectFrom('workers').selectAll().execute(),
    await db.selectFrom('join_tokens').selectAll().execute(),
    await db.selectFrom('audit').selectAll().execute(),
  ]);
  expect(rows).not.toContain(token);
  if (joined.kind === 'joined') expect(rows).not.toContain(joined.secret);
});

test('asked again because the answer was lost, it gets a new secret, until it has used one', async () => {
  const token = await invite();
  const first = await joinWorker(db, { token, openpgpKey: key(0).armored });
  const second = await joinWorker(db, { token, openpgpKey: key(0).armored });
  if (first.kind !== 'joined' || second.kind !== 'joined') throw new Error('refused');
  expect(second.workerId).toBe(first.workerId);
  expect(await authenticateWorker(db, first.secret)).toBeUndefined();
  expect(await authenticateWorker(db, second.secret)).toBeDefined();
  expect(await joinWorker(db, { token, openpgpKey: key(0).armored })).toMatchObject({
    kind: 'refused',
    status: 401,
    code: 'join.used-token',
  });
  expect(await joinWorker(db, { token, openpgpKey: key(1).armored })).toMatchObject({ code: 'join.used-token' });
});

test('H26 a second worker of the same name is refused, with an alert, until the first is revoked', async () => {
  await joinWorker(db, { token: await invite(), openpgpKey: key(0).armored });
  const token = await invite();
  expect(await joinWorker(db, { token, openpgpKey: key(1).armored })).toMatchObject({
    kind: 'refused',
    status: 409,
    code: 'worker.name-taken',
  });
  expect(await db.selectFrom('events').select('kind').orderBy('id').execute()).toContainEqual({
    kind: 'worker.join-refused',
  });
  await withTransaction(db, (trx) => revokeWorker(trx, 'amd64-1', { actor: 'person:root', reason: 'replaced' }));
  expect(await joinWorker(db, { token, openpgpKey: key(1).armored })).toMatchObject({ kind: 'joined' });
  const rows = await db.selectFrom('workers').select(['openpgp_fingerprint', 'enabled']).orderBy('id').execute();
  expect(rows).toEqual([
    { openpgp_fingerprint: key(0).fingerprint, enabled: false },
    { openpgp_fingerprint: key(1).fingerprint, enabled: true },
  ]);
});

test('H26 two that join under one name at the same moment: one of them does', async () => {
  const tokens = [await invite(), await invite()];
  const results = await Promise.all(
    tokens.map((token, index) => joinWorker(db, { token, openpgpKey: key(index === 0 ? 0 : 1).armored })),
  );
  expect(results.map((result) => result.kind).sort()).toEqual(['joined', 'refused']);
});

test('a key that another worker has or had is refused', async () => {
  await joinWorker(db, { token: await invite(), openpgpKey: key(0).armored });
  expect(await joinWorker(db, { token: await invite('amd64-2'), openpgpKey: key(0).armored })).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('makes a key of its own') as string,
  });
});

test('unknown and expired tokens, and what is no public key, are refused', async () => {
  expect(await joinWorker(db, { token: 'lfj_nothing', openpgpKey: key(0).armored })).toMatchObject({
    status: 401,
    code: 'join.unknown-token',
  });
  // Before the key is read: whoever has no token costs no reading.
  expect(await joinWorker(db, { token: 'lfj_nothing', openpgpKey: Buffer.from('no key') })).toMatchObject({
    code: 'join.unknown-token',
  });
  expect(await joinWorker(db, { token: await invite('a', 0), openpgpKey: key(0).armored })).toMatchObject({
    code: 'join.expired-token',
  });
  expect(await joinWorker(db, { token: await invite('b'), openpgpKey: Buffer.from('no key') })).toMatchObject({
    status: 409,
    code: 'worker.invalid-key',
  });
  expect(await authenticateWorker(db, 'lfw_short')).toBeUndefined();
  expect(await authenticateWorker(db, `lfw_${'A'.repeat(43)}`)).toBeUndefined();
});
