/** `landfall tag check` from a maintainer's clone, over the wire: the verdict that a push would get, and nothing recorded. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCommand, type CliResult } from '../../test/scenarios/cli.ts';
import { commitPackage, tagRelease } from '../../test/scenarios/git-package.ts';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { createTagWorld, type TagWorld } from '../../test/scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey } from '../../test/scenarios/keys.ts';
import { createApp, startHttp, type HttpServer } from '../http/index.ts';
import { createSignals, openLeaseDesk } from '../lighthouse/index.ts';
import { createAccessToken } from '../permissions/index.ts';
import { systemClock } from '../platform/clock.ts';
import { isConnectionError, withTransaction } from '../platform/database.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { folderStorages } from '../archive/index.ts';
import { statePaths } from '../platform/paths.ts';
import { createSignerClient } from '../signer/client.ts';

let keys: KeyRing;
let alice: OpenPgpKey;
let stranger: OpenPgpKey;
let world: TagWorld;
let repository: TestRepository;
let folder: TemporaryDirectory;
let server: HttpServer;

beforeAll(async () => {
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  stranger = await keys.openPgp({ userId: 'Somebody <somebody@example.org>' });
  repository = await createRepository();
  world = await createTagWorld();
  const personId = await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice] });
  await world.register(repository);
  folder = await makeTemporaryDirectory();
  const { secret } = await withTransaction(world.db, async (trx) => createAccessToken(trx, { personId, name: 'test' }));
  await writeFile(join(folder.path, 'token'), secret, { mode: 0o600 });
  const signals = createSignals();
  const paths = statePaths(folder.path);
  const app = createApp({
    ...world.deps,
    inTransaction: async (use) => await withTransaction(world.db, use),
    isDatabaseAway: isConnectionError,
    clock: systemClock,
    paths,
    storage: folderStorages(paths),
    signer: createSignerClient({ socket: paths.signerSocket }),
    signals,
    leaseDesk: openLeaseDesk({ db: world.db, signals, log: world.deps.log }),
    limits: { uploadFile: 1, streams: 1 },
    version: '0.1.0',
    shutdown: new AbortController().signal,
  });
  server = await startHttp({ listen: '127.0.0.1:0', app });
}, 120_000);
afterAll(async () => {
  await server.stop(100);
  await world.remove();
  await repository.remove();
  await folder.remove();
  await keys.remove();
});

async function check(name: string, ...options: string[]): Promise<CliResult> {
  return await runCommand(['tag', 'check', name, '-C', repository.gitDir, ...options], {
    directory: folder.path,
    environment: { LANDFALL_STATE_DIR: folder.path, LANDFALL_URL: server.url, LANDFALL_TOKEN_FILE: 'token' },
  });
}

test('a tag that would pass is 0, with every check; nothing is recorded', async () => {
  const version = '1.0-1';
  await tagRelease(repository, await commitPackage(repository, { version }), alice.sign, { version });
  const named = await check('landing/1.0-1', '--repository', 'packages/hello');
  expect([named.code, named.stderr]).toEqual([0, '']);
  expect(named.stdout).toContain('hello 1.0-1 would be accepted (landing)');
  expect(named.stdout).toMatch(/\+ +signer\.permission/);
  await repository.git(['config', 'remote.origin.url', repository.url]);
  const found = await check('landing/1.0-1');
  expect([found.code, found.stdout]).toEqual([0, named.stdout]);
  expect(await world.db.selectFrom('tags').select('id').execute()).toEqual([]);
});

test('a stranger is told what a push would tell, with the check that stops it and the remedy', async () => {
  const version = '1.0-2';
  await tagRelease(repository, await commitPackage(repository, { version }), stranger.sign, { version });
  const { code, stdout } = await check('landing/1.0-2', '--repository', 'packages/hello');
  expect(code).toBe(1);
  expect(stdout).toContain('would be rejected');
  expect(stdout).toMatch(/x +signer\.known/);
  expect(stdout).toMatch(/^ {2}-> /m);
});

test('H100 tags that are sent and never end take the places of four, and are told of; then there is room again', async () => {
  const version = '1.0-9';
  await tagRelease(repository, await commitPackage(repository, { version }), alice.sign, { version });
  const secret = await readFile(join(folder.path, 'token'), 'utf8');
  const query = `repository=packages/hello&ref=refs/tags/landing/${version}&object=${'0'.repeat(40)}`;
  const stop = new AbortController();
  const held = Array.from({ length: 4 }, async () => {
    await fetch(`${server.url}/api/v1/tags/check?${query}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/octet-stream' },
      body: new ReadableStream({ start: (stream) => stream.enqueue(Buffer.from('PACK')) }),
      duplex: 'half',
      signal: stop.signal,
    }).catch(() => undefined);
  });
  const answers = async (): Promise<CliResult> => await check(`landing/${version}`, '--repository', 'packages/hello');
  await expect.poll(async () => (await answers()).stderr, { timeout: 120_000 }).toContain('4 tags are being checked');
  stop.abort();
  await Promise.all(held);
  await expect.poll(async () => (await answers()).code, { timeout: 120_000 }).toBe(0);
});

test('a name that asks for no release, an unknown repository, and a tag that is not there', async () => {
  const commits = await commitPackage(repository, { version: '1.0-3' });
  await tagRelease(repository, commits, alice.sign, { version: '1.0-3', distro: 'other' });
  const passed = await check('other/1.0-3', '--repository', 'packages/hello');
  expect([passed.code, passed.stderr.includes('refs/tags/landing/VERSION')]).toEqual([1, true]);
  expect(await check('landing/1.0-1', '--repository', 'packages/unknown')).toMatchObject({ code: 5 });
  expect(await check('landing/9.9-9', '--repository', 'packages/hello')).toMatchObject({ code: 2 });
});
