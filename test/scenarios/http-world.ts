/**
 * The named world behind an HTTP application, and those who ask it: carol administers, alice released hello, bob may nothing,
 * sue belongs to the group security and so sees the archive embargo; w1 is a worker. Requests go in without a socket, or by one
 * on loopback.
 */
import { mkdir } from 'node:fs/promises';
import { createApp, startHttp, type HttpDeps, type HttpServer } from '../../src/http/index.ts';
import { createSignals, LIGHTHOUSE_CHANNELS, openLeaseDesk } from '../../src/lighthouse/index.ts';
import { addMember, createAccessToken, createGroup, createPerson, grant } from '../../src/permissions/index.ts';
import { createFolderBlobStore, type FolderBlobStore } from '../../src/platform/blobs.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { isConnectionError, withTransaction } from '../../src/platform/database.ts';
import { makeTemporaryDirectory } from '../../src/platform/files.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { listen } from '../../src/platform/notifications.ts';
import { folderStorages } from '../../src/archive/index.ts';
import { statePaths, type Paths } from '../../src/platform/paths.ts';
import { createSignerClient } from '../../src/signer/client.ts';
import { runSigner, type RunningSigner } from '../../src/signer/server.ts';
import { createWorld, PUBLIC_URL, type World } from './world.ts';

const LANDFALL = { kind: 'system', name: 'landfall' } as const;

export type PersonName = 'carol' | 'alice' | 'bob' | 'sue';

export interface HttpWorld extends World {
  readonly folder: string;
  readonly paths: Paths;
  readonly blobs: FolderBlobStore;
  readonly httpDeps: HttpDeps;
  /** Secrets, by the name of the person. */
  readonly tokens: Readonly<Record<PersonName, string>>;
  /** Sends a request without a socket; `as` is whose token goes with it. */
  request(path: string, init?: AskInit): Promise<Response>;
  /** A socket on loopback; closed with the world. */
  serve(): Promise<HttpServer>;
  /** Starts a real signer, for what shows keys; ended with the world. */
  startSigner(): Promise<void>;
  /** Tells streams and long polls that the server stops. */
  shutDown(): void;
}

export interface AskInit extends Omit<RequestInit, 'headers'> {
  readonly as?: PersonName | 'worker' | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export async function createHttpWorld(): Promise<HttpWorld> {
  const world = await createWorld();
  const { db } = world;
  const folder = await makeTemporaryDirectory('lf-http-');
  const paths = statePaths(folder.path);
  await mkdir(paths.temporary, { recursive: true });
  await mkdir(paths.run, { recursive: true, mode: 0o700 });
  const blobs = await createFolderBlobStore(paths.blobs);
  const tokens = await withTransaction(db, async (trx) => {
    const carol = await createPerson(
      trx,
      { handle: 'carol', name: 'Carol Chen', email: 'carol@example.org' },
      LANDFALL,
    );
    const sue = await createPerson(trx, { handle: 'sue', name: 'Sue Stone', email: 'sue@example.org' }, LANDFALL);
    const security = await createGroup(trx, 'security', LANDFALL);
    await addMember(trx, { groupId: security.id, group: 'security', personId: sue.id, person: 'sue' }, LANDFALL);
    const granted = await grant(trx, { to: 'carol', action: 'administer' }, LANDFALL);
    if (granted.kind === 'refused') throw new Error(granted.reason);
    const token = async (personId: number): Promise<string> =>
      (await createAccessToken(trx, { personId, name: 'test' })).secret;
    return {
      carol: await token(carol.id),
      sue: await token(sue.id),
      alice: await token(world.alice),
      bob: await token(world.bob),
    };
  });
  const signals = createSignals();
  const listener = await listen(world.database.connection, {
    channels: ['events', ...LIGHTHOUSE_CHANNELS],
    onNotification: (channel, payload) => signals.notify(channel, payload),
  });
  const log = silentLogger();
  const leaseDesk = openLeaseDesk({ db, signals, log, pollMs: 50 });
  const shutdown = new AbortController();
  const httpDeps: HttpDeps = {
    db,
    inTransaction: async (use) => await withTransaction(db, use),
    isDatabaseAway: isConnectionError,
    clock: systemClock,
    log,
    blobs,
    paths,
    storage: folderStorages(paths),
    publicUrl: PUBLIC_URL,
    signer: createSignerClient({ socket: paths.signerSocket }),
    signals,
    leaseDesk,
    limits: { uploadFile: 1024 * 1024, streams: 50 },
    version: '0.1.0',
    shutdown: shutdown.signal,
  };
  const app = createApp(httpDeps);
  const servers: HttpServer[] = [];
  let signer: RunningSigner | undefined;
  return {
    ...world,
    folder: folder.path,
    paths,
    blobs,
    httpDeps,
    tokens,
    request: async (path, { as, headers, ...init } = {}) => {
      const secret = as === undefined ? undefined : as === 'worker' ? world.worker.secret : tokens[as];
      return await app.request(path, {
        ...init,
        headers: { ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }), ...headers },
      });
    },
    serve: async () => {
      const server = await startHttp({ listen: '127.0.0.1:0', app });
      servers.push(server);
      return server;
    },
    startSigner: async () => {
      signer = await runSigner({ socket: paths.signerSocket, home: paths.signer, log });
    },
    shutDown: () => shutdown.abort(),
    close: async () => {
      shutdown.abort();
      leaseDesk.close();
      for (const server of servers) await server.stop(200);
      await signer?.stop();
      await listener.stop();
      await world.close();
      await folder.remove();
    },
  };
}
