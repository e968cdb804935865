/** `landfall signer`: the process that holds the archives' keys. */
import { Command } from 'commander';
import { run } from '../../cli/command.ts';
import type { CliContext } from '../../cli/context.ts';
import { document } from '../../cli/manual.ts';
import { createLogger } from '../../platform/log.ts';
import { runSigner } from '../../signer/server.ts';
import { loadSettings } from '../settings.ts';
import { aborted } from './serve.ts';

export function signerCommand(context: CliContext): Command {
  const command = new Command('signer').description('run the process that holds the archive keys').action(async () => {
    await run(context, {}, async () => {
      const settings = await loadSettings();
      const log = createLogger({ role: 'signer', level: settings.config.log.level });
      const signer = await runSigner({ socket: settings.signerSocket, home: settings.paths.signer, log });
      log.info({ socket: settings.signerSocket }, 'the signer is ready');
      await aborted(context.signal);
      await signer.stop();
    });
  });
  return document(command, {
    text: [
      'The signer holds the archive keys, signs Release files and nothing else. It keeps a log of what it signed and refuses a lower serial or an older date than it signed before. `landfall serve` starts one by itself.',
    ],
    examples: [
      { command: 'landfall signer', says: 'Run it under a supervisor of your own, as the systemd unit does.' },
    ],
  });
}
