/**
 * The agent against a real Lighthouse over HTTP: joining, a source job from a real frozen pack, and what may go wrong on the way.
 * Builds in sandboxes are test/e2e/worker.e2e.test.ts.
 */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { parseClearsigned } from '../debian/clearsign.ts';
import { parseChanges } from '../debian/changes.ts';
import { parseDsc } from '../debian/dsc.ts';
import { createApp, startHttp, type HttpServer } from '../http/index.ts';
import {
  createJob,
  createJoinToken,
  createSignals,
  openLeaseDesk,
  readLog,
  revokeWorker,
} from '../lighthouse/index.ts';
import { folderStorages } from '../archive/index.ts';
import { createFolderBlobStore, type BlobStore } from '../platform/blobs.ts';
import { systemClock } from '../platform/clock.ts';
import { isConnectionError, withTransaction } from '../platform/database.ts';
import { exec } from '../platform/exec.ts';
import { exists, makeTemporaryDirectory, sha256 as hashOf, type TemporaryDirectory } from '../platform/files.ts';
import { exportPublicKey, killAgents, verifyClearsigned, verifyDetached } from '../platform/gpg.ts';
import { silentLogger } from '../platform/log.ts';
import { statePaths } from '../platform/paths.ts';
import { createSignerClient } from '../signer/client.ts';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { debianFiles } from '../../test/scenarios/git-package.ts';
import { createWorld, type World } from '../../test/scenarios/world.ts';
import { acceptTag, seeTag } from '../../test/scenarios/world-tags.ts';
import { runWorker, type WorkerOptions } from './agent.ts';
import { preAuthenticationEncoding } from './statement.ts';
import type { SourcePayload } from './wire.ts';

interface Frozen {
  readonly pack: Buffer;
  readonly commitId: string;
  readonly tagObjectId: string;
}

type Handler = (request: Request) => Promise<Response>;

let repository: TestRepository;
let frozen: Frozen;
let world: World;
let folder: TemporaryDirectory;
let blobs: BlobStore;
let server: HttpServer;
/** Stands before the server, for what networks do. */
let between: (request: Request, next: Handler) => Promise<Response>;
let closeDesk: () => void;
let stop: AbortController;
let running: Promise<void> | undefined;
let releases = 0;

beforeAll(async () => {
  repository = await createRepository();
  const commitId = await repository.commit({
    files: { ...debianFiles({ version: '1.0', format: '3.0 (native)' }), README: 'hello\n' },
    branch: 'main',
  });
  const tagObjectId = await repository.tag({ name: 'landing/1.0', commitId, message: 'release', sign: undefined });
  const { stdout } = await exec(['git', `--git-dir=${repository.gitDir}`, 'pack-objects', '--revs', '--stdout', '-q'], {
    input: `${tagObjectId}\n`,
    deadlineMs: 30_000,
  });
  frozen = { pack: stdout, commitId, tagObjectId };
});
afterAll(async () => {
  await repository.remove();
});

beforeEach(async () => {
  world = await createWorld();
  folder = await makeTemporaryDirectory('lf-agent-');
  blobs = await createFolderBlobStore(join(folder.path, 'blobs'));
  const log = silentLogger();
  const signals = createSignals();
  const leaseDesk = openLeaseDesk({ db: world.db, signals, log, pollMs: 50 });
  closeDesk = () => leaseDesk.close();
  const app = createApp({
    db: world.db,
    inTransaction: async (use) => await withTransaction(world.db, use),
    isDatabaseAway: isConnectionError,
    clock: systemClock,
    log,
    blobs: { ...blobs, open: (sha256, range) => opening(sha256, range) },
    paths: statePaths(folder.path),
    storage: folderStorages(statePaths(folder.path)),
    publicUrl: 'http://landfall.example',
    signer: createSignerClient({ socket: join(folder.path, 'no-signer.sock') }),
    signals,
    leaseDesk,
    limits: { uploadFile: 1024 ** 3, streams: 10 },
    version: '0',
    shutdown: new AbortController().signal,
  });
  between = (request, next) => next(request);
  opening = (sha256, range) => blobs.open(sha256, range);
  server = await startHttp({
    listen: '127.0.0.1:0',
    app: { fetch: (request: Request) => between(request, async (one) => await app.fetch(one)) },
  });
  stop = new AbortController();
  running = undefined;
});
afterEach(async () => {
  stop.abort();
  await running?.catch(() => undefined);
  closeDesk();
  await server.stop(100);
  await killAgents(join(folder.path, 'worker', 'gnupg'));
  await world.close();
  await folder.remove();
});

