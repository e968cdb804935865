/**
 * The command line: everything that a person does, by the API and nothing else. {@link createProgram} makes it, app/ adds the
 * commands that start roles, and {@link runCli} runs it to an exit code.
 */
import { Command } from 'commander';
import { applyCommand } from './commands/apply.ts';
import { archiveKeyCommand } from './commands/archive-key.ts';
import { completionCommand, manCommand } from './commands/completion.ts';
import { doctorCommand } from './commands/doctor.ts';
import { gitCommand } from './commands/git.ts';
import { jobCommand } from './commands/job.ts';
import { keyCommand } from './commands/key.ts';
import { logsCommand } from './commands/logs.ts';
import { markCommand } from './commands/mark.ts';
import { peopleCommand } from './commands/people.ts';
import { snapshotCommand } from './commands/snapshot.ts';
import { mirrorCheckCommand } from './commands/mirror-check.ts';
import { statusCommand } from './commands/status.ts';
import { tagCommand } from './commands/tag.ts';
import { watchCommand } from './commands/watch.ts';
import { whereCommand } from './commands/where.ts';
import { whyCommand } from './commands/why.ts';
import { workerCommand } from './commands/worker.ts';
import type { CliContext } from './context.ts';
import { EXIT, EXIT_MEANINGS, type ExitCode } from './exit-codes.ts';
import { reportFailure, UsageError } from './failures.ts';
import { document } from './manual.ts';

export { bashCompletion } from './completion.ts';
export type { CliContext } from './context.ts';
export type { ExitCode } from './exit-codes.ts';
export { manPages } from './man-page.ts';
export { styleOf } from './output/style.ts';
export { renderSubmission } from './output/timeline.ts';

/**
 * The program with every command of a person. A command that is added to it is described with {@link document}; `worker` has
 * subcommands for managing workers and may be given an action of its own.
 */
export function createProgram(context: CliContext): Command {
  const program = new Command('landfall')
    .description('from a signed Git tag to a signed Debian archive')
    .version(context.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print what a command does and takes')
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .helpCommand(false);
  const commands = [
    whereCommand(context),
    watchCommand(context),
    logsCommand(context),
    whyCommand(context),
    statusCommand(context),
    tagCommand(context),
    gitCommand(context),
    jobCommand(context),
    workerCommand(context),
    applyCommand(context),
    peopleCommand(context),
    keyCommand(context),
    markCommand(context),
    archiveKeyCommand(context),
    snapshotCommand(context),
    mirrorCheckCommand(context),
    doctorCommand(context),
    completionCommand(context),
    manCommand(context),
  ];
  for (const command of commands) program.addCommand(command);
  program.addCommand(helpCommand(program));
  program.addHelpText(
    'after',
    `\nExit codes:\n${EXIT_MEANINGS.map(([code, says]) => `  ${String(code).padStart(3)}  ${says}`).join('\n')}`,
  );
  return document(program, {
    text: [
      'Every command that prints something for people prints the same facts for programs with --json. Results go to stdout, ' +
        'progress and errors to stderr.',
    ],
    examples: [
      { command: 'landfall where hello', says: 'Where is my package?' },
      { command: 'landfall help tag check', says: 'What does this command do?' },
    ],
  });
}

/** commander's own knows one word; ours finds `landfall help tag check`. */
function helpCommand(program: Command): Command {
  const help = new Command('help')
    .description('print what a command does and takes')
    .argument('[command...]', 'the words of the command')
    .action((words: readonly string[]) => {
      let found = program;
      for (const word of words) {
        const next = found.commands.find((command) => command.name() === word);
        if (next === undefined) throw new UsageError(`there is no command 'landfall ${words.join(' ')}'`);
        found = next;
      }
      found.help();
    });
  return document(help, {
    text: ['Every command also takes --help.'],
    examples: [{ command: 'landfall help tag check', says: 'What does this command do?' }],
  });
}

/**
 * Makes the program, lets `extend` add commands to it, and runs it. `argv` is without `node` and the script in front. Never
 * throws; gives the exit code.
 */
export async function runCli(
  surroundings: Omit<CliContext, 'setExitCode'>,
  argv: readonly string[],
  extend: (program: Command, context: CliContext) => void = () => undefined,
): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  const context: CliContext = {
    ...surroundings,
    setExitCode: (code) => {
      exitCode = worse(exitCode, code);
    },
  };
  const program = createProgram(context);
  extend(program, context);
  prepare(program, context);
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    context.setExitCode(reportFailure(context, error));
  }
  return exitCode;
}

function worse(one: ExitCode, other: ExitCode): ExitCode {
  return one > other ? one : other;
}

/** What commander says is wrong with a command line, under the command's whole name, and where its use is told. */
function usageError(command: Command, text: string): string {
  const words: string[] = [];
  for (let one: Command | null = command; one !== null; one = one.parent) words.unshift(one.name());
  const said = text
    .replace(/^error: /, '')
    .replace(/^command-argument value ('.*') is invalid for argument '(.*)'\. /, '$1 is no $2: ')
    .trimEnd();
  return `${words.join(' ')}: ${said}\n  see: ${['landfall', 'help', ...words.slice(1)].join(' ')}\n`;
}

/** Output and errors of the parser go where the context says, and it never ends the process. */
function prepare(command: Command, context: CliContext): void {
  // An option behind a subcommand's name is that one's own, also where its parent has one of the same name.
  command.enablePositionalOptions();
  command.exitOverride().configureOutput({
    writeOut: (text) => void context.stdout.write(text),
    writeErr: (text) => void context.stderr.write(text),
    getOutHasColors: () => false,
    getErrHasColors: () => false,
    outputError: (text, write) => write(usageError(command, text)),
  });
  for (const child of command.commands) prepare(child, context);
}
