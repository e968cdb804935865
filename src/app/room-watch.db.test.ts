/** H13, H14, H16: a disk that is really full, or read-only. Only root can mount one; who runs the checks otherwise leaves these out. */
import { randomBytes } from 'node:crypto';
import { open, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createArchiveWorld, putBinary, type ArchiveWorld } from '../../test/scenarios/archive.ts';
import { publishSuite } from '../archive/index.ts';
import { requireRoom } from '../http/room.ts';
import { openAlerts } from '../platform/alerts.ts';
import { exec } from '../platform/exec.ts';
import { freeSpace, makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { statePaths } from '../platform/paths.ts';
import { openRoom, type Room } from '../platform/room.ts';
import { lookAtRoom } from './room-watch.ts';

const isRoot = process.getuid?.() === 0;
const MIB = 1024 ** 2;
const DAY_MS = 86_400_000;

async function mount(path: string, ...options: string[]): Promise<void> {
  await exec(['mount', '-t', 'tmpfs', '-o', options.join(','), 'tmpfs', path], { deadlineMs: 10_000 });
}

async function unmount(path: string): Promise<void> {
  await exec(['umount', path], { deadlineMs: 10_000 });
}

describe.skipIf(!isRoot)('a disk that is full', () => {
  let mountPoint: TemporaryDirectory;
  let world: ArchiveWorld;
  let room: Room;
  let archives: string;

  beforeAll(async () => {
    mountPoint = await makeTemporaryDirectory('lf-room-');
    await mount(mountPoint.path, 'size=24m', 'mode=0700');
    world = await createArchiveWorld({ parent: mountPoint.path, architectures: ['amd64'] });
    ({ archives } = statePaths(world.folder));
    room = openRoom({ folder: archives, lowBytes: 8 * MIB, reserveBytes: 4 * MIB });
    await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
    await world.publish();
  });
  afterAll(async () => {
    await world.close();
    await unmount(mountPoint.path);
    await mountPoint.remove();
  });

  /** Takes all that is left, down to the last block. */
  async function fill(): Promise<string> {
    const path = join(mountPoint.path, 'filler');
    await writeFile(path, randomBytes((await freeSpace(mountPoint.path)).availableBytes));
    return path;
  }

  async function look(daysFromNow: number): Promise<string[]> {
    // The room remembers a look for a second.
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    await lookAtRoom({
      room,
      db: world.db,
      log: world.deps.log,
      archives,
      now: () => new Date(Date.now() + daysFromNow * DAY_MS),
      renew: async () => await publishSuite(world.deps, world.suiteId, 'renewal'),
    });
    return (await openAlerts(world.db, ['public'])).map((alert) => alert.key);
  }

  it('H13 H14 the reserve is held until Valid-Until nears, then the suite is renewed with it, and held again when there is room', async () => {
    expect(await look(0)).toEqual([]);
    const reserve = join(archives, '.reserve');
    expect((await stat(reserve)).size).toBe(4 * MIB);
    await requireRoom(room);

    const filler = await fill();
    expect(await look(0)).toEqual(['storage.low']);
    await expect(requireRoom(room)).rejects.toMatchObject({
      facts: { status: 507, code: 'storage.low', remedy: expect.stringMatching(/free some space/) as string },
    });
    await expect(publishSuite(world.deps, world.suiteId, 'renewal')).rejects.toMatchObject({ code: 'storage.full' });
    // Half of the week is over: there is time, and the reserve stays.
    expect(await look(4)).toEqual(['storage.low']);
    expect((await stat(reserve)).size).toBe(4 * MIB);

    // Less than a quarter is left: it is given up for this, and for nothing else.
    expect(await look(6)).toEqual(['storage.low', 'storage.reserve-used']);
    await expect(stat(reserve)).rejects.toMatchObject({ code: 'ENOENT' });
    const published = await world.db
      .selectFrom('publications')
      .select(['serial', 'state', 'reason'])
      .orderBy('serial')
      .execute();
    expect(published.at(-1)).toEqual({ serial: 2, state: 'published', reason: 'renewal' });
    await expect(requireRoom(room)).rejects.toMatchObject({ facts: { status: 507 } });
    const apt = await world.apt();
    await rm(filler);
    await apt.update();
    expect(await apt.packages()).toEqual(['hello=1.0-1']);

    expect(await look(0)).toEqual([]);
    expect((await stat(reserve)).size).toBe(4 * MIB);
    await requireRoom(room);
    const kinds = await world.db.selectFrom('events').select('kind').where('kind', 'like', 'alert.%').execute();
    expect(kinds.map((event) => event.kind)).toEqual([
      'alert.raised',
      'alert.raised',
      'alert.cleared',
      'alert.cleared',
    ]);
  });

  it('an upload of work that was begun may use half of what is kept free, and no more', async () => {
    const { availableBytes } = await freeSpace(archives);
    const filler = await open(join(mountPoint.path, 'filler'), 'w');
    await filler.write(randomBytes(availableBytes - 7 * MIB));
    await filler.close();
    const other = openRoom({ folder: archives, lowBytes: 8 * MIB, reserveBytes: 0 });
    expect((await other.problem())?.code).toBe('storage.low');
    expect(await other.uploadProblem(2 * MIB)).toBeUndefined();
    expect((await other.uploadProblem(4 * MIB))?.code).toBe('storage.low');
    await rm(join(mountPoint.path, 'filler'));
    const ample = openRoom({ folder: archives, lowBytes: 8 * MIB, reserveBytes: 0 });
    expect(await ample.problem()).toBeUndefined();
    expect((await ample.uploadProblem(100 * MIB))?.code).toBe('storage.low');
  });
});

describe.skipIf(!isRoot)('a read-only file system', () => {
  it('H16 is a state of its own, shown as an alert with what to do, and over by itself', async () => {
    const folder = await makeTemporaryDirectory('lf-ro-');
    await mount(folder.path, 'size=1m', 'ro');
    try {
      const room = openRoom({ folder: folder.path });
      expect(await room.problem()).toMatchObject({
        code: 'storage.read-only',
        sentence: expect.stringMatching(/read-only: what is published is served/) as string,
        remedy: expect.stringMatching(/mount it writable/) as string,
      });
      await expect(requireRoom(room)).rejects.toMatchObject({ facts: { status: 507, code: 'storage.read-only' } });
      await exec(['mount', '-o', 'remount,rw', folder.path], { deadlineMs: 10_000 });
      expect((await openRoom({ folder: folder.path, lowBytes: 1 }).state()).kind).toBe('ample');
    } finally {
      await unmount(folder.path);
      await folder.remove();
    }
  });
});
