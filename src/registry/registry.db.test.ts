import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { isCheckViolation, type Trx } from '../platform/database.ts';
import { applyPlan, planApply } from './apply/apply.ts';
import {
  acceptVersion,
  createSubmission,
  describeSubmission,
  findArchive,
  findSuite,
  freeVersion,
  getSubmission,
  highWaterMark,
  namePoolFile,
  raiseHighWaterMark,
  reserveVersion,
  setHighWaterMark,
  suiteOrder,
  versionHolder,
} from './index.ts';

const DISTRIBUTION = `
[pool.trusted]
[archive.main]
pool = "trusted"
[archive.main.suite.landing]
architectures = ["amd64"]
newer-than = ["stable"]
[archive.main.suite.stable]
codename = "harbour"
architectures = ["amd64"]
[archive.other]
pool = "trusted"
`;

let world: TestDatabase;
let archiveId: number;
let otherArchiveId: number;
let suiteId: number;
let count = 0;

beforeAll(async () => {
  world = await createTestDatabase();
  const files = [{ name: 'd.toml', text: DISTRIBUTION }];
  const plan = await planApply(world.db, files);
  await applyPlan(world.db, files, plan.kind === 'plan' ? plan.hash : '', { kind: 'system', name: 'landfall' });
  archiveId = (await findArchive(world.db, 'main'))?.id ?? 0;
  otherArchiveId = (await findArchive(world.db, 'other'))?.id ?? 0;
  suiteId = (await findSuite(world.db, archiveId, 'landing'))?.id ?? 0;
});
afterAll(async () => {
  await world.drop();
});

async function inTransaction<T>(run: (trx: Trx) => Promise<T>): Promise<T> {
  return await world.db.transaction().execute(run);
}

async function submission(): Promise<number> {
  return await inTransaction(async (trx) => await createSubmission(trx, { origin: 'tag', archiveId }));
}

function freshVersion(): { archiveId: number; source: string; version: string } {
  count += 1;
  return { archiveId, source: 'hello', version: `1.${count}` };
}

describe('a version', () => {
  test('is reserved once, and again for the same submission', async () => {
    const version = freshVersion();
    const [one, two] = [await submission(), await submission()];
    const reserve = async (submissionId: number) =>
      await inTransaction(async (trx) => await reserveVersion(trx, { ...version, submissionId }));
    expect(await reserve(one)).toEqual({ kind: 'reserved' });
    expect(await reserve(one)).toEqual({ kind: 'reserved' });
    expect(await reserve(two)).toEqual({ kind: 'taken', by: one, state: 'reserved' });
    expect(
      await inTransaction(
        async (trx) => await reserveVersion(trx, { ...version, archiveId: otherArchiveId, submissionId: two }),
      ),
    ).toEqual({ kind: 'reserved' });
  });

  test('reserved by many at the same moment goes to exactly one', async () => {
    const version = freshVersion();
    const submissions = await Promise.all([1, 2, 3, 4].map(submission));
    const results = await Promise.all(
      submissions.map(
        async (submissionId) =>
          await inTransaction(async (trx) => await reserveVersion(trx, { ...version, submissionId })),
      ),
    );
    expect(results.filter(({ kind }) => kind === 'reserved')).toHaveLength(1);
    const winner = submissions[results.findIndex(({ kind }) => kind === 'reserved')];
    for (const result of results) {
      if (result.kind === 'taken') expect(result).toEqual({ kind: 'taken', by: winner, state: 'reserved' });
    }
  });

  test('whose first reservation is rolled back goes to the one that waited', async () => {
    const version = freshVersion();
    const [one, two] = [await submission(), await submission()];
    let waiting: Promise<unknown> = Promise.resolve();
    await expect(
      inTransaction(async (trx) => {
        await reserveVersion(trx, { ...version, submissionId: one });
        waiting = inTransaction(async (other) => await reserveVersion(other, { ...version, submissionId: two }));
        throw new Error('undo');
      }),
    ).rejects.toThrow('undo');
    expect(await waiting).toEqual({ kind: 'reserved' });
    expect(await versionHolder(world.db, version)).toEqual({ submissionId: two, state: 'reserved' });
  });

  test('that was freed can be reserved again, and the event tells it', async () => {
    const version = freshVersion();
    const [one, two] = [await submission(), await submission()];
    await inTransaction(async (trx) => await reserveVersion(trx, { ...version, submissionId: one }));
    expect(await inTransaction(async (trx) => await freeVersion(trx, one, 'the source did not build'))).toBe(true);
    expect(await inTransaction(async (trx) => await freeVersion(trx, one, 'again'))).toBe(false);
    expect(await inTransaction(async (trx) => await reserveVersion(trx, { ...version, submissionId: two }))).toEqual({
      kind: 'reserved',
    });
    const events = await world.db
      .selectFrom('events')
      .select(['kind', 'data'])
      .where('submission_id', '=', one)
      .execute();
    expect(events).toEqual([
      {
        kind: 'version.freed',
        data: { source: 'hello', version: version.version, because: 'the source did not build' },
      },
    ]);
  });

  test('that was accepted is taken for ever: it is neither freed nor reserved again', async () => {
    const version = freshVersion();
    const [one, two] = [await submission(), await submission()];
    await inTransaction(async (trx) => await reserveVersion(trx, { ...version, submissionId: one }));
    expect(await inTransaction(async (trx) => await acceptVersion(trx, one))).toMatchObject({ kind: 'accepted' });
    expect(await inTransaction(async (trx) => await acceptVersion(trx, one))).toMatchObject({
      kind: 'already-accepted',
    });
    expect(await inTransaction(async (trx) => await acceptVersion(trx, two))).toEqual({ kind: 'not-reserved' });
    expect(await inTransaction(async (trx) => await freeVersion(trx, one, 'no'))).toBe(false);
    for (const submissionId of [one, two]) {
      expect(await inTransaction(async (trx) => await reserveVersion(trx, { ...version, submissionId }))).toEqual({
        kind: 'taken',
        by: one,
        state: 'accepted',
      });
    }
  });

  test('makes no illegal move, whatever the code does', async () => {
    const version = freshVersion();
    const one = await submission();
    await inTransaction(async (trx) => await reserveVersion(trx, { ...version, submissionId: one }));
    await inTransaction(async (trx) => await acceptVersion(trx, one));
    for (const state of ['freed', 'reserved'] as const) {
      await expect(
        world.db.updateTable('versions').set({ state }).where('submission_id', '=', one).execute(),
      ).rejects.toSatisfy((error: unknown) => isCheckViolation(error, 'versions_state_transition'));
    }
  });
});

