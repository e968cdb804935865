import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { binaryPayloadSchema, sourcePayloadSchema } from '../contract/jobs.ts';
import { failAttempt, giveBack } from '../lighthouse/index.ts';
import { withTransaction } from '../platform/database.ts';
import { versionHolder } from '../registry/index.ts';
import { createWorld, type Release, type World } from '../../test/scenarios/world.ts';
import {
  acceptSource,
  deliverUpload,
  failBuild,
  leaseNext,
  planBinaries,
  planSource,
  worldTasks,
} from '../../test/scenarios/world-builds.ts';
import { releaseSource, releaseToBinaries } from '../../test/scenarios/world-path.ts';
import { acceptTag, failPreparation, prepareSource, seeTag } from '../../test/scenarios/world-tags.ts';
import { cancelBuild, giveBackBuild } from './index.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => await world.close());

async function buildsOf(release: Release) {
  return await world.db
    .selectFrom('builds as b')
    .innerJoin('jobs as j', 'j.id', 'b.job_id')
    .where('b.submission_id', '=', release.submissionId)
    .select([
      'b.id',
      'b.kind',
      'b.architecture',
      'b.with_all',
      'j.state',
      'j.key',
      'j.payload',
      'j.audience',
      'j.priority',
      'j.fair_group',
    ])
    .orderBy('b.id')
    .execute();
}
async function holder(version: string) {
  return await versionHolder(world.db, { archiveId: world.main.id, source: 'hello', version });
}
async function buildId(release: Release, architecture: string): Promise<number> {
  const build = (await buildsOf(release)).find((one) => one.architecture === architecture);
  if (build === undefined) throw new Error(`no build for ${architecture}`);
  return build.id;
}
const endJob = async (jobId: number, state: string) => await worldTasks(world)('builds.job-ended', { jobId, state });

describe('the source build', () => {
  test('is made once, however often the task runs, with a payload that the wire takes', async () => {
    const release = await seeTag(world, { version: '1-1' });
    await acceptTag(world, release);
    await prepareSource(world, release);
    await Promise.all([planSource(world, release), planSource(world, release)]);
    await planSource(world, release);
    const [build, ...others] = await buildsOf(release);
    expect(others).toEqual([]);
    expect(build).toMatchObject({
      kind: 'source',
      architecture: 'source',
      state: 'ready',
      audience: 'public',
      fair_group: 'hello',
    });
    const payload = sourcePayloadSchema.parse(build?.payload);
    expect(payload).toMatchObject({
      submissionId: release.submissionId,
      archive: 'main',
      suite: 'landing',
      source: 'hello',
      version: '1-1',
      quilt: 'gbp',
      tagger: 'Alice Archer <alice@example.org>',
      origs: [{ name: 'hello_1.orig.tar.gz', size: 99 }],
    });
  });

  test('is not made for a submission whose version was freed meanwhile', async () => {
    const release = await seeTag(world, { version: '1-1' });
    await acceptTag(world, release);
    await failPreparation(world, release);
    await planSource(world, release);
    expect(await buildsOf(release)).toEqual([]);
  });

  test('that fails frees the version, once', async () => {
    const release = await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    await failBuild(world, running);
    expect(await holder('1-1')).toMatchObject({ state: 'reserved' });
    await Promise.all([endJob(running.jobId, 'failed'), endJob(running.jobId, 'failed')]);
    expect(await holder('1-1')).toBeUndefined();
    const freed = await world.db.selectFrom('events').select('id').where('kind', '=', 'version.freed').execute();
    expect(freed.length).toBe(1);
    expect((await buildsOf(release))[0]?.state).toBe('failed');
  });

  test('that is quarantined keeps the version, for the machines are suspected', async () => {
    await releaseSource(world, '1-1');
    for (let failure = 0; failure < 3; failure += 1) {
      await world.db
        .updateTable('jobs')
        .set({ not_before: new Date(0) })
        .execute();
      const running = await leaseNext(world);
      await withTransaction(world.db, (trx) =>
        failAttempt(trx, world.worker, running.attemptId, running.token, {
          kind: 'infrastructure',
          code: 'disk.full',
          reason: 'no room',
        }),
      );
      await endJob(running.jobId, 'quarantined');
    }
    expect(await holder('1-1')).toMatchObject({ state: 'reserved' });
  });

  test('given back takes its version again; a task that comes late changes nothing', async () => {
    const release = await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    await failBuild(world, running);
    await endJob(running.jobId, 'failed');
    expect(await giveBackBuild(world, await buildId(release, 'source'), 'person:alice')).toEqual({ kind: 'done' });
    expect(await holder('1-1')).toEqual({ submissionId: release.submissionId, state: 'reserved' });
    await endJob(running.jobId, 'failed');
    expect(await holder('1-1')).toEqual({ submissionId: release.submissionId, state: 'reserved' });
    expect((await leaseNext(world)).jobId).toBe(running.jobId);
  });

  test('cannot be given back when another tag has its version by now', async () => {
    const release = await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    await failBuild(world, running);
    await endJob(running.jobId, 'failed');
    const other = await seeTag(world, {
      version: '1-1',
      source: 'hello',
      archive: { ...world.main, gitRepositoryId: world.embargo.gitRepositoryId },
    });
    await acceptTag(world, other);
    expect(await giveBackBuild(world, await buildId(release, 'source'), 'person:alice')).toMatchObject({
      kind: 'not-possible',
      reason: `hello 1-1 is reserved for submission ${other.submissionId} meanwhile`,
    });
    expect(await giveBackBuild(world, 999_999, 'person:alice')).toEqual({ kind: 'unknown-build' });
  });

  test('that is cancelled frees the version', async () => {
    const release = await releaseSource(world, '1-1');
    const id = await buildId(release, 'source');
    expect(await cancelBuild(world, id, 'person:alice', 'a mistake')).toEqual({ kind: 'done' });
    const job = await world.db.selectFrom('builds').select('job_id').where('id', '=', id).executeTakeFirstOrThrow();
    await endJob(job.job_id, 'cancelled');
    expect(await holder('1-1')).toBeUndefined();
  });
});

