/**
 * Notices over HTTP: what forges send, with their secrets, against a real Git repository whose tags are looked at and decided by the
 * real tasks.
 */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  asForm,
  forgeRequest,
  FORGES,
  type ForgeName,
  type ForgeRequest,
} from '../../test/scenarios/forge-payloads.ts';
import { commitPackage, tagRelease } from '../../test/scenarios/git-package.ts';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { createTagWorld, type TagWorld } from '../../test/scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey } from '../../test/scenarios/keys.ts';
import { createSignals, openLeaseDesk, type LeaseDesk } from '../lighthouse/index.ts';
import { createAccessToken } from '../permissions/index.ts';
import { systemClock } from '../platform/clock.ts';
import { createFolderBlobStore } from '../platform/blobs.ts';
import { isConnectionError, withTransaction } from '../platform/database.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { silentLogger } from '../platform/log.ts';
import { statePaths } from '../platform/paths.ts';
import { startTasks, type Tasks } from '../platform/tasks.ts';
import { folderStorages } from '../archive/index.ts';
import { createSignerClient } from '../signer/client.ts';
import { tagTasks } from '../tags/index.ts';
import { createApp, startHttp, type HttpServer } from './index.ts';

const SECRET = 'correct-horse-battery-staple';
const HOST = 'forge.example.org';

let keys: KeyRing;
let alice: OpenPgpKey;
let world: TagWorld;
let repository: TestRepository;
let folder: TemporaryDirectory;
let leaseDesk: LeaseDesk;
let server: HttpServer;
let tasks: Tasks;
let token: string;
let count = 0;

beforeAll(async () => {
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  world = await createTagWorld();
  const { db } = world;
  const personId = await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice] });
  token = (await withTransaction(db, async (trx) => await createAccessToken(trx, { personId, name: 'test' }))).secret;
  repository = await createRepository();
  folder = await makeTemporaryDirectory('lf-hooks-');
  const paths = statePaths(folder.path);
  const log = silentLogger();
  const signals = createSignals();
  leaseDesk = openLeaseDesk({ db, signals, log, pollMs: 1_000 });
  const app = createApp({
    db,
    inTransaction: async (use) => await withTransaction(db, use),
    isDatabaseAway: isConnectionError,
    clock: systemClock,
    log,
    blobs: await createFolderBlobStore(paths.blobs),
    paths,
    storage: folderStorages(paths),
    publicUrl: 'http://landfall.example',
    signer: createSignerClient({ socket: paths.signerSocket }),
    signals,
    leaseDesk,
    limits: { uploadFile: 1024, streams: 5 },
    version: '0.1.0',
    shutdown: new AbortController().signal,
  });
  server = await startHttp({ listen: '127.0.0.1:0', app });
  tasks = await startTasks({
    connection: world.database.connection,
    handlers: { ...tagTasks(world.deps), 'sources.prepare': async () => await Promise.resolve() },
    concurrency: 2,
    logger: log,
  });
});

afterAll(async () => {
  await server.stop(200);
  await tasks.stop(100);
  leaseDesk.close();
  await repository.remove();
  await world.remove();
  await folder.remove();
  await keys.remove();
});

beforeEach(async () => {
  count += 1;
  await idle();
  await world.db.deleteFrom('hook_secrets').execute();
  await world.db.updateTable('git_repositories').set({ enabled: false }).execute();
  const refs = await repository.git(['for-each-ref', '--format=delete %(refname)', 'refs/tags/landing']);
  await repository.git(['update-ref', '--stdin'], refs);
});

