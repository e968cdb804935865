/**
 * H10 beside the acceptance itself: a new revision of a package brings the upstream tarball that an old one, which no suite has
 * for longer than its retention, is losing at that very moment. Real uploads, decided while the collector works, in both orders.
 */
import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createArchiveWorld, type ArchiveWorld } from '../../test/scenarios/archive.ts';
import {
  buildUpload,
  createWorkerKey,
  deliverFiles,
  joinSigningWorker,
  leaseBuild,
  listedFiles,
  requestRelease,
  uploadState,
  writeTinyPackage,
  type SigningWorker,
  type TinyPackage,
} from '../../test/scenarios/uploads.ts';
import { withTransaction } from '../platform/database.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { killAgents } from '../platform/gpg.ts';
import { checkArchives } from './check/check.ts';
import { collectPackages } from './collect-packages.ts';
import { decideUpload } from './decide.ts';
import { collectOrphans } from './orphans.ts';
import type { Storages } from './storage.ts';

const ORIG = 'pool/main/h/hello/hello_1.0.orig.tar.gz';
const LATER = new Date(Date.now() + 3 * 86_400_000);

let scratch: TemporaryDirectory;
let key: Awaited<ReturnType<typeof createWorkerKey>>;
let world: ArchiveWorld;
let worker: SigningWorker;

beforeAll(async () => {
  scratch = await makeTemporaryDirectory('lf-beside-');
  key = await createWorkerKey(join(scratch.path, 'key'));
  world = await createArchiveWorld({ architectures: ['amd64'] });
  worker = await joinSigningWorker(world, 'anchor', key);
  await decideUpload(world.deps, await deliver('1.0-1'));
  await world.publish();
}, 120_000);
afterAll(async () => {
  await world.close();
  await killAgents(key.home);
  await scratch.remove();
});

/** A source upload of hello that nobody decided yet. All of them have the same upstream tarball. */
async function deliver(version: string): Promise<number> {
  const spec: TinyPackage = { source: 'hello', version, binaries: [['hello', 'any']] };
  const folder = join(scratch.path, version);
  await mkdir(folder);
  const built = await buildUpload(await writeTinyPackage(folder, spec), '-S', key);
  const leased = await leaseBuild(world, await requestRelease(world, 'hello', version), worker, {
    kind: 'source',
    architecture: 'source',
  });
  const answer = await deliverFiles(world, leased, await listedFiles(built), built.changes);
  if (answer.kind !== 'received') throw new Error(answer.reason);
  return answer.uploadId;
}

/** Takes hello out of the suite, and lets the retention of what had it pass. */
async function outlive(): Promise<void> {
  await sql`UPDATE suite_sources SET removed_serial = (SELECT open_serial FROM suites WHERE id = suite_id)
    WHERE removed_serial IS NULL`.execute(world.db);
  await world.publish();
  await sql`UPDATE publications SET published_at = published_at - interval '40 days'`.execute(world.db);
}

/** Waits until somebody waits for a lock of that kind. */
async function somebodyWaits(kind: 'advisory' | 'transactionid' | 'tuple'): Promise<void> {
  await expect
    .poll(
      async () => {
        const { rows } = await sql<{ waiting: number }>`
          SELECT count(*)::int AS waiting FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
          WHERE a.datname = current_database() AND NOT l.granted AND l.locktype = ${kind}`.execute(world.db);
        return rows[0]?.waiting ?? 0;
      },
      { timeout: 60_000, interval: 20 },
    )
    .toBeGreaterThan(0);
}

async function collected(): Promise<string[]> {
  const { rows } = await sql<{ path: string }>`
    SELECT f.path FROM pool_files f JOIN collected_pool_files c ON c.pool_file_id = f.id ORDER BY f.path`.execute(
    world.db,
  );
  return rows.map(({ path }) => path);
}

/** The version was accepted, and a day later everything of it is there, for apt too. */
async function requireWhole(uploadId: number, version: string): Promise<void> {
  expect(await uploadState(world.db, uploadId)).toMatchObject({ state: 'accepted' });
  expect(await collected()).not.toContain(ORIG);
  await world.publish();
  await collectOrphans(world.deps, LATER);
  const apt = await world.apt();
  await apt.update();
  expect(await apt.source('hello')).toEqual([
    `hello_${version}.debian.tar.xz`,
    `hello_${version}.dsc`,
    'hello_1.0.orig.tar.gz',
  ]);
  const { findings } = await checkArchives({ ...world.deps, folderOf: () => world.archiveFolder });
  expect(findings.filter(({ code }) => code !== 'database.invariant')).toEqual([]);
}

describe('H10 a collection and an acceptance of the same bytes at the same moment', () => {
  it('the acceptance was first: the collector waits for it, and leaves the tarball alone', async () => {
    await outlive();
    const uploadId = await deliver('1.0-2');
    let decided: Promise<unknown> = Promise.resolve();
    let collection: Promise<unknown> = Promise.resolve();
    await withTransaction(world.db, async (trx) => {
      // The decision has the lock of the archive, and is held up behind it.
      await trx.selectFrom('uploads').select('id').where('id', '=', uploadId).forUpdate().execute();
      decided = decideUpload(world.deps, uploadId);
      await somebodyWaits('transactionid');
      collection = collectPackages(world.deps);
      await somebodyWaits('advisory');
    });
    await Promise.all([decided, collection]);
    expect(await collected()).toEqual([
      'pool/main/h/hello/hello_1.0-1.debian.tar.xz',
      'pool/main/h/hello/hello_1.0-1.dsc',
    ]);
    await requireWhole(uploadId, '1.0-2');
  });

  it('the collector was first, and has removed the name already: the acceptance waits for it, and gives the name back', async () => {
    await outlive();
    const uploadId = await deliver('1.0-3');
    let reached: () => void = () => undefined;
    let goOn: () => void = () => undefined;
    const removed = new Promise<void>((resolve) => (reached = resolve));
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const storage: Storages = async (name) => {
      const own = await world.deps.storage(name);
      const published = {
        ...own.published,
        delete: async (path: string) => {
          const gone = await own.published.delete(path);
          if (path === ORIG) {
            reached();
            await held;
          }
          return gone;
        },
      };
      return { ...own, published };
    };
    const collection = collectPackages({ ...world.deps, storage });
    await removed;
    const { published } = await world.deps.storage('main');
    expect(await published.stat(ORIG)).toBeUndefined();
    const decided = decideUpload(world.deps, uploadId);
    await somebodyWaits('advisory');
    goOn();
    await Promise.all([collection, decided]);
    await requireWhole(uploadId, '1.0-3');
  });

  it('an upload that waits for a person for longer than a day keeps bytes that were collected under another name', async () => {
    await outlive();
    await world.db.updateTable('suites').set({ new_policy: 'hold' }).execute();
    await sql`DELETE FROM overrides`.execute(world.db);
    const uploadId = await deliver('1.0-4');
    await decideUpload(world.deps, uploadId);
    expect(await uploadState(world.db, uploadId)).toMatchObject({ state: 'held' });
    await collectPackages(world.deps);
    expect(await collected()).toContain(ORIG);
    await collectOrphans(world.deps, LATER);
    const { rows } = await sql<{
      sha256: string;
    }>`SELECT sha256 FROM upload_files WHERE upload_id = ${uploadId}`.execute(world.db);
    for (const { sha256 } of rows) expect(await world.blobs.has(sha256)).toBe(true);
  });
});
