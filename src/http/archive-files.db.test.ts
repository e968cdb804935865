/** The archive as apt meets it over our own server: real publications, a real apt, every kind of conditional request. */
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAptClient, type AptClient } from '../../test/scenarios/apt-client.ts';
import { createArchiveWorld, putBinary, type ArchiveWorld } from '../../test/scenarios/archive.ts';
import { createSignals, openLeaseDesk } from '../lighthouse/index.ts';
import { addMember, createAccessToken, createGroup, createPerson } from '../permissions/index.ts';
import { systemClock } from '../platform/clock.ts';
import { isConnectionError, withTransaction } from '../platform/database.ts';
import { silentLogger } from '../platform/log.ts';
import { statePaths } from '../platform/paths.ts';
import { createApp } from './app.ts';
import type { HttpDeps } from './deps.ts';
import { startHttp, type HttpServer } from './server.ts';

const LANDFALL = { kind: 'system', name: 'landfall' } as const;
let world: ArchiveWorld;
let server: HttpServer;
let app: ReturnType<typeof createApp>;
const shutdown = new AbortController();

beforeAll(async () => {
  world = await createArchiveWorld({ architectures: ['amd64'] });
  const signals = createSignals();
  const deps: HttpDeps = {
    db: world.db,
    inTransaction: async (use) => await withTransaction(world.db, use),
    isDatabaseAway: isConnectionError,
    clock: systemClock,
    log: silentLogger(),
    blobs: world.blobs,
    paths: statePaths(world.folder),
    storage: world.deps.storage,
    publicUrl: 'http://127.0.0.1',
    signer: world.deps.signer,
    signals,
    leaseDesk: openLeaseDesk({ db: world.db, signals, log: silentLogger() }),
    limits: { uploadFile: 1, streams: 5 },
    version: '0.1.0',
    shutdown: shutdown.signal,
  };
  app = createApp(deps);
  server = await startHttp({ listen: '127.0.0.1:0', app });
  await putBinary(world, { name: 'hello', version: '2.10-3', architecture: 'amd64' });
  await world.publish();
}, 120_000);
afterAll(async () => {
  shutdown.abort();
  await server.stop(100);
  await world.close();
});

let clients = 0;
async function apt(): Promise<AptClient> {
  clients += 1;
  const { publicKey } = await world.deps.signer.ensureKey('main', 'Landfall archive main');
  return await createAptClient(join(world.folder, `client-${clients}`), {
    url: `${server.url}/archive/main`,
    suite: 'landing',
    components: ['main'],
    key: publicKey,
  });
}

const INRELEASE = '/archive/main/dists/landing/InRelease';
const DEB = '/archive/main/pool/main/h/hello/hello_2.10-3_amd64.deb';

describe('apt', () => {
  test('updates, downloads, and updates again after a publication', async () => {
    const client = await apt();
    await client.update();
    expect(await client.packages()).toEqual(['hello=2.10-3']);
    expect(await client.download('hello')).toEqual(['hello_2.10-3_amd64.deb']);
    expect((await client.update()).stdout.toString()).toContain('Hit:1');
    await putBinary(world, { name: 'hello', version: '2.10-4', architecture: 'amd64' });
    await world.publish();
    await client.update();
    expect(await client.packages()).toEqual(['hello=2.10-4']);
  });
});

