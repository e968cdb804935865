/** Packages, tags, builds, suites, workers and queues as they are shown; who sees what. */
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addWorker } from '../../test/scenarios/lighthouse.ts';
import { createWorld, type World } from '../../test/scenarios/world.ts';
import { acceptBinary, deliverUpload, failBuild, leaseNext, publish } from '../../test/scenarios/world-builds.ts';
import { releaseSource, releaseToBinaries, releaseWhole } from '../../test/scenarios/world-path.ts';
import { acceptTag, rejectTag, seeTag } from '../../test/scenarios/world-tags.ts';
import { tagDetailSchema } from '../contract/tags.ts';
import { buildSchema, jobSchema } from '../contract/builds.ts';
import { suiteSchema } from '../contract/suites.ts';
import { whereSchema } from '../contract/where.ts';
import { queueSchema, workerSchema } from '../contract/workers.ts';
import { appendLog, markPhase } from '../lighthouse/index.ts';
import { withTransaction } from '../platform/database.ts';
import {
  describeBuild,
  describeJob,
  describeSubmission,
  describeSuite,
  describeTag,
  leadsBack,
  listBuilds,
  listFailures,
  listQueues,
  listSuites,
  listTags,
  listWorkers,
  overview,
  whereIs,
} from './index.ts';

const EVERYBODY = { audiences: ['public'] };

const SECURITY = { audiences: ['public', 'group:security'] };

let world: World;

beforeEach(async () => {
  world = await createWorld();
});

afterEach(async () => await world.close());

describe('where is my package', () => {
  test('by source and by binary name, the newest submission first, with what the suites hold', async () => {
    const first = await releaseToBinaries(world, '1-1');
    const running = await leaseNext(world);
    await acceptBinary(world, first, running, await deliverUpload(world, first, running, 'binary'), {
      name: 'libhello1',
      architecture: 'amd64',
    });
    await publish(world);
    const second = await seeTag(world, { version: '1-2' });
    await rejectTag(world, second, { code: 'signature.present', sentence: 'it is not signed', remedy: 'sign it' });
    const third = await seeTag(world, { version: '1-3' });
    for (const name of ['hello', 'libhello1']) {
      const found = whereSchema.parse(await whereIs(world.deps, name, EVERYBODY));
      expect(found).toMatchObject({
        package: name,
        source: 'hello',
        suites: [{ archive: 'main', suite: 'landing', version: '1-1', architectures: ['amd64'] }],
      });
      expect(found.submissions.map((one) => one.id)).toEqual([
        third.submissionId,
        second.submissionId,
        first.submissionId,
      ]);
    }
    expect(await whereIs(world.deps, 'nothing', EVERYBODY)).toBeUndefined();
    expect(await whereIs(world.deps, "he'llo%_\\", EVERYBODY)).toBeUndefined();
  });

  test('asked for a page, it goes on where the last one ended', async () => {
    const ids: number[] = [];
    for (const version of ['1-1', '1-2', '1-3']) ids.unshift((await seeTag(world, { version })).submissionId);
    const page = await whereIs(world.deps, 'hello', { ...EVERYBODY, limit: 2 });
    expect(page?.submissions.map((one) => one.id)).toEqual(ids.slice(0, 2));
    const next = await whereIs(world.deps, 'hello', { ...EVERYBODY, limit: 2, before: ids[1] ?? 0 });
    expect(next?.submissions.map((one) => one.id)).toEqual(ids.slice(2));
  });
});

