/** Every publication as an apt source: byte for byte what was served, over our own server, with a real apt. */
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAptClient, type AptClient } from '../../test/scenarios/apt-client.ts';
import { serveArchives, type ArchiveServer } from '../../test/scenarios/archive-server.ts';
import { createArchiveWorld, putBinary, type ArchiveWorld } from '../../test/scenarios/archive.ts';
import { parseRelease } from '../debian/release.ts';
import { exec } from '../platform/exec.ts';
import { endsChunk } from '../archive/index-keeper/borders.ts';
import { collectIndexChunks } from '../archive/orphans.ts';
import { describeSnapshot, listSnapshots, listSnapshotSuites } from '../trace/index.ts';

const VERSIONS = ['1.0-1', '1.0-2', '1.0-3'];
let world: ArchiveWorld;
let server: ArchiveServer;
/** What was served below dists/landing, by path, for each serial. */
const served = new Map<number, Map<string, Buffer>>();

beforeAll(async () => {
  world = await createArchiveWorld({ architectures: ['amd64', 'arm64'] });
  await sql`UPDATE suites SET valid_for = '2 seconds'`.execute(world.db);
  server = await serveArchives(world.deps);
  // Each ends a chunk, so that the indices have some.
  const names = Array.from({ length: 1_000 }, (_, index) => `lib${index}`).filter(endsChunk);
  for (const name of names.slice(0, 6)) await putBinary(world, { name, version: '1', architecture: 'amd64' });
  for (const version of VERSIONS) {
    await putBinary(world, { name: 'hello', version, architecture: 'amd64' });
    const serial = await world.publish();
    served.set(serial, await copyOfDists());
  }
}, 120_000);
afterAll(async () => {
  await server.close();
  await world.close();
});

async function copyOfDists(): Promise<Map<string, Buffer>> {
  const { published } = await world.deps.storage('main');
  const files = new Map<string, Buffer>();
  const release = parseRelease((await published.read('dists/landing/Release')) ?? '');
  if ('kind' in release) throw new Error(release.reason);
  for (const path of ['InRelease', 'Release', 'Release.gpg', ...release.files.map((file) => file.path)]) {
    const bytes = await published.read(`dists/landing/${path}`);
    if (bytes !== undefined) files.set(path, bytes);
  }
  return files;
}

async function dateOf(serial: number): Promise<Date> {
  const query = world.db.selectFrom('publications').select('date').where('serial', '=', serial);
  return (await query.executeTakeFirstOrThrow()).date;
}

const idOf = (date: Date): string => date.toISOString().replace(/[-:]|\.\d{3}/g, '');

async function get(id: string | number, path: string, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(`${server.url}/archive/main/snapshots/${id}/dists/landing/${path}`, { headers });
}

let clients = 0;
async function apt(id: string | number, options = 'check-valid-until=no'): Promise<AptClient> {
  clients += 1;
  const { publicKey } = await world.deps.signer.ensureKey('main', 'x');
  return await createAptClient(join(world.folder, `snapshot-${clients}`), {
    url: `${server.url}/archive/main/snapshots/${id}`,
    suite: 'landing',
    components: ['main'],
    key: publicKey,
    options,
  });
}

