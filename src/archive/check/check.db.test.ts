/** H17 and its like: whatever is damaged in what is stored or published is found, named, and made again where it can be. */
import { copyFile, link, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Stopped,
  createArchiveWorld,
  publishFully,
  putBinary,
  stopAt,
  type ArchiveWorld,
} from '../../../test/scenarios/archive.ts';
import { exists } from '../../platform/files.ts';
import { servedSerial } from '../publish/tree.ts';
import { checkArchives, type CheckResult } from './check.ts';
import { planRepairs, type CheckFinding } from './findings.ts';
import { doRepairs } from './repair.ts';

let world: ArchiveWorld;

beforeAll(async () => {
  world = await createArchiveWorld({ architectures: ['amd64'] });
  for (const name of ['hello', 'world', 'zlib1g']) {
    await putBinary(world, { name, version: '1.0-1', architecture: 'amd64' });
  }
  await world.publish();
});
afterAll(async () => {
  await world.close();
});

async function check(apt = false): Promise<CheckFinding[]> {
  const result: CheckResult = await checkArchives({
    ...world.deps,
    folderOf: () => world.archiveFolder,
    ...(apt ? { aptUrl: () => `file:${world.archiveFolder}` } : {}),
  });
  // The world's rows are made by hand and tell no events.
  return result.findings.filter((one) => one.code !== 'database.invariant');
}

async function repaired(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  const outcomes = await doRepairs(world.deps, planRepairs(await check()), 'person:admin');
  expect(outcomes.map((one) => one.problem).filter((one) => one !== undefined)).toEqual([]);
  expect(await check()).toEqual([]);
}

const served = async (name: string): Promise<string> => {
  const { published } = await world.deps.storage('main');
  const serial = await servedSerial(published, 'landing');
  return join(world.archiveFolder, '.publications', 'landing', String(serial), name);
};

/** Other bytes in the very same file, as a failing disk gives them. */
async function flipBit(path: string): Promise<void> {
  const bytes = await readFile(path);
  const middle = bytes.length >> 1;
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
  await writeFile(path, bytes);
}

async function fileOf(name: string): Promise<{ path: string; sha256: string }> {
  const row = await world.db
    .selectFrom('pool_files')
    .select(['path', 'sha256'])
    .where('path', 'like', `%/${name}_%`)
    .executeTakeFirstOrThrow();
  return { path: join(world.archiveFolder, row.path), sha256: row.sha256 };
}

describe('a check of the archive', () => {
  it('finds nothing in a sound one, and a real apt agrees', async () => {
    expect(await check(true)).toEqual([]);
  });

  it('H17 a flipped bit is found with its suites and packages; without other bytes a backup is named', async () => {
    const { path, sha256 } = await fileOf('hello');
    const sound = await readFile(path);
    await flipBit(path);
    const [found, ...more] = await check();
    expect(more).toEqual([]);
    expect(found).toMatchObject({
      code: 'blob.damaged',
      archive: 'main',
      suites: ['main/landing'],
      packages: ['hello 1.0-1 amd64'],
      repairs: [],
    });
    expect(found?.remedy).toMatch(new RegExp(`restore --file ${sha256}`));
    await writeFile(path, sound);
    expect(await check()).toEqual([]);
  });

  it('H17 where the pool has a copy of its own, each is made again from the other', async () => {
    const { path, sha256 } = await fileOf('world');
    const blob = world.blobs.path(sha256);
    await copyFile(blob, `${path}.copy`);
    await unlink(path);
    await link(`${path}.copy`, path);
    await unlink(`${path}.copy`);
    await flipBit(blob);
    expect((await check()).map((one) => one.code)).toEqual(['blob.damaged']);
    await repaired();
    await flipBit(path);
    expect((await check()).map((one) => one.code)).toEqual(['pool.damaged']);
    await repaired();
    await unlink(path);
    expect((await check()).map((one) => [one.code, one.packages])).toEqual([['pool.missing', ['world 1.0-1 amd64']]]);
    await repaired();
  });

  it('indices, by-hash names and signed files that are damaged or gone are published anew', async () => {
    await flipBit(await served('main/binary-amd64/Packages.xz'));
    const found = await check();
    // One file under two names.
    expect(found.filter((one) => one.code === 'index.differs')).toHaveLength(2);
    await repaired();
    await rm(await served('main/binary-amd64/by-hash'), { recursive: true });
    await repaired();
    await flipBit(await served('InRelease'));
    await repaired();
    await rm(await served('Release.gpg'));
    await repaired();
  });

  it('a suite whose pointer is gone, or leads back, is published anew', async () => {
    const { published } = await world.deps.storage('main');
    const serial = (await servedSerial(published, 'landing')) ?? 0;
    await published.point('dists/landing', `.publications/landing/${serial - 1}`);
    expect((await check()).map((one) => one.code)).toContain('suite.serves-other');
    await repaired();
    await published.unpoint('dists/landing');
    await repaired();
  });

  it('a damaged part of an index is removed, and made again by the next change', async () => {
    const { chunks } = await world.deps.storage('main');
    const folder = join(world.archiveFolder, '.index-chunks');
    let damaged = 0;
    for await (const { sha256 } of chunks.list()) {
      const path = join(folder, sha256.slice(0, 2), sha256);
      if (!(await exists(path))) continue;
      await flipBit(path);
      damaged += 1;
    }
    expect(damaged).toBeGreaterThan(0);
    expect((await check()).map((one) => one.code)).toContain('index-part.damaged');
    await repaired();
    await putBinary(world, { name: 'hello', version: '1.0-2', architecture: 'amd64' });
    await world.publish();
    expect(await check(true)).toEqual([]);
  });

  it('a file in the pool that no row names is told and left alone', async () => {
    const stray = join(world.archiveFolder, 'pool', 'stray.deb');
    await writeFile(stray, 'x');
    const [found] = await check();
    expect(found).toMatchObject({ code: 'pool.unknown', repairs: [] });
    await rm(stray);
  });

  it('beside a server that publishes, finds nothing that is not so', async () => {
    const ending = new AbortController();
    const publishing = (async () => {
      for (let version = 3; !ending.signal.aborted; version += 1) {
        await putBinary(world, { name: 'busy', version: `1.0-${version}`, architecture: 'amd64' });
        await world.publish();
      }
    })();
    for (let round = 0; round < 6; round += 1) expect(await check()).toEqual([]);
    ending.abort();
    await publishing;
  });

  it('a publisher that was killed behind the switch leaves what the next one ends, and nothing that is not so', async () => {
    await putBinary(world, { name: 'late', version: '1.0-1', architecture: 'amd64' });
    const killed = { ...world.deps, fault: stopAt('switched') };
    await expect(publishFully(killed, world.suiteId)).rejects.toThrow(Stopped);
    expect(await check()).toEqual([]);
    await world.publish();
    expect(await check(true)).toEqual([]);
  });

  it('a repair is in the audit', async () => {
    const rows = await world.db.selectFrom('audit').select(['action', 'actor', 'subject']).execute();
    expect(rows).toContainEqual({ action: 'archive.repaired', actor: 'person:admin', subject: 'suite main/landing' });
  });
});
