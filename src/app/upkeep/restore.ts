/**
 * Brings a snapshot back: stored files, each held against its hash on the way, then the database, into a place that has none.
 * Both steps may be cut off and begun again: files that are there stay, and the database comes wholly or not at all.
 *
 * What was published is not in a backup: it is made anew from the two, so the first publications after a restore have the next
 * serials. Where the signer has signed higher ones since, it refuses, and `landfall archive forward` goes on above them.
 */
import { join } from 'node:path';
import { sql } from 'kysely';
import { createFolderBlobStore, type FolderBlobStore } from '../../platform/blobs.ts';
import {
  createDatabase,
  describeConnection,
  withTransaction,
  type DatabaseConnection,
  type Db,
} from '../../platform/database.ts';
import { LandfallError } from '../../platform/errors.ts';
import { recordAudit } from '../../platform/events.ts';
import type { Credentials } from '../../platform/exec.ts';
import { exists, sha256File } from '../../platform/files.ts';
import { migrate } from '../../platform/migrate.ts';
import { startCluster, type Cluster } from '../../platform/postgres-cluster.ts';
import type { Paths } from '../../platform/paths.ts';
import { enqueue } from '../../platform/tasks.ts';
import { copyObjects } from './backup.ts';
import type { BackupFolder, Snapshot } from './backup-folder.ts';
import { advanceTransactions, restoreDatabase } from './postgres-tools.ts';
import type { Steps } from './steps.ts';

export interface RestoreOptions {
  readonly backup: BackupFolder;
  readonly snapshot: Snapshot;
  readonly paths: Paths;
  readonly migrations: string;
  /** A server of one's own; absent: a private cluster in the state folder. */
  readonly server?: DatabaseConnection;
  /** Who runs the private cluster, when we are root. */
  readonly user?: Credentials;
  readonly steps: Steps;
}

export interface Restored {
  readonly connection: DatabaseConnection;
  readonly blobs: FolderBlobStore;
  /** The private cluster, which runs. */
  readonly cluster: Cluster | undefined;
  /** Files that the snapshot names and the backup does not have as they were. */
  readonly missing: readonly string[];
  /** True when readers of events must begin anew: see {@link renumberEvents}. */
  readonly renumbered: boolean;
}

/** The newest snapshot, or the one of that name. @throws LandfallError `backup.none` */
export async function chooseSnapshot(backup: BackupFolder, name: string | undefined): Promise<Snapshot> {
  const all = await backup.snapshots();
  const chosen = name === undefined ? all.at(-1) : all.find((one) => one.name === name);
  if (chosen !== undefined) return chosen;
  throw new LandfallError({
    code: 'backup.none',
    doing: `find ${name === undefined ? 'a snapshot' : `the snapshot ${name}`} in ${backup.path}`,
    reason:
      all.length === 0
        ? 'no backup was ever finished there'
        : `there is none; there are ${all.map((one) => one.name).join(', ')}`,
    remedy: all.length === 0 ? 'name another folder' : 'give one of these names with --snapshot',
  });
}

/**
 * @throws LandfallError `restore.not-empty`, `backup.damaged`, `storage.*`, `postgres.*`; nothing that is there is written over.
 */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const { backup, snapshot, paths, steps } = options;
  await steps.run('check the backup', async () => await requireWhole(snapshot));
  const opened = await steps.run('open the database', async () => await openEmpty(options));
  try {
    const blobs = await createFolderBlobStore(paths.blobs);
    const named = await backup.readObjects(snapshot);
    const copied = await steps.run(
      'stored files',
      async () => await copyObjects(backup.objects, blobs, named),
      (result) => `${result.files} of ${named.length}`,
    );
    await steps.run('database', async () => {
      await restoreDatabase(opened.connection, join(snapshot.folder, 'database.dump'));
    });
    const renumbered = await renumberEvents(opened.connection, BigInt(snapshot.manifest.nextTransaction));
    await steps.run('migrations', async () => await migrate(opened.connection, options.migrations));
    return {
      connection: opened.connection,
      cluster: opened.cluster,
      blobs,
      missing: copied.damaged.map((one) => one.sha256),
      renumbered,
    };
  } catch (error) {
    await opened.cluster?.stop();
    throw error;
  }
}

