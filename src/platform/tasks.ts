/**
 * Background tasks, kept by graphile-worker in the same database: enqueued inside the transaction that makes them necessary,
 * run at least once, again after a failure with growing pauses. Handlers are idempotent.
 *
 * A process that dies keeps its tasks locked (for four hours, if nobody looked). So each pool of tasks is a row of
 * `task_pools` with a heartbeat, and holds an advisory lock on a connection of its own. A pool is dead when its lock is free
 * and it was silent for a few seconds (the process ended: PostgreSQL saw the connection close), or when it was silent for
 * half a minute whatever its lock says (the machine hangs or the network is cut). Every pool looks at the others at start and
 * every two seconds, and unlocks what the dead ones held.
 */
import { EventEmitter } from 'node:events';
import {
  parseCronItems,
  run,
  type CronItem,
  type JobHelpers,
  type Runner,
  type TaskList,
  type WorkerEvents,
} from 'graphile-worker';
import { sql } from 'kysely';
import { connectionFault, createPool, type DatabaseConnection, type Db } from './database.ts';
import { LandfallError, describeError, toError } from './errors.ts';
import { graphileLogger } from './graphile-logger.ts';
import type { Logger } from './log.ts';
import type { JsonObject } from './schema.ts';
import { beginPresence, IS_SUPERSEDED, KEYED, type Presence } from './task-presence.ts';

const STANDING_MS = 20_000;
const LOOK_AGAIN_MS = [5, 25, 100] as const;

export interface EnqueueOptions {
  /**
   * One waiting task per key: enqueued again, the waiting one takes the new payload and time. One that runs already is left
   * alone and another is enqueued, which may run beside it: who cannot bear that gives a queue name too.
   */
  readonly jobKey?: string;
  readonly runAt?: Date;
  /** Default 25: with growing pauses, about three days. Never 1: a killed attempt counts. */
  readonly maxAttempts?: number;
  /** Tasks of one queue run one after another. */
  readonly queueName?: string;
  /** Lower runs sooner; default 0. */
  readonly priority?: number;
}

export interface TaskHelpers {
  /** Aborted when the process is about to end and this task should come to its own. */
  readonly signal: AbortSignal;
  /** Counted from 1. */
  readonly attempt: number;
  readonly maxAttempts: number;
}

export type TaskHandlers = Readonly<Record<string, (payload: unknown, helpers: TaskHelpers) => Promise<void>>>;

/** A task enqueued by the clock. */
export interface CronEntry {
  /** Five fields, UTC. @see crontab(5) */
  readonly match: string;
  readonly task: string;
  readonly payload?: JsonObject;
  readonly maxAttempts?: number;
}

export interface TaskOptions {
  readonly connection: DatabaseConnection;
  readonly handlers: TaskHandlers;
  readonly cron?: readonly CronEntry[];
  readonly concurrency?: number;
  readonly logger: Logger;
  /** How long no task can be taken, with the database answering, before the tasks end; default 20 s. */
  readonly standingMs?: number;
  /** Told when a task has failed for the last time, so that somebody is alerted. */
  readonly onGivenUp?: (task: string, payload: unknown, error: Error) => void;
}

export interface Tasks {
  /** As it stands in `task_pools`. */
  readonly poolId: string;
  /** Takes no more tasks and waits for the running ones; those that still run after `graceMs` are given back. */
  stop(graceMs?: number): Promise<void>;
  /** Resolves after `stop`; rejects when the tasks ended by themselves: the process must end and be started again. */
  readonly finished: Promise<void>;
}

/** Of what follows a decision, when people wait for other decisions. */
export const AFTER_DECISIONS = 10;

/** True of a row `j` of graphile_worker._private_jobs that was overtaken: see task-presence.ts. */
export const SUPERSEDED = sql.raw<boolean>(IS_SUPERSEDED);

