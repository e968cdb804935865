/** Collection: what no suite needs for longer than its retention goes, what is named never does (H10). */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createArchiveWorld, putBinary, type ArchiveWorld } from '../../test/scenarios/archive.ts';
import { checkArchives } from './check/check.ts';
import { collecting, withoutCollection } from './collect-lock.ts';
import { collectPackages } from './collect-packages.ts';
import { namedBlobs } from './named-blobs.ts';
import { collectIndexChunks, collectOrphans } from './orphans.ts';

let world: ArchiveWorld;
const LATER = new Date(Date.now() + 3 * 86_400_000);

beforeAll(async () => {
  world = await createArchiveWorld({ architectures: ['amd64'] });
  await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
  await putBinary(world, { name: 'stays', version: '1.0-1', architecture: 'amd64' });
  await world.publish();
  await putBinary(world, { name: 'hello', version: '1.0-2', architecture: 'amd64' });
});
afterAll(async () => {
  await world.close();
});

async function inPool(): Promise<string[]> {
  const names = await readdir(join(world.archiveFolder, 'pool'), { recursive: true });
  return names.flatMap((name) => (name.endsWith('.deb') ? (name.split('/').at(-1) ?? '') : [])).sort();
}

/** As the task does it; `now` is days ahead, so that grace is over. */
async function collect(): Promise<void> {
  await collectPackages(world.deps);
  await collectOrphans(world.deps, LATER);
  await collectIndexChunks(world.deps, LATER);
}

async function findings(): Promise<unknown[]> {
  const { findings: found } = await checkArchives({
    ...world.deps,
    folderOf: () => world.archiveFolder,
    aptUrl: () => `file:${world.archiveFolder}`,
  });
  return found.filter((one) => one.code !== 'database.invariant');
}

async function daysAgo(days: number): Promise<void> {
  await sql`UPDATE publications SET published_at = published_at - make_interval(days => ${days})`.execute(world.db);
}

describe('a package that was replaced', () => {
  it('stays while the publication that replaces it is not made, and while the old one is kept', async () => {
    await collect();
    expect(await inPool()).toEqual(['hello_1.0-1_amd64.deb', 'stays_1.0-1_amd64.deb']);
    await world.publish();
    await collect();
    expect(await inPool()).toEqual(['hello_1.0-1_amd64.deb', 'hello_1.0-2_amd64.deb', 'stays_1.0-1_amd64.deb']);
    expect(await namedBlobs(world.db)).toHaveLength(3);
  });

  it('H10 a collection that is cut off leaves everything that is named, and the next one does the rest', async () => {
    await daysAgo(40);
    const stopped = {
      ...world.deps,
      storage: async (name: string) => {
        const storage = await world.deps.storage(name);
        return {
          ...storage,
          published: {
            ...storage.published,
            delete: async (path: string) => {
              await storage.published.delete(path);
              throw new Error('killed');
            },
          },
        };
      },
    };
    await expect(collectPackages(stopped)).rejects.toThrow('killed');
    // The name went, the mark did not come: its bytes are stored still.
    expect(await namedBlobs(world.db)).toHaveLength(3);
    await collectOrphans(world.deps, LATER);
    for (const { sha256 } of await namedBlobs(world.db)) expect(await world.blobs.has(sha256)).toBe(true);
    await collect();
    expect(await inPool()).toEqual(['hello_1.0-2_amd64.deb', 'stays_1.0-1_amd64.deb']);
    expect(await namedBlobs(world.db)).toHaveLength(2);
    expect(await findings()).toEqual([]);
  });

  it('comes back into no suite, until its bytes are accepted again', async () => {
    const { id } = await world.db
      .selectFrom('binary_packages')
      .select('id')
      .where('name', '=', 'hello')
      .where('version', '=', '1.0-1')
      .executeTakeFirstOrThrow();
    const insert = async (): Promise<unknown> =>
      await world.db
        .insertInto('suite_binaries')
        .values({ suite_id: world.suiteId, architecture: 'amd64', binary_package_id: id, added_serial: 9 })
        .execute();
    await expect(insert()).rejects.toThrow(/bytes of pool\/.*hello_1\.0-1_amd64\.deb were removed/);
    const marks = await world.db.selectFrom('collected_pool_files').selectAll().execute();
    expect(marks).toHaveLength(1);
  });

  it('H10 nothing that is named is lost while packages come, are published and are collected at the same time', async () => {
    const collections = (async () => {
      for (let round = 0; round < 15; round += 1) {
        await collectPackages(world.deps);
        // Bytes are stored before a row names them, and chunks before an index: what keeps them meanwhile is the grace.
        await collectOrphans(world.deps, new Date());
        await collectIndexChunks(world.deps, new Date());
      }
    })();
    for (let version = 3; version < 8; version += 1) {
      await putBinary(world, { name: 'hello', version: `1.0-${version}`, architecture: 'amd64' });
      await world.publish();
      await daysAgo(40);
    }
    await collections;
    await collect();
    for (const { sha256 } of await namedBlobs(world.db)) expect(await world.blobs.has(sha256)).toBe(true);
    expect(await findings()).toEqual([]);
  });

  it('a backup that runs holds the collection up, and the other way round', async () => {
    await withoutCollection(world.db, async () => {
      expect(await collecting(world.db, () => Promise.resolve('ran'))).toBeUndefined();
    });
    expect(await collecting(world.db, () => Promise.resolve('ran'))).toBe('ran');
  });
});
