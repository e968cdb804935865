/** One version taken down: gone from pool, store and snapshots; the record, the signed indices and the other versions stay. */
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAptClient } from '../../../test/scenarios/apt-client.ts';
import { createArchiveWorld, putBinary, type ArchiveWorld } from '../../../test/scenarios/archive.ts';
import { sha256 } from '../../platform/files.ts';
import { namedAmong } from '../named-blobs.ts';
import { checkArchives } from '../check/check.ts';
import { listTakedowns } from './list.ts';
import { removeTakenDown } from './remove.ts';
import { planTakedown, takeDown, type TakedownPlan } from './takedown.ts';

let world: ArchiveWorld;
const BAD = 'pool/main/h/hello/hello_1.0-2_amd64.deb';
const GOOD = 'pool/main/h/hello/hello_1.0-1_amd64.deb';
const DATA = 'pool/main/h/hello/hello-data_1.0-2_all.deb';
const request = {
  source: 'hello',
  version: '1.0-2',
  reason: 'the upstream release was replaced by an attacker',
  legal: false,
  by: 'person:carol',
  audiences: ['public'],
  keepUpstream: false,
};
let plan: TakedownPlan;
let before: string;

beforeAll(async () => {
  world = await createArchiveWorld({ architectures: ['amd64'] });
  await putBinary(world, { name: 'other', version: '1', architecture: 'amd64' });
  await putBinary(world, { name: 'hello', version: '1.0-1', architecture: 'amd64' });
  await world.publish();
  await putBinary(world, { name: 'hello', version: '1.0-2', architecture: 'amd64' });
  await putBinary(world, { name: 'hello-data', version: '1.0-2', architecture: 'all', source: 'hello' });
  await world.publish();
  // A file that both versions have, as an upstream tarball is.
  await sql`INSERT INTO package_files (source_package_id, pool_file_id)
    SELECT s.id, f.id FROM source_packages s, pool_files f
    WHERE s.name = 'hello' AND f.path = 'pool/main/o/other/other_1_amd64.deb'`.execute(world.db);
  before = sha256(await bytesOf('snapshots/2/dists/landing/main/binary-amd64/Packages.xz'));
}, 120_000);
afterAll(() => world.close());

async function ask(path: string): Promise<Response> {
  return await fetch(`${world.server.url}/archive/main/${path}`);
}