async function requireWhole({ name, folder, manifest }: Snapshot): Promise<void> {
  for (const [file, expected] of [
    ['database.dump', manifest.database],
    ['objects.txt', manifest.objects],
  ] as const) {
    const path = join(folder, file);
    const found = (await exists(path)) ? await sha256File(path) : undefined;
    if (found?.sha256 === expected.sha256) continue;
    throw new LandfallError({
      code: 'backup.damaged',
      doing: `restore the snapshot ${name}`,
      reason: `${file} is ${found === undefined ? 'missing' : 'not as it was written'}`,
      remedy: 'restore another snapshot: give its name with --snapshot',
    });
  }
}

/** A database with no table of ours. Made where there is none, with transaction numbers above those of the snapshot. */
async function openEmpty(options: RestoreOptions): Promise<{ connection: DatabaseConnection; cluster?: Cluster }> {
  const { paths, server, snapshot } = options;
  if (server !== undefined) {
    await requireEmpty(server);
    return { connection: server };
  }
  const settings = {
    dataDir: paths.postgresData,
    socketDir: paths.run,
    logFile: paths.log('postgresql'),
    fsync: true,
    ...(options.user === undefined ? {} : { user: options.user }),
  };
  const fresh = !(await exists(paths.postgresData));
  let cluster = await startCluster(settings);
  try {
    await requireEmpty(cluster.connection);
    if (fresh) {
      await cluster.stop();
      await advanceTransactions(paths.postgresData, BigInt(snapshot.manifest.nextTransaction), options.user);
      cluster = await startCluster(settings);
    }
  } catch (error) {
    if (cluster.startedHere) await cluster.stop();
    throw error;
  }
  return { connection: cluster.connection, cluster };
}

async function requireEmpty(connection: DatabaseConnection): Promise<void> {
  const there = await withDatabase(connection, async (db) => {
    const { rows } = await sql<{ there: boolean }>`
      SELECT to_regclass('public.schema_migrations') IS NOT NULL AS there`.execute(db);
    return rows[0]?.there === true;
  });
  if (!there) return;
  throw new LandfallError({
    code: 'restore.not-empty',
    doing: 'restore a backup',
    reason: `the database ${describeConnection(connection)} has the tables of Landfall already`,
    remedy:
      'nothing is written over: end Landfall (`landfall stop`) and move its state folder away, or try with `landfall restore --drill`',
  });
}

/**
 * Events are read in the order of their transactions' numbers. On a server whose numbers are lower than those of the snapshot
 * they all get one low number, so that new ones come behind them; a cursor from before then means nothing. True when it was so.
 */
async function renumberEvents(connection: DatabaseConnection, after: bigint): Promise<boolean> {
  return await withDatabase(connection, async (db) => {
    const { rows } = await sql<{ next: string }>`SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next`.execute(
      db,
    );
    if (BigInt(rows[0]?.next ?? '0') >= after) return false;
    await db.transaction().execute(async (trx) => {
      await sql`ALTER TABLE events DISABLE TRIGGER events_only_added`.execute(trx);
      await sql`UPDATE events SET xid = '3'`.execute(trx);
      await sql`ALTER TABLE events ENABLE TRIGGER events_only_added`.execute(trx);
    });
    return true;
  });
}

async function withDatabase<T>(connection: DatabaseConnection, use: (db: Db) => Promise<T>): Promise<T> {
  const db = createDatabase(connection, { poolSize: 2, applicationName: 'landfall restore' });
  try {
    return await use(db);
  } finally {
    await db.destroy();
  }
}

/**
 * After a restore: every suite is published anew as soon as the server runs, the pools are filled first, and the audit tells of
 * it. Gives the suites.
 */
export async function reopenSuites(db: Db, snapshot: Snapshot, actor: string): Promise<string[]> {
  return await withTransaction(db, async (trx) => {
    await recordAudit(trx, {
      actor,
      action: 'backup.restored',
      subject: `snapshot ${snapshot.name}`,
      detail: { takenAt: snapshot.manifest.takenAt, suites: snapshot.manifest.suites },
    });
    const { rows } = await sql<{ id: number; name: string }>`
      SELECT s.id, a.name || '/' || s.name AS name FROM suites s JOIN archives a ON a.id = s.archive_id ORDER BY 2`.execute(
      trx,
    );
    for (const { id } of rows)
      await enqueue(trx, 'archive.publish', { suiteId: id, reason: 'request' }, { jobKey: `publish:${id}` });
    return rows.map((row) => row.name);
  });
}