describe('tags', () => {
  test('are listed with their decision, by filter and page', async () => {
    const accepted = await seeTag(world, { version: '1-1' });
    await acceptTag(world, accepted);
    const rejected = await seeTag(world, { version: '1-2' });
    await rejectTag(world, rejected, { code: 'signer.known', sentence: 'nobody knows the key', remedy: 'register it' });
    const seen = await seeTag(world, { version: '1-3' });
    const all = await listTags(world.deps, { ...EVERYBODY, limit: 2 });
    expect(all.tags.map((tag) => tag.id)).toEqual([seen.tagId, rejected.tagId]);
    expect(all.next).toBe(rejected.tagId);
    expect((await listTags(world.deps, { ...EVERYBODY, limit: 2, before: rejected.tagId })).next).toBeNull();
    const ids = async (filter: Parameters<typeof listTags>[1]) =>
      (await listTags(world.deps, filter)).tags.map((tag) => tag.id);
    expect(await ids({ ...EVERYBODY, state: 'rejected' })).toEqual([rejected.tagId]);
    expect(await ids({ ...EVERYBODY, source: 'hello' })).toEqual([rejected.tagId, accepted.tagId]);
    expect(await ids({ ...EVERYBODY, repository: 'packages/hello' })).toHaveLength(3);
    expect(await ids({ ...EVERYBODY, source: "' OR 1=1 --" })).toEqual([]);
  });

  test('one is shown with its checks and its signed text, as the wire has it', async () => {
    const release = await seeTag(world, { version: '1-1' });
    await acceptTag(world, release);
    const tag = tagDetailSchema.parse(await describeTag(world.deps, release.tagId, EVERYBODY));
    expect(tag).toMatchObject({
      state: 'accepted',
      signer: { handle: 'alice' },
      quilt: 'gbp',
      decisions: [{ outcome: 'accepted', decidedBy: 'landfall' }],
    });
    expect(tag.checks).toContainEqual(expect.objectContaining({ code: 'tag.object', outcome: 'passed' }));
    expect(tag.text).toContain('tagger Alice Archer');
    expect(tag.url).toBe(`https://landfall.example/tags/${release.tagId}`);
  });
});

describe('a build', () => {
  test('is shown with attempts, phases, inputs, outputs, uploads and the way to make it at home', async () => {
    const release = await releaseWhole(world, '1-1');
    const [binary] = (await listBuilds(world.deps, { ...EVERYBODY, architecture: 'amd64' })).builds;
    const build = await describeBuild(world.deps, binary?.id ?? 0, EVERYBODY);
    buildSchema.parse(build);
    expect(build).toMatchObject({
      submissionId: release.submissionId,
      state: 'succeeded',
      withAll: true,
      workerPool: 'trusted',
      uploads: [{ state: 'accepted' }],
      attempts: [{ number: 1, worker: 'w1', state: 'succeeded', files: [{ name: 'hello.changes' }] }],
      excerpt: [],
      lastGood: null,
    });
    expect(build?.inputs.map((file) => file.name)).toContain('hello_1-1.dsc');
    expect(build?.reproduce.at(-1)).toContain('sbuild --chroot-mode=unshare --dist=bookworm --arch=amd64 --arch-all');
    const next = await releaseToBinaries(world, '1-2');
    const later = (await listBuilds(world.deps, { ...EVERYBODY, architecture: 'amd64', state: 'ready' })).builds[0];
    expect(later?.submissionId).toBe(next.submissionId);
    expect((await describeBuild(world.deps, later?.id ?? 0, EVERYBODY))?.lastGood).toMatchObject({
      buildId: binary?.id,
      version: '1-1',
    });
  });

  test('that failed shows the lines that its worker picked, or else the end of the log, and how long each phase took', async () => {
    await releaseToBinaries(world, '1-1');
    const running = await leaseNext(world);
    const text = Array.from({ length: 100 }, (_, index) => `line ${index}`).join('\n');
    await appendLog(
      world.db,
      world.worker,
      running.attemptId,
      running.token,
      0,
      Buffer.from(`${text}\nhello.c:1: error\n`),
    );
    await withTransaction(world.db, (trx) =>
      markPhase(trx, world.worker, running.attemptId, running.token, { name: 'fetch', logStart: 0 }),
    );
    await withTransaction(world.db, (trx) =>
      markPhase(trx, world.worker, running.attemptId, running.token, { name: 'build', logStart: 7 }),
    );
    await failBuild(world, running);
    const [failure] = await listFailures(world.deps, EVERYBODY, 10);
    const build = await describeBuild(world.deps, failure?.id ?? 0, EVERYBODY);
    expect(build).toMatchObject({ failureCode: 'build.failed', mustAct: 'the maintainer' });
    expect(build?.excerpt).toHaveLength(40);
    expect(build?.excerpt.at(-1)).toBe('hello.c:1: error');
    expect(build?.attempts[0]?.phases).toMatchObject([
      { name: 'fetch', logStart: 0 },
      { name: 'build', logStart: 7 },
    ]);
    expect(build?.attempts[0]?.phases[0]?.durationMs).toBeGreaterThanOrEqual(0);
    await sql`UPDATE attempts SET facts = '{"excerpt": ["error: undeclared identifier"]}' WHERE id = ${running.attemptId}`.execute(
      world.db,
    );
    expect((await describeBuild(world.deps, failure?.id ?? 0, EVERYBODY))?.excerpt).toEqual([
      'error: undeclared identifier',
    ]);
  });

  test('that failed is no failure any more once a newer version was built', async () => {
    await releaseToBinaries(world, '1-1');
    await failBuild(world, await leaseNext(world));
    expect(await listFailures(world.deps, EVERYBODY, 10)).toHaveLength(1);
    await releaseToBinaries(world, '1-2');
    expect(await listFailures(world.deps, EVERYBODY, 10)).toHaveLength(0);
  });

  test('its job says why it waits', async () => {
    await releaseWhole(world, '1-1');
    const waiting = (await listBuilds(world.deps, { ...EVERYBODY, state: 'ready' })).builds[0];
    expect(waiting?.sentence).toBe('no worker for arm64 has ever joined pool trusted');
    const job = await describeJob(world.deps, waiting?.jobId ?? 0, EVERYBODY);
    jobSchema.parse(job);
    expect(job).toMatchObject({
      buildId: waiting?.id,
      waitsBecause: 'no worker for arm64 has ever joined pool trusted',
    });
  });
});

