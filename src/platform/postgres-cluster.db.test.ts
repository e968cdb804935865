import { chmod, chown, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bundleProgram, onSmallDisk } from '../../test/child.ts';
import { ordinaryUser } from '../../test/postgres-setup.ts';
import { createDatabase, isConnectionError } from './database.ts';
import { exec } from './exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from './files.ts';
import { silentLogger } from './log.ts';
import { migrate } from './migrate.ts';
import { startCluster, type Cluster, type ClusterOptions } from './postgres-cluster.ts';
import { enqueue, startTasks } from './tasks.ts';

const patient = { timeout: 120_000, interval: 20 };
const user = process.getuid?.() === 0 ? await ordinaryUser() : undefined;

let folder: TemporaryDirectory;
let options: ClusterOptions;
let clusters: Cluster[];
beforeEach(async () => {
  folder = await makeTemporaryDirectory('lf-pg-', '/tmp');
  if (user !== undefined) await chown(folder.path, user.uid, user.gid);
  options = {
    dataDir: join(folder.path, 'data'),
    socketDir: join(folder.path, 'run'),
    logFile: join(folder.path, 'postgresql.log'),
    fsync: false,
    ...(user === undefined ? {} : { user }),
  };
  clusters = [];
});
afterEach(async () => {
  for (const cluster of clusters) await cluster.stop();
  await folder.remove();
});

async function start(more: Partial<ClusterOptions> = {}): Promise<Cluster> {
  const cluster = await startCluster({ ...options, ...more });
  clusters.push(cluster);
  return cluster;
}

async function query<T>(cluster: Cluster, text: string): Promise<T[]> {
  const db = createDatabase(cluster.connection, { poolSize: 1 });
  try {
    return (await sql.raw<T>(text).execute(db)).rows;
  } finally {
    await db.destroy();
  }
}

test('a cluster is made, is used when it runs, ends when it is stopped, and keeps its data', async () => {
  const first = await start();
  expect(first.startedHere).toBe(true);
  await query(first, 'CREATE TABLE kept AS SELECT 1 AS x');
  const second = await start();
  expect({ startedHere: second.startedHere, pid: second.pid }).toEqual({ startedHere: false, pid: first.pid });
  await second.stop();
  await first.exited;
  await first.stop();
  const third = await start();
  expect(third.startedHere).toBe(true);
  expect(await query(third, 'SELECT x FROM kept')).toEqual([{ x: 1 }]);
});

test('it is reached through its socket only, in a folder of the service user, and is durable when asked', async () => {
  const cluster = await start({ fsync: true });
  expect(
    await query(
      cluster,
      "SELECT name, setting FROM pg_settings WHERE name IN ('listen_addresses', 'fsync') ORDER BY 1",
    ),
  ).toEqual([
    { name: 'fsync', setting: 'on' },
    { name: 'listen_addresses', setting: '' },
  ]);
  expect((await stat(options.socketDir)).mode & 0o777).toBe(0o700);
  expect((await readFile(options.logFile, 'utf8')).length).toBeGreaterThan(0);
  const status = await readFile(`/proc/${cluster.pid}/status`, 'utf8');
  expect(status).toMatch(new RegExp(`^Uid:\\t${user?.uid ?? process.getuid?.() ?? -1}\\t`, 'm'));
});

test('a server that was killed recovers at the next start, with its lock file still there', async () => {
  // A crash of the server alone: what it wrote the kernel has, synced or not.
  const settings = { synchronous_commit: 'on' };
  const first = await start({ settings });
  await query(first, 'CREATE TABLE kept AS SELECT 2 AS x');
  process.kill(first.pid, 'SIGKILL');
  await first.exited;
  expect(await readdir(options.dataDir)).toContain('postmaster.pid');
  expect(await query(await start({ settings }), 'SELECT x FROM kept')).toEqual([{ x: 2 }]);
});

