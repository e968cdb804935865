/**
 * What upkeep on this machine works with, whether the server runs or not: the database (a private cluster is started for as
 * long as it is needed), the stored files, what is published, and the signer (likewise).
 */
import { mkdir } from 'node:fs/promises';
import { folderStorages, type PublishDeps } from '../../archive/index.ts';
import { createFolderBlobStore, type FolderBlobStore } from '../../platform/blobs.ts';
import { createDatabase, requireReachable, type DatabaseConnection } from '../../platform/database.ts';
import { LandfallError, isFault } from '../../platform/errors.ts';
import { exists } from '../../platform/files.ts';
import { createLogger } from '../../platform/log.ts';
import type { Paths } from '../../platform/paths.ts';
import { startCluster } from '../../platform/postgres-cluster.ts';
import { createSignerClient, type SignerClient } from '../../signer/client.ts';
import { runSigner } from '../../signer/server.ts';
import type { Settings } from '../settings.ts';

export interface LocalState extends PublishDeps {
  readonly blobs: FolderBlobStore;
  readonly paths: Paths;
  readonly connection: DatabaseConnection;
  readonly signer: SignerClient;
}

/** @throws LandfallError `state.none` where Landfall was never set up, `database.unreachable` … */
export async function withLocalState<T>(settings: Settings, use: (state: LocalState) => Promise<T>): Promise<T> {
  const { paths } = settings;
  const closers: (() => Promise<void>)[] = [];
  try {
    if (settings.privateCluster) {
      if (!(await exists(paths.postgresData))) {
        throw new LandfallError({
          code: 'state.none',
          doing: `open the state folder ${paths.root}`,
          reason: 'there is no database in it',
          remedy: 'name the state folder in LANDFALL_STATE_DIR, or set Landfall up with `landfall init`',
        });
      }
      const cluster = await startCluster({
        dataDir: paths.postgresData,
        socketDir: paths.run,
        logFile: paths.log('postgresql'),
        fsync: true,
      });
      if (cluster.startedHere) closers.push(() => cluster.stop());
    }
    await requireReachable(settings.database);
    const db = createDatabase(settings.database, { poolSize: 6, applicationName: 'landfall upkeep' });
    closers.push(() => db.destroy());
    const log = createLogger({ role: 'upkeep', level: 'error' });
    const signer = createSignerClient({ socket: settings.signerSocket });
    if (settings.ownSigner && (await isAway(signer))) {
      await mkdir(paths.run, { recursive: true, mode: 0o700 });
      const own = await runSigner({ socket: settings.signerSocket, home: paths.signer, log });
      closers.push(() => own.stop());
    }
    return await use({
      db,
      blobs: await createFolderBlobStore(paths.blobs),
      storage: folderStorages(paths),
      signer,
      log,
      publicUrl: settings.publicUrl,
      paths,
      connection: settings.database,
    });
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function isAway(signer: SignerClient): Promise<boolean> {
  try {
    await signer.findKey('main');
    return false;
  } catch (error) {
    return isFault(error, 'signer.unreachable');
  }
}
