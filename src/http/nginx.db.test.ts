/**
 * The tree served by Debian's nginx with the configuration that we ship: the same bytes and the same words to caches as ours,
 * nothing that ours would not give, and a real apt reads it.
 */
import { chmod, chown, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { serve, type ServerType } from '@hono/node-server';
import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAptClient } from '../../test/scenarios/apt-client.ts';
import { ordinaryUser } from '../../test/postgres-setup.ts';
import { createArchiveWorld, putBinary, type ArchiveWorld } from '../../test/scenarios/archive.ts';
import { markTakenDown } from '../archive/takedown/markers.ts';
import { removeTakenDown } from '../archive/takedown/remove.ts';
import { planTakedown, takeDown } from '../archive/takedown/takedown.ts';
import { poolPath } from '../debian/pool.ts';
import { exec, findProgram } from '../platform/exec.ts';
import { spawnService, type Service } from '../platform/service.ts';
import { archiveFiles } from './archive-files.ts';
import type { HttpEnv } from './env.ts';
import { Refusal } from './refusal.ts';

const CONFIGURATION = join(import.meta.dirname, '..', '..', 'packaging', 'nginx', 'landfall-archive.conf');

let world: ArchiveWorld;
let own: ServerType;
let nginx: Service;
let ours: string;
let theirs: string;
let pool: string;
let byHash: string;

beforeAll(async () => {
  world = await createArchiveWorld({ architectures: ['amd64'] });
  for (const name of ['hello', 'malware', 'forbidden']) {
    await putBinary(world, { name, version: '1.0-1', architecture: 'amd64' });
  }
  await world.publish();
  pool = poolPath('main', 'hello', 'hello_1.0-1_amd64.deb');
  const release = await readFile(join(world.archiveFolder, 'dists/landing/Release'), 'utf8');
  byHash = `dists/landing/main/binary-amd64/by-hash/SHA256/${/^ ([0-9a-f]{64}) +\d+ main\/binary-amd64\/Packages\.xz$/m.exec(release)?.[1] ?? ''}`;

  const app = new Hono<HttpEnv>();
  app.onError((error) =>
    error instanceof Refusal
      ? new Response(error.facts.detail, { status: error.facts.status, headers: { ...error.facts.headers } })
      : new Response(String(error), { status: 500 }),
  );
  app.get('/archive/*', archiveFiles(world.deps));
  app.all('*', (c) => c.text('ours', 404));
  const [ownPort, nginxPort] = [await freePort(), await freePort()];
  own = serve({ fetch: app.fetch, port: ownPort, hostname: '127.0.0.1' });
  ours = `http://127.0.0.1:${ownPort}`;
  theirs = `http://127.0.0.1:${nginxPort}`;
  nginx = await startNginx(nginxPort, ownPort);
});
afterAll(async () => {
  await nginx.stop(2_000);
  own.close();
  await world.close();
});

/** An unprivileged nginx with folders of its own, and of our configuration only the places changed. */
async function startNginx(port: number, upstream: number): Promise<Service> {
  const folder = join(world.folder, 'nginx');
  const shipped = await readFile(CONFIGURATION, 'utf8');
  const site = shipped
    .replace('server 127.0.0.1:8463;', `server 127.0.0.1:${upstream};`)
    .replace('listen 80;', `listen 127.0.0.1:${port};`)
    .replace('root /var/lib/landfall/archives;', `root ${join(world.folder, 'archives')};`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  await exec(['mkdir', '-p', folder], { deadlineMs: 10_000 });
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 64; }
http { access_log off; ${temporary.join(' ')}
${site}
}
`,
  );
  await chmod(world.folder, 0o755);
  const user = process.getuid?.() === 0 ? await ordinaryUser() : undefined;
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  const program = findProgram('nginx') ?? 'nginx';
  await exec([program, '-t', '-q', '-c', join(folder, 'nginx.conf')], {
    deadlineMs: 10_000,
    ...(user === undefined ? {} : { user }),
  });
  const service = await spawnService([program, '-c', join(folder, 'nginx.conf')], {
    doing: 'start nginx',
    output: { file: join(folder, 'said.log') },
    ...(user === undefined ? {} : { user }),
  });
  for (let tries = 0; tries < 2_000; tries += 1) {
    if (
      await fetch(theirs).then(
        () => true,
        () => false,
      )
    )
      return service;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`nginx does not answer: ${await readFile(join(folder, 'error.log'), 'utf8')}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('there is no port');
  return address.port;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | null>>;
  readonly bytes: string;
}