/** How the server reads a blob: replaced by a test that makes it slow. */
let opening: BlobStore['open'];

function options(changes: Partial<WorkerOptions> = {}): WorkerOptions {
  return {
    name: 'agent',
    url: server.url,
    folder: join(folder.path, 'worker'),
    chroots: join(folder.path, 'chroots'),
    joinTokenFile: join(folder.path, 'token'),
    architecture: 'amd64',
    slots: 1,
    version: '0',
    log: silentLogger(),
    signal: stop.signal,
    ...changes,
  };
}

/** Starts a worker that joins first. */
async function start(): Promise<void> {
  const { secret } = await withTransaction(
    world.db,
    async (trx) =>
      await createJoinToken(trx, {
        workerName: 'agent',
        workerPoolId: world.worker.workerPoolId,
        architectures: ['amd64'],
        validSeconds: 600,
        actor: 'person:alice',
      }),
  );
  await writeFile(join(folder.path, 'token'), `${secret}\n`);
  running = runWorker(options());
}

/** A source job whose frozen pack is the real one. */
async function addSourceJob(changes: Partial<SourcePayload> = {}): Promise<number> {
  await blobs.put(frozen.pack);
  const sha256 = hashOf(frozen.pack);
  releases += 1;
  const release = await seeTag(world, { version: `1.0+${releases}` });
  await acceptTag(world, release);
  return await withTransaction(world.db, async (trx) => {
    const payload: SourcePayload = {
      kind: 'source',
      submissionId: release.submissionId,
      archive: 'main',
      suite: 'landing',
      source: 'hello',
      version: '1.0',
      distribution: 'landing',
      quilt: 'native',
      commitId: frozen.commitId,
      tagObjectId: frozen.tagObjectId,
      upstreamCommitId: null,
      pristineTarCommitId: null,
      fingerprint: 'A'.repeat(40),
      tagger: 'Alice Example <alice@example.org>',
      frozen: { sha256, size: frozen.pack.length },
      origs: [],
      ...changes,
    };
    const jobId = await createJob(trx, {
      traceId: release.submissionId,
      audience: 'public',
      kind: 'source',
      key: `source:${release.submissionId}`,
      fairGroup: 'hello',
      workerPoolId: world.worker.workerPoolId,
      architecture: null,
      sizeClass: 'small',
      limits: {},
      priority: 0,
      payload: { ...payload, frozen: { ...payload.frozen }, origs: [] },
    });
    await trx
      .insertInto('builds')
      .values({ submission_id: release.submissionId, kind: 'source', architecture: 'source', job_id: jobId })
      .execute();
    return jobId;
  });
}

interface Attempt {
  readonly id: number;
  readonly state: string;
  readonly code: string | null;
  readonly reason: string | null;
  readonly files: Readonly<Record<string, string>>;
  readonly log: string;
  readonly phases: readonly string[];
}

