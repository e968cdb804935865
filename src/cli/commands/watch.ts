/** `landfall watch SUBMISSION` */
import type { Command } from 'commander';
import type { Client } from '../../contract/client.ts';
import { followEvents } from '../../contract/sse.ts';
import { submissionRoute, type Step, type SubmissionTrace } from '../../contract/submissions.ts';
import { whereRoute } from '../../contract/where.ts';
import { eventsRoute } from '../../contract/events.ts';
import { numberArgument, remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { toError } from '../../platform/errors.ts';
import { UsageError } from '../failures.ts';
import { document } from '../manual.ts';
import { progress } from '../output/print.ts';
import { styleOf } from '../output/style.ts';
import { renderSteps, renderSubmission } from '../output/timeline.ts';

interface Options extends RemoteOptions {
  readonly wait: boolean;
  readonly timeout?: number;
}

/** Looked at again without an event: what a clock alone changes, and what a lost connection kept. */
const LOOK_AGAIN_MS = 15_000;

export function watchCommand(context: CliContext): Command {
  const command = remoteCommand('watch', 'follow a submission until it is published or has failed')
    .argument('<submission>', 'number of a submission, or a package: its newest one')
    .option('--no-wait', 'print how it stands and end')
    .option('--timeout <seconds>', 'give up after so long', numberArgument)
    .action(async (which: string, options: Options) => {
      await runRemote(context, options, async (client) => {
        const trace = await watch(context, client, await find(client, which, context.signal), options);
        if (options.json === true) context.stdout.write(`${JSON.stringify(trace, undefined, 2)}\n`);
        context.setExitCode(exitOf(trace, options));
      });
    });
  return document(command, {
    text: [
      'Prints each step as it happens and ends when the submission is published, rejected, failed or cancelled; the exit code ' +
        'says which: 0 for published, 1 for the others. While something waits for a person, it says for whom and goes on waiting.',
      'With --no-wait it prints how the submission stands and ends; the exit code is then 0 also when it is under way. With ' +
        '--timeout it ends with 1 when nothing was decided by then.',
    ],
    examples: [
      { command: 'landfall watch hello', says: 'Follows the newest submission of hello.' },
      { command: 'landfall watch 42 --timeout 3600 && echo published', says: 'For a script.' },
    ],
  });
}

async function find(client: Client, which: string, signal: AbortSignal): Promise<number> {
  if (/^[1-9]\d{0,15}$/.test(which)) return Number(which);
  const { submissions } = await client.call(whereRoute, { params: { package: which }, query: { limit: 1 }, signal });
  const [newest] = submissions;
  if (newest === undefined) throw new UsageError(`nothing has asked to bring ${which} in yet`);
  return newest.id;
}

async function watch(context: CliContext, client: Client, id: number, options: Options): Promise<SubmissionTrace> {
  const look = async (): Promise<SubmissionTrace> =>
    await client.call(submissionRoute, { params: { id }, signal: context.signal });
  // The place in the events is taken first, so that nothing that happens after the first look is missed.
  const { cursor } = await client.call(eventsRoute, {
    query: { after: 'now', submission: id },
    signal: context.signal,
  });
  let trace = await look();
  const style = styleOf(context.stdout, context.environment);
  const quiet = options.json === true;
  if (!quiet) context.stdout.write(`${renderSubmission(trace, style, context.now())}\n`);
  if (!options.wait || isOver(trace)) return trace;
  progress(context, `watching ${trace.url}`);

  const ended = new AbortController();
  const limit = options.timeout === undefined ? undefined : AbortSignal.timeout(options.timeout * 1000);
  const signal = AbortSignal.any([context.signal, ended.signal, ...(limit === undefined ? [] : [limit])]);
  const waker = wakeUp(client, id, cursor, signal, (reason) => progress(context, `${reason}; connecting again`));
  try {
    while (!isOver(trace) && !signal.aborted) {
      await waker.next(LOOK_AGAIN_MS);
      const before = trace;
      trace = await look();
      if (!quiet) context.stdout.write(renderSteps(changedSteps(before.steps, trace.steps), style, context.now()));
    }
  } finally {
    ended.abort();
    await waker.done;
  }
  if (context.signal.aborted) throw new Error('interrupted');
  if (!quiet && isOver(trace)) context.stdout.write(`\n${renderSubmission(trace, style, context.now())}`);
  return trace;
}

/** Follows the events in the background; `next` settles at the next one, or after a while. */
function wakeUp(
  client: Client,
  submission: number,
  cursor: string | null,
  signal: AbortSignal,
  onInterruption: (reason: string) => void,
): { next(milliseconds: number): Promise<void>; readonly done: Promise<void> } {
  let happened = false;
  let failure: Error | undefined;
  let wake = (): void => undefined;
  const read = async (): Promise<void> => {
    const after = cursor === null ? {} : { after: cursor };
    for await (const _event of followEvents(client, { ...after, submission, signal, onInterruption })) {
      happened = true;
      wake();
    }
  };
  const done = read().catch((error: unknown) => {
    failure = toError(error);
    wake();
  });
  return {
    done,
    next: async (milliseconds) => {
      if (!happened && failure === undefined && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const finish = (): void => {
            clearTimeout(timer);
            signal.removeEventListener('abort', finish);
            resolve();
          };
          const timer = setTimeout(finish, milliseconds);
          signal.addEventListener('abort', finish, { once: true });
          wake = finish;
        });
      }
      happened = false;
      if (failure !== undefined) throw failure;
    },
  };
}

/** The steps that are new or stand otherwise than before. */
export function changedSteps(before: readonly Step[], after: readonly Step[]): readonly Step[] {
  const known = new Map(before.map((step) => [keyOf(step), fingerprintOf(step)]));
  return after.filter((step) => known.get(keyOf(step)) !== fingerprintOf(step));
}

function keyOf(step: Step): string {
  return `${step.name} ${step.architecture ?? ''} ${step.title}`;
}

function fingerprintOf(step: Step): string {
  return JSON.stringify([step.state, step.sentence, step.mustAct, step.endedAt]);
}

function isOver(trace: SubmissionTrace): boolean {
  return trace.settled && exitOfState(trace.state) !== undefined;
}

function exitOfState(state: SubmissionTrace['state']): ExitCode | undefined {
  switch (state) {
    case 'published':
      return EXIT.done;
    case 'rejected':
    case 'failed':
    case 'cancelled':
    case 'suspended':
      return EXIT.failed;
    case 'in-flight':
    case 'attention':
      return undefined;
  }
}

function exitOf(trace: SubmissionTrace, options: Options): ExitCode {
  return exitOfState(trace.state) ?? (options.wait ? EXIT.failed : EXIT.done);
}
