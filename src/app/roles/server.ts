/**
 * The server: the HTTP API and pages, and the background tasks. Holds the database and no private key. Any number of them may
 * run on the same database.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ARCHIVE_CRON, archiveKeyring, archiveTasks, folderStorages, renewSuites } from '../../archive/index.ts';
import { buildTasks } from '../../builds/index.ts';
import { createApp } from '../../http/app.ts';
import { startHttp } from '../../http/server.ts';
import {
  createSignals,
  LIGHTHOUSE_CHANNELS,
  LIGHTHOUSE_CRON,
  lighthouseTasks,
  openLeaseDesk,
  watchLeases,
} from '../../lighthouse/index.ts';
import { createFolderBlobStore } from '../../platform/blobs.ts';
import { systemClock } from '../../platform/clock.ts';
import { createDatabase, isConnectionError, isDatabaseFull, withTransaction } from '../../platform/database.ts';
import { ensureDirectory } from '../../platform/files.ts';
import type { Logger } from '../../platform/log.ts';
import { listen } from '../../platform/notifications.ts';
import { openRoom } from '../../platform/room.ts';
import { beginSpawner } from '../../platform/spawner.ts';
import { startTasks } from '../../platform/tasks.ts';
import { createSignerClient } from '../../signer/client.ts';
import { sourceTasks } from '../../sources/index.ts';
import { TAG_CRON, tagTasks } from '../../tags/index.ts';
import { watchRoom } from '../room-watch.ts';
import { VERSION, type Settings } from '../settings.ts';

const CHANNELS = ['events', ...LIGHTHOUSE_CHANNELS];
const STREAMS = 2_000;
const LEFT_BEHIND_MS = 24 * 3_600_000;

/**
 * Runs until `signal` is aborted. @throws when it cannot start, or when the background tasks end by themselves: then the process
 * ends, and its supervisor starts it again.
 */
export async function runServer(settings: Settings, log: Logger, signal: AbortSignal): Promise<void> {
  // What was opened, in that order; closed in the opposite one, also when the next thing could not be opened.
  const closers: (() => Promise<void> | void)[] = [];
  try {
    await serve(settings, log, signal, (close) => closers.push(close));
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function serve(
  settings: Settings,
  log: Logger,
  signal: AbortSignal,
  atEnd: (close: () => Promise<void> | void) => void,
): Promise<void> {
  const { config, paths, publicUrl } = settings;
  // While this process is still small: what it runs is started by a smaller one.
  const spawner = await beginSpawner();
  atEnd(async () => await spawner.stop());
  const db = createDatabase(settings.database, {
    poolSize: config.database.pool_size,
    applicationName: 'landfall serve',
    onError: (error) => log.warn({ error }, 'a database connection was lost'),
  });
  atEnd(() => db.destroy());
  await ensureDirectory(paths.archives);
  const room = openRoom({
    folder: paths.archives,
    lowBytes: config.storage.low_bytes,
    reserveBytes: config.storage.reserve_bytes,
  });
  // Before anything else: a database without room comes up when the reserve is given up.
  const renew = async (): Promise<unknown> => await renewSuites(db);
  atEnd(await watchRoom({ room, db, log, archives: paths.archives, now: () => systemClock.now(), renew }));
  const blobs = await createFolderBlobStore(paths.blobs);
  await sweepTemporaries(paths.temporary);
  const signer = createSignerClient({ socket: settings.signerSocket });
  const signals = createSignals();
  const listener = await listen(settings.database, {
    channels: CHANNELS,
    onNotification: (channel, payload) => signals.notify(channel, payload),
    onError: (error) => log.warn({ error }, 'the connection for notifications was lost'),
  });
  atEnd(() => listener.stop());
  const leaseDesk = openLeaseDesk({ db, signals, log });
  const lighthouse = { db, log, partsFolder: join(paths.temporary, 'parts') };
  atEnd(watchLeases(lighthouse));
  const storage = folderStorages(paths);
  const deps = { db, blobs, clock: systemClock, log, paths, publicUrl, signer, signals, storage, room };
  const tasks = await startTasks({
    connection: settings.database,
    concurrency: config.tasks.concurrency,
    logger: log,
    cron: [...LIGHTHOUSE_CRON, ...TAG_CRON, ...ARCHIVE_CRON],
    handlers: {
      ...tagTasks(deps),
      ...sourceTasks(deps),
      ...buildTasks({ ...deps, archiveKeyring: async (archive) => await archiveKeyring(deps, archive) }),
      ...archiveTasks(deps),
      ...lighthouseTasks(lighthouse),
    },
    onGivenUp: (task, payload, error) => log.error({ task, payload, error }, 'a task was given up: somebody must look'),
  });
  atEnd(() => tasks.stop());
  const shutdown = new AbortController();
  const http = await startHttp({
    listen: config.server.listen,
    app: createApp({
      ...deps,
      inTransaction: async (use) => await withTransaction(db, use),
      isDatabaseAway: isConnectionError,
      isDatabaseFull,
      leaseDesk,
      limits: { uploadFile: config.limits.upload_file, streams: STREAMS },
      version: VERSION,
      shutdown: shutdown.signal,
    }),
  });
  atEnd(() => http.stop());
  atEnd(() => {
    shutdown.abort();
    leaseDesk.close();
  });
  log.info({ url: http.url, publicUrl }, 'the server listens');
  await Promise.race([
    tasks.finished,
    new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    }),
  ]);
}

/** Folders that a killed process left behind. Nothing that still runs is a day old. */
async function sweepTemporaries(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const path = join(folder, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (Date.now() - mtimeMs > LEFT_BEHIND_MS) await rm(path, { recursive: true, force: true });
  }
}