/** Until nothing is looked at or decided any more. */
async function idle(): Promise<void> {
  for (;;) {
    const { rows } = await sql<{ count: number }>`
      SELECT count(*) FROM graphile_worker._private_jobs WHERE run_at <= now() + interval '2 seconds'`.execute(
      world.db,
    );
    if (rows[0]?.count === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

interface Registered {
  readonly id: number;
  readonly name: string;
  /** How a forge names it. */
  readonly path: string;
}

/** The repository under a name of its own, known to its forge as `group/helloN`. */
async function register(secret?: string, audience = 'public'): Promise<Registered> {
  const name = `packages/hello${count}`;
  const path = `group/hello${count}`;
  const id = await world.register(repository, { name, url: `${repository.url}${'/.'.repeat(count)}` });
  await world.db
    .updateTable('git_repositories')
    .set({ place: `${HOST}/${path}` })
    .where('id', '=', id)
    .execute();
  if (secret !== undefined) {
    await world.db
      .insertInto('hook_secrets')
      .values({ git_repository_id: id, secret: Buffer.from(secret) })
      .execute();
  }
  await world.db.updateTable('archives').set({ audience }).execute();
  return { id, name, path };
}

async function post(path: string, request: Partial<ForgeRequest> = {}): Promise<Response> {
  return await fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: request.headers ?? {},
    ...(request.body === undefined ? {} : { body: request.body }),
  });
}

/** What each of the tables that a notice could change holds. */
async function footprint(): Promise<readonly number[]> {
  const tables = ['notices', 'tags', 'tag_decisions', 'git_repositories', 'submissions'] as const;
  return await Promise.all(
    tables.map(async (table) => (await world.db.selectFrom(table).selectAll().execute()).length),
  );
}

async function newTag(): Promise<string> {
  const version = `1.0-1.${count}`;
  const release = await commitPackage(repository, { version });
  await tagRelease(repository, release, alice.sign, { version });
  return `landing/${version}`;
}

async function problemOf(response: Response): Promise<{ code: string; detail: string; remedy: string }> {
  return (await response.json()) as { code: string; detail: string; remedy: string };
}

describe.each(FORGES)('%s', (forge: ForgeName) => {
  test('with its secret: the tag is looked at and decided, found by the name or by the addresses', async () => {
    const { path, name } = await register(SECRET);
    const tag = await newTag();
    const push = forgeRequest(forge, { host: HOST, path, tag, secret: SECRET });
    const response = await post('/hooks/git?wait=30', push);
    expect([response.status, await response.text()]).toEqual([200, expect.stringMatching(/: accepted\. /)]);
    expect((await post(`/hooks/git/${name}`, push)).status).toBe(200);
  });

  test('H91 forged: 403 with words, and no effect', async () => {
    const { path, name } = await register(SECRET);
    const before = await footprint();
    for (const secret of [undefined, 'another-secret-of-somebody']) {
      const response = await post(
        `/hooks/git/${name}`,
        forgeRequest(forge, { host: HOST, path, tag: 'landing/9', secret }),
      );
      expect(response.status).toBe(403);
      const problem = await problemOf(response);
      expect(problem).toMatchObject({
        code: 'hook.unproven',
        remedy: expect.stringContaining('hook-secret') as string,
      });
      expect(JSON.stringify(problem)).not.toContain(SECRET);
    }
    expect(await footprint()).toEqual(before);
  });
});

test('a plain hook brings the secret in a header; a person needs none', async () => {
  const { name } = await register(SECRET);
  expect((await post(`/hooks/git/${name}`)).status).toBe(403);
  expect((await post(`/hooks/git/${name}`, { headers: { 'landfall-hook-secret': SECRET } })).status).toBe(200);
  expect((await post(`/hooks/git/${name}`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
  const form = asForm(forgeRequest('github', { host: HOST, path: 'x/y', tag: 'landing/1' }), SECRET);
  expect((await post(`/hooks/git/${name}`, form)).status).toBe(200);
});

test('the one line of post-receive: git push shows what was decided', async () => {
  const forge = await createRepository();
  try {
    const name = `packages/pushed${count}`;
    const id = await world.register(forge, { name });
    const line = `curl -sS -m 40 --data-binary @- "${server.url}/hooks/git/${name}?wait=30" || true`;
    await mkdir(join(forge.gitDir, 'hooks'), { recursive: true });
    await writeFile(join(forge.gitDir, 'hooks', 'post-receive'), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    const tag = await newTag();
    const push = ['-c', 'core.hooksPath=/dev/null', '--git-dir', repository.gitDir, 'push', forge.gitDir];
    const refs = [`refs/tags/${tag}`, 'refs/tags/upstream/1.0'];
    const { stderr } = await promisify(execFile)('git', [...push, ...refs]);
    expect(stderr).toMatch(new RegExp(`remote: landfall: ${tag}: accepted\\. All \\d+ checks passed`));
    expect(await world.db.selectFrom('tags').select('id').where('git_repository_id', '=', id).execute()).toHaveLength(
      1,
    );
  } finally {
    await forge.remove();
  }
});

test('a ping tells whether the secret is right, and causes no look', async () => {
  const { name } = await register(SECRET);
  const before = await footprint();
  const headers = { 'x-github-event': 'ping', 'content-type': 'application/json', 'landfall-hook-secret': SECRET };
  const response = await post(`/hooks/git/${name}`, { headers, body: '{"zen":"Design for failure."}' });
  expect(await response.text()).toBe(`landfall: ${name}: nothing in "ping" asks for a look\n`);
  expect(await footprint()).toEqual(before);
});

test('a closed Git repository is not told from one that does not exist, whatever is sent', async () => {
  const { name, path } = await register(SECRET, 'group:security');
  const before = await footprint();
  const words = async (response: Response, its: string): Promise<unknown> => {
    const { detail, ...rest } = (await response.json()) as { detail: string; requestId: string };
    return { ...rest, requestId: '', detail: detail.replace(its, 'NAME') };
  };
  for (const secret of [undefined, 'another-secret-of-somebody']) {
    const push = { host: HOST, path, tag: 'landing/9', secret };
    const closed = await post(`/hooks/git/${name}`, forgeRequest('gitlab', push));
    const missing = await post('/hooks/git/packages/nothing', forgeRequest('gitlab', push));
    expect([closed.status, missing.status]).toEqual([404, 404]);
    expect(await words(closed, name)).toEqual(await words(missing, 'packages/nothing'));
    const unnamed = await post('/hooks/git', forgeRequest('gitlab', push));
    const elsewhere = await post('/hooks/git', forgeRequest('gitlab', { ...push, path: 'no/where' }));
    expect(await words(unnamed, name)).toEqual(await words(elsewhere, name));
  }
  expect(await footprint()).toEqual(before);
  const proven = forgeRequest('gitlab', { host: HOST, path, tag: 'landing/9', secret: SECRET });
  expect((await post(`/hooks/git/${name}`, proven)).status).toBe(200);
});

test('H90 addresses in a payload are never gone to', async () => {
  await register();
  const before = await footprint();
  for (const host of ['127.0.0.1', '169.254.169.254', 'evil.example']) {
    const response = await post('/hooks/git', forgeRequest('gitea', { host, path: 'group/x', tag: 'landing/1' }));
    expect((await problemOf(response)).code).toBe('git-repository.unknown');
  }
  expect(await footprint()).toEqual(before);
});

describe('a namespace', () => {
  let name: string;

  beforeEach(async () => {
    name = `team${count}`;
    await world.db.updateTable('archives').set({ audience: 'public' }).execute();
    await world.db.updateTable('git_namespaces').set({ enabled: false }).execute();
    const { id } = await world.db
      .insertInto('git_namespaces')
      .values({
        name,
        url: `${pathToFileURL(dirname(repository.gitDir)).href}${'/.'.repeat(count)}/*.git`,
        allow_file: true,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    await world.db
      .insertInto('git_namespace_archives')
      .values({ git_namespace_id: id, distro: 'landing', archive_id: world.archiveId })
      .execute();
    await world.db
      .insertInto('hook_secrets')
      .values({ git_namespace_id: id, secret: Buffer.from(SECRET) })
      .execute();
  });

  test('the notice that makes a repository known names a tag of the baseline: said so, with the command', async () => {
    const tag = await newTag();
    const proof = { 'landfall-hook-secret': SECRET };
    expect((await post(`/hooks/git/${name}/forge?ref=refs/tags/${tag}`)).status).toBe(403);
    const response = await post(`/hooks/git/${name}/forge?ref=refs/tags/${tag}&wait=30`, { headers: proof });
    const text = await response.text();
    expect(text).toContain(
      `landfall: ${tag}: NOT DECIDED. It was there when ${name}/forge was looked at for the first time`,
    );
    expect(text).toContain(`landfall tag adopt ${name}/forge ${tag}`);
    const list = (await (await fetch(`${server.url}/api/v1/git-repositories`)).json()) as {
      repositories: { name: string; passedOver: unknown[]; url: string | null; needsSecret: boolean }[];
    };
    expect(list.repositories.find((one) => one.name === `${name}/forge`)).toMatchObject({
      passedOver: [{ name: tag }],
      needsSecret: true,
      url: null,
    });
    expect(JSON.stringify(list)).not.toContain(SECRET);

    const adopted = await post('/api/v1/tags/adopt', {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ repository: `${name}/forge`, tag }),
    });
    expect([adopted.status, await adopted.json()]).toMatchObject([200, { state: 'seen' }]);
    const again = await post(`/hooks/git/${name}/forge?ref=refs/tags/${tag}&wait=30`, { headers: proof });
    expect(await again.text()).toMatch(/: accepted\. /);
  });

  test('a tag of another prefix makes nothing known', async () => {
    const headers = { 'landfall-hook-secret': SECRET };
    const response = await post(`/hooks/git/${name}/other?ref=refs/tags/v1.0`, { headers });
    expect(await response.text()).toContain('no tag of a prefix of ours');
    expect(
      await world.db.selectFrom('git_repositories').select('id').where('name', '=', `${name}/other`).execute(),
    ).toEqual([]);
  });
});

test('1,000 notices at once for one tag make one decision and few looks; those turned away are told when to come again', async () => {
  const { id, name } = await register();
  const tag = await newTag();
  const path = `/hooks/git/${name}?ref=${encodeURIComponent(`refs/tags/${tag}`)}`;
  const statuses = new Map<number, number>();
  const clients = Array.from({ length: 50 }, async () => {
    for (let index = 0; index < 20; index += 1) {
      const response = await post(path);
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      if (response.status === 429) {
        expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
        expect(await problemOf(response)).toMatchObject({
          code: 'hook.rate-limited',
          remedy: expect.stringContaining('nothing is lost') as string,
        });
      } else await response.text();
    }
  });
  await Promise.all(clients);
  expect([...statuses.keys()].sort()).toEqual([200, 429]);
  expect((statuses.get(200) ?? 0) + (statuses.get(429) ?? 0)).toBe(1_000);
  expect(statuses.get(200)).toBeLessThanOrEqual(120);
  await idle();
  const tags = await world.db.selectFrom('tags').select('id').where('git_repository_id', '=', id).execute();
  expect(tags).toHaveLength(1);
  expect(await world.tag(`refs/tags/${tag}`)).toMatchObject({ state: 'accepted', decisions: [{ code: 'accepted' }] });
  // One more look is planned for those that were turned away, and no more.
  expect((await world.waiting('tags.scan')).length).toBeLessThanOrEqual(2);
});
