/** A worker's life over the wire, by the typed client: join, lease, inputs, log, files that broke off, deliver; and what is refused. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createHttpWorld, type HttpWorld } from '../../test/scenarios/http-world.ts';
import { createKeyRing, type KeyRing } from '../../test/scenarios/keys.ts';
import { addJob, addWorker } from '../../test/scenarios/lighthouse.ts';
import { hash } from '../../test/scenarios/world.ts';
import { releaseSource } from '../../test/scenarios/world-path.ts';
import { createClient, type Client } from '../contract/client.ts';
import {
  appendLogRoute,
  deliverRoute,
  failRoute,
  heartbeatRoute,
  identityRoute,
  inputRoute,
  joinRoute,
  leaseRoute,
  phaseRoute,
  putFileRoute,
  type Lease,
} from '../contract/worker.ts';
import { joinTokenRoute, revokeWorkerRoute } from '../contract/workers.ts';

let world: HttpWorld;
let url: string;
let worker: Client;
beforeEach(async () => {
  world = await createHttpWorld();
  ({ url } = await world.serve());
  worker = createClient({ url, token: world.worker.secret });
});
afterEach(async () => await world.close());

async function leased(client: Client = worker): Promise<Lease> {
  const lease = await client.call(leaseRoute, { body: { waitSeconds: 5 } });
  if (lease === undefined) throw new Error('there is no job');
  return lease;
}

function held(lease: Lease): { params: { id: number }; headers: { 'landfall-token': number } } {
  return { params: { id: lease.attemptId }, headers: { 'landfall-token': lease.token } };
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('joining', () => {
  let ring: KeyRing;
  beforeEach(async () => {
    ring = await createKeyRing();
  });
  afterEach(async () => await ring.remove());

  test('a one-time token makes a worker, once; the key that it brings is its own', async () => {
    const carol = createClient({ url, token: world.tokens.carol });
    const body = { name: 'w2', pool: 'trusted', architectures: ['arm64'], validSeconds: 3600 };
    const { secret: token } = await carol.call(joinTokenRoute, { body });
    const key = await (await ring.openPgp({ userId: 'worker w2 <w2@example.org>' })).publicKey();
    const newcomer = createClient({ url, token });
    const joined = await newcomer.call(joinRoute, { body: { openpgpKey: key.toString('utf8') } });
    expect(joined).toMatchObject({ name: 'w2', pool: 'trusted', architectures: ['arm64'] });
    const second = createClient({ url, token: joined.secret });
    expect(await second.call(identityRoute)).toEqual({ name: 'w2', pool: 'trusted', architectures: ['arm64'] });
    await expect(newcomer.call(joinRoute, { body: { openpgpKey: key.toString('utf8') } })).rejects.toMatchObject({
      status: 401,
      code: 'join.used-token',
    });
    await expect(newcomer.call(identityRoute)).rejects.toMatchObject({ status: 403 });
  });

  test('what is no key is refused in words', async () => {
    const carol = createClient({ url, token: world.tokens.carol });
    const body = { name: 'w2', pool: 'trusted', architectures: ['arm64'], validSeconds: 3600 };
    const { secret: token } = await carol.call(joinTokenRoute, { body });
    await expect(createClient({ url, token }).call(joinRoute, { body: { openpgpKey: 'x' } })).rejects.toMatchObject({
      status: 409,
      code: 'worker.invalid-key',
    });
  });
});

describe('working', () => {
  test('a waiting worker gets the job as soon as there is one, with all that the contract promises', async () => {
    const waiting = leased();
    await releaseSource(world, '1-1');
    const lease = await waiting;
    expect(lease).toMatchObject({
      number: 1,
      architecture: null,
      payload: { kind: 'source', source: 'hello', version: '1-1' },
    });
    expect(lease.heartbeatSeconds).toBeLessThan(60);
    const beat = await worker.call(heartbeatRoute, { ...held(lease), body: { phase: 'unpack', facts: { load: 1.5 } } });
    expect(Date.parse(beat.leaseExpiresAt)).toBeGreaterThan(Date.parse(lease.leaseExpiresAt) - 1);
    await worker.call(phaseRoute, { ...held(lease), body: { name: 'unpack', logStart: 0 } });
    expect(await worker.call(appendLogRoute, { ...held(lease), query: { offset: 0 }, body: Buffer.from('x') })).toEqual(
      { size: 1 },
    );
  });

  test('nothing to do is undefined, when the time is over and when the server stops', async () => {
    expect(await worker.call(leaseRoute, { body: { waitSeconds: 0 } })).toBeUndefined();
    const waiting = worker.call(leaseRoute, { body: { waitSeconds: 60 } });
    await new Promise((resolve) => setTimeout(resolve, 100));
    world.shutDown();
    expect(await waiting).toBeUndefined();
  });

  test('only the inputs of the job can be fetched, whole or from a byte on', async () => {
    await releaseSource(world, '1-1');
    const lease = await leased();
    const frozen = Buffer.from('pack hello 1-1');
    await world.blobs.put(frozen);
    const other = Buffer.from('of another job');
    await world.blobs.put(other);
    expect(lease.payload.kind === 'source' && lease.payload.frozen.sha256).toBe(sha256(frozen));
    // The world says 1234 bytes of a pack that has 14: a range within it is served as it is.
    const part = await worker.open(inputRoute, {
      params: { id: lease.attemptId, sha256: sha256(frozen) },
      headers: { 'landfall-token': lease.token },
      range: 5,
    });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 5-1233/1234']);
    await part.body?.cancel();
    const foreign = worker.open(inputRoute, {
      params: { id: lease.attemptId, sha256: sha256(other) },
      headers: { 'landfall-token': lease.token },
    });
    await expect(foreign).rejects.toMatchObject({ status: 404 });
  });

  test('H27 an upload that broke off goes on where it stopped', async () => {
    await releaseSource(world, '1-1');
    const lease = await leased();
    const bytes = Buffer.from('a file of some length, uploaded in two pieces');
    const target = {
      params: { id: lease.attemptId, name: 'hello_1-1.dsc' },
      headers: { 'landfall-token': lease.token },
    };
    const query = { sha256: sha256(bytes), size: bytes.length };
    expect(await worker.call(putFileRoute, { ...target, query, body: bytes.subarray(0, 10) })).toEqual({
      received: 10,
      complete: false,
    });
    expect(
      await worker.call(putFileRoute, { ...target, query: { ...query, offset: 10 }, body: bytes.subarray(10) }),
    ).toEqual({
      received: bytes.length,
      complete: true,
    });
    expect(await world.blobs.read(sha256(bytes))).toEqual(bytes);
  });

  test('H35 H36 bytes other than announced, and more than allowed, are refused', async () => {
    await releaseSource(world, '1-1');
    const lease = await leased();
    const target = { params: { id: lease.attemptId, name: 'x.dsc' }, headers: { 'landfall-token': lease.token } };
    const wrong = worker.call(putFileRoute, {
      ...target,
      query: { sha256: hash('other'), size: 3 },
      body: Buffer.from('abc'),
    });
    await expect(wrong).rejects.toMatchObject({ status: 409 });
    const large = worker.call(putFileRoute, {
      ...target,
      query: { sha256: hash('x'), size: world.httpDeps.limits.uploadFile + 1 },
      body: Buffer.from('abc'),
    });
    await expect(large).rejects.toMatchObject({ status: 413, code: 'upload.too-large' });
    await expect(
      worker.call(putFileRoute, {
        ...target,
        params: { id: lease.attemptId, name: '../x' },
        query: { sha256: hash('x'), size: 1 },
        body: Buffer.from('x'),
      }),
    ).rejects.toMatchObject({ status: 400 });
  });

  test('H23 a delivery that is said twice has the same answer', async () => {
    await releaseSource(world, '1-1');
    const lease = await leased();
    const bytes = Buffer.from('changes');
    const name = 'hello_1-1_source.changes';
    await worker.call(putFileRoute, {
      params: { id: lease.attemptId, name },
      headers: { 'landfall-token': lease.token },
      query: { sha256: sha256(bytes), size: bytes.length },
      body: bytes,
    });
    const first = await worker.call(deliverRoute, { ...held(lease), body: { changes: name } });
    expect(await worker.call(deliverRoute, { ...held(lease), body: { changes: name } })).toEqual(first);
  });

  test('why an attempt failed is kept, whatever bytes the tool behind it wrote', async () => {
    await releaseSource(world, '1-1');
    const lease = await leased();
    const reason = `dpkg-source: \u001b[31merror\u0000\n${'x'.repeat(10_000)}`;
    await worker.call(failRoute, { ...held(lease), body: { kind: 'failed', code: 'source.failed', reason } });
    const attempt = await world.db.selectFrom('attempts').select('result_reason').executeTakeFirstOrThrow();
    expect(attempt.result_reason).toMatch(/^dpkg-source: \uFFFD\[31merror\uFFFD\nx+$/);
    expect(attempt.result_reason?.length).toBe(4096);
  });
});

describe('what is refused', () => {
  test('H22 H33 another token, another worker, another pool', async () => {
    await releaseSource(world, '1-1');
    const lease = await leased();
    const stranger = await addWorker(world.db, 'w7', { pool: 'outsiders' });
    const other = createClient({ url, token: stranger.secret });
    const wrongToken = { ...held(lease), headers: { 'landfall-token': lease.token + 1 } };
    await expect(worker.call(heartbeatRoute, { ...wrongToken, body: {} })).rejects.toMatchObject({ status: 409 });
    await expect(other.call(heartbeatRoute, { ...held(lease), body: {} })).rejects.toMatchObject({ status: 403 });
    expect(await other.call(leaseRoute, { body: { waitSeconds: 0 } })).toBeUndefined();
    const audit = await world.db
      .selectFrom('audit')
      .select(['actor', 'action'])
      .where('action', '=', 'attempt.refused')
      .execute();
    expect(audit).toContainEqual({ actor: 'worker:w7', action: 'attempt.refused' });
  });

  test('H34 a revoked worker is refused at its next request', async () => {
    await releaseSource(world, '1-1');
    const lease = await leased();
    const revoked = await createClient({ url, token: world.tokens.carol }).call(revokeWorkerRoute, {
      params: { name: 'w1' },
      body: { reason: 'stolen' },
    });
    expect(revoked.returnedJobs).toEqual([lease.jobId]);
    await expect(worker.call(heartbeatRoute, { ...held(lease), body: {} })).rejects.toMatchObject({ status: 401 });
  });

  test('a message without a fencing token is 400, before anything is looked at', async () => {
    await releaseSource(world, '1-1');
    const lease = await leased();
    const response = await world.request(`/api/v1/worker/attempts/${lease.attemptId}/heartbeat`, {
      method: 'POST',
      as: 'worker',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect(response.status).toBe(400);
  });

  test('a job that the contract does not know is failed at once and goes to no worker after another', async () => {
    const jobId = await addJob(world.db, { kind: 'odd', payload: { kind: 'odd' } });
    await expect(worker.call(leaseRoute, { body: { waitSeconds: 1 } })).rejects.toMatchObject({
      status: 500,
      code: 'job.malformed',
    });
    const job = await world.db
      .selectFrom('jobs')
      .select(['state', 'failure_code'])
      .where('id', '=', jobId)
      .executeTakeFirstOrThrow();
    expect(job).toEqual({ state: 'failed', failure_code: 'job.malformed' });
  });
});
