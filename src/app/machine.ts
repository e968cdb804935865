/**
 * All roles of Landfall on one machine, as one tree of processes: the private PostgreSQL cluster, the signer, the server and,
 * when asked for, a worker. What the configuration leaves to others (a database server, a signer elsewhere) is not started.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeClientFile } from '../cli/connection.ts';
import { createClient, type Client } from '../contract/client.ts';
import { joinTokenRoute } from '../contract/workers.ts';
import { startHttp } from '../http/server.ts';
import { LandfallError } from '../platform/errors.ts';
import { exists, writeFileDurably } from '../platform/files.ts';
import type { Logger } from '../platform/log.ts';
import type { Paths } from '../platform/paths.ts';
import { migrate } from '../platform/migrate.ts';
import { startCluster, type Cluster } from '../platform/postgres-cluster.ts';
import { createSignerClient } from '../signer/client.ts';
import { ensureAdministrator, type Administrator } from './administration.ts';
import { migrationsFolder, type Settings } from './settings.ts';
import { startSupervisor, type Role, type Supervisor } from './supervisor.ts';

export interface Machine {
  readonly url: string;
  /** Speaks to the server as the administrator. */
  readonly client: Client;
  readonly supervisor: Supervisor;
  /** Joins a worker of this machine if it has not joined yet, and starts it. */
  addWorker(worker: { name: string; pool: string; architecture: string }): Promise<void>;
  stop(): Promise<void>;
}

export interface MachineOptions {
  readonly settings: Settings;
  readonly log: Logger;
  readonly administrator: Administrator;
  /** Told what was started and how long it took. */
  readonly onStep?: (what: string, milliseconds: number) => void;
}

