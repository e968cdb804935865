/**
 * The one way to run a program: by argv (never through a shell), in a small environment that inherits nothing, in a process
 * group of its own, with a deadline after which the whole group is killed, with bounded output, and with an error that shows
 * the end of what the program said.
 *
 * {@link exec} waits for the program; {@link spawnService} (service.ts) starts one that stays.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LandfallError, isErrnoException, toError } from './errors.ts';
import { debianPackageOf } from './programs.ts';
import { currentSpawner, type Child } from './spawner.ts';

/** Where programs are looked for: Debian's own, so that a hand-installed namesake is never picked up. */
export const PROGRAM_PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

const DEFAULT_MAX_OUTPUT = 16 * 1024 * 1024;
const STDERR_TAIL = 8 * 1024;
const DEFAULT_GRACE_MS = 2_000;

/** What receives output as it comes; the program is not read further until the returned promise settles. */
export type OutputHandler = (chunk: Buffer) => void | Promise<void>;

export interface Credentials {
  readonly uid: number;
  readonly gid: number;
}

export interface ExecOptions {
  /** What this run is for, as it reads after "could not"; default: `run PROGRAM`. */
  readonly doing?: string;
  readonly cwd?: string;
  /** Added to the small base environment PATH, LANG=C.UTF-8, HOME=/nonexistent; nothing else is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array | Readable;
  readonly deadlineMs: number;
  /** Bytes of stdout that are accepted; more ends the program (`exec.output-limit`). Counts for a handler only when given. */
  readonly maxOutput?: number;
  readonly stdout?: 'buffer' | OutputHandler;
  readonly stderr?: 'buffer' | OutputHandler;
  /** stderr goes where stdout goes, in the order it was written. */
  readonly mergeStderr?: boolean;
  readonly signal?: AbortSignal;
  readonly user?: Credentials;
  /** Exit codes that are not an error; default `[0]`. A signal is always one, except with `any`. */
  readonly okCodes?: readonly number[] | 'any';
  /** Open descriptors that the program gets as 3, 4, …; they stay open here. */
  readonly extraFiles?: readonly number[];
  /** Time between SIGTERM and SIGKILL. */
  readonly graceMs?: number;
}

export interface ExecResult {
  /** Null when the program was ended by `signal`. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Empty when a handler took it. */
  readonly stdout: Buffer;
  /** At most the last 8 KiB. */
  readonly stderr: string;
  readonly durationMs: number;
}

/** `exec.failed`: the program ended with a code that the caller did not allow. */
export class ProgramFailed extends LandfallError {
  override readonly name = 'ProgramFailed';
  readonly result: ExecResult;

  constructor(doing: string, program: string, result: ExecResult) {
    const how = result.code === null ? `was ended by ${result.signal ?? 'a signal'}` : `exited with ${result.code}`;
    const said = lastWords(result.stderr);
    super({ code: 'exec.failed', doing, reason: `${program} ${how}${said === '' ? '' : `: ${said}`}` });
    this.result = result;
  }
}

/**
 * Runs a program to its end.
 * @throws LandfallError `exec.missing-program`, `exec.missing-directory`, `exec.deadline`, `exec.aborted`,
 *   `exec.output-limit`, or {@link ProgramFailed}; and whatever a handler or the input stream throws.
 */
