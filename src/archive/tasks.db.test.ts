import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createArchiveWorld, putBinary, putBlob, stopAt, type ArchiveWorld } from '../../test/scenarios/archive.ts';
import { fixedClock } from '../platform/clock.ts';
import { collectIndexChunks, collectOrphans } from './orphans.ts';
import type { FaultPoint } from './publish/publication.ts';
import { publishSuite } from './publish/publisher.ts';
import { renewSuites } from './renew.ts';
import { archiveTasks } from './tasks.ts';

let world: ArchiveWorld;

beforeEach(async () => {
  world = await createArchiveWorld();
});

afterEach(async () => {
  await world.close();
});

interface Waiting {
  readonly task_identifier: string;
  readonly payload: unknown;
  readonly key: string | null;
  readonly later: boolean;
}

async function waiting(): Promise<readonly Waiting[]> {
  const { rows } = await sql<Waiting>`
    SELECT t.identifier AS task_identifier, j.payload, j.key, j.run_at > now() AS later
    FROM graphile_worker._private_jobs j JOIN graphile_worker._private_tasks t ON t.id = j.task_id
    ORDER BY j.id`.execute(world.db);
  return rows;
}

async function run(task: string, payload: unknown): Promise<void> {
  const handler = archiveTasks({ ...world.deps, clock: fixedClock(new Date()) })[task];
  if (handler === undefined) throw new Error(`there is no task ${task}`);
  await handler(payload, { signal: new AbortController().signal, attempt: 1, maxAttempts: 25 });
}

describe('renewing', () => {
  it('asks for suites that were never published and for those at half of their validity', async () => {
    expect(await renewSuites(world.db)).toEqual([world.suiteId]);
    await world.publish();
    expect(await renewSuites(world.db)).toEqual([]);
    await sql`UPDATE publications SET date = date - interval '4 days', valid_until = valid_until - interval '4 days'`.execute(
      world.db,
    );
    expect(await renewSuites(world.db)).toEqual([world.suiteId]);
    expect(await waiting()).toMatchObject([
      { task_identifier: 'archive.publish', payload: { suiteId: world.suiteId, reason: 'renewal' } },
    ]);
  });

  it('publishes although nothing changed, with a later Valid-Until', async () => {
    await world.publish();
    await sql`UPDATE publications SET date = date - interval '4 days', valid_until = valid_until - interval '4 days'`.execute(
      world.db,
    );
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await run('archive.publish', { suiteId: world.suiteId, reason: 'renewal' });
    const rows = await world.db
      .selectFrom('publications')
      .select(['serial', 'valid_until'])
      .orderBy('serial')
      .execute();
    expect(rows).toHaveLength(2);
    expect(rows[1]?.valid_until?.getTime()).toBeGreaterThan(rows[0]?.valid_until?.getTime() ?? Infinity);
    const apt = await world.apt();
    await apt.update();
  });

  it('H111 apt refuses a Release that expired', async () => {
    await world.db.updateTable('suites').set({ valid_for: '1 second' }).execute();
    await world.publish();
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    const apt = await world.apt();
    const result = await apt.tryUpdate();
    expect(result.code).not.toBe(0);
    expect(result.stderr + result.stdout.toString('utf8')).toMatch(/expired/i);
  });
});

describe('the task that publishes', () => {
  it('comes again a second later when another publisher works on the suite', async () => {
    const deps = {
      ...world.deps,
      fault: async (point: FaultPoint) => {
        if (point === 'begun') await run('archive.publish', { suiteId: world.suiteId });
      },
    };
    await publishSuite(deps, world.suiteId, 'change');
    expect(await waiting()).toMatchObject([
      { task_identifier: 'archive.publish', key: `publish:${world.suiteId}`, later: true },
    ]);
  });

  it('comes again when the second of the last publication is not over', async () => {
    await world.publish();
    await putBinary(world, { name: 'hello', version: '1', architecture: 'all' });
    await sql`UPDATE publications SET date = date_trunc('second', clock_timestamp()) + interval '1 second'`.execute(
      world.db,
    );
    await run('archive.publish', { suiteId: world.suiteId });
    expect(await waiting()).toMatchObject([{ task_identifier: 'archive.publish', later: true }]);
  });

  it('H5 comes again at once when it finished what a killed publisher had begun: what changed since is not in it', async () => {
    await expect(publishSuite({ ...world.deps, fault: stopAt('written') }, world.suiteId, 'change')).rejects.toThrow();
    await putBinary(world, { name: 'hello', version: '1', architecture: 'all' });
    await run('archive.publish', { suiteId: world.suiteId });
    expect(await waiting()).toMatchObject([{ task_identifier: 'archive.publish', key: `publish:${world.suiteId}` }]);
    await world.publish();
    const apt = await world.apt();
    await apt.update();
    expect(await apt.packages()).toEqual(['hello=1']);
  });

  it('refuses a payload that it does not know', async () => {
    await expect(run('archive.publish', { suite: 'landing' })).rejects.toThrow();
  });
});

describe('collecting orphans', () => {
  it('H4 H10 removes what no row names after a day, and nothing that one names', async () => {
    await putBinary(world, { name: 'hello', version: '1', architecture: 'all' });
    const named = await world.db.selectFrom('pool_files').select('sha256').executeTakeFirstOrThrow();
    const orphan = await putBlob(world.blobs, Buffer.from('nobody names me'));
    expect(await collectOrphans(world.deps, new Date())).toEqual({ removed: 0, bytes: 0 });
    const later = new Date(Date.now() + 25 * 60 * 60_000);
    expect(await collectOrphans(world.deps, later)).toEqual({ removed: 1, bytes: 15 });
    expect(await world.blobs.has(orphan.sha256)).toBe(false);
    expect(await world.blobs.has(named.sha256)).toBe(true);
  });

  it('removes parts of indices behind the retention, and the next publication is made from what stays', async () => {
    await putBinary(world, { name: 'hello', version: '1', architecture: 'all' });
    await world.publish();
    await putBinary(world, { name: 'hello', version: '2', architecture: 'all' });
    await world.publish();
    const later = new Date(Date.now() + 25 * 60 * 60_000);
    expect((await collectIndexChunks(world.deps, later)).removed).toBe(0);
    await world.db.updateTable('suites').set({ retention: '0 days' }).execute();
    expect((await collectIndexChunks(world.deps, later)).removed).toBeGreaterThan(0);
    await putBinary(world, { name: 'world', version: '1', architecture: 'all' });
    await world.publish();
    const apt = await world.apt();
    await apt.update();
    expect(await apt.packages()).toEqual(['hello=2', 'world=1']);
  });
});
