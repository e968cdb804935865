/** `landfall init`: a configuration, a database and a first administrator, on this machine and for nobody else yet. */
import { Command } from 'commander';
import { run } from '../../cli/command.ts';
import type { CliContext } from '../../cli/context.ts';
import { document } from '../../cli/manual.ts';
import { writeClientFile } from '../../cli/connection.ts';
import { migrate } from '../../platform/migrate.ts';
import { startCluster } from '../../platform/postgres-cluster.ts';
import { ensureAdministrator, writeFirstConfiguration } from '../administration.ts';
import { localUrl } from '../machine.ts';
import { loadSettings, migrationsFolder } from '../settings.ts';
import { firstAdministrator } from './serve.ts';

interface Options {
  readonly listen: string;
  readonly json?: boolean;
}

export function initCommand(context: CliContext): Command {
  const command = new Command('init')
    .description('set Landfall up on this machine')
    .option('--listen <address>', 'where the server shall listen, HOST:PORT', '127.0.0.1:8463')
    .option('--json', 'print one JSON document')
    .action(async (options: Options) => {
      await run(context, options, async () => {
        const before = await loadSettings();
        const written = await writeFirstConfiguration(before.paths.root, options.listen);
        const settings = await loadSettings();
        const { paths } = settings;
        const cluster = settings.privateCluster
          ? await startCluster({
              dataDir: paths.postgresData,
              socketDir: paths.run,
              logFile: paths.log('postgresql'),
              fsync: true,
            })
          : undefined;
        try {
          await migrate(settings.database, migrationsFolder());
          const tokenFile = await ensureAdministrator(settings.database, paths, firstAdministrator());
          const url = localUrl(settings);
          await writeClientFile(paths.root, { url, tokenFile });
          const facts = {
            stateFolder: paths.root,
            configuration: paths.config,
            written,
            url,
            administrator: 'admin',
            tokenFile,
          };
          context.stdout.write(
            options.json === true
              ? `${JSON.stringify(facts, null, 2)}\n`
              : `${written ? 'Wrote' : 'Kept'} ${paths.config}
The administrator 'admin' has a token in ${tokenFile}

Next:
  landfall serve --with-worker trusted    run it (Ctrl-C or \`landfall stop\` ends it)
  landfall apply distribution.toml        say what your distribution is: docs/how-to/first-repository.md
  ${url}/                  look at it
`,
          );
        } finally {
          if (cluster?.startedHere === true) await cluster.stop();
        }
      });
    });
  return document(command, {
    text: [
      'Writes landfall.toml, makes the database and the first administrator with a token, for this machine only (loopback). Safe to repeat: what is there is kept.',
    ],
    examples: [{ command: 'landfall init', says: 'Then `landfall serve`.' }],
  });
}