export async function exec(argv: readonly [string, ...string[]], options: ExecOptions): Promise<ExecResult> {
  const doing = options.doing ?? `run ${argv[0]}`;
  const started = performance.now();
  const env = baseEnvironment(options.env);
  const program = requireProgram(argv[0], env.PATH, doing);
  if (options.signal?.aborted === true) throw aborted(doing, options.signal);
  const merge = options.mergeStderr === true;
  const child = await start(
    merge ? ['/bin/sh', '-c', 'exec "$@" 2>&1', 'sh', program, ...argv.slice(1)] : [program, ...argv.slice(1)],
    { ...options, env, doing, program: argv[0] },
  );

  let failure: Error | undefined;
  let killTimer: NodeJS.Timeout | undefined;
  const end = (reason: Error): void => {
    if (failure !== undefined) return;
    failure = reason;
    killGroup(child, 'SIGTERM');
    killTimer = setTimeout(() => {
      killGroup(child, 'SIGKILL');
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, options.graceMs ?? DEFAULT_GRACE_MS);
  };
  const deadline = setTimeout(() => {
    end(
      new LandfallError({
        code: 'exec.deadline',
        doing,
        reason: `${argv[0]} was still running after ${formatSeconds(options.deadlineMs)}`,
      }),
    );
  }, options.deadlineMs);
  const onAbort = (): void => end(aborted(doing, options.signal));
  options.signal?.addEventListener('abort', onAbort, { once: true });

  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => {
      // What the leader left behind in its group ends with it, and with it the pipes that it may still hold open.
      killGroup(child, 'SIGKILL');
      resolve({ code, signal });
    });
  });
  const out: Buffer[] = [];
  const maxOutput =
    options.maxOutput ?? (typeof options.stdout === 'function' ? Number.POSITIVE_INFINITY : DEFAULT_MAX_OUTPUT);
  let received = 0;
  const takeOut: OutputHandler = (chunk) => {
    received += chunk.length;
    if (received > maxOutput) {
      throw new LandfallError({
        code: 'exec.output-limit',
        doing,
        reason: `${argv[0]} wrote more than ${maxOutput} bytes`,
      });
    }
    if (typeof options.stdout === 'function') return options.stdout(chunk);
    out.push(chunk);
  };
  const errors = new Tail(STDERR_TAIL);
  const takeError: OutputHandler = (chunk) => {
    errors.push(chunk);
    if (typeof options.stderr === 'function') return options.stderr(chunk);
  };
  try {
    const [{ code, signal }] = await Promise.all([
      exited,
      drain(child.stdout, takeOut, end, () => failure !== undefined),
      drain(child.stderr, takeError, end, () => failure !== undefined),
      feed(child, options.input, end),
    ]);
    if (failure !== undefined) throw failure;
    const result: ExecResult = {
      code,
      signal,
      stdout: Buffer.concat(out),
      stderr: merge ? '' : errors.text(),
      durationMs: performance.now() - started,
    };
    const ok = options.okCodes ?? [0];
    if (ok !== 'any' && (code === null || !ok.includes(code))) throw new ProgramFailed(doing, argv[0], result);
    return result;
  } finally {
    clearTimeout(deadline);
    clearTimeout(killTimer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}

/** The environment that every program gets, with `added` over it. */
export function baseEnvironment(
  added: Readonly<Record<string, string>> = {},
): Record<string, string> & { PATH: string } {
  return { PATH: PROGRAM_PATH, LANG: 'C.UTF-8', HOME: '/nonexistent', ...added };
}

/** The absolute name of an executable, or undefined. A name with a slash is taken as it is. */
export function findProgram(name: string, path: string = PROGRAM_PATH): string | undefined {
  const candidates = name.includes('/') ? [name] : path.split(':').map((folder) => join(folder, name));
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return (isAbsolute(candidate) || name.includes('/')) && statSync(candidate).isFile();
    } catch {
      return false;
    }
  });
}

/** As {@link findProgram}; a missing one is the fault `exec.missing-program` whose remedy names the Debian package. */
export function requireProgram(name: string, path: string, doing: string): string {
  const found = findProgram(name, path);
  if (found !== undefined) return found;
  const debianPackage = debianPackageOf(name);
  throw new LandfallError({
    code: 'exec.missing-program',
    doing,
    reason: `the program ${name} is not installed`,
    remedy: debianPackage === undefined ? `install ${name}` : `install it with: apt-get install ${debianPackage}`,
  });
}

interface StartOptions {
  readonly cwd?: string;
  readonly env: Record<string, string>;
  readonly input?: unknown;
  readonly mergeStderr?: boolean;
  readonly user?: Credentials;
  readonly extraFiles?: readonly number[];
  readonly doing: string;
  readonly program: string;
}

async function start(argv: readonly [string, ...string[]], options: StartOptions): Promise<Child> {
  // Another user and open descriptors are for this process itself to hand on.
  if (options.user === undefined && options.extraFiles === undefined) {
    const cwd = options.cwd ?? process.cwd();
    if (currentSpawner() !== undefined && !existsSync(cwd)) throw missingDirectory(options, cwd);
    try {
      const child = await currentSpawner()?.start({ argv, cwd, env: options.env, stdin: options.input !== undefined });
      if (child !== undefined) return child;
    } catch (error) {
      throw notStarted(options, toError(error));
    }
  }
  const child = spawn(argv[0], argv.slice(1), {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.user === undefined ? {} : { uid: options.user.uid, gid: options.user.gid }),
    env: options.env,
    detached: true,
    stdio: [
      options.input === undefined ? 'ignore' : 'pipe',
      'pipe',
      options.mergeStderr === true ? 'ignore' : 'pipe',
      ...(options.extraFiles ?? []),
    ],
  });
  await spawned(child, options);
  return child;
}