/** Starts everything, in the order in which one thing needs the other; returns when the server answers. */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { settings, log } = options;
  const { paths } = settings;
  for (const folder of [paths.run, paths.logs]) await mkdir(folder, { recursive: true, mode: 0o700 });
  const supervisor = await startSupervisor({ socket: settings.supervisorSocket, log });
  let cluster: Keeper | undefined;
  const stop = async (): Promise<void> => {
    await supervisor.stop();
    await cluster?.stop();
  };
  const step = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await run();
    options.onStep?.(what, performance.now() - started);
    return result;
  };
  try {
    if (settings.privateCluster) {
      const keeper = await step('database', async () => await keepCluster(settings, log));
      cluster = keeper;
    }
    await step('migrations', async () => await migrate(settings.database, migrationsFolder()));
    const tokenFile = await ensureAdministrator(settings.database, paths, options.administrator);
    if (settings.ownSigner) await step('signer', async () => await supervisor.add(signerRole(settings)));
    await requireFreePort(settings.config.server.listen);
    await step('server', async () => await supervisor.add(serverRole(settings)));
    const url = localUrl(settings);
    await writeClientFile(paths.root, { url, tokenFile });
    const client = createClient({ url, token: (await readFile(tokenFile, 'utf8')).trim() });
    return {
      url: settings.publicUrl,
      client,
      supervisor,
      stop,
      addWorker: async (worker) =>
        await step(`worker ${worker.name}`, async () => {
          await ensureJoinToken(settings, client, worker);
          await supervisor.add(workerRole(settings, url, worker.name));
        }),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Where processes of this machine reach the server, whatever its public address is. */
export function localUrl(settings: Settings): string {
  return `http://${settings.config.server.listen.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')}`;
}

interface Keeper {
  stop(): Promise<void>;
}

/** Starts the cluster, and starts it again when it ends by itself. */
async function keepCluster(settings: Settings, log: Logger): Promise<Keeper> {
  const { paths } = settings;
  const start = async (): Promise<Cluster> =>
    await startCluster({
      dataDir: paths.postgresData,
      socketDir: paths.run,
      logFile: paths.log('postgresql'),
      fsync: true,
    });
  let current = await start();
  let stopping = false;
  const isStopping = (): boolean => stopping;
  const watch = async (): Promise<void> => {
    for (;;) {
      await current.exited;
      if (isStopping()) return;
      log.warn('PostgreSQL ended by itself and is started again');
      while (!isStopping()) {
        try {
          current = await start();
          break;
        } catch (error) {
          log.error({ error }, 'PostgreSQL could not be started');
          await new Promise((resolve) => setTimeout(resolve, 2_000));
        }
      }
    }
  };
  const watching = watch();
  return {
    stop: async () => {
      stopping = true;
      await current.stop();
      await watching;
    },
  };
}

/**
 * The youngest objects of a role get 4 MB and not the 16 that are Node's default: what is short-lived is as quickly collected, and
 * each role is 24 MB smaller, a server that has published tens of thousands of packages 50.
 */
const NODE_OPTIONS = ['--max-semi-space-size=4'];
/**
 * What malloc has free at an end goes back to the system from 128 kB on. Left to itself malloc raises that with every large piece
 * that is freed, and keeps tens of megabytes that nobody uses. @see mallopt(3), M_TRIM_THRESHOLD
 */
const MALLOC = { MALLOC_TRIM_THRESHOLD_: String(128 * 1024) };

/** How this program is started again as one of its roles. */
function roleArgv(settings: Settings, ...args: string[]): Pick<Role, 'argv' | 'env'> {
  const [program] = process.argv.slice(1);
  if (program === undefined) throw new Error('the program does not know its own name');
  return {
    argv: [process.execPath, ...NODE_OPTIONS, program, ...args],
    env: { ...MALLOC, LANDFALL_STATE_DIR: settings.paths.root, HOME: settings.paths.root },
  };
}

function signerRole(settings: Settings): Role {
  return {
    name: 'signer',
    ...roleArgv(settings, 'signer'),
    logFile: settings.paths.log('signer'),
    ready: async () => {
      await createSignerClient({ socket: settings.signerSocket }).findKey('main');
    },
  };
}

function serverRole(settings: Settings): Role {
  return {
    name: 'serve',
    ...roleArgv(settings, 'serve', '--alone'),
    logFile: settings.paths.log('serve'),
    ready: async () => await requireReady(`${localUrl(settings)}/readyz`),
  };
}

function workerRole(settings: Settings, url: string, name: string): Role {
  return {
    name: `worker-${name}`,
    ...roleArgv(settings, 'worker', '--name', name, '--url', url),
    logFile: settings.paths.log(`worker-${name}`),
    ready: async () => {
      if (await exists(join(settings.paths.worker(name), 'identity.json'))) return;
      throw new LandfallError({
        code: 'worker.not-joined',
        doing: `start the worker ${name}`,
        reason: 'it has not joined yet',
      });
    },
  };
}

/** Otherwise whoever has the port might answer in the server's place. @throws LandfallError `server.port-in-use` */
async function requireFreePort(listen: string): Promise<void> {
  const probe = await startHttp({ listen, app: { fetch: () => new Response(null, { status: 503 }) } });
  await probe.stop();
}

async function requireReady(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${(await response.text()).slice(0, 300)}`);
}

/** The file that a worker of this machine finds its one-time token in. */
export function joinTokenFile(paths: Paths, name: string): string {
  return join(paths.worker(name), 'join-token');
}

async function ensureJoinToken(
  settings: Settings,
  client: Client,
  worker: { name: string; pool: string; architecture: string },
): Promise<void> {
  const folder = settings.paths.worker(worker.name);
  if (await exists(join(folder, 'identity.json'))) return;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { secret } = await client.call(joinTokenRoute, {
    body: { name: worker.name, pool: worker.pool, architectures: [worker.architecture], validSeconds: 600 },
  });
  await writeFileDurably(joinTokenFile(settings.paths, worker.name), `${secret}\n`, { mode: 0o600 });
}
