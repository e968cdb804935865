/**
 * A private PostgreSQL cluster: Debian's binaries, data in a folder of ours, reached only through a unix socket in a folder
 * that only the service user (and root) may enter, so that no password is needed and no port is open.
 *
 * Starting is safe to repeat. A cluster that runs already is used; one that was killed recovers by itself; a lock file whose
 * process is another one by now is removed. A first start that was interrupted leaves nothing that a second one minds: the
 * data folder gets its name when it is complete.
 */
import { chown, open, readFile, readdir, readlink, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { clientConfig, describeConnection, isConnectionError } from './database.ts';
import { LandfallError, describeError, isErrnoException, toError } from './errors.ts';
import { ProgramFailed, exec, type Credentials } from './exec.ts';
import { ensureDirectory, exists, removeTree } from './files.ts';
import { requireSocketPath } from './paths.ts';
import { spawnService, type Service } from './service.ts';

export interface ClusterOptions {
  /** Made when it is not there; its parent must be one that `user` may enter. */
  readonly dataDir: string;
  readonly socketDir: string;
  /** What the server and initdb say is appended here. */
  readonly logFile: string;
  /** Who runs the server: PostgreSQL refuses root. Needed when we are root. */
  readonly user?: Credentials;
  /** Off only for tests: a crash of the machine would lose everything. */
  readonly fsync: boolean;
  /** Part of the socket's name; default 5432. */
  readonly port?: number;
  /** Database and role, both made when they are not there; default `landfall`. */
  readonly database?: string;
  /** More settings, over the defaults here. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly startDeadlineMs?: number;
}

export interface SocketConnection {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

export interface Cluster {
  readonly connection: SocketConnection;
  readonly pid: number;
  /** False when it ran already. */
  readonly startedHere: boolean;
  /** Settles when the server has ended, however it was started. */
  readonly exited: Promise<void>;
  /** Ends the server: connections are closed, everything is written. Harmless when it has ended already. */
  stop(): Promise<void>;
}

const ROLE = 'landfall';
const POLL_MS = 25;
const WATCH_MS = 500;
const STOP_DEADLINE_MS = 60_000;

/** For a machine with two cores and little memory that is shared with builds. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '',
  max_connections: '120',
  shared_buffers: '128MB',
  effective_cache_size: '1GB',
  work_mem: '16MB',
  maintenance_work_mem: '64MB',
  max_wal_size: '1GB',
  checkpoint_timeout: '15min',
  random_page_cost: '1.1',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] %a ',
  idle_in_transaction_session_timeout: '10min',
  // The server notices a client whose machine is gone, so that its advisory locks become free.
  client_connection_check_interval: '10s',
};

/**
 * Makes the cluster and its database where they are missing, and starts it or finds it running.
 * @throws LandfallError `postgres.missing`, `postgres.version`, `postgres.user`, `postgres.not-started`, `storage.full`,
 *   `paths.socket-too-long`
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const port = options.port ?? 5432;
  requireSocketPath(join(options.socketDir, `.s.PGSQL.${port}`));
  requireOrdinaryUser(options.user);
  const connection: SocketConnection = {
    host: options.socketDir,
    port,
    database: options.database ?? 'landfall',
    user: ROLE,
  };
  await makeFolders(options);
  const running = await findRunning(options, connection);
  if (running !== undefined) {
    await makeDatabase(connection);
    return {
      connection,
      pid: running,
      startedHere: false,
      exited: untilGone(running, options.dataDir),
      stop: () => stopServer(running),
    };
  }
  const binaries = await binariesFor(options.dataDir);
  if (!(await exists(join(options.dataDir, 'PG_VERSION')))) await initialise(binaries, options);
  await removeStaleLock(options.dataDir);
  const service = await startServer(binaries, options, connection);
  await makeDatabase(connection);
  return {
    connection,
    pid: service.pid,
    startedHere: true,
    exited: service.exited.then(() => undefined),
    stop: () => stopServer(service.pid),
  };
}

/** The folder of the newest installed server binaries, or that of a given major version. */
export async function findBinaries(major?: string): Promise<string | undefined> {
  const root = '/usr/lib/postgresql';
  const versions = await readdir(root).catch(() => []);
  const usable = versions.filter((version) => /^\d+$/.test(version) && (major === undefined || version === major));
  for (const version of usable.sort((a, b) => Number(b) - Number(a))) {
    const folder = join(root, version, 'bin');
    if (await exists(join(folder, 'postgres'))) return folder;
  }
  return undefined;
}

async function binariesFor(dataDir: string): Promise<string> {
  const version = (await readFile(join(dataDir, 'PG_VERSION'), 'utf8').catch(() => '')).trim();
  const binaries = await findBinaries(version === '' ? undefined : version);
  if (binaries !== undefined) return binaries;
  throw version === ''
    ? new LandfallError({
        code: 'postgres.missing',
        doing: 'start PostgreSQL',
        reason: 'there are no server binaries below /usr/lib/postgresql',
        remedy: 'install them with: apt-get install postgresql',
      })
    : new LandfallError({
        code: 'postgres.version',
        doing: 'start PostgreSQL',
        reason: `${dataDir} was made by PostgreSQL ${version}, which is not installed`,
        remedy: `install postgresql-${version}, or move the data to the installed version with pg_upgrade`,
      });
}

function requireOrdinaryUser(user: Credentials | undefined): void {
  if ((user?.uid ?? process.getuid?.()) !== 0) return;
  throw new LandfallError({
    code: 'postgres.user',
    doing: 'start PostgreSQL',
    reason: 'the server refuses to run as root',
    remedy: 'name an ordinary user for it',
  });
}

async function makeFolders(options: ClusterOptions): Promise<void> {
  for (const [folder, mode] of [
    [dirname(options.dataDir), 0o755],
    [dirname(options.logFile), 0o755],
    [options.socketDir, 0o700],
  ] as const) {
    const isNew = !(await exists(folder));
    await ensureDirectory(folder, mode);
    if (isNew && options.user !== undefined) await chown(folder, options.user.uid, options.user.gid);
  }
  const log = await open(options.logFile, 'a', 0o640);
  try {
    if (options.user !== undefined) await log.chown(options.user.uid, options.user.gid);
  } finally {
    await log.close();
  }
  const socketFolder = await stat(options.socketDir);
  if ((socketFolder.mode & 0o077) !== 0) {
    throw new LandfallError({
      code: 'postgres.socket-folder',
      doing: 'start PostgreSQL',
      reason: `${options.socketDir} can be entered by others, and whoever reaches the socket is let in`,
      remedy: `chmod 0700 ${options.socketDir}`,
    });
  }
}

/** initdb into a folder beside, renamed when it is complete and synced. */
async function initialise(binaries: string, options: ClusterOptions): Promise<void> {
  const doing = 'make the PostgreSQL cluster';
  const fresh = `${options.dataDir}.new`;
  await removeTree(fresh);
  try {
    await exec(
      [
        join(binaries, 'initdb'),
        `--pgdata=${fresh}`,
        `--username=${ROLE}`,
        '--auth=trust',
        '--encoding=UTF8',
        '--locale=C.UTF-8',
        ...(options.fsync ? [] : ['--no-sync']),
      ],
      {
        doing,
        deadlineMs: 5 * 60_000,
        cwd: '/',
        ...(options.user === undefined ? {} : { user: options.user }),
      },
    );
    await rename(fresh, options.dataDir);
  } catch (error) {
    await removeTree(fresh).catch(() => undefined);
    if (!(error instanceof ProgramFailed)) throw error;
    if (error.result.stderr.includes('No space left on device')) throw full(doing, options.dataDir, error);
    if (error.result.stderr.includes('Permission denied')) {
      throw new LandfallError({
        code: 'postgres.denied',
        doing,
        reason: `the service user may not write below ${dirname(options.dataDir)}`,
        remedy: 'every folder above it must be one that the service user can enter',
        cause: error,
      });
    }
    throw error;
  }
}

async function startServer(binaries: string, options: ClusterOptions, connection: SocketConnection): Promise<Service> {
  const settings: Record<string, string> = {
    ...SETTINGS,
    ...(options.fsync ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    ...options.settings,
    unix_socket_directories: options.socketDir,
    port: String(connection.port),
  };
  const argv: [string, ...string[]] = [
    join(binaries, 'postgres'),
    '-D',
    options.dataDir,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  const deadline = performance.now() + (options.startDeadlineMs ?? 120_000);
  // Children of a killed server hold its shared memory for a moment; the new server says so and ends.
  for (let attempt = 1; ; attempt += 1) {
    const logStart = (await stat(options.logFile)).size;
    const service = await spawnService(argv, {
      doing: 'start PostgreSQL',
      cwd: '/',
      output: { file: options.logFile },
      stopSignal: 'SIGINT',
      ...(options.user === undefined ? {} : { user: options.user }),
    });
    while (service.isRunning()) {
      if (await answers(connection)) return service;
      if (performance.now() > deadline) {
        await service.stop(5_000);
        throw notStarted(options, 'it did not answer in time', await logSince(options.logFile, logStart));
      }
      await sleep(POLL_MS);
    }
    const said = await logSince(options.logFile, logStart);
    if (said.includes('No space left on device')) throw full('start PostgreSQL', options.dataDir, undefined);
    const waitsForOld = /pre-existing shared memory block|lock file .* already exists/.test(said);
    if (!waitsForOld || attempt >= 50 || performance.now() > deadline) {
      throw notStarted(options, 'it ended at once', said);
    }
    await sleep(200);
    await removeStaleLock(options.dataDir);
  }
}

function notStarted(options: ClusterOptions, how: string, said: string): LandfallError {
  const important = said.split('\n').filter((line) => /FATAL|PANIC|ERROR|HINT|could not/.test(line));
  const words = important.slice(-3).join('\n');
  return new LandfallError({
    code: 'postgres.not-started',
    doing: 'start PostgreSQL',
    reason: words === '' ? how : `${how}: ${words}`,
    remedy: `its log is ${options.logFile}`,
  });
}

function full(doing: string, path: string, cause: unknown): LandfallError {
  return new LandfallError({
    code: 'storage.full',
    doing,
    reason: `no space left on the device of ${path}`,
    remedy: 'free some space there',
    cause,
  });
}

/** The pid of the server that runs on the data folder and answers, waiting for one that is still starting or recovering. */
async function findRunning(options: ClusterOptions, connection: SocketConnection): Promise<number | undefined> {
  const deadline = performance.now() + (options.startDeadlineMs ?? 120_000);
  for (;;) {
    const pid = await readPid(options.dataDir);
    if (pid === undefined || !(await isServerOf(pid, options.dataDir))) return undefined;
    if (await answers(connection)) return pid;
    if (performance.now() > deadline) {
      throw new LandfallError({
        code: 'postgres.not-started',
        doing: 'start PostgreSQL',
        reason: `process ${pid} runs on ${options.dataDir} and does not answer at ${connection.host}`,
        remedy: `look at ${options.logFile}; end process ${pid} if it serves another socket`,
      });
    }
    await sleep(POLL_MS);
  }
}

async function readPid(dataDir: string): Promise<number | undefined> {
  try {
    const pid = Number((await readFile(join(dataDir, 'postmaster.pid'), 'utf8')).split('\n')[0]);
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  } catch (error) {
    if (isErrnoException(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Whether the process is a PostgreSQL server on this data folder: its number may have been given to another one. */
async function isServerOf(pid: number, dataDir: string): Promise<boolean> {
  try {
    const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
    if (!/(^|\/)(postgres|postmaster)$/.test(argv[0] ?? '')) return false;
    if (argv[argv.indexOf('-D') + 1] === dataDir) return true;
    return (await readlink(`/proc/${pid}/cwd`).catch(() => '')) === dataDir;
  } catch (error) {
    if (isErrnoException(error) && (error.code === 'ENOENT' || error.code === 'ESRCH')) return false;
    throw error;
  }
}

async function removeStaleLock(dataDir: string): Promise<void> {
  const pid = await readPid(dataDir);
  if (pid === undefined || (await isServerOf(pid, dataDir))) return;
  await unlink(join(dataDir, 'postmaster.pid')).catch(() => undefined);
}

async function answers(connection: SocketConnection): Promise<boolean> {
  const client = new pg.Client(clientConfig({ ...connection, database: 'postgres' }));
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch (error) {
    if (isConnectionError(error)) return false;
    throw new LandfallError({
      code: 'postgres.refused',
      doing: `reach ${describeConnection(connection)}`,
      reason: describeError(error),
      cause: toError(error),
    });
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function makeDatabase(connection: SocketConnection): Promise<void> {
  const client = new pg.Client(clientConfig({ ...connection, database: 'postgres' }));
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [connection.database]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(connection.database)}`);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Settles when the server of another start, which is not our child, has ended. Does not keep the process alive. */
async function untilGone(pid: number, dataDir: string): Promise<void> {
  while (await isServerOf(pid, dataDir)) {
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS).unref());
  }
}

/** A fast shutdown. The server of another start is not our child, so its end is watched for. */
async function stopServer(pid: number): Promise<void> {
  const deadline = performance.now() + STOP_DEADLINE_MS;
  if (!signal(pid, 'SIGINT')) return;
  while (signal(pid, 0)) {
    if (performance.now() > deadline) {
      // SIGQUIT: without a checkpoint; the next start recovers from the log.
      signal(pid, 'SIGQUIT');
      return;
    }
    await sleep(POLL_MS);
  }
}

function signal(pid: number, which: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, which);
  } catch (error) {
    if (isErrnoException(error) && error.code === 'ESRCH') return false;
    throw error;
  }
}

async function logSince(path: string, start: number): Promise<string> {
  const bytes = await readFile(path);
  return bytes.subarray(Math.max(start, bytes.length - 64 * 1024)).toString('utf8');
}

async function sleep(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