/** Settles when the program runs; a program that cannot be started is a fault with its reason. */
export async function spawned(
  child: ChildProcess,
  context: { readonly doing: string; readonly program: string; readonly cwd?: string },
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => {
      if (isErrnoException(error) && context.cwd !== undefined && !existsSync(context.cwd)) {
        reject(missingDirectory(context, context.cwd, error));
        return;
      }
      reject(notStarted(context, error));
    });
  });
}

function notStarted(context: { readonly doing: string; readonly program: string }, cause: Error): LandfallError {
  return new LandfallError({
    code: 'exec.not-started',
    doing: context.doing,
    reason: `${context.program} cannot be started: ${cause.message}`,
    cause,
  });
}

function missingDirectory(context: { readonly doing: string }, cwd: string, cause?: unknown): LandfallError {
  return new LandfallError({
    code: 'exec.missing-directory',
    doing: context.doing,
    reason: `the folder ${cwd} does not exist`,
    cause,
  });
}

/** Signals the child's whole process group; a group that is gone is no error. */
export function killGroup(child: Pick<Child, 'pid'>, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (!isErrnoException(error) || (error.code !== 'ESRCH' && error.code !== 'EPERM')) throw error;
  }
}

async function drain(
  stream: Readable | null,
  take: OutputHandler,
  end: (reason: Error) => void,
  ended: () => boolean,
): Promise<void> {
  if (stream === null) return;
  try {
    for await (const chunk of stream) {
      if (ended()) continue;
      try {
        if (Buffer.isBuffer(chunk)) await take(chunk);
      } catch (error) {
        end(toError(error));
      }
    }
  } catch (error) {
    if (!ended()) end(toError(error));
  }
}

async function feed(child: Child, input: ExecOptions['input'], end: (reason: Error) => void): Promise<void> {
  const stdin = child.stdin;
  if (stdin === null || input === undefined) return;
  if (typeof input === 'string' || input instanceof Uint8Array) {
    await new Promise<void>((resolve) => {
      stdin.once('error', (error) => {
        if (!isBrokenPipe(error)) end(error);
        resolve();
      });
      stdin.once('close', resolve);
      stdin.end(input);
    });
    return;
  }
  // The end of the program also ends the wait for more input.
  child.once('exit', () => stdin.destroy());
  try {
    await pipeline(input, stdin);
  } catch (error) {
    const programRuns = child.exitCode === null && child.signalCode === null;
    if (programRuns && !isBrokenPipe(error)) end(toError(error));
  }
}

/** A program may stop reading before its input ends; whether that is an error shows in its exit code. */
function isBrokenPipe(error: unknown): boolean {
  return (
    isErrnoException(error) &&
    // What a socket was not read of is told to whoever looks at it next, reading or writing.
    (error.syscall === 'write' || error.syscall === 'read') &&
    (error.code === 'EPIPE' || error.code === 'ECONNRESET')
  );
}

function aborted(doing: string, signal: AbortSignal | undefined): LandfallError {
  return new LandfallError({ code: 'exec.aborted', doing, reason: 'it was cancelled', cause: signal?.reason });
}

function formatSeconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 1 : 0)} s`;
}

function lastWords(stderr: string): string {
  return stderr.trim().split('\n').slice(-12).join('\n').slice(-2048);
}

/** Keeps the last bytes of a stream. */
export class Tail {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size > this.#limit * 4) this.#compact();
  }

  text(): string {
    this.#compact();
    return Buffer.concat(this.#chunks).toString('utf8');
  }

  #compact(): void {
    const whole = Buffer.concat(this.#chunks);
    const kept = whole.length > this.#limit ? whole.subarray(whole.length - this.#limit) : whole;
    this.#chunks = [Buffer.from(kept)];
    this.#size = kept.length;
  }
}