/** Adds a task in the caller's transaction: it runs if, and only after, that commits. */
export async function enqueue(trx: Db, name: string, payload: JsonObject, options: EnqueueOptions = {}): Promise<void> {
  await sql`SELECT graphile_worker.add_job(
    identifier => ${name}::text,
    payload => ${JSON.stringify(payload)}::json,
    queue_name => ${options.queueName ?? null}::text,
    run_at => ${options.runAt ?? null}::timestamptz,
    max_attempts => ${options.maxAttempts ?? null}::integer,
    job_key => ${options.jobKey ?? null}::text,
    flags => ${options.jobKey === undefined ? null : [KEYED]}::text[],
    priority => ${options.priority ?? null}::integer
  )`.execute(trx);
}

/** Starts to run tasks. The schema must be migrated. Returns when this pool is registered and takes tasks. */
export async function startTasks(options: TaskOptions): Promise<Tasks> {
  const { connection, logger } = options;
  const concurrency = options.concurrency ?? 4;
  const pool = createPool(connection, {
    poolSize: concurrency + 2,
    applicationName: 'landfall tasks',
    plainTypes: true,
    onError: (error) => logger.debug({ error }, 'a connection for tasks was lost'),
  });
  // The pool's row and lock come before its first task, because what an unknown pool holds is unlocked at once.
  const registration = deferred<Presence>();
  let registering: Promise<Presence> | undefined;
  const held = new Set<string>();
  const register = async (poolId: string): Promise<void> => {
    registering ??= beginPresence(connection, poolId, held, logger);
    registering.then(registration.resolve, registration.reject);
    await registering;
  };
  const events: WorkerEvents = new EventEmitter();
  events.on('job:start', ({ job }) => held.add(job.id));
  events.on('job:complete', ({ job }) => held.delete(job.id));
  lookAgainBehindQueues(events);
  let runner: Runner;
  try {
    runner = await run(
      {
        pgPool: pool,
        events,
        concurrency,
        noHandleSignals: true,
        pollInterval: 1_000,
        logger: graphileLogger(logger),
        parsedCronItems: parseCronItems((options.cron ?? []).map(cronItem)),
        preset: {
          plugins: [
            {
              name: 'landfall-presence',
              version: '1',
              worker: {
                hooks: { startWorker: async (_context, { worker }) => await register(worker.workerPool.id) },
              },
            },
          ],
          // Without batches, a task that ends while the server is away is an unhandled rejection; with them, an event.
          worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0, gracefulShutdownAbortTimeout: 1_000 },
        },
      },
      taskList(options.handlers),
    );
  } catch (error) {
    await pool.end();
    throw connectionFault(connection, error);
  }

  let stopping = false;
  const finished = deferred<undefined>();
  const endedByItself = (error: unknown): void =>
    finished.reject(
      new LandfallError({
        code: 'tasks.ended',
        doing: 'go on running background tasks',
        reason: error === undefined ? 'they ended by themselves' : describeError(error),
        remedy: 'the process ends, and its supervisor starts it again',
        cause: error,
      }),
    );
  events.on('pool:fatalError', ({ error }) => endedByItself(error));
  events.on('job:failed', ({ job, error }) => {
    logger.error({ task: job.task_identifier, error }, 'a task failed for the last time');
    options.onGivenUp?.(job.task_identifier, job.payload, toError(error));
  });
  runner.promise.then(
    () => (stopping ? finished.resolve(undefined) : endedByItself(undefined)),
    (error: unknown) => (stopping ? finished.resolve(undefined) : endedByItself(error)),
  );
  // Whoever awaits it sees the rejection; that nobody does is not a second fault.
  finished.promise.catch(() => undefined);

  let presence: Presence;
  try {
    presence = await registration.promise;
  } catch (error) {
    stopping = true;
    await runner.stop().catch(() => undefined);
    await pool.end();
    throw connectionFault(connection, error);
  }

  const watch = watchForStanding(events, presence, options.standingMs ?? STANDING_MS, () =>
    endedByItself('no task could be taken for a while, although the database answers'),
  );
  finished.promise.catch(() => undefined).finally(() => clearInterval(watch));

  const stop = async (graceMs: number): Promise<void> => {
    stopping = true;
    const drained = runner
      .stop()
      .then(() => runner.promise)
      .catch((error: unknown) => logger.debug({ error }, 'tasks were stopped when they had ended'));
    const inTime = await Promise.race([drained.then(() => true), expiry(graceMs)]);
    finished.resolve(undefined);
    if (!inTime) logger.warn({ graceMs }, 'gave back background tasks that did not end in time');
    // Saying goodbye gives back what is still held, so that another process need not wait.
    await presence.end();
    await Promise.race([pool.end(), expiry(inTime ? 5_000 : 0)]);
  };
  let stopped: Promise<void> | undefined;
  return {
    poolId: presence.poolId,
    finished: finished.promise.then(() => undefined),
    stop: async (graceMs = 20_000) => {
      stopped ??= stop(graceMs);
      await stopped;
    },
  };
}

