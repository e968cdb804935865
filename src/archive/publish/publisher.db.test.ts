import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createArchiveWorld, putBinary, stopAt, Stopped, type ArchiveWorld } from '../../../test/scenarios/archive.ts';
import { parseRelease } from '../../debian/release.ts';
import type { FaultPoint } from './publication.ts';
import { publishSuite } from './publisher.ts';

let world: ArchiveWorld;

beforeEach(async () => {
  world = await createArchiveWorld();
});

afterEach(async () => {
  await world.close();
});

const FAULT_POINTS: readonly FaultPoint[] = [
  'begun',
  'pool-filled',
  'indices-written',
  'written',
  'signature-made',
  'signed',
  'release-files-placed',
  'switched',
  'published',
];

describe('publishing a suite', () => {
  it('serves an empty suite that apt accepts', async () => {
    expect(await world.publish()).toBe(1);
    const apt = await world.apt();
    await apt.update();
    expect(await apt.packages()).toEqual([]);
  });

  it('serves packages of each architecture to a real apt, which downloads them', async () => {
    await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
    await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'arm64' });
    await putBinary(world, { name: 'hello-data', version: '1.0-1', architecture: 'all', source: 'hello' });
    await world.publish();
    for (const architecture of ['amd64', 'arm64']) {
      const apt = await world.apt(architecture);
      await apt.update();
      expect(await apt.packages()).toEqual(['hello-data=1.0-1', 'hello=1.0-1']);
      expect(await apt.download('hello')).toEqual([`hello_1.0-1_${architecture}.deb`]);
    }
    expect(world.server.requests.some(({ path }) => path.includes('/by-hash/SHA256/'))).toBe(true);
  });

  it('is reached by its name, codename and aliases', async () => {
    await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
    await world.publish();
    for (const name of ['landing', 'amber', 'testing']) {
      const apt = await world.apt('amd64', name);
      await apt.update();
      expect(await apt.packages()).toEqual(['hello=1.0-1']);
    }
  });

  it('drops a name that the suite no longer has', async () => {
    await world.publish();
    await world.db
      .updateTable('suites')
      .set({ aliases: ['sid'] })
      .execute();
    await world.publish();
    expect((await readdir(join(world.archiveFolder, 'dists'))).sort()).toEqual(['amber', 'landing', 'sid']);
  });

  it('does nothing when nothing changed, and publishes again when the suite itself was changed', async () => {
    expect(await world.publish()).toBe(1);
    expect(await world.publish()).toBe(0);
    await world.db.updateTable('suites').set({ description: 'Another description' }).execute();
    expect(await world.publish()).toBe(2);
  });

  it('dates the Release files with the Date, whole seconds', async () => {
    await world.publish();
    const folder = join(world.archiveFolder, 'dists', 'landing');
    const release = parseRelease(await readFile(join(folder, 'Release')));
    if ('kind' in release) throw new Error(release.reason);
    for (const name of ['InRelease', 'Release', 'Release.gpg']) {
      expect((await stat(join(folder, name))).mtime).toEqual(release.date);
    }
    expect(release).toMatchObject({
      origin: 'Landfall',
      suite: 'landing',
      codename: 'amber',
      acquireByHash: true,
      architectures: ['amd64', 'arm64'],
    });
    expect(release.validUntil?.getTime()).toBe(release.date.getTime() + 7 * 86_400_000);
  });

  it('tells what changed, and how long each step took', async () => {
    await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
    await world.publish();
    await putBinary(world, { name: 'hello', version: '1.0-2', architecture: 'amd64' });
    await world.publish();
    const events = await world.db.selectFrom('events').selectAll().where('kind', '=', 'suite.published').execute();
    expect(events.map((event) => event.data)).toMatchObject([
      { serial: 1, changed: 1, changes: [{ change: 'added', name: 'hello', version: '1.0-1' }] },
      { serial: 2, changed: 2 },
    ]);
    const publication = await world.db
      .selectFrom('publications')
      .selectAll()
      .where('serial', '=', 2)
      .executeTakeFirstOrThrow();
    expect(Object.keys(publication.facts.steps ?? {}).sort()).toEqual([
      'changelogs',
      'changes',
      'indices',
      'pool',
      'sign',
      'switch',
    ]);
  });

  it('keeps the index files of earlier publications reachable by hash', async () => {
    await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
    await world.publish();
    const folder = join(world.archiveFolder, 'dists', 'landing', 'main', 'binary-amd64', 'by-hash', 'SHA256');
    const before = await readdir(folder);
    await putBinary(world, { name: 'hello', version: '1.0-2', architecture: 'amd64' });
    await world.publish();
    expect(await readdir(folder)).toEqual(expect.arrayContaining(before));
  });

  it('H119 two publications are never in one second, and a client that has the first sees the second', async () => {
    await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
    await world.publish();
    const apt = await world.apt();
    await apt.update();
    await putBinary(world, { name: 'hello', version: '1.0-2', architecture: 'amd64' });
    // As far ahead as is not yet a clock that went wrong, however slow this machine is.
    await sql`UPDATE publications SET date = date_trunc('second', clock_timestamp()) + interval '4 seconds'`.execute(
      world.db,
    );
    expect((await publishSuite(world.deps, world.suiteId, 'change')).kind).toBe('too-soon');
    await sql`UPDATE publications SET date = date_trunc('second', clock_timestamp())`.execute(world.db);
    await world.publish();
    await apt.update();
    expect(await apt.packages()).toEqual(['hello=1.0-2']);
  });

  it.each([
    [false, '1'],
    [true, '100'],
  ])(
    'that is not automatic has the priority that apt gives such a suite (upgrades: %s)',
    async (upgrades, priority) => {
      await putBinary(world, { name: 'hello', version: '1', architecture: 'amd64' });
      await world.db
        .updateTable('suites')
        .set({ not_automatic: true, but_automatic_upgrades: upgrades })
        .where('id', '=', world.suiteId)
        .execute();
      await world.publish();
      const apt = await world.apt();
      await apt.update();
      expect(await apt.run('apt-cache', 'policy')).toMatch(
        new RegExp(`^ +${priority} .* landing/main amd64 Packages$`, 'm'),
      );
    },
  );

  for (const point of ['written', 'signed', 'switched'] as const) {
    it(`that was stopped behind "${point}", and whose files were removed then, is written again as it was`, async () => {
      await putBinary(world, { name: 'hello', version: '1', architecture: 'amd64' });
      const stopped = { ...world.deps, fault: stopAt(point) };
      await expect(publishSuite(stopped, world.suiteId, 'change')).rejects.toBeInstanceOf(Stopped);
      await rm(join(world.archiveFolder, '.publications'), { recursive: true });
      expect(await publishSuite(world.deps, world.suiteId, 'change')).toMatchObject({ kind: 'published', serial: 1 });
      const apt = await world.apt();
      await apt.update();
      expect(await apt.packages()).toEqual(['hello=1']);
    });
  }

  it('H19 of two publishers one works and the other leaves', async () => {
    let second: unknown;
    const deps = {
      ...world.deps,
      fault: async (point: FaultPoint) => {
        if (point === 'begun') second = await publishSuite(world.deps, world.suiteId, 'change');
      },
    };
    expect((await publishSuite(deps, world.suiteId, 'change')).kind).toBe('published');
    expect(second).toEqual({ kind: 'busy' });
  });

  it('H18 a database that is older than what was signed is refused by the signer', async () => {
    await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
    await world.publish();
    await world.restartSigner();
    const apt = await world.apt();
    await world.db.deleteFrom('publications').execute();
    await world.db.updateTable('suites').set({ open_serial: 1 }).execute();
    await putBinary(world, { name: 'other', version: '1', architecture: 'amd64' });
    await expect(publishSuite(world.deps, world.suiteId, 'change')).rejects.toMatchObject({
      code: 'publish.older-serial',
    });
    await apt.update();
    expect(await apt.packages()).toEqual(['hello=1.0-1']);
    // Also when the published folder came from the same old backup, the signer remembers.
    await rm(join(world.archiveFolder, 'dists'), { recursive: true });
    await expect(publishSuite(world.deps, world.suiteId, 'change')).rejects.toMatchObject({
      code: 'signer.other-content',
    });
  });

  it('H29 a clock that went back makes no publication before the last one', async () => {
    await world.publish();
    await world.db
      .insertInto('publications')
      .values({
        suite_id: world.suiteId,
        serial: 5,
        date: new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000),
        reason: 'request',
        facts: await firstFacts(),
      })
      .execute();
    await world.db.updateTable('suites').set({ open_serial: 6 }).execute();
    await world.db
      .updateTable('publications')
      .set({ state: 'written', release: 'x' })
      .where('serial', '=', 5)
      .execute();
    await world.db
      .updateTable('publications')
      .set({ state: 'signed', in_release: Buffer.from('x'), release_gpg: Buffer.from('x'), key_fingerprint: 'x' })
      .where('serial', '=', 5)
      .execute();
    await world.db
      .updateTable('publications')
      .set({ state: 'published', published_at: new Date() })
      .where('serial', '=', 5)
      .execute();
    await expect(publishSuite(world.deps, world.suiteId, 'request')).rejects.toMatchObject({
      code: 'publish.clock-behind',
    });
  });
});