async function bytesOf(path: string): Promise<Buffer> {
  const response = await ask(path);
  expect(response.status, path).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

async function hashOf(path: string): Promise<string> {
  const query = world.db.selectFrom('pool_files').select('sha256').where('path', '=', path);
  return (await query.executeTakeFirstOrThrow()).sha256;
}

/** What `landfall archive check` finds, but for the rows that the world makes by hand. */
async function findings(): Promise<readonly string[]> {
  const { findings: found } = await checkArchives({ ...world.deps, folderOf: () => world.archiveFolder });
  return found.filter(({ code }) => code !== 'database.invariant').map(({ code, says }) => `${code}: ${says}`);
}

describe('taking a version down', () => {
  it('is planned: what leaves which suites, and what stays since others have it', async () => {
    const planned = await planTakedown(world.db, request);
    if (planned.kind !== 'plan') throw new Error(planned.kind);
    plan = planned;
    expect(plan.suites).toEqual(['main/landing']);
    expect(plan.files.map(({ path }) => path)).toEqual([DATA, BAD]);
    expect(plan.shared.map(({ path }) => path)).toEqual(['pool/main/o/other/other_1_amd64.deb']);
    expect(await planTakedown(world.db, { ...request, version: '9' })).toEqual({ kind: 'unknown' });
    expect(await planTakedown(world.db, { ...request, audiences: ['group:security'] })).toEqual({ kind: 'unknown' });
    expect(await takeDown(world.db, request, 'another plan')).toEqual({ kind: 'out-of-date' });
    expect((await ask(BAD)).status).toBe(200);
  });

  it('answers its files with the reason from the same moment, and publishes the suite without it', async () => {
    expect((await takeDown(world.db, request, plan.hash)).kind).toBe('done');
    const answer = await ask(BAD);
    expect(answer.status).toBe(410);
    expect(await answer.text()).toContain('replaced by an attacker');
    expect((await ask(`snapshots/2/${BAD}`)).status).toBe(410);
    const [{ id } = { id: 0 }] = await world.db.selectFrom('takedowns').select('id').execute();
    expect(await removeTakenDown(world.deps, id)).toEqual({ kind: 'waiting' });
    expect(await world.publish()).toBe(3);
    expect(await removeTakenDown(world.deps, id)).toEqual({ kind: 'removed', files: 2 });
    expect(await removeTakenDown(world.deps, id)).toEqual({ kind: 'removed', files: 0 });
    const apt = await world.apt();
    await apt.update();
    expect(await apt.packages()).toEqual(['other=1']);
    expect(await apt.download('other')).toEqual(['other_1_amd64.deb']);
  });

  it('leaves no bytes in pool and store, and all others where they were', async () => {
    const { published } = await world.deps.storage('main');
    for (const path of [BAD, DATA]) {
      expect(await published.stat(path)).toBeUndefined();
      expect(await world.blobs.has(await hashOf(path))).toBe(false);
      expect(await namedAmong(world.db, [await hashOf(path)])).toEqual(new Set());
    }
    for (const path of [GOOD, 'pool/main/o/other/other_1_amd64.deb']) {
      expect((await ask(path)).status).toBe(200);
      expect(await world.blobs.has(await hashOf(path))).toBe(true);
    }
  });

  it('is nothing that a check of the archive complains of', async () => {
    expect(await findings()).toEqual([]);
  });

  it('leaves the snapshots as they were signed: apt reads them, and is told of the file that is gone', async () => {
    expect(sha256(await bytesOf('snapshots/2/dists/landing/main/binary-amd64/Packages.xz'))).toBe(before);
    const { publicKey } = await world.deps.signer.ensureKey('main', 'x');
    const snapshot = await createAptClient(join(world.folder, 'apt-snapshot'), {
      url: `${world.server.url}/archive/main/snapshots/2`,
      suite: 'landing',
      components: ['main'],
      key: publicKey,
    });
    await snapshot.update();
    expect(await snapshot.packages()).toContain('hello=1.0-2');
    await expect(snapshot.download('hello')).rejects.toThrow(/410/);
  });

  it('keeps the record: who, when, why and which bytes', async () => {
    const [record] = await listTakedowns(world.db, ['public']);
    expect(record).toMatchObject({ source: 'hello', version: '1.0-2', by: 'person:carol', reason: request.reason });
    expect(record?.files.map(({ path }) => path)).toEqual([DATA, BAD]);
    expect(record?.removedAt).toBeInstanceOf(Date);
    expect(await listTakedowns(world.db, [])).toEqual([]);
    const audit = await world.db.selectFrom('audit').select(['actor', 'action', 'subject']).execute();
    expect(audit).toContainEqual({
      actor: 'person:carol',
      action: 'version.taken-down',
      subject: 'hello 1.0-2 of main',
    });
    await expect(sql`UPDATE takedowns SET reason = 'x'`.execute(world.db)).rejects.toThrow('never changed');
    await expect(sql`DELETE FROM taken_down_files`.execute(world.db)).rejects.toThrow('only added');
    expect(await planTakedown(world.db, request)).toMatchObject({ kind: 'taken-down', by: 'person:carol' });
  });

  it('is for ever: the same bytes get no name in any pool, and the version comes into no suite', async () => {
    const digest = { sha256: await hashOf(BAD), size: 1 };
    await expect(
      world.db
        .insertInto('pool_files')
        .values({ archive_id: world.archiveId, path: 'pool/main/h/harmless/harmless_1.deb', ...digest })
        .execute(),
    ).rejects.toThrow('were taken down');
    await expect(
      sql`INSERT INTO suite_binaries (suite_id, architecture, binary_package_id, added_serial)
        SELECT ${world.suiteId}, 'amd64', id, 9 FROM binary_packages WHERE name = 'hello' AND version = '1.0-2'`.execute(
        world.db,
      ),
    ).rejects.toThrow();
  });

  it('is answered with 451 where the law demands it', async () => {
    const other = { ...request, version: '1.0-1', legal: true, reason: 'order 7 of the court of X' };
    const planned = await planTakedown(world.db, other);
    if (planned.kind !== 'plan') throw new Error(planned.kind);
    expect(planned.suites).toEqual([]);
    expect((await takeDown(world.db, other, planned.hash)).kind).toBe('done');
    expect((await ask(GOOD)).status).toBe(451);
  });
});
