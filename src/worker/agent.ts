/**
 * The worker: asks Lighthouse for jobs, runs them in throw-away roots, streams the log while they run, uploads what they made
 * and delivers.
 *
 *     joining → waiting → working → delivering → waiting …
 *
 * - *joining*: only without an identity on disk, with a one-time token.
 * - *waiting*: one long poll at a time; it tells which attempts are still being worked on, so that what a dead predecessor of
 *   this process held goes back to the queue at once.
 * - *working*: heartbeats keep the lease, whatever else happens. A server that is away is waited for; the build goes on.
 *   A lease that was lost stops the build, and what it made is thrown away: somebody else has the job.
 * - *delivering*: files first, then the word that they are all there. Both may be said twice.
 *
 * What the package did wrong is `failed`; what this machine could not do is `infrastructure`, and another attempt follows. Asked
 * to stop, the worker takes no new job, hands back the one that still builds, and finishes the one that is being delivered.
 * Killed, it leaves no process (sandbox.ts); its files are swept away at the next start.
 */
import { cpus, totalmem } from 'node:os';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiProblem } from '../contract/client.ts';
import { leaseRoute } from '../contract/worker.ts';
import { systemClock, type Clock } from '../platform/clock.ts';
import { LandfallError, describeError } from '../platform/errors.ts';
import { ensureDirectory, removeTree } from '../platform/files.ts';
import { killAgents } from '../platform/gpg.ts';
import type { Logger } from '../platform/log.ts';
import { createAttemptClient, type AttemptClient } from './attempt-client.ts';
import { runBinaryJob } from './build.ts';
import { findCgroups, type Cgroups } from './cgroups.ts';
import { ExcerptReader } from './error-excerpt.ts';
import {
  isLeaseLost,
  isTransient,
  joinAsWorker,
  loadIdentity,
  readJoinToken,
  type WorkerIdentity,
} from './identity.ts';
import type { JobContext, JobResult } from './job.ts';
import { resolveLimits } from './limits.ts';
import { openLogStream, type LogStream } from './log-stream.ts';
import { machineFacts } from './machine.ts';
import { persistently } from './retry.ts';
import { sweepRoots } from './sandbox.ts';
import { runSourceJob } from './source.ts';
import type { Facts, Lease } from './wire.ts';

