/**
 * The archive over months, for the apt of Debian 12 and of Debian 13 (whose verifier is sqv): keys that rotate, and publications
 * of earlier days as sources, also by apt 3's own snapshots.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { changeArchiveKey, planKeyChange, type KeyChangeRequest } from '../../src/archive/index.ts';
import { publishSuite } from '../../src/archive/publish/publisher.ts';
import { exportPublicKey } from '../../src/platform/gpg.ts';
import { statePaths } from '../../src/platform/paths.ts';
import { createAptClient, type AptClient, type AptSource } from '../scenarios/apt-client.ts';
import { createArchiveWorld, putBinary, type ArchiveWorld } from '../scenarios/archive.ts';
import { debianRoot, type DebianRoot } from '../scenarios/debian-root.ts';

const RELEASES = ['bookworm', 'trixie'] as const;
let world: ArchiveWorld;
const roots = new Map<string, DebianRoot>();
let clients = 0;

beforeAll(async () => {
  for (const release of RELEASES) roots.set(release, await debianRoot(release));
  world = await createArchiveWorld({ architectures: ['amd64'] });
  for (const [version, validFor] of [
    ['1', '2 seconds'],
    ['2', '7 days'],
    ['3', '7 days'],
  ] as const) {
    await world.db.updateTable('suites').set({ valid_for: validFor }).execute();
    await putBinary(world, { name: 'hello', version, architecture: 'amd64' });
    await world.publish();
  }
});
afterAll(async () => {
  await world.close();
});

async function client(release: string, change: Partial<AptSource> = {}): Promise<AptClient> {
  const root = roots.get(release);
  if (root === undefined) throw new Error(`there is no root of ${release}`);
  clients += 1;
  const { publicKey } = await world.deps.signer.ensureKey('main', 'x');
  const source = { url: `${world.server.url}/archive/main`, suite: 'landing', components: ['main'], key: publicKey };
  return await createAptClient(join(world.folder, `long-${clients}`), { ...source, ...change }, 'amd64', { root });
}

async function idOf(serial: number): Promise<string> {
  const query = world.db.selectFrom('publications').select('date').where('serial', '=', serial);
  return (await query.executeTakeFirstOrThrow()).date.toISOString().replace(/[-:]|\.\d{3}/g, '');
}

/** Waits until a client's clock is behind the Valid-Until of that publication. */
async function hasExpired(serial: number): Promise<void> {
  const query = world.db.selectFrom('publications').select('valid_until').where('serial', '=', serial);
  const { valid_until: until } = await query.executeTakeFirstOrThrow();
  // apt compares whole seconds, and takes the very last one for valid.
  const leftMs = (until?.getTime() ?? Number.NaN) + 2_000 - Date.now();
  if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
}

describe.each(RELEASES)('snapshots with the apt of Debian %s', (release) => {
  it('are sources by their own address', async () => {
    for (const serial of [1, 2, 3]) {
      for (const id of [String(serial), await idOf(serial)]) {
        const apt = await client(release, {
          url: `${world.server.url}/archive/main/snapshots/${id}`,
          options: 'check-valid-until=no',
        });
        await apt.update();
        expect(await apt.packages()).toEqual([`hello=${serial}`]);
        expect(await apt.download('hello')).toEqual([`hello_${serial}_amd64.deb`]);
      }
    }
  });
});

describe('snapshots by the field Snapshots of Release', () => {
  it('are found by apt of Debian 13, expired or not', async () => {
    const live = await client('trixie');
    await live.update();
    expect(await live.packages()).toEqual(['hello=3']);
    for (const serial of [2, 1]) {
      const id = await idOf(serial);
      const update = ['update', '--snapshot', id];
      if (serial === 1) {
        await hasExpired(1);
        await expect(live.run('apt-get', ...update)).rejects.toThrow(/expired/);
        update.push('-o', 'Acquire::Check-Valid-Until=false');
      }
      await live.run('apt-get', ...update);
      // The live source stays what it is.
      expect(await live.run('apt-cache', 'madison', 'hello')).toMatch(/hello \| +3 /);
      const there = await live.run('apt-cache', '-o', `APT::Snapshot=${id}`, 'madison', 'hello');
      expect(there).toContain(`snapshots/${id}`);
      expect(there).toMatch(new RegExp(`hello \\| +${serial} `));
      expect(await live.run('apt-get', 'download', '--print-uris', '--snapshot', id, `hello=${serial}`)).toContain(
        `snapshots/${id}/pool/main/h/hello/hello_${serial}_amd64.deb`,
      );
    }
    expect(world.server.requests).toContainEqual({
      path: `/archive/main/snapshots/${await idOf(2)}/dists/landing/InRelease`,
      status: 200,
    });
  });
});