describe('what caches and clients rely on', () => {
  test("Last-Modified of a suite's files is the Date of its Release", async () => {
    const response = await app.request(INRELEASE);
    const date = /^Date: (.*)$/m.exec(await response.text())?.[1] ?? '';
    expect(new Date(response.headers.get('last-modified') ?? 0)).toEqual(new Date(date));
    expect(response.headers.get('cache-control')).toBe('public, no-cache');
    const release = await app.request('/archive/main/dists/landing/Release');
    expect(release.headers.get('last-modified')).toBe(response.headers.get('last-modified'));
    expect(release.headers.get('etag')).not.toBe(response.headers.get('etag'));
  });

  test('the pool and by-hash say that they never change', async () => {
    expect((await app.request(DEB)).headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    const release = await (await app.request('/archive/main/dists/landing/Release')).text();
    const hash = /^ ([0-9a-f]{64}) +\d+ main\/binary-amd64\/Packages\.xz$/m.exec(release)?.[1] ?? '';
    const byHash = await app.request(`/archive/main/dists/landing/main/binary-amd64/by-hash/SHA256/${hash}`);
    expect([byHash.status, byHash.headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable']);
  });

  test('304 by ETag and by date, without a body', async () => {
    const whole = await app.request(DEB);
    const etag = whole.headers.get('etag') ?? '';
    const date = whole.headers.get('last-modified') ?? '';
    const byTag = await app.request(DEB, { headers: { 'if-none-match': etag } });
    expect([byTag.status, await byTag.text()]).toEqual([304, '']);
    expect((await app.request(DEB, { headers: { 'if-modified-since': date } })).status).toBe(304);
    expect((await app.request(DEB, { headers: { 'if-none-match': '"x"' } })).status).toBe(200);
  });

  test('a half download goes on, and begins anew when the bytes are others', async () => {
    const whole = Buffer.from(await (await app.request(DEB)).arrayBuffer());
    const etag = (await app.request(DEB)).headers.get('etag') ?? '';
    const rest = await app.request(DEB, { headers: { range: 'bytes=100-', 'if-range': etag } });
    expect([rest.status, rest.headers.get('content-range')]).toEqual([
      206,
      `bytes 100-${whole.length - 1}/${whole.length}`,
    ]);
    expect(Buffer.from(await rest.arrayBuffer()).equals(whole.subarray(100))).toBe(true);
    expect((await app.request(DEB, { headers: { range: 'bytes=100-', 'if-range': '"x"' } })).status).toBe(200);
    const beyond = await app.request(DEB, { headers: { range: `bytes=${whole.length}-` } });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${whole.length}`]);
  });

  test('HEAD has the headers and no bytes, over a socket too', async () => {
    const response = await fetch(`${server.url}${DEB}`, { method: 'HEAD' });
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(100);
    expect((await response.arrayBuffer()).byteLength).toBe(0);
  });

  test('foreign bytes are inert in a browser', async () => {
    const { headers } = await app.request(INRELEASE);
    expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(headers.get('content-security-policy')).toContain('sandbox');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('the keyring is there, armoured and not', async () => {
    const response = await app.request('/archive/main/key.asc');
    expect(response.headers.get('content-type')).toBe('application/pgp-keys');
    expect(await response.text()).toContain('-----BEGIN PGP PUBLIC KEY BLOCK-----');
    const binary = Buffer.from(await (await app.request('/archive/main/key.pgp')).arrayBuffer());
    expect(binary[0]).toBe(0x98);
    for (const name of ['nothing/key.asc', 'main/key.gpg', 'main/key.asc2']) {
      expect((await app.request(`/archive/${name}`)).status).toBe(404);
    }
  });
});

describe('what is not there', () => {
  test.each([
    '/archive/main',
    '/archive/main/',
    '/archive/main/dists/',
    '/archive/main/dists/landing',
    '/archive/main/.publications/landing/1/Release',
    '/archive/main/..%2f..%2fsigner',
    '/archive/main/pool/..%2f..%2f..%2fetc%2fpasswd',
    '/archive/main/%2e%2e/%2e%2e/landfall.toml',
    '/archive/main/pool/%00',
    '/archive/main/pool/x%0a',
    '/archive/..%2fmain/dists/landing/Release',
    '/archive/Main/dists/landing/Release',
  ])('H95 %s is 404', async (path) => {
    expect((await app.request(path)).status).toBe(404);
    // Over a socket nothing resolves the path before us.
    expect((await fetch(`${server.url}${path}`)).status).toBe(404);
  });

  test('H95 a link that somebody put into the tree leads nowhere', async () => {
    await writeFile(join(world.folder, 'secret'), 'secret');
    await mkdir(join(world.archiveFolder, 'pool', 'evil'), { recursive: true });
    await symlink(join(world.folder, 'secret'), join(world.archiveFolder, 'pool', 'evil', 'a.deb'));
    expect((await app.request('/archive/main/pool/evil/a.deb')).status).toBe(404);
  });
});

describe('a closed archive', () => {
  test('is there for members, by the credentials that apt sends, and for nobody else', async () => {
    const token = await withTransaction(world.db, async (trx) => {
      const sue = await createPerson(trx, { handle: 'sue', name: 'Sue', email: 'sue@example.org' }, LANDFALL);
      const group = await createGroup(trx, 'security', LANDFALL);
      const membership = { groupId: group.id, group: 'security', personId: sue.id, person: 'sue' };
      await addMember(trx, membership, LANDFALL);
      return (await createAccessToken(trx, { personId: sue.id, name: 'apt' })).secret;
    });
    const close = async (audience: string): Promise<unknown> =>
      await world.db.updateTable('archives').set({ audience }).execute();
    await close('group:security');
    try {
      expect((await app.request(INRELEASE)).status).toBe(404);
      expect((await app.request('/archive/main/key.asc')).status).toBe(404);
      const stranger = await apt();
      expect((await stranger.tryUpdate()).code).not.toBe(0);
      const bearer = await app.request(INRELEASE, { headers: { authorization: `Bearer ${token}` } });
      expect([bearer.status, bearer.headers.get('cache-control')]).toEqual([200, 'private, no-cache']);
      const basic = Buffer.from(`landfall:${token}`).toString('base64');
      expect((await app.request(DEB, { headers: { authorization: `Basic ${basic}` } })).status).toBe(200);
      expect(
        (await app.request(DEB, { headers: { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` } }))
          .status,
      ).toBe(401);
      expect((await app.request('/api/v1/tags', { headers: { authorization: `Basic ${basic}` } })).status).toBe(401);
    } finally {
      await close('public');
    }
  });

  test('a closed suite of a public archive is hidden as well', async () => {
    const close = async (audience: string): Promise<unknown> =>
      await world.db.updateTable('suites').set({ audience }).execute();
    await close('group:security');
    try {
      expect((await app.request(INRELEASE)).status).toBe(404);
      expect((await app.request('/archive/main/dists/amber/InRelease')).status).toBe(404);
    } finally {
      await close('public');
    }
  });
});