describe('a high-water mark', () => {
  test('only rises, except by an administrator, which the audit shows', async () => {
    const mark = { suiteId, source: 'tide', actor: 'landfall', reason: 'accepted' };
    const raise = async (version: string) =>
      await inTransaction(async (trx) => await raiseHighWaterMark(trx, { ...mark, version }));
    expect(await highWaterMark(world.db, suiteId, 'tide')).toBeUndefined();
    await raise('1.0-1');
    await raise('1.0~rc1-1');
    await raise('1.0-1');
    expect(await highWaterMark(world.db, suiteId, 'tide')).toBe('1.0-1');
    await raise('20300101');
    await inTransaction(
      async (trx) =>
        await setHighWaterMark(trx, {
          ...mark,
          version: '1.0-1',
          actor: 'person:root',
          reason: 'someone typed 20300101',
        }),
    );
    expect(await highWaterMark(world.db, suiteId, 'tide')).toBe('1.0-1');
    const audit = await world.db.selectFrom('audit').selectAll().where('action', '=', 'high-water-mark.set').execute();
    expect(audit).toMatchObject([{ actor: 'person:root', detail: { before: '20300101', after: '1.0-1' } }]);
  });

  test('raised by many at once ends at the newest', async () => {
    await Promise.all(
      ['2.0', '10.0', '9.0', '1.0'].map(
        async (version) =>
          await inTransaction(
            async (trx) =>
              await raiseHighWaterMark(trx, {
                suiteId,
                source: 'wave',
                version,
                actor: 'landfall',
                reason: 'accepted',
              }),
          ),
      ),
    );
    expect(await highWaterMark(world.db, suiteId, 'wave')).toBe('10.0');
  });
});

describe('a pool file name', () => {
  const file = { path: 'pool/main/h/hello/hello_1.0.dsc', sha256: 'a'.repeat(64), size: 10 };
  const name = async (change: Partial<typeof file & { archiveId: number }> = {}) =>
    await inTransaction(async (trx) => await namePoolFile(trx, { archiveId, ...file, ...change }));

  test('I8 stands for the same bytes for ever', async () => {
    const first = await name();
    expect(first.kind).toBe('named');
    expect(await name()).toEqual(first);
    expect(await name({ sha256: 'b'.repeat(64) })).toEqual({ kind: 'conflict', sha256: file.sha256, size: 10 });
    expect(await name({ size: 11 })).toMatchObject({ kind: 'conflict' });
    expect((await name({ archiveId: otherArchiveId })).kind).toBe('named');
    await expect(
      world.db.updateTable('pool_files').set({ size: 1 }).where('path', '=', file.path).execute(),
    ).rejects.toSatisfy((error: unknown) => isCheckViolation(error));
  });

  test('given to two at the same moment with different bytes goes to one', async () => {
    const results = await Promise.all(
      ['c', 'd'].map(async (letter) => await name({ path: 'pool/main/r/race.dsc', sha256: letter.repeat(64) })),
    );
    expect(results.map(({ kind }) => kind).sort()).toEqual(['conflict', 'named']);
  });

  test('H95 never leaves the pool', async () => {
    for (const path of ['etc/passwd', 'pool/../x', 'pool/a/./b', '/pool/x']) {
      await expect(name({ path })).rejects.toSatisfy((error: unknown) => isCheckViolation(error));
    }
  });
});

describe('a submission', () => {
  test('is described once; the same words again change nothing, others are a fault', async () => {
    const id = await submission();
    const facts = { suiteId, source: 'hello', version: '1.0' };
    const describeAs = async (change: Partial<typeof facts> = {}) =>
      await inTransaction(async (trx) => await describeSubmission(trx, id, { ...facts, ...change }));
    await describeAs();
    await describeAs();
    await expect(describeAs({ version: '2.0' })).rejects.toMatchObject({ code: 'registry.submission-described' });
    expect(await getSubmission(world.db, id)).toMatchObject({ ...facts, audience: 'public', origin: 'tag' });
    await expect(getSubmission(world.db, 999_999)).rejects.toMatchObject({ code: 'registry.no-such-submission' });
  });
});

test('a suite is found by name, codename and alias, within its archive, and knows its order', async () => {
  const stable = await findSuite(world.db, archiveId, 'harbour');
  expect(stable?.name).toBe('stable');
  expect(await findSuite(world.db, otherArchiveId, 'stable')).toBeUndefined();
  expect(await findSuite(world.db, archiveId, "' OR true --")).toBeUndefined();
  const order = await suiteOrder(world.db, suiteId);
  expect(order.older.map(({ name }) => name)).toEqual(['stable']);
  expect((await suiteOrder(world.db, stable?.id ?? 0)).newer.map(({ name }) => name)).toEqual(['landing']);
});
