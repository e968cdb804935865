/** The first page: who must act, what goes on, what has arrived. */
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addWorker } from '../../test/scenarios/lighthouse.ts';
import { createWorld, type World } from '../../test/scenarios/world.ts';
import { deliverUpload, failBuild, holdUpload, leaseNext } from '../../test/scenarios/world-builds.ts';
import { releaseSource, releaseToBinaries, releaseWhole } from '../../test/scenarios/world-path.ts';
import { acceptTag, failPreparation, rejectTag, seeTag } from '../../test/scenarios/world-tags.ts';
import { statusSchema } from '../contract/status.ts';
import { submissionTraceSchema } from '../contract/submissions.ts';
import { describeSubmission, overview, type SubmissionTrace } from './index.ts';

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

describe('the overview', () => {
  test('shows what is under way, what failed and what needs somebody', async () => {
    const whole = await releaseWhole(world, '1-1');
    const failing = await releaseToBinaries(world, '2-1', { source: 'other' });
    await failBuild(world, await leaseNext(world));
    const rejected = await seeTag(world, { version: '1-2' });
    await rejectTag(world, rejected, { code: 'signature.present', sentence: 'it is not signed', remedy: 'sign it' });
    const page = await overview(world.deps, EVERYBODY);
    statusSchema.omit({ version: true, contract: true, space: true }).parse(page);
    expect(page.failures).toMatchObject([{ submissionId: failing.submissionId, architecture: 'amd64' }]);
    expect(page.rejectedTags).toMatchObject([{ id: rejected.tagId }]);
    expect([page.inFlight, page.attention]).toEqual([[], []]);
    expect(page.done.map((one) => one.id)).toEqual([whole.submissionId]);
    expect(page.lacked).toEqual([
      {
        pool: 'trusted',
        architecture: 'arm64',
        packages: 1,
        newest: ['hello'],
        sentence: 'no worker for arm64 has ever joined pool trusted',
        mustAct: 'an administrator: let a worker for arm64 join pool trusted',
      },
    ]);
    expect(page.alerts).toEqual([
      'main/stable was never published',
      '1 job waits in pool trusted: no worker for arm64 has ever joined pool trusted',
    ]);
  });

  test('a published package whose other architecture is built now is under way, not lacked', async () => {
    const whole = await releaseWhole(world, '1-1');
    await leaseNext(world, await addWorker(world.db, 'arm', { architectures: ['arm64'] }));
    const page = await overview(world.deps, EVERYBODY);
    expect(page.inFlight.map((one) => one.id)).toEqual([whole.submissionId]);
    expect([page.lacked, page.done, page.attention]).toEqual([[], [], []]);
  });

  test('what waits for a person without having failed says who', async () => {
    const held = await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    await holdUpload(world, running, await deliverUpload(world, held, running, 'source'));
    const unprepared = await seeTag(world, { version: '1-1', source: 'other' });
    await acceptTag(world, unprepared);
    await failPreparation(world, unprepared);
    const page = await overview(world.deps, EVERYBODY);
    expect(page.inFlight).toEqual([]);
    expect(page.attention.map((one) => [one.source, one.state, one.mustAct])).toEqual([
      ['other', 'failed', 'the maintainer'],
      ['hello', 'attention', 'a reviewer of NEW'],
    ]);
  });

  test('a failure that a newer version has overtaken needs nobody any more', async () => {
    const failing = await releaseToBinaries(world, '1-1');
    await failBuild(world, await leaseNext(world));
    const unprepared = await seeTag(world, { version: '1-2' });
    await acceptTag(world, unprepared);
    await failPreparation(world, unprepared);
    const rejected = await seeTag(world, { version: '1-3' });
    await rejectTag(world, rejected, { code: 'signature.present', sentence: 'it is not signed', remedy: 'sign it' });
    const before = await overview(world.deps, EVERYBODY);
    expect([before.failures.length, before.attention.length, before.rejectedTags.length]).toEqual([1, 1, 1]);
    await releaseWhole(world, '1-4');
    const after = await overview(world.deps, EVERYBODY);
    expect([after.failures, after.attention, after.rejectedTags]).toEqual([[], [], []]);
    expect(after.done.map((one) => one.version)).toEqual(['1-4']);
    expect(await trace(failing.submissionId)).toMatchObject({
      state: 'failed',
      mustAct: null,
      sentence: 'amd64 built: make: *** [all] Error 2; the suite has taken a newer version since',
    });
  });

  test('of two versions that failed alike only the newer is told', async () => {
    await releaseSource(world, '1-1');
    await failBuild(world, await leaseNext(world));
    const newer = await releaseSource(world, '1-2');
    await failBuild(world, await leaseNext(world));
    expect((await overview(world.deps, EVERYBODY)).failures.map((one) => one.submissionId)).toEqual([
      newer.submissionId,
    ]);
  });

  test('an empty installation has an empty page', async () => {
    await sql`TRUNCATE suites CASCADE`.execute(world.db);
    const page = await overview(world.deps, EVERYBODY);
    expect(page).toMatchObject({ inFlight: [], failures: [], rejectedTags: [], suites: [], alerts: [] });
  });
});