/** The newest attempt of a job, when it is in one of the states. */
async function attemptIn(jobId: number, ...states: string[]): Promise<Attempt> {
  for (let round = 0; round < 2_400; round += 1) {
    const row = await world.db
      .selectFrom('attempts')
      .selectAll()
      .where('job_id', '=', jobId)
      .orderBy('id', 'desc')
      .executeTakeFirst();
    if (row !== undefined && states.includes(row.state)) {
      const files = await world.db.selectFrom('attempt_files').selectAll().where('attempt_id', '=', row.id).execute();
      const phases = await world.db
        .selectFrom('attempt_phases')
        .selectAll()
        .where('attempt_id', '=', row.id)
        .orderBy('position')
        .execute();
      let log = '';
      for await (const piece of readLog(world.db, row.id)) log += piece.toString('utf8');
      return {
        id: row.id,
        state: row.state,
        code: row.result_code,
        reason: row.result_reason,
        files: Object.fromEntries(files.map(({ name, sha256 }) => [name, sha256])),
        log,
        phases: phases.map(({ name }) => name),
      };
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`job ${jobId} has no attempt that is ${states.join(' or ')}`);
}

async function text(attempt: Attempt, name: string): Promise<string> {
  return (await blobs.read(attempt.files[name] ?? '')).toString('utf8');
}

test('without an identity and without a token it says how to get one', async () => {
  await expect(runWorker(options())).rejects.toMatchObject({
    code: 'worker.not-joined',
    remedy: expect.stringContaining('landfall worker token') as string,
  });
});

test('a token that is not known is refused, and the words of the server are passed on', async () => {
  await writeFile(join(folder.path, 'token'), 'lfj_nobody-knows-this-token\n');
  await expect(runWorker(options())).rejects.toMatchObject({ code: 'worker.join-refused' });
});

test('a source job gives a source upload that is signed from the .dsc to the .changes, and a statement', async () => {
  await start();
  const attempt = await attemptIn(await addSourceJob(), 'delivered');

  const names = ['hello_1.0.dsc', 'hello_1.0.tar.xz', 'hello_1.0_source.buildinfo', 'hello_1.0_source.changes'];
  expect(Object.keys(attempt.files).sort()).toEqual([...names, 'hello_1.0_source.intoto.json'].sort());
  expect(attempt.phases).toEqual(['inputs', 'unpack', 'assemble', 'sign', 'upload']);
  expect(attempt.log).toContain('uploaded hello_1.0_source.changes');

  const home = join(folder.path, 'worker', 'gnupg');
  const identity = JSON.parse(await readFile(join(folder.path, 'worker', 'identity.json'), 'utf8')) as {
    fingerprint: string;
  };
  const keyring = [await exportPublicKey(home, identity.fingerprint, { armor: false })];
  for (const name of names.filter((one) => !one.endsWith('.xz'))) {
    expect(await verifyClearsigned({ document: Buffer.from(await text(attempt, name)), keyring })).toMatchObject({
      kind: 'good',
      fingerprint: identity.fingerprint,
    });
  }
  const signedText = async (name: string): Promise<string> => {
    const signed = parseClearsigned(await text(attempt, name));
    if ('kind' in signed) throw new Error(signed.reason);
    return signed.text;
  };
  const changes = parseChanges(await signedText('hello_1.0_source.changes'));
  if ('kind' in changes) throw new Error(changes.reason);
  expect(changes).toMatchObject({
    source: 'hello',
    version: '1.0',
    architectures: ['source'],
    distributions: ['landing'],
  });
  for (const file of changes.files) expect(attempt.files[file.name]).toBe(file.sha256);
  const dsc = parseDsc(await signedText('hello_1.0.dsc'));
  expect(dsc).toMatchObject({ gitTagInfo: `tag=${frozen.tagObjectId} fp=${'A'.repeat(40)}` });

  const envelope = JSON.parse(await text(attempt, 'hello_1.0_source.intoto.json')) as {
    payloadType: string;
    payload: string;
    signatures: { sig: string }[];
  };
  const payload = Buffer.from(envelope.payload, 'base64');
  expect(
    await verifyDetached({
      payload: preAuthenticationEncoding(envelope.payloadType, payload),
      signature: Buffer.from(envelope.signatures[0]?.sig ?? '', 'base64'),
      keyring,
    }),
  ).toMatchObject({ kind: 'good' });
  expect(JSON.parse(payload.toString('utf8'))).toMatchObject({
    predicate: { commit: frozen.commitId, tagObject: frozen.tagObjectId, signer: 'A'.repeat(40), worker: 'agent' },
    subject: expect.arrayContaining([
      { name: 'hello_1.0.dsc', digest: { sha256: attempt.files['hello_1.0.dsc'] } },
    ]) as unknown,
  });

  expect((await stat(join(folder.path, 'worker', 'identity.json'))).mode & 0o777).toBe(0o600);
  await expect(stat(join(folder.path, 'token'))).rejects.toMatchObject({ code: 'ENOENT' });
  stop.abort();
  await running;
  // The next start needs no token.
  stop = new AbortController();
  running = runWorker(options());
  await attemptIn(await addSourceJob(), 'delivered');
});

test('a commit that is not in the frozen pack is refused', async () => {
  await start();
  const attempt = await attemptIn(await addSourceJob({ commitId: 'c'.repeat(40) }), 'failed');
  expect(attempt).toMatchObject({ code: 'source.not-in-input' });
  expect(attempt.reason).toContain('c'.repeat(40));
  expect(attempt.log).toContain('source.not-in-input');
});

test('bytes that are not those of the job are the fault of the machine, not of the package', async () => {
  await start();
  opening = () => Promise.resolve(Readable.from([Buffer.alloc(frozen.pack.length)]));
  expect(await attemptIn(await addSourceJob(), 'infrastructure-failed')).toMatchObject({ code: 'input.mismatch' });
});

test('H20 H23 H27 a broken upload goes on where it stopped, and a delivery whose answer was lost is said again', async () => {
  const seen: string[] = [];
  let uploads = 0;
  let deliveries = 0;
  between = async (request, next) => {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname.endsWith('.tar.xz')) {
      seen.push(searchParams.get('offset') ?? '');
      uploads += 1;
      if (uploads === 1) {
        // The first half arrives, the answer does not.
        const body = Buffer.from(await request.arrayBuffer());
        await next(new Request(request.url, { method: 'PUT', headers: request.headers, body: body.subarray(0, 100) }));
        return new Response(null, { status: 502 });
      }
    }
    const answer = await next(request);
    if (pathname.endsWith('/deliver')) {
      deliveries += 1;
      if (deliveries === 1) return new Response(null, { status: 502 });
    }
    return answer;
  };
  await start();
  const jobId = await addSourceJob();
  const attempt = await attemptIn(jobId, 'delivered');
  await until(() => deliveries === 2);
  expect(attempt.files).toHaveProperty(['hello_1.0.tar.xz']);
  expect(seen).toContain('100');
  expect(await world.db.selectFrom('uploads').selectAll().where('attempt_id', '=', attempt.id).execute()).toHaveLength(
    1,
  );
});

