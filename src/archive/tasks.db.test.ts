import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createArchiveWorld, putBinary, putBlob, stopAt, type ArchiveWorld } from '../../test/scenarios/archive.ts';
import { openAlerts } from '../platform/alerts.ts';
import { fixedClock, systemClock } from '../platform/clock.ts';
import { withTransaction } from '../platform/database.ts';
import { silentLogger } from '../platform/log.ts';
import { startTasks } from '../platform/tasks.ts';
import { enqueuePublication } from './accept.ts';
import { collectIndexChunks, collectOrphans } from './orphans.ts';
import type { FaultPoint } from './publish/publication.ts';
import { publishSuite } from './publish/publisher.ts';
import { renewSuites } from './renew.ts';
import { holdOpenSerial } from './suite-content.ts';
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
  /** Than the moment at which the last task ran, by the clock that it had. */
  readonly later: boolean;
}

let ranAt = new Date(0);

async function waiting(): Promise<readonly Waiting[]> {
  const { rows } = await sql<Waiting>`
    SELECT t.identifier AS task_identifier, j.payload, j.key, j.run_at > ${ranAt} AS later
    FROM graphile_worker._private_jobs j JOIN graphile_worker._private_tasks t ON t.id = j.task_id
    ORDER BY j.id`.execute(world.db);
  return rows;
}

async function run(task: string, payload: unknown): Promise<void> {
  ranAt = new Date();
  const handler = archiveTasks({ ...world.deps, clock: fixedClock(ranAt) })[task];
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

  it('raises an alert that says why when it cannot, long before readers notice, and ends it when it could', async () => {
    await world.publish();
    await renewSuites(world.db);
    expect(await openAlerts(world.db, ['public'])).toEqual([]);
    await sql`UPDATE publications SET date = date - interval '4 days', valid_until = valid_until - interval '4 days'`.execute(
      world.db,
    );
    await renewSuites(world.db);
    await sql`UPDATE graphile_worker._private_jobs SET last_error = 'the signer is away'`.execute(world.db);
    await renewSuites(world.db);
    const [alert, ...others] = await openAlerts(world.db, ['public']);
    expect(others).toEqual([]);
    expect(alert).toMatchObject({ key: 'suite.not-renewed main/landing', data: { archive: 'main', suite: 'landing' } });
    expect(alert?.sentence).toMatch(/^the suite main\/landing expires at .* UTC and could not be renewed/);
    const told = await world.db.selectFrom('events').select('kind').where('kind', '=', 'alert.raised').execute();
    expect(told).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await run('archive.publish', { suiteId: world.suiteId, reason: 'renewal' });
    await renewSuites(world.db);
    expect(await openAlerts(world.db, ['public'])).toEqual([]);
  });

  it('says when a publication that was begun does not end, with the words of the last try', async () => {
    await world.publish();
    await putBinary(world, { name: 'hello', version: '1', architecture: 'all' });
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    await expect(publishSuite({ ...world.deps, fault: stopAt('written') }, world.suiteId, 'change')).rejects.toThrow();
    await sql`UPDATE publications SET started_at = started_at - interval '1 hour' WHERE state = 'written'`.execute(
      world.db,
    );
    await renewSuites(world.db);
    await sql`UPDATE graphile_worker._private_jobs SET last_error = E'could not sign: no space left\nat somewhere', attempts = 1`.execute(
      world.db,
    );
    const before = await openAlerts(world.db, ['public']);
    expect(before.map(({ key }) => key)).toEqual(['suite.not-published main/landing']);
    await world.publish();
    await renewSuites(world.db);
    expect(await openAlerts(world.db, ['public'])).toEqual([]);
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
  it('makes few publications of a burst of 100 changes, each of which asks for one, and leaves none out', async () => {
    await world.publish();
    await putBinary(world, { name: 'hello', version: '1', architecture: 'all' });
    const tasks = await startTasks({
      connection: world.database.connection,
      concurrency: 3,
      logger: silentLogger(),
      cron: [],
      handlers: archiveTasks({ ...world.deps, clock: systemClock }),
    });
    try {
      const { id, stanza } = await world.db
        .selectFrom('binary_packages')
        .select(['id', 'stanza'])
        .executeTakeFirstOrThrow();
      for (let number = 1; number <= 100; number += 1) {
        await withTransaction(world.db, async (trx) => {
          const serial = await holdOpenSerial(trx, world.suiteId);
          await sql`
            WITH made AS (
              INSERT INTO binary_packages (archive_id, upload_id, source_package_id, name, version, architecture, component, stanza, sha256)
              SELECT archive_id, upload_id, source_package_id, 'burst-' || ${number}::int, version, architecture, component,
                replace(${stanza}, 'Package: hello', 'Package: burst-' || ${number}::int), sha256
              FROM binary_packages WHERE id = ${id} RETURNING id)
            INSERT INTO suite_binaries (suite_id, architecture, binary_package_id, added_serial)
            SELECT ${world.suiteId}, 'amd64', id, ${serial} FROM made`.execute(trx);
          await enqueuePublication(trx, world.suiteId);
        });
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      while ((await waiting()).length > 0) await new Promise((resolve) => setTimeout(resolve, 100));
      const apt = await world.apt();
      await apt.update();
      expect(await apt.packages()).toHaveLength(101);
    } finally {
      await tasks.stop();
    }
    const rows = await world.db.selectFrom('publications').select('date').orderBy('serial').execute();
    const seconds = rows.map(({ date }) => date.getTime() / 1_000);
    expect(new Set(seconds).size).toBe(seconds.length);
    expect(seconds).toEqual([...seconds].sort((a, b) => a - b));
    // One a second at most, however long the burst took; and fewer than there were changes.
    expect(rows.length - 1).toBeLessThanOrEqual((seconds.at(-1) ?? 0) - (seconds[0] ?? 0) + 1);
    expect(rows.length - 1).toBeLessThan(100);
  });

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
    // As far ahead as is not yet a clock that went wrong, however slow this machine is.
    await sql`UPDATE publications SET date = date_trunc('second', clock_timestamp()) + interval '4 seconds'`.execute(
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
