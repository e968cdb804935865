/** `landfall serve`: the database, the signer and the server of this machine, and a worker when asked for. */
import { arch, userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { run } from '../../cli/command.ts';
import type { CliContext } from '../../cli/context.ts';
import { document } from '../../cli/manual.ts';
import { ApiProblem } from '../../contract/client.ts';
import { createLogger, type Logger } from '../../platform/log.ts';
import { startMachine, type Machine } from '../machine.ts';
import { runServer } from '../roles/server.ts';
import { loadSettings } from '../settings.ts';

const POOL_POLL_MS = 500;

interface Options {
  readonly alone?: boolean;
  readonly withWorker?: string;
}

export function serveCommand(context: CliContext): Command {
  const command = new Command('serve')
    .description('run the server with its database and its signer')
    .option('--with-worker <pool>', 'also run a worker of this machine, in this worker pool')
    .option('--alone', 'run the server only: database and signer are looked after by somebody else')
    .action(async (options: Options) => {
      await run(context, {}, async () => {
        const settings = await loadSettings();
        const log = createLogger({ role: 'serve', level: settings.config.log.level });
        if (options.alone === true) {
          await runServer(settings, log, context.signal);
          return;
        }
        const machine = await startMachine({
          settings,
          log,
          administrator: firstAdministrator(),
          onStep: (what, milliseconds) => log.info({ milliseconds: Math.round(milliseconds) }, `${what} is ready`),
        });
        try {
          log.info(`Landfall is at ${machine.url}`);
          const ending = Promise.race([machine.supervisor.stopped, aborted(context.signal)]);
          const { withWorker } = options;
          const adding =
            withWorker === undefined ? ending : addWorker(machine, withWorker, log, context.signal).then(() => ending);
          await Promise.race([ending, adding]);
        } finally {
          await machine.stop();
        }
      });
    });
  return document(command, {
    text: [
      'Starts the private PostgreSQL cluster, the signer and the server of this machine as one tree of processes, in the foreground. A role that ends by itself is started again. What landfall.toml leaves to others (a database server, a signer elsewhere) is not started.',
      'The server listens on loopback unless landfall.toml says otherwise.',
    ],
    examples: [
      {
        command: 'landfall serve --with-worker trusted',
        says: 'Everything on one machine, with a worker in the pool `trusted`.',
      },
      { command: 'landfall serve --alone', says: 'The server only, under another supervisor.' },
    ],
  });
}

/** Adds a worker of this machine. A pool that no archive has yet is waited for: the first distribution file brings it. */
async function addWorker(machine: Machine, pool: string, log: Logger, signal: AbortSignal): Promise<void> {
  const architecture = debianArchitecture();
  let told = false;
  while (!signal.aborted) {
    try {
      await machine.addWorker({ name: `${architecture}-1`, pool, architecture });
      return;
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.code !== 'worker.unknown-pool') throw error;
      if (!told) log.info(`the worker begins when a distribution file has the pool ${pool}: landfall apply FILE`);
      told = true;
    }
    await sleep(POOL_POLL_MS);
  }
}

/** Who may do everything on a machine that nobody has set up otherwise. */
export function firstAdministrator(): { handle: string; name: string; email: string } {
  return { handle: 'admin', name: 'Administrator', email: `${userInfo().username}@localhost` };
}

/** @see dpkg-architecture(1) */
export function debianArchitecture(): string {
  const names: Readonly<Record<string, string>> = {
    x64: 'amd64',
    arm64: 'arm64',
    arm: 'armhf',
    ia32: 'i386',
    riscv64: 'riscv64',
    ppc64: 'ppc64el',
    s390x: 's390x',
  };
  const name = names[arch()];
  if (name === undefined) throw new Error(`no Debian architecture is known for ${arch()}`);
  return name;
}

export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
