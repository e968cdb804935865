/** The timeline of a submission: every step, and how the whole stands. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addWorker } from '../../test/scenarios/lighthouse.ts';
import { createWorld, type World } from '../../test/scenarios/world.ts';
import {
  acceptBinary,
  deliverUpload,
  failBuild,
  holdUpload,
  leaseNext,
  publish,
  rejectUpload,
} from '../../test/scenarios/world-builds.ts';
import { releaseSource, releaseToBinaries, releaseWhole } from '../../test/scenarios/world-path.ts';
import { acceptTag, failPreparation, obstructTag, rejectTag, seeTag } from '../../test/scenarios/world-tags.ts';
import { submissionTraceSchema } from '../contract/submissions.ts';
import { cancel } from '../lighthouse/index.ts';
import { withTransaction } from '../platform/database.ts';
import { describeSubmission, type SubmissionTrace } from './index.ts';

const EVERYBODY = { audiences: ['public'] };

let world: World;

beforeEach(async () => {
  world = await createWorld();
});

afterEach(async () => await world.close());

async function trace(submissionId: number, viewer = EVERYBODY): Promise<SubmissionTrace> {
  const found = await describeSubmission(world.deps, submissionId, viewer);
  if (found === undefined) throw new Error(`submission ${submissionId} is not seen`);
  submissionTraceSchema.parse(found);
  return found;
}

function steps(found: SubmissionTrace): string[] {
  return found.steps.map((step) => `${step.title}: ${step.state}`);
}

function stepOf(found: SubmissionTrace, title: string) {
  const step = found.steps.find((one) => one.title === title);
  if (step === undefined) throw new Error(`no step ${title}`);
  return step;
}

describe('the timeline of a submission', () => {
  test('a tag that was just seen is being checked, and the rest is to come', async () => {
    const release = await seeTag(world, { version: '1-1' });
    const found = await trace(release.submissionId);
    expect(found).toMatchObject({
      state: 'in-flight',
      settled: false,
      sentence: 'tag verified: the tag is being checked',
    });
    expect(steps(found)).toEqual([
      'tag seen: done',
      'tag verified: running',
      'upstream tarballs found: waiting',
      'source built: waiting',
      'source accepted: waiting',
      'source published: waiting',
      'binaries built: waiting',
    ]);
    expect(stepOf(found, 'source built').sentence).toBe('comes after "tag verified"');
  });

  test('a rejected tag ends it, with sentence and remedy, and everything behind it is skipped', async () => {
    const release = await seeTag(world, { version: '1-1' });
    await rejectTag(world, release, {
      code: 'signer.permission',
      sentence: 'Bob Baker may not release hello to landing',
      remedy: 'ask an administrator for a grant',
      personId: world.bob,
    });
    const found = await trace(release.submissionId);
    expect(found).toMatchObject({
      state: 'rejected',
      settled: true,
      source: 'hello',
      sentence: 'tag verified: Bob Baker may not release hello to landing',
      remedy: 'ask an administrator for a grant',
      mustAct: 'the maintainer',
      tag: { signer: 'bob', repository: 'packages/hello' },
    });
    expect(stepOf(found, 'tag verified')).toMatchObject({
      state: 'failed',
      code: 'signer.permission',
      by: 'person:bob',
    });
    expect(stepOf(found, 'source built').state).toBe('skipped');
  });

  test('an obstructed tag goes on by itself while it is tried again, and needs somebody when it is not', async () => {
    const release = await seeTag(world, { version: '1-1' });
    await obstructTag(world, release, new Date('2031-01-01T00:00:00Z'));
    expect(await trace(release.submissionId)).toMatchObject({
      state: 'in-flight',
      sentence: 'tag verified: the forge does not answer; tried again at 2031-01-01 00:00:00 UTC',
    });
    await world.db.updateTable('tags').set({ retry_at: null }).execute();
    expect(await trace(release.submissionId)).toMatchObject({
      state: 'attention',
      settled: true,
      mustAct: 'an administrator',
    });
  });

  test('a source without upstream tarball has failed', async () => {
    const release = await seeTag(world, { version: '1-1' });
    await acceptTag(world, release);
    expect((await trace(release.submissionId)).sentence).toContain('the upstream tarballs are being looked for');
    await failPreparation(world, release);
    expect(await trace(release.submissionId)).toMatchObject({
      state: 'failed',
      settled: true,
      sentence: 'upstream tarballs found: no orig tarball was found',
      remedy: 'tag with upstream=',
    });
  });

  test('a source build waits, runs, is delivered, checked, accepted and published', async () => {
    const release = await releaseSource(world, '1-1');
    expect(stepOf(await trace(release.submissionId), 'source built')).toMatchObject({
      state: 'waiting',
      sentence: 'a worker is free; this job is the next',
      mustAct: null,
    });
    const running = await leaseNext(world);
    expect(stepOf(await trace(release.submissionId), 'source built')).toMatchObject({
      state: 'running',
      by: 'worker:w1',
    });
    await deliverUpload(world, release, running, 'source');
    const found = await trace(release.submissionId);
    expect(stepOf(found, 'source built')).toMatchObject({ state: 'done', by: 'worker:w1' });
    expect(stepOf(found, 'source accepted')).toMatchObject({
      state: 'running',
      sentence: 'the upload is being checked',
    });
    expect(stepOf(found, 'source built').durationMs).toBeGreaterThanOrEqual(0);
  });

  test('one architecture is published while another waits for a worker that nobody has: the outcome is published, and says who must act', async () => {
    const release = await releaseWhole(world, '1-1');
    const found = await trace(release.submissionId);
    expect(steps(found)).toEqual([
      'tag seen: done',
      'tag verified: done',
      'upstream tarballs found: done',
      'source built: done',
      'source accepted: done',
      'source published: done',
      'amd64 built: done',
      'amd64 accepted: done',
      'amd64 published: done',
      'arm64 built: waiting',
      'arm64 accepted: waiting',
      'arm64 published: waiting',
    ]);
    expect(found).toMatchObject({
      state: 'published',
      settled: true,
      sentence: 'published in main/landing for amd64; arm64 built: no worker for arm64 has ever joined pool trusted',
      mustAct: 'an administrator: let a worker for arm64 join pool trusted',
      person: { handle: 'alice', name: 'Alice Archer' },
    });
    expect(stepOf(found, 'amd64 published')).toMatchObject({
      architecture: 'amd64',
      name: 'published',
      sentence: 'main/landing, serial 2',
    });
    expect(found.packages).toMatchObject([
      { kind: 'source', name: 'hello', worker: 'w1' },
      {
        kind: 'binary',
        name: 'hello',
        architecture: 'amd64',
        worker: 'w1',
        workerFingerprint: world.worker.openpgpFingerprint,
      },
    ]);
  });

  test('it is published wholly when the last architecture is', async () => {
    const arm = await addWorker(world.db, 'arm', { architectures: ['arm64'] });
    const release = await releaseWhole(world, '1-1');
    expect(await trace(release.submissionId)).toMatchObject({ state: 'in-flight', settled: false });
    const running = await leaseNext(world, arm);
    await acceptBinary(world, release, running, await deliverUpload(world, release, running, 'binary', arm), {
      architecture: 'arm64',
    });
    expect(stepOf(await trace(release.submissionId), 'arm64 published')).toMatchObject({
      state: 'running',
      sentence: 'the next publication of main/landing brings it',
    });
    await publish(world);
    expect(await trace(release.submissionId)).toMatchObject({
      state: 'published',
      settled: true,
      sentence: 'published in main/landing for amd64, arm64',
      mustAct: null,
    });
  });

  test('a failed source build ends it; a failed binary build needs somebody while the rest stays', async () => {
    const failed = await releaseSource(world, '1-1');
    await failBuild(world, await leaseNext(world), 'dpkg-source: error');
    expect(await trace(failed.submissionId)).toMatchObject({
      state: 'failed',
      sentence: 'source built: dpkg-source: error',
    });

    const release = await releaseToBinaries(world, '1-2');
    await failBuild(world, await leaseNext(world));
    const found = await trace(release.submissionId);
    expect(found).toMatchObject({ state: 'attention', settled: true, mustAct: 'the maintainer' });
    expect(found.sentence).toBe('amd64 built: make: *** [all] Error 2');
    expect(stepOf(found, 'amd64 accepted').state).toBe('skipped');
    expect(stepOf(found, 'source published').state).toBe('done');
  });

  test('an upload that the archive rejects was built, and says what was wrong with it', async () => {
    const release = await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    await rejectUpload(world, running, await deliverUpload(world, release, running, 'source'), {
      code: 'source.matches-tag',
      sentence: 'the source is not the tagged one',
      remedy: 'look at the worker',
    });
    const found = await trace(release.submissionId);
    expect(stepOf(found, 'source built').state).toBe('done');
    expect(stepOf(found, 'source accepted')).toMatchObject({
      state: 'failed',
      code: 'source.matches-tag',
      remedy: 'look at the worker',
    });
    expect(found.state).toBe('rejected');
  });

  test('what waits in NEW waits for a reviewer', async () => {
    const release = await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    await holdUpload(world, running, await deliverUpload(world, release, running, 'source'));
    expect(await trace(release.submissionId)).toMatchObject({ state: 'attention', mustAct: 'a reviewer of NEW' });
  });

  test('a cancelled source build ends it', async () => {
    const release = await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    await withTransaction(world.db, (trx) => cancel(trx, running.jobId, 'person:alice', 'a mistake'));
    expect(await trace(release.submissionId)).toMatchObject({
      state: 'cancelled',
      settled: true,
      sentence: 'source built: cancelled: a mistake',
    });
  });

  test('a source that fits no architecture says so', async () => {
    const release = await releaseToBinaries(world, '1-1', { architecture: 's390x' });
    const found = await trace(release.submissionId);
    expect(stepOf(found, 'binaries built')).toMatchObject({
      state: 'skipped',
      sentence: 'the source is for s390x, and the suite has amd64 arm64',
    });
    expect(found.state).toBe('published');
  });
});
