/**
 * Before the database tests: one private PostgreSQL cluster without fsync, and in it a migrated template that each test's
 * database is copied from. After them: nothing is left.
 */
import { chmod, chown } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { makeTemporaryDirectory } from '../src/platform/files.ts';
import { migrate } from '../src/platform/migrate.ts';
import { startCluster, type SocketConnection } from '../src/platform/postgres-cluster.ts';
import { findUser, type SystemUser } from '../src/platform/users.ts';

export const TEMPLATE = 'landfall_template';

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: SocketConnection;
  }
}

let tearDown: (() => Promise<void>) | undefined;

/** Called by vitest once before the first file. */
export async function setup(project: TestProject): Promise<void> {
  const folder = await makeTemporaryDirectory('lf-pg-', '/tmp');
  const user = process.getuid?.() === 0 ? await ordinaryUser() : undefined;
  if (user !== undefined) {
    await chown(folder.path, user.uid, user.gid);
    await chmod(folder.path, 0o700);
  }
  const cluster = await startCluster({
    dataDir: join(folder.path, 'data'),
    socketDir: join(folder.path, 'run'),
    logFile: join(folder.path, 'log', 'postgresql.log'),
    fsync: false,
    database: TEMPLATE,
    ...(user === undefined ? {} : { user }),
  });
  await migrate(cluster.connection, join(import.meta.dirname, '..', 'migrations'));
  project.provide('postgres', cluster.connection);
  tearDown = async () => {
    await cluster.stop();
    await folder.remove();
  };
}

/** Called by vitest after the last file. */
export async function teardown(): Promise<void> {
  await tearDown?.();
}

/** PostgreSQL refuses to run as root. */
export async function ordinaryUser(): Promise<SystemUser> {
  for (const name of ['landfall', 'postgres', 'nobody']) {
    const user = await findUser(name);
    if (user !== undefined) return user;
  }
  throw new Error('there is no ordinary user to run PostgreSQL as');
}