describe('a snapshot', () => {
  test('has every file as it was served, by serial and by moment', async () => {
    expect([...served.keys()]).toEqual([1, 2, 3]);
    for (const [serial, files] of served) {
      expect(files.size).toBeGreaterThan(8);
      for (const id of [serial, idOf(await dateOf(serial))]) {
        for (const [path, bytes] of files) {
          const response = await get(id, path);
          expect(response.status, path).toBe(200);
          expect(Buffer.from(await response.arrayBuffer()).equals(bytes), `${id} ${path}`).toBe(true);
        }
      }
    }
  });

  test('is reached by hash, also in the plain form that lies nowhere', async () => {
    const release = parseRelease(served.get(1)?.get('Release') ?? '');
    if ('kind' in release) throw new Error(release.reason);
    for (const file of release.files) {
      const folder = file.path.slice(0, file.path.lastIndexOf('/'));
      const response = await get(1, `${folder}/by-hash/SHA256/${file.sha256}`);
      const bytes = Buffer.from(await response.arrayBuffer());
      expect(bytes.length, file.path).toBe(file.size);
      expect(bytes.equals(Buffer.from(await (await get(1, file.path)).arrayBuffer()))).toBe(true);
    }
    const other = parseRelease(served.get(3)?.get('Release') ?? '');
    if ('kind' in other) throw new Error(other.reason);
    const newest = other.files.find(({ path }) => path === 'main/binary-amd64/Packages.xz');
    expect((await get(1, `main/binary-amd64/by-hash/SHA256/${newest?.sha256 ?? ''}`)).status).toBe(404);
  });

  test('answers any range and conditional requests, and tells caches what will never change', async () => {
    const path = 'main/binary-amd64/Packages.xz';
    const whole = served.get(2)?.get(path) ?? Buffer.alloc(0);
    const step = Math.floor(whole.length / 7);
    for (let start = 0; start < whole.length; start += step) {
      const end = Math.min(whole.length, start + step + 100) - 1;
      const part = await get(2, path, { range: `bytes=${start}-${end}` });
      expect(part.status).toBe(206);
      expect(Buffer.from(await part.arrayBuffer()).equals(whole.subarray(start, end + 1))).toBe(true);
    }
    const first = await get(2, path);
    await first.arrayBuffer();
    expect(first.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(first.headers.get('last-modified')).toBe((await dateOf(2)).toUTCString());
    expect((await get(2, path, { 'if-none-match': first.headers.get('etag') ?? '' })).status).toBe(304);
    const xz = await exec(['xz', '--test', '--verbose'], { input: whole, deadlineMs: 10_000, okCodes: 'any' });
    expect(xz.code).toBe(0);
  });

  test('of a moment is the publication that was in force then; what may still change is not cached', async () => {
    const [second, third] = [await dateOf(2), await dateOf(3)];
    const between = idOf(new Date(third.getTime() - 1_000));
    const serialOf = async (id: string): Promise<number | undefined> => {
      const text = await (await get(id, 'InRelease')).text();
      return [...served].find(([, files]) => files.get('InRelease')?.toString('utf8') === text)?.[0];
    };
    expect(await serialOf(idOf(second))).toBe(2);
    expect(await serialOf(between)).toBe(2);
    const later = idOf(new Date(third.getTime() + 1_000));
    expect(await serialOf(later)).toBe(3);
    expect((await get(later, 'InRelease')).headers.get('cache-control')).toBe('public, no-cache');
    expect((await get(idOf(third), 'InRelease')).headers.get('cache-control')).toContain('immutable');
  });

  test('that does not exist is refused in words', async () => {
    for (const [id, code] of [
      ['20010101T000000Z', 'too early'],
      ['99', 'no publication 99'],
      ['20260230T000000Z', 'names no snapshot'],
      ['yesterday', 'names no snapshot'],
    ] as const) {
      const response = await get(id, 'InRelease');
      expect(response.status).toBe(404);
      expect(await response.text()).toContain(code);
    }
    for (const path of ['main/binary-amd64/Contents', '../../../main/dists/landing/InRelease', 'main/', '']) {
      expect((await get(1, path)).status, path).toBe(404);
    }
  });
});

describe('apt', () => {
  test('uses every publication as its source, and the pool gives what it names', async () => {
    for (const [index, version] of VERSIONS.entries()) {
      const client = await apt(index + 1);
      await client.update();
      expect(await client.packages()).toContain(`hello=${version}`);
      expect(await client.download('hello')).toEqual([`hello_${version}_amd64.deb`]);
    }
    const moment = await apt(idOf(await dateOf(2)));
    await moment.update();
    expect(await moment.packages()).toContain('hello=1.0-2');
  });

  test('H111 holds an old snapshot expired, unless it is told not to look at Valid-Until', async () => {
    const expired = (await dateOf(1)).getTime() + 3_000;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, expired - Date.now())));
    const strict = await (await apt(1, 'check-valid-until=yes')).tryUpdate();
    expect(strict.code).not.toBe(0);
    expect(strict.stderr).toContain('expired');
    await (await apt(1)).update();
  });
});

describe('the list of snapshots', () => {
  const trace = () => ({ db: world.db, publicUrl: server.url, whyJobsWait: () => Promise.resolve(new Map()) });
  const name = { archive: 'main', suite: 'testing' };
  const viewer = { audiences: ['public'] };

  test('tells what changed with each, and gives lines that apt takes as they are', async () => {
    const list = await listSnapshots(trace(), name, viewer);
    expect(list?.snapshots.map(({ serial, added, removed }) => [serial, added, removed])).toEqual([
      [3, 1, 1],
      [2, 1, 1],
      [1, 7, 0],
    ]);
    expect(await listSnapshots(trace(), name, { audiences: [] })).toBeUndefined();
    expect((await listSnapshots(trace(), name, viewer, 3))?.snapshots).toHaveLength(2);
    const last = await describeSnapshot(trace(), name, { kind: 'serial', serial: 3 }, viewer);
    expect(last?.differences).toEqual([
      { kind: 'binary', name: 'hello', architectures: ['amd64'], before: '1.0-2', after: '1.0-3' },
    ]);
    const from = { kind: 'serial', serial: 1 } as const;
    const since = await describeSnapshot(trace(), name, { kind: 'moment', at: new Date() }, viewer, from);
    expect(since?.differences).toMatchObject([{ before: '1.0-1', after: '1.0-3' }]);
    expect(await describeSnapshot(trace(), name, { kind: 'serial', serial: 9 }, viewer)).toBeUndefined();
    expect((await listSnapshotSuites(trace(), viewer))[0]).toMatchObject({ suite: 'landing', snapshots: 3 });
    const uri = /^URIs: (.*)$/m.exec(last?.aptSource ?? '')?.[1] ?? '';
    expect((await fetch(`${uri}/dists/landing/InRelease`)).status).toBe(200);
  });
});

describe('retention', () => {
  test('keeps what was in force within it, and says of the rest that it is gone', async () => {
    await sql`UPDATE publications SET published_at = published_at - interval '40 days' WHERE serial = 2`.execute(
      world.db,
    );
    // 2 came 40 days ago, so 1 is in force no more within 30 days; 2 was until 3 came.
    const gone = await get(1, 'InRelease');
    expect(gone.status).toBe(410);
    expect(await gone.text()).toContain("older than the suite's retention");
    expect((await get(2, 'InRelease')).status).toBe(200);
    const trace = { db: world.db, publicUrl: server.url, whyJobsWait: () => Promise.resolve(new Map()) };
    const list = await listSnapshots(trace, { archive: 'main', suite: 'landing' }, { audiences: ['public'] });
    expect(list?.snapshots.map(({ serial }) => serial)).toEqual([3, 2]);
    await collectIndexChunks({ ...world.deps }, new Date(Date.now() + 2 * 86_400_000));
    for (const serial of [2, 3]) {
      const response = await get(serial, 'main/binary-amd64/Packages.gz');
      const bytes = Buffer.from(await response.arrayBuffer());
      expect(bytes.equals(served.get(serial)?.get('main/binary-amd64/Packages.gz') ?? Buffer.alloc(0))).toBe(true);
    }
  });
});
