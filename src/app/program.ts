/** Puts the program together: what the command line can ask of a server, and the roles that this machine can play. */
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { runCli, type CliContext, type ExitCode } from '../cli/index.ts';
import { archiveCommand } from './commands/archive.ts';
import { backupCommand, restoreCommand } from './commands/backup.ts';
import { demoCommand } from './commands/demo.ts';
import { initCommand } from './commands/init.ts';
import { serveCommand } from './commands/serve.ts';
import { signerCommand } from './commands/signer.ts';
import { stopCommand } from './commands/stop.ts';
import { addWorkerRole } from './commands/worker.ts';
import { VERSION } from './settings.ts';

/** Runs one command line (as `process.argv` has it) and gives the exit code. */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort(new Error(signal)));
  const { uid, username } = userInfo();
  const surroundings = {
    environment: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    directory: process.cwd(),
    caller: { uid, user: username },
    version: VERSION,
    now: () => new Date(),
    signal: interrupted.signal,
  };
  return await runCli(surroundings, argv.slice(2), addRoles);
}

/** Adds what this machine itself can do to what a person can ask of a server. */
export function addRoles(program: Command, context: CliContext): void {
  for (const command of [
    demoCommand,
    initCommand,
    serveCommand,
    signerCommand,
    stopCommand,
    archiveCommand,
    backupCommand,
    restoreCommand,
  ]) {
    program.addCommand(command(context));
  }
  const worker = program.commands.find((command) => command.name() === 'worker');
  if (worker !== undefined) addWorkerRole(worker, context);
}