test('a server that is away is waited for', async () => {
  let away = 0;
  between = async (request, next) => {
    const { pathname } = new URL(request.url);
    if (!pathname.endsWith('/leases') && away < 3) {
      away += 1;
      return new Response(null, { status: 503 });
    }
    return await next(request);
  };
  await start();
  expect(await attemptIn(await addSourceJob(), 'delivered')).toMatchObject({ code: null });
});

test('H22 a lease that was lost: what was made is thrown away, and the worker goes on with the next job', async () => {
  await start();
  const held = hold();
  const jobId = await addSourceJob();
  const attempt = await attemptIn(jobId, 'running');
  await held.reached;
  await world.db
    .updateTable('attempts')
    .set({ state: 'lost', ended_at: new Date() })
    .where('id', '=', attempt.id)
    .execute();
  await world.db
    .updateTable('jobs')
    .set({ state: 'ready', not_before: new Date(Date.now() + 3_600_000) })
    .where('id', '=', jobId)
    .execute();
  held.release();
  await attemptIn(await addSourceJob(), 'delivered');
  expect(await attemptIn(jobId, 'lost')).toMatchObject({ id: attempt.id, files: {} });
});

test('asked to stop, it hands back what it works on', async () => {
  await start();
  const held = hold();
  const jobId = await addSourceJob();
  await held.reached;
  stop.abort();
  held.release();
  await running;
  expect(await attemptIn(jobId, 'infrastructure-failed')).toMatchObject({ code: 'worker.stopped' });
});

test('H34 a worker that was revoked ends at its next request, and says what to do', async () => {
  between = async (request, next) => {
    const answer = await next(request);
    if (new URL(request.url).pathname.endsWith('/deliver')) {
      await withTransaction(world.db, async (trx) => {
        await revokeWorker(trx, 'agent', { actor: 'person:alice', reason: 'a test' });
      });
    }
    return answer;
  };
  await start();
  await addSourceJob();
  await expect(running).rejects.toMatchObject({ code: 'worker.refused' });
});

/** The server does not answer with a job's input until it is released. */
function hold(): { readonly reached: Promise<void>; readonly release: () => void } {
  let release = (): void => undefined;
  let arrive = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const reached = new Promise<void>((resolve) => (arrive = resolve));
  opening = async (sha256, range) => {
    arrive();
    await released;
    return await blobs.open(sha256, range);
  };
  return { reached, release };
}

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; round < 2_400 && !condition(); round += 1)
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(condition()).toBe(true);
}

test('a worker that cannot keep the files of a job says so, and the job waits before it is tried again', async () => {
  await start();
  const jobs = join(folder.path, 'worker', 'jobs');
  for (let round = 0; round < 300 && !(await exists(join(folder.path, 'worker', 'identity.json'))); round += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await rm(jobs, { recursive: true });
  await writeFile(jobs, 'a file where a folder was');
  const jobId = await addSourceJob();
  expect(await attemptIn(jobId, 'infrastructure-failed', 'lost')).toMatchObject({
    state: 'infrastructure-failed',
    code: 'worker.folder',
    reason: expect.stringContaining('cannot keep the files of a job') as string,
  });
  const { rows } = await sql<{ waits: boolean; failures: number }>`
    SELECT not_before > changed_at AS waits, infrastructure_failures AS failures FROM jobs WHERE id = ${jobId}`.execute(
    world.db,
  );
  expect(rows).toEqual([{ waits: true, failures: 0 }]);
});