describe('suites, workers and queues', () => {
  test('a suite shows its last publication, what it holds, and the lines to paste for apt', async () => {
    await releaseWhole(world, '1-1');
    const [landing, stable] = await listSuites(world.deps, EVERYBODY);
    suiteSchema.parse(landing);
    expect(landing).toMatchObject({
      suite: 'landing',
      sources: 1,
      binaries: 1,
      fingerprint: 'F1E2',
      published: { serial: 2, reason: 'change' },
    });
    expect(landing?.aptSource).toBe(
      'Types: deb deb-src\nURIs: https://landfall.example/archive/main\nSuites: landing\nComponents: main\nSigned-By: /etc/apt/keyrings/main.asc\n',
    );
    expect(stable).toMatchObject({ suite: 'stable', published: null, sources: 0 });
    const detail = await describeSuite(world.deps, { archive: 'main', suite: 'landing-code' }, EVERYBODY);
    expect(detail?.publications.map((one) => one.serial)).toEqual([2, 1]);
  });

  test('workers show what they are busy with, queues how much waits and why', async () => {
    await releaseToBinaries(world, '1-1');
    const running = await leaseNext(world);
    const workers = await listWorkers(world.deps, EVERYBODY);
    workers.forEach((worker) => workerSchema.parse(worker));
    expect(workers).toMatchObject([
      { name: 'w1', state: 'alive', current: [{ jobId: running.jobId, title: 'hello 1-1 amd64' }] },
    ]);
    const queues = await listQueues(world.deps, EVERYBODY);
    queues.forEach((queue) => queueSchema.parse(queue));
    expect(queues).toMatchObject([
      { pool: 'trusted', architecture: 'amd64', ready: 0, running: 1, workers: 1, sentence: null },
      {
        pool: 'trusted',
        architecture: 'arm64',
        ready: 1,
        running: 0,
        workers: 0,
        sentence: 'no worker for arm64 has ever joined pool trusted',
      },
    ]);
  });

  test('a worker is new, alive, silent, disabled or revoked', async () => {
    await addWorker(world.db, 'fresh', { inContact: false });
    await addWorker(world.db, 'gone');
    await sql`UPDATE workers SET last_contact_at = now() - interval '1 hour' WHERE name = 'gone'`.execute(world.db);
    await addWorker(world.db, 'off');
    await sql`UPDATE workers SET enabled = false WHERE name = 'off'`.execute(world.db);
    await addWorker(world.db, 'bad');
    await sql`UPDATE workers SET enabled = false, revoked_at = now() WHERE name = 'bad'`.execute(world.db);
    const states = (await listWorkers(world.deps, EVERYBODY)).map((one) => [one.name, one.state]);
    expect(states).toEqual([
      ['fresh', 'new'],
      ['gone', 'silent'],
      ['off', 'disabled'],
      ['w1', 'alive'],
      ['bad', 'revoked'],
    ]);
  });
});

