/** H18, H118: a backup that is made, held, restored in a drill with every check and a real apt, and gone on from. */
import { chmod, chown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ordinaryUser } from '../../../test/postgres-setup.ts';
import { createArchiveWorld, publishFully, putBinary, type ArchiveWorld } from '../../../test/scenarios/archive.ts';
import { goForward, isBehind, publishOrTell, readSerials } from '../../archive/index.ts';
import { openAlerts } from '../../platform/alerts.ts';
import { createDatabase } from '../../platform/database.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../platform/files.ts';
import { statePaths } from '../../platform/paths.ts';
import { makeBackupFolder, openBackupFolder } from './backup-folder.ts';
import { backUp, type BackupResult } from './backup.ts';
import { drill } from './drill.ts';
import { openKeyBundle } from './key-bundle.ts';
import { chooseSnapshot, restore } from './restore.ts';
import { stepper } from './steps.ts';

const MIGRATIONS = join(import.meta.dirname, '..', '..', '..', 'migrations');

let world: ArchiveWorld;
let scratch: TemporaryDirectory;
let target: string;

beforeAll(async () => {
  world = await createArchiveWorld({ architectures: ['amd64'] });
  scratch = await makeTemporaryDirectory('lf-bk-', '/tmp');
  await chmod(scratch.path, 0o755);
  target = join(scratch.path, 'backup');
  await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
  await putBinary(world, { name: 'libworld', version: '2.0-1', architecture: 'all' });
  await world.publish();
});
afterAll(async () => {
  await world.close();
  await scratch.remove();
});

async function back(more: { passphraseFile?: string; keep?: number } = {}): Promise<BackupResult> {
  return await backUp({
    ...world.deps,
    blobs: world.blobs,
    connection: world.database.connection,
    paths: statePaths(world.folder),
    target,
    version: '0.1.0',
    ...(more.keep === undefined ? {} : { keep: more.keep }),
    ...(more.passphraseFile === undefined ? {} : { keys: { kind: 'passphrase' as const, file: more.passphraseFile } }),
  });
}

/** A folder that the one who runs PostgreSQL may write to. */
async function place(name: string): Promise<{ path: string; user?: { uid: number; gid: number } }> {
  const path = join(scratch.path, name);
  await mkdir(path, { recursive: true });
  if (process.getuid?.() !== 0) return { path };
  const user = await ordinaryUser();
  await chown(path, user.uid, user.gid);
  return { path, user };
}