test('a lock file whose number is another process by now is not in the way', async () => {
  const first = await start();
  await first.stop();
  const sleeper = await exec(['sh', '-c', 'setsid sleep 60 >/dev/null 2>&1 & echo $!'], {
    deadlineMs: 10_000,
    ...(user === undefined ? {} : { user }),
  });
  const pid = Number(sleeper.stdout.toString());
  const lock = join(options.dataDir, 'postmaster.pid');
  await writeFile(lock, `${pid}\n${options.dataDir}\n1\n5432\n${options.socketDir}\n\n  1 1\nready\n`);
  if (user !== undefined) await chown(lock, user.uid, user.gid);
  try {
    expect((await start()).startedHere).toBe(true);
  } finally {
    process.kill(pid, 'SIGKILL');
  }
});

test('a first start that was interrupted is begun anew', async () => {
  await mkdir(`${options.dataDir}.new`);
  await writeFile(join(`${options.dataDir}.new`, 'PG_VERSION'), 'half');
  expect((await start()).startedHere).toBe(true);
  expect(await readdir(folder.path)).not.toContain('data.new');
});

test('what is in the way is told with code and remedy', async () => {
  const code = async (more: Partial<ClusterOptions>): Promise<unknown> =>
    await startCluster({ ...options, ...more }).then(
      () => 'started',
      (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
    );
  expect(await code({ socketDir: join(folder.path, 'x'.repeat(100)) })).toBe('paths.socket-too-long');
  expect(await code({ user: { uid: 0, gid: 0 } })).toBe('postgres.user');
  const open = join(folder.path, 'open');
  await mkdir(open);
  await chmod(open, 0o755);
  expect(await code({ socketDir: open })).toBe('postgres.socket-folder');
  const old = join(folder.path, 'old');
  await mkdir(old);
  await writeFile(join(old, 'PG_VERSION'), '9\n');
  expect(await code({ dataDir: old })).toBe('postgres.version');
  expect(await code({ settings: { shared_buffers: 'nonsense' } })).toBe('postgres.not-started');
});

test('H13 without room for the cluster the fault says so', async () => {
  const program = await bundleProgram('start-cluster.ts');
  const disk = join(folder.path, 'disk');
  await mkdir(disk);
  // Without root, the namespace's root stands for us, and PostgreSQL refuses it before it looks at the disk.
  const as = user === undefined ? [] : [String(user.uid), String(user.gid)];
  const { stdout } = await exec(onSmallDisk(disk, '8m', [process.execPath, program, disk, ...as]), {
    deadlineMs: 60_000,
  });
  expect(stdout.toString()).toBe(user === undefined ? 'postgres.user' : 'storage.full');
});

test('H20 a task that ends while the server is away ends the tasks, and runs again after a restart', async () => {
  const cluster = await start();
  await migrate(cluster.connection, join(import.meta.dirname, '..', '..', 'migrations'));
  let seen = 0;
  let release: () => void = () => undefined;
  const tasks = await startTasks({
    connection: cluster.connection,
    logger: silentLogger(),
    handlers: {
      once: async () => {
        seen += 1;
        await new Promise<void>((resolve) => (release = resolve));
      },
    },
  });
  const db = createDatabase(cluster.connection, { poolSize: 1 });
  await enqueue(db, 'once', {});
  await db.destroy();
  await expect.poll(() => seen, patient).toBe(1);
  await cluster.stop();
  release();
  await expect(tasks.finished).rejects.toMatchObject({ code: 'tasks.ended' });
  await tasks.stop(0);
  const again = await start();
  const next = await startTasks({
    connection: again.connection,
    logger: silentLogger(),
    handlers: {
      once: () => {
        seen += 1;
        return Promise.resolve();
      },
    },
  });
  await expect.poll(() => seen, patient).toBe(2);
  await next.stop();
  await expect(query(again, 'SELECT 1')).resolves.toHaveLength(1);
  await again.stop();
  const error: unknown = await query(again, 'SELECT 1').catch((thrown: unknown) => thrown);
  expect(isConnectionError(error)).toBe(true);
});
