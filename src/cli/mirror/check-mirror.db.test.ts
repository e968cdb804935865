import { cp, readFile, readlink, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createArchiveWorld, putBinary, type ArchiveWorld } from '../../../test/scenarios/archive.ts';
import { serveFolder, type StaticServer } from '../../../test/scenarios/static-server.ts';
import type { Finding } from '../doctor/finding.ts';
import { checkMirror, maxAge } from './check-mirror.ts';

let world: ArchiveWorld;
let mirror: StaticServer;
let folder: string;
let keyring: Buffer;
/** What the mirror's server says beside the bytes. */
let told: (path: string) => Record<string, string>;

beforeAll(async () => {
  world = await createArchiveWorld({ architectures: ['amd64'] });
  for (const name of ['hello', 'world']) await putBinary(world, { name, version: '1.0-1', architecture: 'amd64' });
  await world.publish();
  keyring = Buffer.from((await world.deps.signer.ensureKey('main', 'unused')).publicKey);
  folder = join(world.folder, 'mirror');
  mirror = await serveFolder(folder);
});
afterAll(async () => {
  await mirror.close();
  await world.close();
});

beforeEach(async () => {
  await rm(folder, { recursive: true, force: true });
  await cp(world.archiveFolder, folder, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  told = (path) => ({
    'cache-control': path.includes('/pool/') ? 'public, max-age=31536000, immutable' : 'no-cache',
  });
});

async function check(now = new Date()): Promise<Record<string, Finding>> {
  const findings = await checkMirror({
    origin: `${world.server.url}/archive/main`,
    mirror: mirror.url,
    suite: 'landing',
    keyring,
    sample: 5,
    now,
    fetch: async (url, init) => {
      const answer = await fetch(url, init);
      const headers = new Headers(answer.headers);
      for (const [name, value] of Object.entries(told(new URL(url).pathname))) headers.set(name, value);
      const body = answer.status === 304 || init?.method === 'HEAD' ? null : await answer.arrayBuffer();
      const asked = new Headers(init?.headers).get('range');
      // The test's server knows no ranges; the mirror of this test does.
      if (asked !== null && body !== null) return new Response(body.slice(0, 8), { status: 206, headers });
      return new Response(body, { status: answer.status, headers });
    },
  });
  return Object.fromEntries(findings.map((one) => [one.name, one]));
}

describe('a mirror', () => {
  it('that is a true copy is found good in everything', async () => {
    const found = await check();
    expect(Object.values(found).filter((one) => one.outcome !== 'ok')).toEqual([]);
    expect(Object.keys(found)).toEqual(
      expect.arrayContaining(['signature', 'date', 'Release', 'by-hash', 'pool', 'caching of pool/', 'ranges']),
    );
  });

  it('that is not there, or is not signed by the archive, is named as such', async () => {
    await rm(join(folder, 'dists'), { recursive: true });
    expect((await check()).InRelease).toMatchObject({ outcome: 'fail', says: expect.stringMatching(/404/) as string });
    await cp(join(world.archiveFolder, 'dists'), join(folder, 'dists'), { recursive: true, verbatimSymlinks: true });
    const path = join(folder, 'dists/landing/InRelease');
    await writeFile(path, (await readFile(path, 'utf8')).replace('Suite: landing', 'Suite: landinG'));
    expect((await check()).signature).toMatchObject({ outcome: 'fail' });
  });

  it('that is behind is told by how much, and one that expired as what apt refuses', async () => {
    await putBinary(world, { name: 'third', version: '1.0-1', architecture: 'amd64' });
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    await world.publish();
    expect((await check()).date).toMatchObject({ outcome: 'warn', says: expect.stringMatching(/behind/) as string });
    const later = new Date(Date.now() + 30 * 86_400_000);
    expect((await check(later)).date).toMatchObject({
      outcome: 'fail',
      says: expect.stringMatching(/expired/) as string,
    });
  });

  it('whose Release is of another publication, or lost by-hash names or packages, fails in words', async () => {
    const old = await readlink(join(folder, 'dists/landing'));
    await rm(join(folder, old.replace('../', ''), 'main/binary-amd64/by-hash'), { recursive: true });
    expect((await check())['by-hash']).toMatchObject({ outcome: 'fail' });
    await cp(world.archiveFolder, folder, { recursive: true, verbatimSymlinks: true, force: true });
    const pool = await world.db.selectFrom('pool_files').select('path').execute();
    for (const { path } of pool) await writeFile(join(folder, path), 'x').catch(() => undefined);
    expect((await check()).pool).toMatchObject({
      outcome: 'fail',
      says: expect.stringMatching(/other bytes/) as string,
    });
    const release = join(folder, 'dists/landing/Release');
    await writeFile(release, (await readFile(release, 'utf8')).replace('Label: Landfall', 'Label: landfall'));
    expect((await check())['Release.gpg']).toMatchObject({ outcome: 'fail' });
  });

  it('that lets caches keep InRelease, or not keep packages, is told so', async () => {
    told = () => ({ 'cache-control': 'public, max-age=3600' });
    const found = await check();
    expect(found['caching of dists/']).toMatchObject({ outcome: 'fail' });
    expect(found['caching of pool/']).toMatchObject({ outcome: 'warn' });
    const path = join(folder, 'dists/landing/InRelease');
    await utimes(path, new Date(), new Date(Date.now() - 5_000));
    expect((await check())['Last-Modified']).toMatchObject({ outcome: 'warn' });
  });
});

it('the policy of a cache is read as caches read it', () => {
  for (const [policy, seconds] of [
    [null, undefined],
    ['no-cache', 0],
    ['public, max-age=60', 60],
    ['public, max-age=60, s-maxage=7200', 7200],
    ['private, no-store', 0],
    ['public', undefined],
    ['max-age=x', undefined],
  ] as const) {
    expect([policy, maxAge(policy)]).toEqual([policy, seconds]);
  }
});