describe('a backup', () => {
  it('holds what the database names, costs the second time what is new, and never the keys unless asked for', async () => {
    const first = await back();
    expect(first.damaged).toEqual([]);
    expect(first.copied.files).toBe(2);
    expect(first.manifest.suites).toEqual([{ archive: 'main', suite: 'landing', serial: 1 }]);
    const second = await back();
    expect(second.copied.files).toBe(0);
    const names = await readdir(target, { recursive: true });
    expect(names.filter((name) => /keys\.gpg|signer|gnupg|log\.jsonl/.test(name))).toEqual([]);
    await expect(makeBackupFolder(world.folder)).rejects.toMatchObject({ code: 'backup.not-ours' });
    await expect(openBackupFolder(world.folder)).rejects.toMatchObject({ code: 'backup.none' });
  });

  it('names a stored file that is damaged here, and keeps the sound one that it has', async () => {
    await putBinary(world, { name: 'rotten', version: '1.0-1', architecture: 'amd64' });
    const { sha256, path } = await world.db
      .selectFrom('pool_files')
      .select(['sha256', 'path'])
      .where('path', 'like', '%rotten%')
      .executeTakeFirstOrThrow();
    const blob = world.blobs.path(sha256);
    const sound = await readFile(blob);
    await writeFile(blob, Buffer.alloc(sound.length));
    const bad = await back();
    expect(bad.damaged).toMatchObject([{ sha256, uses: [`main: ${path}`] }]);
    await writeFile(blob, sound);
    expect((await back()).damaged).toEqual([]);
    await writeFile(blob, Buffer.alloc(sound.length));
    expect((await back()).damaged).toEqual([]);
    await writeFile(blob, sound);
  });

  it('keeps the newest snapshots and what they need', async () => {
    const backup = await openBackupFolder(target);
    expect((await backup.snapshots()).length).toBeGreaterThan(2);
    const result = await back({ keep: 2 });
    expect(result.pruned).toMatchObject({ objects: 0 });
    expect(await backup.snapshots()).toHaveLength(2);
  });

  it('that follows others within a second is the newest, also where some of them were pruned', async () => {
    const folder = await makeBackupFolder(join(scratch.path, 'many'));
    const at = new Date('2026-11-22T12:00:00Z');
    const template = (await chooseSnapshot(await openBackupFolder(target), undefined)).manifest;
    const take = async (version: string): Promise<void> => {
      const place = await folder.begin(at);
      await writeFile(join(place, 'objects.txt'), '');
      await folder.commit(place, { ...template, landfall: version });
    };
    for (let number = 1; number <= 12; number += 1) await take(`0.${number}`);
    await folder.prune(2);
    expect((await folder.snapshots()).map(({ manifest }) => manifest.landfall)).toEqual(['0.11', '0.12']);
    await take('0.13');
    expect((await chooseSnapshot(folder, undefined)).manifest.landfall).toBe('0.13');
  });

  it('H118 is restored in a drill: a database, a signer and a tree of their own, checked and read by apt, each step timed', async () => {
    await world.publish();
    await back();
    const backup = await openBackupFolder(target);
    const { path, user } = await place('drill');
    const steps = stepper();
    const result = await drill({
      backup,
      snapshot: await chooseSnapshot(backup, undefined),
      scratch: path,
      migrations: MIGRATIONS,
      steps,
      ...(user === undefined ? {} : { user }),
    });
    // The world's rows are made by hand and tell no events.
    expect(result.findings.filter((one) => one.code !== 'database.invariant')).toEqual([]);
    expect(result).toMatchObject({ suites: 1, missing: [] });
    expect(steps.done.map((step) => step.name)).toEqual([
      'check the backup',
      'open the database',
      'stored files',
      'database',
      'migrations',
      'pool',
      'publish',
      'check',
    ]);
  });

  it('H18 the signer refuses what an older backup would publish; going forward raises the serial above, and clients follow', async () => {
    await putBinary(world, { name: 'later', version: '1.0-1', architecture: 'amd64' });
    const older = await openBackupFolder(target);
    const snapshot = await chooseSnapshot(older, undefined);
    const signedBefore = await world.publish();
    const { path, user } = await place('older');
    const restored = await restore({
      backup: older,
      snapshot,
      paths: statePaths(path),
      migrations: MIGRATIONS,
      steps: stepper(),
      ...(user === undefined ? {} : { user }),
    });
    const db = createDatabase(restored.connection);
    try {
      const { rows } = await sql<{ ahead: boolean }>`
        SELECT pg_snapshot_xmax(pg_current_snapshot()) > max(xid) AS ahead FROM events`.execute(db);
      expect(rows).toEqual([{ ahead: true }]);
      // The tree and the signer are those that are ahead.
      const deps = { ...world.deps, db };
      await expect(publishFully(deps, world.suiteId)).resolves.toBe(0);
      await expect(publishOrTell(deps, world.suiteId, 'request')).rejects.toMatchObject({
        code: 'publish.older-serial',
        remedy: expect.stringMatching(/landfall archive forward main\/landing/) as string,
      });
      expect(await openAlerts(db, ['public'])).toMatchObject([
        { key: 'suite.behind main/landing', remedy: expect.stringMatching(/landfall archive forward/) as string },
      ]);
      const [serials] = await readSerials(deps);
      if (serials === undefined) throw new Error('there is no suite');
      expect(serials).toMatchObject({ served: signedBefore, signed: signedBefore, unfinished: signedBefore });
      expect(isBehind(serials)).toBe(true);
      expect(await goForward(db, serials, 'local:admin')).toBe(signedBefore + 1);
      const apt = await world.apt();
      await apt.update();
      expect(await apt.packages()).toContain('later=1.0-1');
      await new Promise((resolve) => setTimeout(resolve, 1_050));
      expect(await publishOrTell(deps, world.suiteId, 'request')).toMatchObject({ serial: signedBefore + 1 });
      expect(await openAlerts(db, ['public'])).toEqual([]);
      await apt.update();
      expect(await apt.packages()).toEqual(['hello=1.0-1', 'libworld=2.0-1', 'rotten=1.0-1']);
      const audit = await db.selectFrom('audit').select('action').execute();
      expect(audit).toEqual([{ action: 'suite.forwarded' }]);
    } finally {
      await db.destroy();
      await restored.cluster?.stop();
    }
  });

  it('keys are saved encrypted when asked for, and come back only into a folder that has none', async () => {
    const passphraseFile = join(scratch.path, 'passphrase');
    await writeFile(passphraseFile, 'correct horse\n', { mode: 0o600 });
    const { snapshot, manifest } = await back({ passphraseFile });
    expect(manifest.keys?.size).toBeGreaterThan(0);
    const bundle = join(target, 'snapshots', snapshot, 'keys.gpg');
    expect((await readFile(bundle)).includes('PRIVATE')).toBe(false);
    const home = statePaths(join(scratch.path, 'keys'));
    expect(await openKeyBundle(bundle, passphraseFile, home)).toContain('signer');
    expect(await readFile(join(home.signer, 'log.jsonl'), 'utf8')).toBe(
      await readFile(join(world.folder, 'signer', 'log.jsonl'), 'utf8'),
    );
    await expect(openKeyBundle(bundle, passphraseFile, home)).rejects.toMatchObject({ code: 'restore.keys-there' });
    await rm(home.root, { recursive: true });
    const other = join(scratch.path, 'other');
    await writeFile(other, 'wrong\n');
    await expect(openKeyBundle(bundle, other, home)).rejects.toMatchObject({ code: 'exec.failed' });
  });

  it('a damaged dump is refused before anything is made', async () => {
    const backup = await openBackupFolder(target);
    const snapshot = await chooseSnapshot(backup, undefined);
    await writeFile(join(snapshot.folder, 'database.dump'), 'x');
    const { path } = await place('damaged');
    await expect(
      restore({ backup, snapshot, paths: statePaths(path), migrations: MIGRATIONS, steps: stepper() }),
    ).rejects.toMatchObject({ code: 'backup.damaged' });
    expect(await readdir(path)).toEqual([]);
  });
});