describe('I4', () => {
  test('a binary leads back to worker, job, source, tag, commit and signer', async () => {
    const release = await releaseWhole(world, '1-1');
    const back = await leadsBack(
      world.deps,
      { archive: 'main', binary: 'hello', version: '1-1', arch: 'amd64' },
      EVERYBODY,
    );
    expect(back).toMatchObject({
      submissionId: release.submissionId,
      source: { name: 'hello', version: '1-1' },
      built: { worker: 'w1', workerFingerprint: world.worker.openpgpFingerprint },
      sourceBuilt: { worker: 'w1' },
      tag: { id: release.tagId, repository: 'packages/hello', signer: { handle: 'alice' } },
    });
    expect(back?.built?.jobId).not.toBe(back?.sourceBuilt?.jobId);
    expect(back?.tag?.commitId).toMatch(/^[0-9a-f]{40}$/);
    expect(
      await leadsBack(world.deps, { archive: 'main', binary: 'hello', version: '9', arch: 'amd64' }, EVERYBODY),
    ).toBeUndefined();
  });
});

test('H96 what is for another audience does not exist, whatever is asked', async () => {
  await addWorker(world.db, 'hidden', { pool: 'embargoed' });
  await sql`UPDATE archives SET worker_pool_id = (SELECT id FROM worker_pools WHERE name = 'embargoed') WHERE name = 'embargo'`.execute(
    world.db,
  );
  const { db } = world;
  const hidden = await addWorker(db, 'hidden2', { pool: 'embargoed' });
  const release = await releaseSource(world, '1-1', { archive: world.embargo, source: 'secret' });
  const running = await leaseNext(world, hidden);
  const build = (await listBuilds(world.deps, SECURITY)).builds[0];
  if (build === undefined) throw new Error('no build');

  const ask = async (viewer: { audiences: string[] }) => ({
    submission: await describeSubmission(world.deps, release.submissionId, viewer),
    where: await whereIs(world.deps, 'secret', viewer),
    tag: await describeTag(world.deps, release.tagId, viewer),
    build: await describeBuild(world.deps, build.id, viewer),
    job: await describeJob(world.deps, running.jobId, viewer),
    suite: await describeSuite(world.deps, { archive: 'embargo', suite: 'fixes' }, viewer),
  });
  for (const found of Object.values(await ask(SECURITY))) expect(found).toBeDefined();
  for (const found of Object.values(await ask(EVERYBODY))) expect(found).toBeUndefined();
  const shown = JSON.stringify([
    await overview(world.deps, EVERYBODY),
    await listTags(world.deps, EVERYBODY),
    await listBuilds(world.deps, EVERYBODY),
    await listSuites(world.deps, EVERYBODY),
    await listWorkers(world.deps, EVERYBODY),
    await listQueues(world.deps, EVERYBODY),
  ]);
  expect(shown).not.toMatch(/secret|embargo|fixes|hidden/);
  expect(JSON.stringify(await overview(world.deps, SECURITY))).toMatch(/secret/);
  expect(JSON.stringify(await overview(world.deps, { audiences: [] }))).not.toMatch(/hello|landing|w1/);
});
