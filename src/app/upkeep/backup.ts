/**
 * A backup: the database as it was at one moment, and every stored file that it named then. What is published (indices,
 * signatures, the pool's names) is made from these two, so it is not copied.
 *
 * Stored files are only ever added, so the database comes first and its files after it, while nothing is collected: each is
 * read whole and held against its hash on the way, and copied once for all snapshots. A file that is damaged or missing here
 * and sound in the backup from an earlier time stays so. The archives' keys are never in it unless asked for, then encrypted.
 */
import { join } from 'node:path';
import { sql } from 'kysely';
import { namedBlobs, usesOf, withoutCollection, type NamedBlob } from '../../archive/index.ts';
import type { BlobStore } from '../../platform/blobs.ts';
import type { DatabaseConnection, Db } from '../../platform/database.ts';
import { describeError, isFault } from '../../platform/errors.ts';
import { sha256, sha256File, writeFileDurably } from '../../platform/files.ts';
import type { Paths } from '../../platform/paths.ts';
import { formatObjects, makeBackupFolder, type BackupManifest } from './backup-folder.ts';
import { writeKeyBundle, type BundleLock } from './key-bundle.ts';
import { dumpDatabase } from './postgres-tools.ts';
import { stepper, type Step } from './steps.ts';

export interface BackupOptions {
  readonly db: Db;
  readonly connection: DatabaseConnection;
  readonly blobs: BlobStore;
  readonly paths: Paths;
  /** The folder of backups. */
  readonly target: string;
  /** Release of Landfall. */
  readonly version: string;
  readonly keys?: BundleLock;
  /** Snapshots to keep; absent: all. */
  readonly keep?: number;
  readonly onStep?: (step: Step) => void;
}

export interface BackupResult {
  readonly snapshot: string;
  readonly manifest: BackupManifest;
  readonly copied: { readonly files: number; readonly bytes: number };
  /** Stored files that could not be copied, since they are not what the database says; what each is, in words. */
  readonly damaged: readonly { readonly sha256: string; readonly reason: string; readonly uses: readonly string[] }[];
  readonly pruned: { readonly snapshots: number; readonly objects: number; readonly bytes: number } | undefined;
  readonly steps: readonly Step[];
}

const COPIES = 4;

/** @throws LandfallError `backup.not-ours`, `storage.*`, `database.unreachable`; a damaged file is told in the result. */
export async function backUp(options: BackupOptions): Promise<BackupResult> {
  const steps = stepper(options.onStep);
  const folder = await makeBackupFolder(options.target);
  return await withoutCollection(options.db, async () => {
    const moment = await steps.run('database', () => saveDatabase(options, async (at) => await folder.begin(at)));
    const { snapshot, named } = moment;
    const copied = await steps.run(
      'stored files',
      () => copyObjects(options.blobs, folder.objects, named),
      (result) => `${result.files} new of ${named.length}`,
    );
    const list = formatObjects(named);
    await writeFileDurably(join(snapshot, 'objects.txt'), list, { mode: 0o600 });
    const lock = options.keys;
    const keys =
      lock === undefined
        ? null
        : await steps.run('keys', () => writeKeyBundle(options.paths, lock, join(snapshot, 'keys.gpg')));
    const manifest: BackupManifest = {
      format: 1,
      landfall: options.version,
      takenAt: moment.takenAt.toISOString(),
      migration: moment.migration,
      nextTransaction: moment.nextTransaction,
      database: moment.database,
      objects: {
        sha256: sha256(list),
        size: Buffer.byteLength(list),
        files: named.length,
        bytes: named.reduce((sum, one) => sum + one.size, 0),
      },
      suites: [...moment.suites],
      keys,
    };
    await folder.commit(snapshot, manifest);
    const { keep } = options;
    const pruned = keep === undefined ? undefined : await steps.run('older snapshots', () => folder.prune(keep));
    const uses = await usesOf(
      options.db,
      copied.damaged.map((one) => one.sha256),
    );
    return {
      snapshot: snapshot.slice(snapshot.lastIndexOf('/') + 1),
      manifest,
      copied: { files: copied.files, bytes: copied.bytes },
      damaged: copied.damaged.map((one) => ({
        ...one,
        uses: uses.filter((use) => use.sha256 === one.sha256).map((use) => `${use.archive}: ${use.path}`),
      })),
      pruned,
      steps: steps.done,
    };
  });
}

interface Moment {
  readonly snapshot: string;
  readonly takenAt: Date;
  readonly migration: string;
  readonly nextTransaction: string;
  readonly database: { readonly sha256: string; readonly size: number };
  readonly named: readonly NamedBlob[];
  readonly suites: readonly { archive: string; suite: string; serial: number }[];
}

/** Dump and list are of one moment: pg_dump takes over the snapshot of the transaction that reads the list. */
async function saveDatabase(options: BackupOptions, begin: (takenAt: Date) => Promise<string>): Promise<Moment> {
  return await options.db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (trx) => {
      await sql`SET LOCAL idle_in_transaction_session_timeout = 0`.execute(trx);
      const { rows } = await sql<{ snapshot: string; now: Date; next: string; migration: string }>`
        SELECT pg_export_snapshot() AS snapshot, clock_timestamp() AS now,
          pg_snapshot_xmax(pg_current_snapshot())::text AS next,
          (SELECT name FROM schema_migrations ORDER BY number DESC LIMIT 1) AS migration`.execute(trx);
      const [facts] = rows;
      if (facts === undefined) throw new Error('the database gave no snapshot');
      const named = await namedBlobs(trx);
      const suites = await sql<{ archive: string; suite: string; serial: number }>`
        SELECT a.name AS archive, s.name AS suite, max(p.serial) AS serial
        FROM publications p JOIN suites s ON s.id = p.suite_id JOIN archives a ON a.id = s.archive_id
        WHERE p.state = 'published' GROUP BY a.name, s.name ORDER BY 1, 2`.execute(trx);
      const snapshot = await begin(facts.now);
      const file = join(snapshot, 'database.dump');
      await dumpDatabase(options.connection, facts.snapshot, file);
      return {
        snapshot,
        takenAt: facts.now,
        migration: facts.migration,
        nextTransaction: facts.next,
        database: await sha256File(file),
        named,
        suites: suites.rows,
      };
    });
}

interface Copied {
  readonly files: number;
  readonly bytes: number;
  readonly damaged: { sha256: string; reason: string }[];
}

/** Copies blobs that are not there yet, a few at a time; each is held against its hash on the way. */
export async function copyObjects(from: BlobStore, to: BlobStore, named: readonly NamedBlob[]): Promise<Copied> {
  let files = 0;
  let bytes = 0;
  const damaged: { sha256: string; reason: string }[] = [];
  const copy = async (blob: NamedBlob): Promise<void> => {
    if ((await to.size(blob.sha256)) === blob.size) return;
    try {
      const put = await to.put(await from.open(blob.sha256), blob);
      if (put.kind === 'stored') {
        files += 1;
        bytes += put.size;
      } else damaged.push({ sha256: blob.sha256, reason: 'its bytes are not those of its hash' });
    } catch (error) {
      if (!isFault(error, 'blob.missing')) throw error;
      damaged.push({ sha256: blob.sha256, reason: describeError(error) });
    }
  };
  let next = 0;
  await Promise.all(
    Array.from({ length: COPIES }, async () => {
      for (let blob = named[next++]; blob !== undefined; blob = named[next++]) await copy(blob);
    }),
  );
  return { files, bytes, damaged };
}