export interface WorkerOptions {
  readonly name: string;
  /** Address of the server. */
  readonly url: string;
  /** The worker's own: identity, key, running jobs. */
  readonly folder: string;
  /** Shared by the workers of a machine: bases, roots, indices, packages. */
  readonly chroots: string;
  /** Read when there is no identity yet; removed when it was used. */
  readonly joinTokenFile: string;
  /** Debian's name of what this machine runs. */
  readonly architecture: string;
  /** Jobs at the same time. */
  readonly slots: number;
  readonly version: string;
  readonly log: Logger;
  /** Stops the worker. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

const WAIT_SECONDS = 30;
/** How long a worker that was asked to stop goes on with what it is delivering, and with saying that it hands back a job. */
const FAREWELL_MS = 15_000;

/**
 * Runs until `signal`. @throws LandfallError `worker.not-joined`, `worker.join-refused`, `worker.refused`, `contract.version`
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { log, signal } = options;
  await ensureDirectory(options.folder, 0o700);
  await ensureDirectory(options.chroots);
  const cgroups = await findCgroups();
  await sweep(options, cgroups);
  const identity = (await loadIdentity(options.folder, options.url)) ?? (await joinWithToken(options));
  if (identity === undefined) return;
  log.info(
    {
      pool: identity.pool,
      architectures: identity.architectures,
      fingerprint: identity.key.fingerprint,
      limitsBy: cgroups === undefined ? 'watching' : `control groups, version ${cgroups.version}`,
    },
    `worker ${identity.name} waits for jobs of ${options.url}`,
  );
  try {
    await serveJobs(options, identity, cgroups);
  } finally {
    await killAgents(identity.key.home);
  }
  if (signal.aborted) log.info('stopped');
}

/** Removes what an earlier process of this worker left: it was killed, so none of it is wanted. */
async function sweep(options: WorkerOptions, cgroups: Cgroups | undefined): Promise<void> {
  const jobs = jobsFolder(options);
  await ensureDirectory(jobs, 0o700);
  for (const name of await readdir(jobs)) await removeTree(join(jobs, name));
  const removed = await sweepRoots(join(options.chroots, 'roots'), cgroups);
  if (removed > 0) options.log.info({ removed }, 'removed roots that an earlier worker left');
}

async function joinWithToken(options: WorkerOptions): Promise<WorkerIdentity | undefined> {
  const joinToken = await readJoinToken(options.joinTokenFile);
  if (joinToken === undefined) {
    throw new LandfallError({
      code: 'worker.not-joined',
      doing: `start the worker ${options.name}`,
      reason: `it has not joined ${options.url}, and there is no token in ${options.joinTokenFile}`,
      remedy: 'an administrator makes one with: landfall worker token; put it there, or give --join-token-file',
    });
  }
  const facts = await factsOf(options);
  const identity = await unlessStopped(options.signal, () =>
    persistently(() => joinAsWorker({ ...options, joinToken, facts }), {
      signal: options.signal,
      isTransient,
      onRetry: (error, pauseMs) => options.log.warn({ error, pauseMs }, 'joining must wait'),
    }),
  );
  if (identity !== undefined) await rm(options.joinTokenFile, { force: true });
  return identity;
}

async function factsOf(options: WorkerOptions): Promise<Facts> {
  return { version: options.version, architecture: options.architecture, ...(await machineFacts(options.chroots)) };
}

/** Undefined when `signal` ended it. */
async function unlessStopped<T>(signal: AbortSignal, use: () => Promise<T>): Promise<T | undefined> {
  try {
    return await use();
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

async function serveJobs(
  options: WorkerOptions,
  identity: WorkerIdentity,
  cgroups: Cgroups | undefined,
): Promise<void> {
  const { log, signal } = options;
  const running = new Map<number, Promise<void>>();
  while (!signal.aborted) {
    if (running.size >= options.slots) {
      await Promise.race(running.values());
      continue;
    }
    const lease = await unlessStopped(signal, () =>
      persistently(() => askForJob(options, identity, [...running.keys()]), {
        signal,
        isTransient,
        onRetry: (error, pauseMs) => log.warn({ error, pauseMs }, 'the server is away; the worker waits for it'),
      }),
    );
    if (lease === undefined) continue;
    const job = work(options, identity, cgroups, lease)
      .catch((error: unknown) => {
        log.error({ error, attempt: lease.attemptId }, 'an attempt ended without a word');
      })
      .finally(() => running.delete(lease.attemptId));
    running.set(lease.attemptId, job);
  }
  await Promise.all(running.values());
}

async function askForJob(
  options: WorkerOptions,
  identity: WorkerIdentity,
  holding: number[],
): Promise<Lease | undefined> {
  try {
    return await identity.client.call(leaseRoute, {
      body: { waitSeconds: WAIT_SECONDS, facts: await factsOf(options), holding },
      signal: options.signal,
      timeoutMs: (WAIT_SECONDS + 30) * 1000,
    });
  } catch (error) {
    if (!(error instanceof ApiProblem) || isTransient(error)) throw error;
    throw new LandfallError({
      code: error.code === 'contract.version' ? 'contract.version' : 'worker.refused',
      doing: `ask ${options.url} for a job`,
      reason: error.detail,
      remedy: error.remedy ?? `when it was revoked: remove ${options.folder} and join again with a new token`,
      cause: error,
    });
  }
}

/** Why a job is not gone on with. */
type Ending = 'lost' | 'stopping';

/** One lease from its beginning to its end. */
async function work(
  options: WorkerOptions,
  identity: WorkerIdentity,
  cgroups: Cgroups | undefined,
  lease: Lease,
): Promise<void> {
  const { payload } = lease;
  const title = `${payload.kind} ${payload.source} ${payload.version}${payload.kind === 'binary' ? ` ${payload.architecture}` : ''}`;
  const log = options.log.child({ job: lease.jobId, attempt: lease.attemptId });
  log.info(`begins with ${title}`);
  const folder = join(jobsFolder(options), `attempt-${lease.attemptId}-${lease.token}`);

  // Ends the work itself, and what is said about it: the latter outlives a stop for a farewell.
  const effort = new AbortController();
  const speech = new AbortController();
  let ending: Ending | undefined;
  const end = (why: Ending): void => {
    if (ending !== undefined) return;
    ending = why;
    effort.abort(new Error(why === 'lost' ? 'the lease was lost' : 'the worker was asked to stop'));
    if (why === 'lost') speech.abort(new Error('the lease was lost'));
  };
  const lose = (error: ApiProblem): void => {
    log.warn({ code: error.code }, `the lease of ${title} is lost: ${error.detail}`);
    end('lost');
  };
  const attempt = createAttemptClient({
    client: identity.client,
    lease,
    signal: speech.signal,
    onRetry: (error, pauseMs) => log.warn({ error, pauseMs }, 'the server is away; trying again'),
  });
  const stream = await openJob(folder, attempt).catch(async (error: unknown) => {
    await giveUp(options, identity, lease, error);
    await removeTree(folder).catch(() => undefined);
  });
  if (stream === undefined) return;
  let facts: Facts = {};
  let delivering = false;
  const heart = beat({
    lease,
    attempt,
    stream,
    facts: async () => ({ ...(await machineFacts(options.chroots)), ...facts }),
    signal: speech.signal,
    onLost: lose,
  });
  const onStop = (): void => {
    setTimeout(() => speech.abort(new Error('the worker stopped')), FAREWELL_MS).unref();
    if (!delivering) end('stopping');
  };
  options.signal.addEventListener('abort', onStop, { once: true });
  if (options.signal.aborted) onStop();

  const parallel = Math.max(1, Math.floor(cpus().length / options.slots));
  try {
    const result = await run({
      lease,
      workerName: identity.name,
      key: identity.key,
      limits: resolveLimits(lease.limits, lease.sizeClass, {
        memoryBytes: totalmem() / options.slots,
        processors: parallel,
      }),
      clock: options.clock ?? systemClock,
      cgroups,
      parallel,
      folder,
      cache: options.chroots,
      log: stream,
      excerpt: new ExcerptReader(),
      fetch: (file, path) => attempt.fetch(file, path),
      note: (more) => {
        facts = { ...facts, ...more };
      },
      signal: effort.signal,
    });
    if (ending === 'lost') return;
    delivering = ending === undefined;
    if (result.kind === 'made' && delivering) {
      await deliver(attempt, stream, result, facts);
      log.info(`delivered ${title}`);
      return;
    }
    const failure = failureOf(result, ending);
    await stream.say(`${failure.kind === 'failed' ? 'failed' : 'not finished'}: ${failure.code}: ${failure.reason}`);
    await stream.flush();
    await attempt.fail({ ...failure, facts });
    log.info({ code: failure.code }, `${title}: ${failure.reason.split('\n')[0] ?? ''}`);
  } catch (error) {
    if (isLeaseLost(error)) lose(error);
    else if (speech.signal.aborted) log.warn(`${title} ends unsaid; its lease runs out`);
    else throw error;
  } finally {
    options.signal.removeEventListener('abort', onStop);
    speech.abort(new Error('the attempt is over'));
    await heart;
    await stream.close().catch(() => undefined);
    await removeTree(folder);
  }
}

/** The job's folder, with its log. */
async function openJob(folder: string, attempt: AttemptClient): Promise<LogStream> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return await openLogStream({
    file: join(folder, 'build.log'),
    target: {
      append: (offset, bytes) => attempt.append(offset, bytes),
      markPhase: (name, at) => attempt.markPhase(name, at),
    },
  });
}

/**
 * Says that this machine cannot even begin. Unsaid, the job would come back with the next poll, and again, as fast as the two
 * sides can talk; said, it waits a while, longer each time.
 */
async function giveUp(options: WorkerOptions, identity: WorkerIdentity, lease: Lease, error: unknown): Promise<void> {
  const { log, signal } = options;
  const reason = `the worker cannot keep the files of a job: ${describeError(error)}`;
  log.error({ error, job: lease.jobId, attempt: lease.attemptId }, reason);
  const attempt = createAttemptClient({
    client: identity.client,
    lease,
    signal,
    onRetry: (why, pauseMs) => log.warn({ error: why, pauseMs }, 'the server is away; trying again'),
  });
  await attempt.fail({ kind: 'unavailable', code: 'worker.folder', reason, facts: {} });
}

/** Faults that come from what the job asks, and would come on every machine. */
const SAME_EVERYWHERE: ReadonlySet<string> = new Set([
  'job.malformed',
  'job.input-name',
  'apt.source',
  'source.frozen-input',
]);

/** What this machine lacked, and any job would have lacked: tried again later, and not counted against the job. */
const AWAY: ReadonlySet<string> = new Set([
  'apt.mirror-away',
  'chroot.mirror-away',
  'chroot.no-room',
  'exec.missing-program',
  'storage.full',
]);

type Outcome =
  JobResult | { readonly kind: 'infrastructure' | 'unavailable'; readonly code: string; readonly reason: string };

async function run(context: JobContext): Promise<Outcome> {
  const { payload } = context.lease;
  try {
    switch (payload.kind) {
      case 'source':
        return await runSourceJob(context, payload);
      case 'binary':
        return await runBinaryJob(context, payload);
    }
  } catch (error) {
    const code = error instanceof LandfallError ? error.code : 'worker.fault';
    const kind = SAME_EVERYWHERE.has(code) ? 'failed' : AWAY.has(code) ? 'unavailable' : 'infrastructure';
    return { kind, code, reason: describeError(error) };
  }
}

function failureOf(
  outcome: Outcome,
  ending: Ending | undefined,
): { kind: 'failed' | 'infrastructure' | 'unavailable'; code: string; reason: string } {
  if (ending === 'stopping' || outcome.kind === 'made') {
    return { kind: 'unavailable', code: 'worker.stopped', reason: 'the worker was stopped before it was finished' };
  }
  return { kind: outcome.kind, code: outcome.code, reason: outcome.reason };
}

/** Files first; then all that is known; then the word. */
async function deliver(
  attempt: AttemptClient,
  stream: LogStream,
  made: Extract<JobResult, { kind: 'made' }>,
  facts: Facts,
): Promise<void> {
  await stream.startPhase('upload');
  for (const file of made.files) {
    await attempt.upload(file);
    await stream.say(`uploaded ${file.name} (${file.size} bytes, sha256 ${file.sha256})`);
  }
  await stream.flush();
  await attempt.heartbeat('deliver', facts);
  await attempt.deliver(made.changes);
}

/** Keeps the lease until `signal`. A server that is away is asked again at the next beat. */
async function beat(options: {
  readonly lease: Lease;
  readonly attempt: AttemptClient;
  readonly stream: LogStream;
  readonly facts: () => Promise<Facts>;
  readonly signal: AbortSignal;
  readonly onLost: (error: ApiProblem) => void;
}): Promise<void> {
  const { signal } = options;
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    try {
      await sleep(options.lease.heartbeatSeconds * 1000, undefined, { signal });
      await options.attempt.heartbeat(options.stream.phase, await options.facts());
    } catch (error) {
      if (isOver()) return;
      if (isLeaseLost(error)) {
        options.onLost(error);
        return;
      }
    }
  }
}

function jobsFolder(options: WorkerOptions): string {
  return join(options.folder, 'jobs');
}
