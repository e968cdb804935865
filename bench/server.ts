/**
 * Landfall as anybody runs it: `landfall init`, `landfall serve`, its own PostgreSQL with fsync. A benchmark looks into its
 * database to know when something is done, and asks it by HTTP for what a client would ask for.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askSupervisor } from '../src/app/supervisor.ts';
import { applyRoute, planRoute } from '../src/contract/apply.ts';
import { createClient } from '../src/contract/client.ts';
import { createDatabase, type Db } from '../src/platform/database.ts';
import { exec } from '../src/platform/exec.ts';
import { listen } from '../src/platform/notifications.ts';
import { statePaths, type Paths } from '../src/platform/paths.ts';
import { spawnService } from '../src/platform/service.ts';

export interface BenchServer {
  readonly url: string;
  readonly db: Db;
  readonly paths: Paths;
  /** The process that serves, decides and publishes. */
  readonly pid: number;
  /** The process that all roles and the database run below. */
  readonly treePid: number;
  /** Plans and applies a distribution file, with the files that it names. */
  apply(text: string, attachments?: readonly { readonly name: string; readonly bytes: Buffer }[]): Promise<void>;
  /** Returns when `holds`, which is asked again at every event of the server. */
  until(holds: () => Promise<boolean>, what: string, deadlineMs?: number): Promise<void>;
  stop(): Promise<void>;
}

const START_DEADLINE_MS = 120_000;
const DEADLINE_MS = 60_000;

/** Starts it on an empty state folder below `folder`, after ending what an interrupted run left there. */
export async function startServer(options: {
  readonly folder: string;
  readonly app: string;
  readonly signal: AbortSignal;
}): Promise<BenchServer> {
  const { folder, app, signal } = options;
  const stateDir = join(folder, 'state');
  const env = { LANDFALL_STATE_DIR: stateDir, HOME: stateDir };
  const landfall = async (args: readonly string[], okCodes: readonly number[] | 'any' = [0]): Promise<void> => {
    await exec([process.execPath, app, ...args], { env, cwd: '/', deadlineMs: START_DEADLINE_MS, okCodes });
  };
  await mkdir(stateDir, { recursive: true });
  await landfall(['stop'], 'any');
  await rm(stateDir, { recursive: true, force: true, maxRetries: 3 });
  await mkdir(stateDir, { recursive: true, mode: 0o700 });

  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await landfall(['init', '--listen', `127.0.0.1:${port}`]);
  const paths = statePaths(stateDir);
  const service = await spawnService([process.execPath, app, 'serve'], {
    doing: 'start landfall serve',
    cwd: '/',
    env,
    output: { file: join(folder, 'serve.log') },
  });
  const database = { host: paths.run, port: 5432, database: 'landfall', user: 'landfall' };
  const db = createDatabase(database, { poolSize: 4, applicationName: 'bench' });
  const wake = new Set<() => void>();
  let listener: Awaited<ReturnType<typeof listen>> | undefined;
  const stop = async (): Promise<void> => {
    await listener?.stop();
    await db.destroy();
    await service.stop(30_000);
  };
  try {
    await poll(async () => (await fetch(`${url}/readyz`)).ok, 'the server', START_DEADLINE_MS, signal);
    listener = await listen(database, {
      channels: ['events'],
      onNotification: () => {
        for (const one of [...wake]) one();
      },
    });
    const roles = await askSupervisor(join(paths.run, 'supervisor.sock'), 'state');
    const pid = roles?.find(({ name }) => name === 'serve')?.pid;
    if (pid === undefined) throw new Error('the server has no process');
    const token = (await readFile(join(paths.tokens, 'admin'), 'utf8')).trim();
    return {
      url,
      db,
      paths,
      pid,
      treePid: service.pid,
      stop,
      apply: async (text, attachments = []) => {
        const client = createClient({ url, token });
        const encoded = attachments.map(({ name, bytes }) => ({ name, bytes: bytes.toString('base64') }));
        const files = [{ name: 'distribution.toml', text, attachments: encoded }];
        const plan = await client.call(planRoute, { body: { files } });
        if (plan.kind === 'problems') throw new Error(JSON.stringify(plan.problems));
        await client.call(applyRoute, { body: { files, hash: plan.hash } });
      },
      until: async (holds, what, deadlineMs = DEADLINE_MS) => {
        const deadline = performance.now() + deadlineMs;
        for (;;) {
          signal.throwIfAborted();
          let woken: () => void = () => undefined;
          const event = new Promise<void>((resolve) => (woken = resolve));
          wake.add(woken);
          try {
            if (await holds()) return;
            if (performance.now() > deadline) throw new Error(`${what}: not within ${deadlineMs / 1000} s`);
            const nothing = new AbortController();
            await Promise.race([event, sleep(500, undefined, { signal: nothing.signal }).catch(() => undefined)]);
            nothing.abort();
          } finally {
            wake.delete(woken);
          }
        }
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Asks again and again, also where asking fails. */
async function poll(
  holds: () => Promise<boolean>,
  what: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    signal.throwIfAborted();
    try {
      if (await holds()) return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    if (performance.now() > deadline) throw new Error(`${what}: not within ${deadlineMs / 1000} s`);
    await sleep(50);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}
