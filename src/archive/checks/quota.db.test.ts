import { afterAll, beforeAll, expect, it } from 'vitest';
import { createArchiveWorld, putBinary, type ArchiveWorld } from '../../../test/scenarios/archive.ts';
import { withTransaction } from '../../platform/database.ts';
import { archiveQuota } from './quota.ts';

let world: ArchiveWorld;
beforeAll(async () => {
  world = await createArchiveWorld({ architectures: ['amd64'] });
  await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
});
afterAll(async () => {
  await world.close();
});

const judge = async (size: number): Promise<unknown> =>
  await withTransaction(world.db, (trx) =>
    archiveQuota(
      { trx },
      {
        archiveId: world.archiveId,
        archive: 'main',
        named: [{ path: 'pool/main/n/new.deb', sha256: 'a'.repeat(64), size }],
      },
    ),
  );

it('an archive without a quota takes what there is room for; one with a quota refuses what goes beyond, with the numbers', async () => {
  expect(await judge(1e12)).toMatchObject({ kind: 'not-applicable' });
  await world.db.updateTable('archives').set({ quota_bytes: 1_000_000 }).execute();
  expect(await judge(900_000)).toMatchObject({ kind: 'passed' });
  expect(await judge(1_000_000)).toMatchObject({
    kind: 'failed',
    sentence: expect.stringMatching(
      /The archive main may hold 1\.0 MB: it holds 0\.0 MB, and this upload brings 1\.0 MB/,
    ) as string,
    remedy: expect.stringMatching(/raise \[archive\.main\] quota/) as string,
  });
  // What was collected counts no more.
  const { id, size } = await world.db.selectFrom('pool_files').select(['id', 'size']).executeTakeFirstOrThrow();
  expect(await judge(1_000_001 - size)).toMatchObject({ kind: 'failed' });
  await world.db.insertInto('collected_pool_files').values({ pool_file_id: id }).execute();
  expect(await judge(1_000_001 - size)).toMatchObject({ kind: 'passed' });
});