async function firstFacts(): Promise<string> {
  const row = await world.db.selectFrom('publications').select('facts').executeTakeFirstOrThrow();
  return JSON.stringify(row.facts);
}

describe('a publisher that is stopped', () => {
  for (const point of FAULT_POINTS) {
    it(`H5 H6 H7 H8 behind "${point}": apt sees the old or the new one whole, and the next run finishes it`, async () => {
      await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
      await world.publish();
      const apt = await world.apt();
      await apt.update();
      await putBinary(world, { name: 'hello', version: '1.0-2', architecture: 'amd64' });
      await putBinary(world, { name: 'world', version: '2', architecture: 'all' });
      await new Promise((resolve) => setTimeout(resolve, 1_050));
      const stopped = { ...world.deps, fault: stopAt(point) };
      await expect(publishSuite(stopped, world.suiteId, 'change')).rejects.toBeInstanceOf(Stopped);
      const begun = await world.db
        .selectFrom('publications')
        .select(['serial', 'date'])
        .where('serial', '=', 2)
        .executeTakeFirstOrThrow();

      await apt.update();
      const seen = await apt.packages();
      const before = ['hello=1.0-1'];
      const after = ['hello=1.0-2', 'world=2'];
      expect(seen).toEqual(point === 'switched' || point === 'published' ? after : before);

      // What comes in meanwhile belongs to the publication after it.
      await putBinary(world, { name: 'later', version: '1', architecture: 'all' });
      if (point !== 'published') {
        expect(await publishSuite(world.deps, world.suiteId, 'change')).toMatchObject({ kind: 'published', serial: 2 });
        await apt.update();
        expect(await apt.packages()).toEqual(after);
        const finished = await world.db
          .selectFrom('publications')
          .select(['serial', 'date', 'state'])
          .where('serial', '=', 2)
          .executeTakeFirstOrThrow();
        expect(finished).toEqual({ ...begun, state: 'published' });
      }
      expect(await world.publish()).toBe(3);
      await apt.update();
      expect(await apt.packages()).toEqual([...after.slice(0, 1), 'later=1', 'world=2'].sort());
    });
  }
});
