/**
 * A program that stays: started in a process group of its own, its output sent to a file, to our own, or line by line to a
 * function; ended by a signal first and by SIGKILL to the whole group when it does not listen.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';
import { baseEnvironment, killGroup, requireProgram, spawned, type Credentials } from './exec.ts';

/** Where a service's stdout and stderr go. */
export type ServiceOutput = { readonly file: string } | 'inherit' | 'ignore' | ((line: string) => void);

export interface ServiceOptions {
  readonly doing?: string;
  readonly cwd?: string;
  /** Added to the small base environment, see exec.ts. */
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: Credentials;
  readonly output: ServiceOutput;
  /** What asks it to end; default SIGTERM. Sent to the program alone: it is its business to end its own children. */
  readonly stopSignal?: NodeJS.Signals;
}

export interface ServiceExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Service {
  readonly pid: number;
  isRunning(): boolean;
  /** Settles when the program has ended and its output was handed on; never rejects. */
  readonly exited: Promise<ServiceExit>;
  /** Asks it to end, kills its group after `graceMs`; settles when it has ended. Calling it again is harmless. */
  stop(graceMs: number): Promise<ServiceExit>;
}

const MAX_LINE = 64 * 1024;

/** Starts a program and returns as soon as it runs. @throws LandfallError `exec.missing-program`, `exec.not-started` … */
export async function spawnService(argv: readonly [string, ...string[]], options: ServiceOptions): Promise<Service> {
  const doing = options.doing ?? `start ${argv[0]}`;
  const env = baseEnvironment(options.env);
  const program = requireProgram(argv[0], env.PATH, doing);
  const output = options.output;
  const file = typeof output === 'object' ? openSync(output.file, 'a', 0o640) : undefined;
  let child: ChildProcess;
  try {
    const target = file ?? (typeof output === 'function' ? 'pipe' : output === 'inherit' ? 'inherit' : 'ignore');
    child = spawn(program, argv.slice(1), {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.user === undefined ? {} : { uid: options.user.uid, gid: options.user.gid }),
      env,
      detached: true,
      stdio: ['ignore', target, target],
    });
    await spawned(child, {
      doing,
      program: argv[0],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
  } finally {
    if (file !== undefined) closeSync(file);
  }
  if (typeof output === 'function') {
    forEachLine(child.stdout, output);
    forEachLine(child.stderr, output);
  }
  let ended = false;
  const exited = new Promise<ServiceExit>((resolve) => {
    child.once('exit', (code, signal) => {
      ended = true;
      killGroup(child, 'SIGKILL');
      resolve({ code, signal });
    });
  });
  return {
    pid: child.pid ?? -1,
    isRunning: () => !ended,
    exited,
    stop: async (graceMs) => {
      if (!ended) {
        child.kill(options.stopSignal ?? 'SIGTERM');
        const timer = setTimeout(() => {
          if (!ended) killGroup(child, 'SIGKILL');
        }, graceMs);
        try {
          await exited;
        } finally {
          clearTimeout(timer);
        }
      }
      return exited;
    },
  };
}

function forEachLine(stream: NodeJS.ReadableStream | null, take: (line: string) => void): void {
  if (stream === null) return;
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
    if (rest.length > MAX_LINE) {
      take(rest);
      rest = '';
    }
  });
  stream.on('end', () => {
    if (rest !== '') take(rest);
  });
  stream.on('error', () => {
    // The end of the program ends its pipes; its exit is what counts.
  });
}
