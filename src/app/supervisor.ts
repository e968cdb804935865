/**
 * Keeps the roles of one machine running: each is a process of its own, started in order, started again when it ends by
 * itself (after a pause that grows while it keeps failing), and ended in the opposite order.
 *
 * A role never outlives the supervisor: the kernel ends it when the supervisor dies, however that happens. There is one
 * supervisor per state folder; it listens on a socket there, by which `landfall stop` and a second start find it.
 */
import { mkdir, readFile, unlink } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { LandfallError, describeError, isErrnoException } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { requireSocketPath } from '../platform/paths.ts';
import { spawnService, type Service } from '../platform/service.ts';

export interface Role {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Settles when the role does its work; throws while it does not yet. */
  readonly ready: () => Promise<void>;
}

export interface RoleState {
  readonly name: string;
  readonly pid: number | undefined;
  readonly starts: number;
}

export interface Supervisor {
  /** Starts a role and returns when it is ready. @throws LandfallError `role.not-ready` with the end of its log's path */
  add(role: Role): Promise<void>;
  state(): readonly RoleState[];
  stop(): Promise<void>;
  /** Settles when somebody asked it to stop, by the socket or a call. */
  readonly stopped: Promise<void>;
}

const READY_DEADLINE_MS = 60_000;
/** A role that ended this often before it was ready will not be. */
const MOST_FAILED_STARTS = 2;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** A role that ran this long before it ended gets the first pause again. */
const STEADY_MS = 5_000;
const GRACE_MS = 15_000;

/** @throws LandfallError `supervisor.running` when another one has this state folder. */
export async function startSupervisor(options: { socket: string; log: Logger }): Promise<Supervisor> {
  const keepers: Keeper[] = [];
  let ended: Promise<void> | undefined;
  let announceStop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => {
    announceStop = resolve;
  });
  const server = await listen(options.socket, (request) => {
    if (request === 'stop') announceStop();
    return JSON.stringify(keepers.map((keeper) => keeper.state()));
  });
  return {
    stopped,
    state: () => keepers.map((keeper) => keeper.state()),
    add: async (role) => {
      const keeper = new Keeper(role, options.log);
      keepers.push(keeper);
      await keeper.begin();
    },
    stop: async () => {
      ended ??= (async () => {
        announceStop();
        for (const keeper of [...keepers].reverse()) await keeper.end();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      })();
      await ended;
    },
  };
}

/** One role: started, watched, started again. */
class Keeper {
  readonly #role: Role;
  readonly #log: Logger;
  #service: Service | undefined;
  #starts = 0;
  #ending = false;
  #watch: Promise<void> = Promise.resolve();
  #wake: () => void = () => undefined;

  constructor(role: Role, log: Logger) {
    this.#role = role;
    this.#log = log.child({ child: role.name });
  }

  state(): RoleState {
    return { name: this.#role.name, pid: this.#service?.pid, starts: this.#starts };
  }

  async begin(): Promise<void> {
    this.#watch = this.#keep();
    const deadline = Date.now() + READY_DEADLINE_MS;
    for (;;) {
      try {
        await this.#role.ready();
        return;
      } catch (error) {
        const failing = this.#service === undefined && this.#starts > MOST_FAILED_STARTS;
        if (failing || Date.now() > deadline) {
          throw new LandfallError({
            code: 'role.not-ready',
            doing: `start ${this.#role.name}`,
            reason: failing ? await lastLine(this.#role.logFile) : describeError(error),
            remedy: `its log says more: ${this.#role.logFile}`,
            cause: error,
          });
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #keep(): Promise<void> {
    let pause = FIRST_PAUSE_MS;
    while (!this.#ending) {
      const started = Date.now();
      try {
        this.#starts += 1;
        this.#service = await spawnService(['setpriv', '--pdeathsig', 'TERM', '--', ...this.#role.argv], {
          doing: `start ${this.#role.name}`,
          cwd: '/',
          env: this.#role.env,
          output: { file: this.#role.logFile },
        });
        const exit = await this.#service.exited;
        this.#service = undefined;
        if (this.#isEnding()) return;
        this.#log.warn(exit, `${this.#role.name} ended by itself and is started again`);
      } catch (error) {
        this.#log.error({ error }, `${this.#role.name} could not be started`);
      }
      pause = Date.now() - started > STEADY_MS ? FIRST_PAUSE_MS : Math.min(pause * 2, LONGEST_PAUSE_MS);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pause);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async end(): Promise<void> {
    this.#ending = true;
    this.#wake();
    await this.#service?.stop(GRACE_MS);
    await this.#watch;
  }

  #isEnding(): boolean {
    return this.#ending;
  }
}

/** What the supervisor of this state folder answers, or undefined when none runs. */
export async function askSupervisor(
  socket: string,
  request: 'state' | 'stop',
): Promise<readonly RoleState[] | undefined> {
  const connection = await connect(socket);
  if (connection === undefined) return undefined;
  connection.write(`${request}\n`);
  let answer = '';
  for await (const chunk of connection) answer += String(chunk);
  const states: unknown = JSON.parse(answer);
  return Array.isArray(states) ? states.filter(isRoleState) : [];
}

/** Waits until no supervisor answers any more. */
export async function untilStopped(socket: string, deadlineMs: number): Promise<boolean> {
  const deadline = Date.now() + deadlineMs;
  while (Date.now() < deadline) {
    const connection = await connect(socket);
    if (connection === undefined) return true;
    connection.destroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

async function lastLine(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').at(-1)?.slice(0, 1000) ?? 'it ended without a word';
}

function isRoleState(value: unknown): value is RoleState {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string';
}

async function listen(path: string, answer: (request: string) => string): Promise<Server> {
  requireSocketPath(path);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const living = await connect(path);
  if (living !== undefined) {
    living.destroy();
    throw new LandfallError({
      code: 'supervisor.running',
      doing: 'start Landfall',
      reason: `it runs already on ${dirname(dirname(path))}`,
      remedy: 'use it as it is, or end it first with `landfall stop`',
    });
  }
  await unlink(path).catch((error: unknown) => {
    if (!isErrnoException(error) || error.code !== 'ENOENT') throw error;
  });
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.setEncoding('utf8');
    let request = '';
    socket.on('data', (text: string) => {
      request += text;
      if (request.includes('\n')) socket.end(answer(request.trim()));
      else if (request.length > 100) socket.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return server;
}

async function connect(path: string): Promise<Socket | undefined> {
  return await new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', (error) => {
      if (isErrnoException(error) && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')) resolve(undefined);
      else reject(error);
    });
  });
}