describe('binary builds', () => {
  test('are made once for each architecture, after the source was accepted, with payloads that the wire takes', async () => {
    const release = await releaseToBinaries(world, '1-1');
    await Promise.all([planBinaries(world, release), planBinaries(world, release)]);
    const builds = await buildsOf(release);
    expect(builds.map((build) => [build.architecture, build.with_all, build.state])).toEqual([
      ['source', false, 'succeeded'],
      ['amd64', true, 'ready'],
      ['arm64', false, 'ready'],
    ]);
    const payload = binaryPayloadSchema.parse(builds[1]?.payload);
    expect(payload).toMatchObject({
      architecture: 'amd64',
      withAll: true,
      dsc: 'hello_1-1.dsc',
      chroot: { uri: 'https://debian.example/debian', suite: 'bookworm', components: ['main'] },
    });
    expect(payload.files.map((file) => file.name)).toEqual(['hello_1-1.debian.tar.xz', 'hello_1-1.dsc']);
    expect(payload.aptSources.map((source) => [source.name, source.uri, source.suite])).toEqual([
      ['main-landing', 'https://landfall.example/archive/main', 'landing'],
      ['debian-stable', 'https://debian.example/debian', 'bookworm'],
    ]);
    expect(Buffer.from(payload.aptSources[0]?.keyring ?? '', 'base64').toString()).toBe('keys of main');
  });

  test('that still wait when a newer version is planned are cancelled, in whatever order the two are planned', async () => {
    const [old, next] = [await releaseToBinaries(world, '1-1'), await releaseToBinaries(world, '1-2')];
    await planBinaries(world, next);
    await planBinaries(world, old);
    const states = async (release: Release) => (await buildsOf(release)).map((b) => [b.architecture, b.state]);
    expect(await states(old)).toEqual([
      ['source', 'succeeded'],
      ['amd64', 'cancelled'],
      ['arm64', 'cancelled'],
    ]);
    expect(await states(next)).toEqual([
      ['source', 'succeeded'],
      ['amd64', 'ready'],
      ['arm64', 'ready'],
    ]);
    const job = await world.db
      .selectFrom('jobs')
      .select('failure_reason')
      .where('state', '=', 'cancelled')
      .executeTakeFirstOrThrow();
    expect(job.failure_reason).toBe('superseded by 1-2');
  });

  test('of a source that no architecture of the suite fits are none, and that is said once', async () => {
    const release = await releaseToBinaries(world, '1-1', { architecture: 's390x' });
    await planBinaries(world, release);
    expect((await buildsOf(release)).map((build) => build.architecture)).toEqual(['source']);
    const said = await world.db.selectFrom('events').select('data').where('kind', '=', 'builds.none').execute();
    expect(said).toEqual([{ data: { architectures: ['s390x'] } }]);
  });

  test('wait for the source to be accepted', async () => {
    const release = await releaseSource(world, '1-1');
    await expect(planBinaries(world, release)).rejects.toMatchObject({ code: 'builds.no-accepted-source' });
  });

  test('that fail leave the accepted version alone, and can be given back', async () => {
    const release = await releaseToBinaries(world, '1-1');
    const running = await leaseNext(world);
    await failBuild(world, running);
    await endJob(running.jobId, 'failed');
    expect(await holder('1-1')).toMatchObject({ state: 'accepted' });
    expect(await giveBackBuild(world, await buildId(release, 'amd64'), 'person:alice')).toEqual({ kind: 'done' });
  });

  test('inherit the audience of their submission', async () => {
    const release = await releaseToBinaries(world, '1-1', { archive: world.embargo });
    expect((await buildsOf(release)).map((build) => build.audience)).toEqual([
      'group:security',
      'group:security',
      'group:security',
    ]);
    const events = await world.db.selectFrom('events').select('kind').where('audience', '=', 'public').execute();
    expect(events).toEqual([]);
  });

  test('of a suite without a parent that a root could be made from are a clear fault', async () => {
    await world.db.deleteFrom('suite_parents').execute();
    const release = await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    await acceptSource(world, release, running, await deliverUpload(world, release, running, 'source'));
    await expect(planBinaries(world, release)).rejects.toMatchObject({
      code: 'builds.no-base',
      remedy: expect.stringContaining('external:') as string,
    });
  });
});

test('a job that was given back before the task of its failure ran keeps its version', async () => {
  await releaseSource(world, '1-1');
  const running = await leaseNext(world);
  await failBuild(world, running);
  await withTransaction(world.db, (trx) => giveBack(trx, running.jobId, 'person:alice'));
  await endJob(running.jobId, 'failed');
  expect(await holder('1-1')).toMatchObject({ state: 'reserved' });
});
