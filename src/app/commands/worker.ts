/** `landfall worker`: an agent that leases jobs and runs them in sandboxes. Its first start needs a one-time token. */
import { hostname } from 'node:os';
import type { Command } from 'commander';
import { run } from '../../cli/command.ts';
import { absolute } from '../../cli/connection.ts';
import type { CliContext } from '../../cli/context.ts';
import { createLogger } from '../../platform/log.ts';
import { runWorker } from '../../worker/agent.ts';
import { joinTokenFile, localUrl } from '../machine.ts';
import { loadSettings, VERSION } from '../settings.ts';
import { debianArchitecture } from './serve.ts';

interface Options {
  readonly name?: string;
  readonly url?: string;
  readonly joinTokenFile?: string;
}

/** Gives `landfall worker`, which manages workers, its own action: without a subcommand it runs one. */
export function addWorkerRole(worker: Command, context: CliContext): void {
  worker
    .description('run a worker of this machine, or manage workers')
    .option('--name <name>', 'name of the worker; default: landfall.toml, then the name of the machine')
    .option('--url <url>', 'address of the server; default: landfall.toml, then the one on this machine')
    .option('--join-token-file <file>', 'file with the one-time token, for the first start')
    .action(async (options: Options) => {
      await run(context, {}, async () => {
        const settings = await loadSettings();
        const { paths, config } = settings;
        const name = options.name ?? config.worker.name ?? hostname().toLowerCase();
        await runWorker({
          name,
          url: options.url ?? config.worker.url ?? localUrl(settings),
          folder: paths.worker(name),
          chroots: paths.chroots,
          joinTokenFile:
            options.joinTokenFile === undefined ? joinTokenFile(paths, name) : absolute(context, options.joinTokenFile),
          architecture: debianArchitecture(),
          slots: config.worker.slots,
          version: VERSION,
          log: createLogger({ role: `worker ${name}`, level: config.log.level }),
          signal: context.signal,
        });
      });
    });
}
