import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createArchiveWorld, putBinary, type ArchiveWorld } from '../../../test/scenarios/archive.ts';
import { openAlerts } from '../../platform/alerts.ts';
import { sql } from 'kysely';
import { scrubSlice, type ScrubSlice } from './scrub.ts';

let world: ArchiveWorld;
beforeAll(async () => {
  world = await createArchiveWorld({ architectures: ['amd64'] });
  for (const name of ['hello', 'world', 'third']) {
    await putBinary(world, { name, version: '1.0-1', architecture: 'amd64' });
  }
  await world.publish();
});
afterAll(async () => {
  await world.close();
});

async function pass(): Promise<ScrubSlice[]> {
  const slices: ScrubSlice[] = [];
  for (;;) {
    const slice = await scrubSlice(world.deps, { sliceBytes: 1, pace: 1e9 });
    if (slice === undefined) return slices;
    slices.push(slice);
  }
}

async function weekLater(): Promise<void> {
  await sql`UPDATE scrubs SET finished_at = finished_at - interval '8 days'`.execute(world.db);
}

describe('the background reading', () => {
  it('goes through everything in slices, and then rests for a week', async () => {
    const slices = await pass();
    expect(slices.map((slice) => [slice.files, slice.finished])).toEqual([
      [1, false],
      [1, false],
      [1, false],
      [0, true],
    ]);
    expect(await pass()).toEqual([]);
    const [row] = await world.db.selectFrom('scrubs').select(['files', 'damaged']).execute();
    expect(row).toEqual({ files: 3, damaged: 0 });
  });

  it('H17 a flipped bit raises an alert that names suites and packages, and ends when the file is sound again', async () => {
    const { sha256 } = await world.db
      .selectFrom('pool_files')
      .select('sha256')
      .where('path', 'like', '%hello%')
      .executeTakeFirstOrThrow();
    const path = world.blobs.path(sha256);
    const sound = await readFile(path);
    const bad = Buffer.from(sound);
    bad.writeUInt8(bad.readUInt8(100) ^ 4, 100);
    await writeFile(path, bad);
    await weekLater();
    await pass();
    expect(await openAlerts(world.db, ['public'])).toMatchObject([
      {
        key: `storage.damaged ${sha256}`,
        sentence: expect.stringMatching(
          /hello_1\.0-1_amd64\.deb of main, packages hello 1\.0-1 amd64, suites landing/,
        ) as string,
        remedy: expect.stringMatching(/landfall restore --file/) as string,
        data: { suites: ['main/landing'], packages: ['hello 1.0-1 amd64'] },
      },
    ]);
    await writeFile(path, sound);
    await weekLater();
    await pass();
    expect(await openAlerts(world.db, ['public'])).toEqual([]);
  });
});
