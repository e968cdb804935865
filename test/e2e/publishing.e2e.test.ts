/**
 * Publishing as readers and machines meet it: apt of Debian 12 and of Debian 13 (whose verifier is sqv) as clients, both strict
 * about errors and validity; a publisher that the kernel kills or refuses at its writes; a hundred publications under apt's eyes.
 */
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exec, type ExecResult } from '../../src/platform/exec.ts';
import { bundleProgram } from '../child.ts';
import type { AptClient } from '../scenarios/apt-client.ts';
import { createArchiveWorld, putBinary, type ArchiveWorld } from '../scenarios/archive.ts';
import { debianRoot, type DebianRoot } from '../scenarios/debian-root.ts';

let world: ArchiveWorld;
const roots: DebianRoot[] = [];

beforeAll(async () => {
  for (const release of ['bookworm', 'trixie'] as const) roots.push(await debianRoot(release));
  world = await createArchiveWorld({ architectures: ['amd64'] });
  await putBinary(world, { name: 'hello', version: '1', architecture: 'amd64' });
  await world.publish();
});
afterAll(async () => {
  await world.close();
});

async function clients(): Promise<AptClient[]> {
  return await Promise.all(roots.map((root) => world.apt('amd64', 'landing', { root })));
}

/** The version of hello that a client has after an update. */
async function seenBy(client: AptClient): Promise<number> {
  await client.update();
  const version = (await client.packages()).find((name) => name.startsWith('hello='))?.slice('hello='.length);
  return Number(version);
}

describe.each([
  ['bookworm', /^2\.6\./],
  ['trixie', /^3\./],
] as const)('apt of Debian %s', (release, version) => {
  it('updates by any of the suite’s names, downloads, and refuses what is signed by no key that it knows', async () => {
    const root = roots.find((one) => one.release === release);
    if (root === undefined) throw new Error(`there is no root of ${release}`);
    expect(await root.version('apt')).toMatch(version);
    for (const name of ['landing', 'amber', 'testing']) {
      const client = await world.apt('amd64', name, { root });
      await client.update();
      expect(await client.packages()).toContain('hello=1');
    }
    const client = await world.apt('amd64', 'landing', { root, configuration: ['Acquire::Languages=en'] });
    await client.update();
    expect(await client.download('hello')).toEqual(['hello_1_amd64.deb']);
    expect(await client.run('apt-cache', 'show', 'hello')).toContain('It is made for a test.');
    // Signed by nobody that this client knows.
    const stranger = await world.apt('amd64', 'landing', {
      root,
      configuration: [`Dir::Etc::trusted=/dev/null`, `Dir::Etc::trustedparts=/dev/null`],
    });
    await exec(['sed', '-i', 's/signed-by=[^]]*/signed-by=/', join(stranger.folder, 'etc', 'sources.list')], {
      deadlineMs: 5_000,
    });
    expect((await stranger.tryUpdate()).code).not.toBe(0);
  });
});

describe('a publisher', () => {
  let current = 1;
  /** Runs a publisher in a process of its own with a fault at the `when`-th call. */
  async function publishUnder(inject: string): Promise<ExecResult> {
    const program = await bundleProgram('publish-suite.ts');
    const trace = ['strace', '--follow-forks', '--output=/dev/null', `--inject=${inject}`];
    return await exec(
      [
        ...(trace as [string, ...string[]]),
        ...[process.execPath, program, world.folder, JSON.stringify(world.database.connection)],
        ...[String(world.suiteId), world.server.url],
      ],
      // One thread does all calls of the file system, so that the count is the count.
      { deadlineMs: 120_000, okCodes: 'any', env: { UV_THREADPOOL_SIZE: '1' } },
    );
  }
  /** Every call when asked to; else the first ones, and ever fewer of the later. */
  const counts =
    process.env.LANDFALL_EVERY_WRITE === '1' ? Array.from({ length: 2_000 }, (_, n) => n + 1) : [1, 3, 9, 27];

  async function tellOf(
    inject: string,
    client: AptClient,
  ): Promise<{ readonly ended: boolean; readonly told: string }> {
    const [before, next] = [current, current + 1];
    // Hundreds within an hour would each keep the by-hash names of all that came before, and have ever more calls.
    await sql`UPDATE publications SET date = date - interval '2 hours', published_at = published_at - interval '2 hours'
      WHERE serial < (SELECT max(serial) FROM publications)`.execute(world.db);
    await putBinary(world, { name: 'hello', version: String(next), architecture: 'amd64' });
    const result = await publishUnder(inject);
    const seen = await seenBy(client);
    expect([before, next], inject).toContain(seen);
    await world.publish();
    expect(await seenBy(client), inject).toBe(next);
    current = next;
    return { ended: result.signal === null && result.code === 0, told: result.stdout.toString('utf8') };
  }

  it.each(['fsync', 'rename', 'link', 'symlink', 'mkdir', 'unlink'])(
    'H5 H6 H7 killed at a %s leaves the old publication or the new one, and the next run goes on',
    async (call) => {
      const client = await world.apt();
      let killed = 0;
      let ended = false;
      for (const when of counts) {
        ({ ended } = await tellOf(`${call}:signal=SIGKILL:when=${when}`, client));
        if (ended) break;
        killed += 1;
      }
      if (process.env.LANDFALL_EVERY_WRITE === '1') {
        // A run that got through is behind the last call: none was left out.
        expect(ended).toBe(true);
        console.log(`killed at each of ${killed} calls of ${call}`);
      }
      expect(killed).toBeGreaterThan(call === 'fsync' ? 2 : 0);
    },
    4 * 3_600_000,
  );

  it('H15 whose fsync fails stops with that fault, wherever it is, and what is served stays whole', async () => {
    const client = await world.apt();
    const codes = new Set<string>();
    for (const when of counts) {
      const { told } = await tellOf(`fsync:error=EIO:when=${when}`, client);
      if (!told.includes('"code"')) break;
      codes.add(told);
    }
    expect([...codes]).toEqual(['{"code":"storage.io"}']);
  });

  it('H110 H119 a hundred publications and more: apt of Debian 12 and 13, over and over, never sees a mixture, nor misses one', async () => {
    const done = new AbortController();
    const first = current;
    const different: ReadonlySet<number>[] = [];
    const readers = (await clients()).map(async (client, index) => {
      const seen: number[] = [];
      const versions = (different[index] = new Set<number>());
      const look = async (): Promise<void> => {
        const version = await seenBy(client);
        seen.push(version);
        versions.add(version);
      };
      while (!done.signal.aborted) await look();
      await look();
      return seen;
    });
    // A reader that fails ends the test at once, and not behind the last publication.
    const failed = Promise.all(readers);
    try {
      // On a machine where an update takes as long as many publications there are more of them: each reader must have seen some.
      for (let n = 1; n <= 100 || different.some((versions) => versions.size <= 10); n += 1) {
        current += 1;
        await putBinary(world, { name: 'hello', version: String(current), architecture: 'amd64' });
        await Promise.race([world.publish(), failed]);
      }
    } finally {
      done.abort();
      await Promise.allSettled(readers);
    }
    for (const seen of await failed) {
      expect(seen).toEqual([...seen].sort((a, b) => a - b));
      expect(seen.at(-1)).toBe(current);
      expect(current - first).toBeGreaterThanOrEqual(100);
    }
  });
});