/**
 * A worker looks for its next task while the end of its last one is still being written, and so finds the next task of the same
 * queue locked; nothing would tell it when that is over. So a worker that ended a task and then found none looks again soon.
 */
function lookAgainBehindQueues(events: WorkerEvents): void {
  const pauses = new Map<string, readonly number[]>();
  const timers = new Map<string, NodeJS.Timeout>();
  /** Those that end: one may still be at its last task, and must not be told to look for another. */
  const leaving = new Set<string>();
  events.on('job:complete', ({ worker, job }) => {
    if (job.job_queue_id !== null && !leaving.has(worker.workerId)) pauses.set(worker.workerId, LOOK_AGAIN_MS);
  });
  events.on('worker:getJob:empty', ({ worker }) => {
    const [pause, ...rest] = pauses.get(worker.workerId) ?? [];
    if (pause === undefined) return;
    pauses.set(worker.workerId, rest);
    clearTimeout(timers.get(worker.workerId));
    timers.set(
      worker.workerId,
      setTimeout(() => worker.nudge(), pause),
    );
  });
  events.on('worker:release', ({ worker }) => {
    leaving.add(worker.workerId);
    pauses.delete(worker.workerId);
    clearTimeout(timers.get(worker.workerId));
  });
}

/**
 * A worker whose very first query fails keeps that failure for ever. So: when every attempt to take a task has failed for a
 * while, and the database answered all that time, `ended` is called.
 */
function watchForStanding(
  events: WorkerEvents,
  presence: Presence,
  standingMs: number,
  ended: () => void,
): NodeJS.Timeout {
  let failingSince: number | undefined;
  const works = (): void => {
    failingSince = undefined;
  };
  events.on('job:start', works);
  events.on('worker:getJob:empty', works);
  events.on('worker:getJob:error', () => {
    failingSince ??= performance.now();
  });
  return setInterval(() => {
    const answersSince = presence.answersSince();
    if (failingSince === undefined || answersSince === undefined) return;
    if (performance.now() - Math.max(failingSince, answersSince) > standingMs) ended();
  }, standingMs / 10).unref();
}

function taskList(handlers: TaskHandlers): TaskList {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handle]) => [
      name,
      async (payload: unknown, helpers: JobHelpers): Promise<void> => {
        await handle(withoutCronFacts(payload), {
          signal: helpers.abortSignal,
          attempt: helpers.job.attempts,
          maxAttempts: helpers.job.max_attempts,
        });
      },
    ]),
  );
}

/** graphile-worker adds `_cron` to what the clock enqueues; handlers check their payload strictly. */
function withoutCronFacts(payload: unknown): unknown {
  if (typeof payload !== 'object' || payload === null || !('_cron' in payload)) return payload;
  const { _cron, ...rest } = payload;
  return rest;
}

/** A clock's task that is still waiting when the next one comes is not doubled. */
function cronItem(entry: CronEntry): CronItem {
  return {
    task: entry.task,
    match: entry.match,
    identifier: entry.task,
    ...(entry.payload === undefined ? {} : { payload: { ...entry.payload } }),
    options: { backfillPeriod: 0, maxAttempts: entry.maxAttempts ?? 3, jobKey: `cron:${entry.task}` },
  };
}

/** False after so many milliseconds; does not keep the process alive. */
async function expiry(milliseconds: number): Promise<false> {
  return await new Promise((resolve) => setTimeout(() => resolve(false), milliseconds).unref());
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