describe('the option snapshot of one source', () => {
  it('gives apt of Debian 13 that source as it was, again and again, and leaves the others as they are', async () => {
    const id = await idOf(2);
    const apt = await client('trixie');
    const list = join(apt.folder, 'etc', 'sources.list');
    const [line = ''] = (await readFile(list, 'utf8')).split('\n');
    const pinned = line.replace(']', ` snapshot=${id}]`);
    // It learns from the Release of the live source where snapshots are.
    await writeFile(list, `${pinned}\n`);
    expect((await apt.tryUpdate()).stderr).toMatch(/Snapshots not supported/);
    await writeFile(list, `${line}\n`);
    await apt.update();
    await writeFile(list, `${pinned}\n`);
    for (let n = 1; n <= 2; n += 1) {
      await apt.update();
      expect(await apt.packages()).toEqual(['hello=2']);
    }
    expect(await apt.download('hello')).toEqual(['hello_2_amd64.deb']);
    // Beside it a source without the option, by another address: as if it were another archive's.
    await writeFile(list, `${pinned}\n${line.replace('127.0.0.1', 'localhost')}\n`);
    await apt.update();
    const found = await apt.run('apt-cache', 'madison', 'hello');
    expect(found).toMatch(new RegExp(`hello \\| +2 \\| \\S+/archive/main/snapshots/${id} `));
    expect(found).toMatch(/hello \| +3 \| \S+localhost\S+\/archive\/main landing/);
  });

  it('that names a moment before the first publication is refused in words, and one that is switched off stays live', async () => {
    const apt = await client('trixie');
    await apt.update();
    const list = join(apt.folder, 'etc', 'sources.list');
    const [line = ''] = (await readFile(list, 'utf8')).split('\n');
    await writeFile(list, `${line.replace(']', ' snapshot=19990101T000000Z]')}\n`);
    const told = await apt.tryUpdate();
    expect(told.code).not.toBe(0);
    expect(told.stderr).toMatch(/snapshots\/19990101T000000Z landing Release' does not have a Release file/);
    await writeFile(list, `${line.replace(']', ' snapshot=disable]')}\n`);
    await apt.run('apt-get', 'update', '--snapshot', await idOf(2));
    expect(await apt.packages()).toEqual(['hello=3']);
  });
});

describe('H112 the keys', () => {
  it('rotate, and clients of both releases go on that know the old key, the new one, or both', async () => {
    const archive = { id: world.archiveId, name: 'main', audience: 'public' };
    const change = async (wanted: KeyChangeRequest['change']): Promise<string> => {
      const request = { archive, change: wanted, reason: 'rotation', by: 'person:carol' };
      const plan = await planKeyChange(world.deps, request, new Date());
      if (plan.kind !== 'plan') throw new Error(plan.reason);
      const done = await changeArchiveKey(world.deps, request, plan.hash);
      if (done.kind !== 'done') throw new Error(done.kind);
      for (;;) {
        const published = await publishSuite(world.deps, world.suiteId, 'request');
        if (published.kind === 'published') return done.fingerprint;
        if (published.kind !== 'too-soon') throw new Error(published.kind);
        await new Promise((resolve) => setTimeout(resolve, published.waitMs + 5));
      }
    };
    const keyOf = async (fingerprint: string): Promise<string> =>
      (await exportPublicKey(join(statePaths(world.folder).signer, 'gnupg'), fingerprint)).toString('utf8');
    const { fingerprint: old } = await world.deps.signer.ensureKey('main', 'x');
    const oldKey = await keyOf(old);
    const before = await Promise.all(RELEASES.map((release) => client(release, { key: oldKey })));
    for (const apt of before) await apt.update();

    const fresh = await change({ kind: 'add', expiresInDays: 1_000 });
    const fetched = await Promise.all(RELEASES.map((release) => client(release)));
    for (const apt of [...before, ...fetched]) await apt.update();

    await change({ kind: 'activate', fingerprint: fresh, beside: false });
    const freshKey = await keyOf(fresh);
    const after = await Promise.all(RELEASES.map((release) => client(release, { key: freshKey })));
    for (const apt of [...before, ...fetched, ...after]) await apt.update();

    await change({ kind: 'retire', fingerprint: old });
    for (const apt of [...fetched, ...after]) await apt.update();
    for (const apt of before) expect((await apt.tryUpdate()).code).not.toBe(0);
    // A snapshot has the signatures of its day: whoever fetches only the newest keyring cannot verify it any more.
    const early = await client('trixie', {
      url: `${world.server.url}/archive/main/snapshots/1`,
      key: oldKey,
      options: 'check-valid-until=no',
    });
    await early.update();
  });
});