async function ask(url: string, path: string, init: RequestInit, names: readonly string[]): Promise<Answer> {
  const response = await fetch(`${url}/archive/main/${path}`, init);
  const bytes = Buffer.from(await response.arrayBuffer());
  return {
    status: response.status,
    headers: Object.fromEntries(names.map((name) => [name, response.headers.get(name)])),
    bytes: bytes.toString('base64'),
  };
}

const TOLD = ['content-type', 'content-length', 'cache-control', 'accept-ranges', 'x-content-type-options'];

describe('nginx with the configuration that is shipped', () => {
  it.each<[string, () => string, string[]]>([
    ['InRelease', () => 'dists/landing/InRelease', ['last-modified']],
    ['the same by the name of an alias', () => 'dists/testing/InRelease', ['last-modified']],
    ['Release.gpg', () => 'dists/landing/Release.gpg', ['last-modified']],
    ['an index', () => 'dists/landing/main/binary-amd64/Packages.xz', []],
    ['the small Release', () => 'dists/landing/main/binary-amd64/Release', []],
    ['an index by its hash', () => byHash, []],
    ['a package', () => pool, ['last-modified']],
  ])('gives %s as ours does: bytes, type, what caches may do', async (_name, path, more) => {
    for (const method of ['GET', 'HEAD']) {
      const name = path();
      const [one, other] = [
        await ask(ours, name, { method }, [...TOLD, ...more]),
        await ask(theirs, name, { method }, [...TOLD, ...more]),
      ];
      expect(other).toEqual(one);
      expect(other.status).toBe(200);
    }
  });

  it('answers ranges and conditions as ours does', async () => {
    const modified = (await fetch(`${theirs}/archive/main/${pool}`)).headers.get('last-modified') ?? '';
    const later = new Date(Date.parse(modified) + 60_000).toUTCString();
    for (const [headers, status] of [
      [{ range: 'bytes=10-19' }, 206],
      [{ range: 'bytes=-7' }, 206],
      [{ range: 'bytes=999999999-' }, 416],
      [{ range: 'bytes=0-1,5-6' }, 200],
      [{ range: 'bytes=10-19', 'if-range': modified }, 206],
      [{ range: 'bytes=10-19', 'if-range': 'Thu, 01 Jan 1970 00:00:01 GMT' }, 200],
      [{ 'if-modified-since': modified }, 304],
      [{ 'if-modified-since': later }, 304],
      [{ 'if-modified-since': 'Thu, 01 Jan 1970 00:00:01 GMT' }, 200],
    ] as const) {
      const [one, other] = [
        await ask(ours, pool, { headers }, ['content-range']),
        await ask(theirs, pool, { headers }, ['content-range']),
      ];
      expect([headers, one.status, other.status]).toEqual([headers, status, status]);
      expect(other.headers).toEqual(one.headers);
      if (status < 300) expect(other.bytes).toBe(one.bytes);
    }
    for (const url of [ours, theirs]) {
      const etag = (await fetch(`${url}/archive/main/${pool}`)).headers.get('etag') ?? '';
      expect((await ask(url, pool, { headers: { 'if-none-match': etag } }, [])).status).toBe(304);
      expect((await ask(url, pool, { headers: { 'if-none-match': '"other"' } }, [])).status).toBe(200);
    }
  });

  it('H95 gives nothing that ours would not: no chunks, no publications, no reserve, nothing outside', async () => {
    await writeFile(join(world.folder, 'archives', '.reserve'), 'secret');
    for (const path of [
      '.publications/landing/1/InRelease',
      '.index-chunks/tmp',
      '../.reserve',
      'dists/..%2f..%2f.reserve',
      'dists/../.publications/landing/1/InRelease',
      'pool/..%2f.index-chunks',
      'pool/',
      'pool/none.deb',
      'dists/',
    ]) {
      expect([path, (await fetch(`${theirs}/archive/main/${path}`)).status]).toEqual([path, 404]);
    }
    expect((await fetch(`${theirs}/archive/.reserve`)).status).toBe(404);
    expect(await (await fetch(`${theirs}/builds`)).text()).toBe('ours');
  });

  it('a real apt updates from it and downloads', async () => {
    const key = await world.deps.signer.ensureKey('main', 'unused');
    const client = await createAptClient(join(world.folder, 'apt-nginx'), {
      url: `${theirs}/archive/main`,
      suite: 'landing',
      components: ['main'],
      key: key.publicKey,
    });
    await client.update();
    expect(await client.packages()).toContain('hello=1.0-1');
    expect(await client.download('hello')).toHaveLength(1);
  });

  it.each([
    ['malware', 410, 'replaced by an attacker'],
    ['forbidden', 451, 'order 7 of the court of X'],
  ])(
    'answers for %s, which was taken down, as ours does: %i, while its bytes are there and afterwards',
    async (source, status, reason) => {
      const path = poolPath('main', source, `${source}_1.0-1_amd64.deb`);
      const request = { source, version: '1.0-1', reason, by: 'person:carol', audiences: ['public'] };
      const wanted = { ...request, legal: status === 451, keepUpstream: false };
      const plan = await planTakedown(world.db, wanted);
      if (plan.kind !== 'plan') throw new Error(plan.kind);
      expect((await ask(theirs, path, {}, [])).status).toBe(200);
      await takeDown(world.db, wanted, plan.hash);
      const { id } = await world.db
        .selectFrom('takedowns')
        .select('id')
        .where('source', '=', source)
        .executeTakeFirstOrThrow();
      const same = async (): Promise<void> => {
        for (const method of ['GET', 'HEAD']) {
          const headers = { range: 'bytes=0-3', 'if-modified-since': new Date().toUTCString() };
          const [one, other] = [
            await ask(ours, path, { method, headers }, []),
            await ask(theirs, path, { method, headers }, ['cache-control']),
          ];
          expect([one.status, other.status]).toEqual([status, status]);
          expect(other.headers).toEqual({ 'cache-control': 'no-store' });
          if (method === 'GET') expect(Buffer.from(other.bytes, 'base64').toString()).toContain(reason);
          expect((await fetch(`${theirs}/archive/main/snapshots/1/${path}`, { method })).status).toBe(status);
        }
      };
      // The suite is not published without it yet.
      expect(await removeTakenDown(world.deps, id)).toEqual({ kind: 'waiting' });
      expect(await world.deps.storage('main').then(({ published }) => published.stat(path))).toBeDefined();
      await same();
      await world.publish();
      expect(await removeTakenDown(world.deps, id)).toEqual({ kind: 'removed', files: 1 });
      expect(await world.deps.storage('main').then(({ published }) => published.stat(path))).toBeUndefined();
      await same();
      // A store that was made anew from a backup has no marks until they are written again.
      await rm(join(world.archiveFolder, '.taken-down'), { recursive: true });
      await markTakenDown(world.deps);
      await same();
    },
  );

  it('goes on while Landfall is away, also for what was taken down', async () => {
    const closed = new Promise((resolve) => own.close(resolve));
    if ('closeAllConnections' in own) own.closeAllConnections();
    await closed;
    for (const [source, status] of [
      ['hello', 200],
      ['malware', 410],
      ['forbidden', 451],
    ] as const) {
      const path = poolPath('main', source, `${source}_1.0-1_amd64.deb`);
      expect([source, (await fetch(`${theirs}/archive/main/${path}`)).status]).toEqual([source, status]);
    }
    expect(
      (await fetch(`${theirs}/taken-down/410/main/${poolPath('main', 'malware', 'malware_1.0-1_amd64.deb')}`)).status,
    ).not.toBe(200);
    expect(
      (await fetch(`${theirs}/archive/main/.taken-down/410/pool/main/m/malware/malware_1.0-1_amd64.deb`)).status,
    ).not.toBe(200);
  });
});
