/** How a command is made: its options for the server, and its action with one way to fail. */
import { Command, InvalidArgumentError } from 'commander';
import type { Client } from '../contract/client.ts';
import { connect, type ConnectionOptions } from './connection.ts';
import type { CliContext } from './context.ts';
import { failureJson, reportFailure } from './failures.ts';

export interface RemoteOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** A command that asks the server: it has --url, --token-file and --json. */
export function remoteCommand(name: string, summary: string): Command {
  return new Command(name)
    .description(summary)
    .option('--url <url>', 'address of the server')
    .option('--token-file <file>', 'file that holds the token')
    .option('--json', 'print one JSON document, as the API gives it');
}

/** Runs the body of a command; what it throws is told to the person, and becomes the exit code. */
export async function run(
  context: CliContext,
  options: { readonly json?: boolean },
  body: () => Promise<void>,
): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (options.json === true && !context.signal.aborted) {
      const { exit, text } = failureJson(error);
      context.stdout.write(text);
      context.setExitCode(exit);
      return;
    }
    context.setExitCode(reportFailure(context, error));
  }
}

/** As {@link run}, with a client for the server. */
export async function runRemote(
  context: CliContext,
  options: RemoteOptions,
  body: (client: Client) => Promise<void>,
): Promise<void> {
  await run(context, options, async () => body(await connect(context, options)));
}

/** An argument that is the number of a build, tag or submission. */
export function numberArgument(text: string): number {
  if (/^[1-9]\d{0,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a number.');
}
