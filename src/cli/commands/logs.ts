/** `landfall logs [-f] BUILD` */
import type { Command } from 'commander';
import { buildRoute, type Attempt, type Build } from '../../contract/builds.ts';
import type { Client } from '../../contract/client.ts';
import { logRoute } from '../../contract/logs.ts';
import { numberArgument, remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { UsageError } from '../failures.ts';
import { document } from '../manual.ts';
import { inert } from '../output/inert.ts';
import { answer, progress } from '../output/print.ts';

interface Options extends RemoteOptions {
  readonly follow?: boolean;
  readonly attempt?: number;
}

const NEXT_ATTEMPT_MS = 2_000;

export function logsCommand(context: CliContext): Command {
  const command = remoteCommand('logs', 'print the log of a build, also while it runs')
    .argument('<build>', 'number of a build', numberArgument)
    .option('-f, --follow', 'go on while it grows, also when another worker takes the build over')
    .option('--attempt <number>', 'of this attempt; default: the last one', numberArgument)
    .action(async (id: number, options: Options) => {
      await runRemote(context, options, async (client) => {
        await printLogs(context, client, id, options);
      });
    });
  return document(command, {
    text: [
      'Prints the log of the last attempt as it was written. On a terminal, escape sequences in it are made visible and do ' +
        'nothing; into a file or a pipe go the bytes as they are.',
      'With --follow it stays until the build has come to its end, through lost workers and new attempts, and the exit code is ' +
        'its result.',
    ],
    examples: [
      { command: 'landfall logs 12', says: 'The whole log of build 12.' },
      { command: 'landfall logs -f 12', says: 'As it is written; ends with the build.' },
    ],
  });
}

async function printLogs(context: CliContext, client: Client, id: number, options: Options): Promise<void> {
  const { signal } = context;
  let build = await client.call(buildRoute, { params: { id }, signal });
  if (options.json === true) {
    answer(context, true, { build: id, attempts: build.attempts.map(logFacts) }, () => '');
    return;
  }
  let shown = 0;
  for (;;) {
    const attempt = choose(build, options.attempt, shown);
    if (attempt !== undefined) {
      if (shown !== 0) context.stderr.write(`--- attempt ${attempt.number} on ${attempt.worker}\n`);
      await printLog(context, client, attempt, options.follow === true);
      shown = attempt.number;
    }
    if (options.follow !== true || options.attempt !== undefined) {
      if (attempt === undefined) throw new UsageError(nothingYet(build, options.attempt));
      return;
    }
    build = await client.call(buildRoute, { params: { id }, signal });
    // Another attempt may have begun, and even ended, while this one was printed: its log comes first.
    if (choose(build, undefined, shown) === undefined) {
      if (isOver(build)) break;
      progress(context, build.sentence);
      await pause(NEXT_ATTEMPT_MS, signal);
      if (signal.aborted) throw new Error('interrupted');
      build = await client.call(buildRoute, { params: { id }, signal });
    }
  }
  progress(context, build.sentence);
  if (build.state !== 'succeeded') context.setExitCode(EXIT.failed);
}

function choose(build: Build, wanted: number | undefined, shown: number): Attempt | undefined {
  const attempts = [...build.attempts].sort((a, b) => a.number - b.number);
  if (wanted !== undefined) return attempts.find((attempt) => attempt.number === wanted);
  const last = attempts.at(-1);
  return last !== undefined && last.number > shown ? last : undefined;
}

function nothingYet(build: Build, wanted: number | undefined): string {
  return wanted === undefined
    ? `no attempt of this build has begun: ${build.sentence}`
    : `there is no attempt ${wanted}`;
}

async function printLog(context: CliContext, client: Client, attempt: Attempt, follow: boolean): Promise<void> {
  const response = await client.open(logRoute, {
    params: { attempt: attempt.id },
    query: follow ? { follow: '1' } : {},
    accept: 'text/plain',
    signal: context.signal,
  });
  if (response.body === null) return;
  const terminal = context.stdout.isTTY === true;
  const decoder = new TextDecoder('utf-8');
  // A sequence may be cut by the border between two pieces, so a terminal is given whole lines.
  let rest = '';
  for await (const piece of response.body) {
    const text = decoder.decode(piece, { stream: true });
    if (!terminal) {
      context.stdout.write(text);
      continue;
    }
    rest += text;
    const end = rest.length > 64 * 1024 ? rest.length : rest.lastIndexOf('\n') + 1;
    context.stdout.write(inert(rest.slice(0, end)));
    rest = rest.slice(end);
  }
  const last = rest + decoder.decode();
  if (last !== '') context.stdout.write(terminal ? inert(last) : last);
}

function isOver(build: Build): boolean {
  return ['succeeded', 'failed', 'quarantined', 'cancelled'].includes(build.state);
}

function logFacts(attempt: Attempt): unknown {
  const { number, worker, state, logSize, logUrl, phases } = attempt;
  return { number, worker, state, logSize, logUrl, phases };
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done, { once: true });
  });
}
