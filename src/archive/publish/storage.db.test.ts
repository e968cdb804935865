import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createArchiveWorld, putBinary, stopAt, Stopped, type ArchiveWorld } from '../../../test/scenarios/archive.ts';
import { exec } from '../../platform/exec.ts';
import { freeSpace, makeTemporaryDirectory, type TemporaryDirectory } from '../../platform/files.ts';
import { memoryStorages } from '../storage.ts';
import { publishSuite } from './publisher.ts';

describe('an archive whose storage is memory', () => {
  it('is published to a real apt as one in a folder is: by steps, over a stop, and with what was by hash', async () => {
    const storage = memoryStorages();
    const world = await createArchiveWorld({ storage, architectures: ['amd64'] });
    try {
      await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
      await world.publish();
      const apt = await world.apt();
      await apt.update();
      const { published } = await storage('main');
      const before = await published.children('dists/landing');
      expect(before).toEqual([]);
      expect(await published.pointers('dists')).toContainEqual({ name: 'dists/amber', target: 'dists/landing' });

      await putBinary(world, { name: 'hello', version: '1.0-2', architecture: 'amd64' });
      await new Promise((resolve) => setTimeout(resolve, 1_050));
      const stopped = { ...world.deps, fault: stopAt('release-files-placed') };
      await expect(publishSuite(stopped, world.suiteId, 'change')).rejects.toBeInstanceOf(Stopped);
      await apt.update();
      expect(await apt.packages()).toEqual(['hello=1.0-1']);
      await world.publish();
      await apt.update();
      expect(await apt.packages()).toEqual(['hello=1.0-2']);
      expect(await apt.download('hello')).toEqual(['hello_1.0-2_amd64.deb']);
      const hashes = async (serial: number): Promise<string[]> =>
        await published.children(`.publications/landing/${serial}/main/binary-amd64/by-hash/SHA256`);
      expect(await hashes(2)).toEqual(expect.arrayContaining(await hashes(1)));
    } finally {
      await world.close();
    }
  });
});

const isRoot = process.getuid?.() === 0;

// Mounting a file system needs root; who runs the checks otherwise leaves these out.
describe.skipIf(!isRoot)('a disk that is full', () => {
  let mountPoint: TemporaryDirectory;
  let world: ArchiveWorld;

  beforeEach(async () => {
    mountPoint = await makeTemporaryDirectory('lf-full-');
    await exec(['mount', '-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'tmpfs', mountPoint.path], { deadlineMs: 10_000 });
    world = await createArchiveWorld({ parent: mountPoint.path });
  });

  afterEach(async () => {
    await world.close();
    await exec(['umount', mountPoint.path], { deadlineMs: 10_000 });
    await mountPoint.remove();
  });

  /** Leaves `room` bytes. */
  async function fill(room: number): Promise<string> {
    const path = join(mountPoint.path, 'filler');
    const { availableBytes } = await freeSpace(mountPoint.path);
    await writeFile(path, randomBytes(Math.max(0, availableBytes - room)));
    return path;
  }

  it('H13 is a clear error, the old publication is served, and it goes on by itself when there is room', async () => {
    await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
    await world.publish();
    const apt = await world.apt();
    await apt.update();
    await putBinary(world, { name: 'hello', version: '1.0-2', architecture: 'amd64' });
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    for (const room of [0, 4_096, 16_384]) {
      const filler = await fill(room);
      await expect(publishSuite(world.deps, world.suiteId, 'change')).rejects.toMatchObject({ code: 'storage.full' });
      await rm(filler);
      await apt.update();
      expect(await apt.packages()).toEqual(['hello=1.0-1']);
    }
    await world.publish();
    await apt.update();
    expect(await apt.packages()).toEqual(['hello=1.0-2']);
    const rows = await world.db.selectFrom('publications').select(['serial', 'state']).orderBy('serial').execute();
    expect(rows).toEqual([
      { serial: 1, state: 'published' },
      { serial: 2, state: 'published' },
    ]);
  });
});
