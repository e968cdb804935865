/** `landfall stop`: ends what `landfall serve` or `landfall demo` runs on this machine. */
import { join } from 'node:path';
import { Command } from 'commander';
import { run } from '../../cli/command.ts';
import type { CliContext } from '../../cli/context.ts';
import { document } from '../../cli/manual.ts';
import { EXIT } from '../../cli/exit-codes.ts';
import { loadSettings } from '../settings.ts';
import { askSupervisor, untilStopped } from '../supervisor.ts';

const DEADLINE_MS = 60_000;

export function stopCommand(context: CliContext): Command {
  const command = new Command('stop').description('stop what runs on this machine').action(async () => {
    await run(context, {}, async () => {
      const { paths } = await loadSettings();
      let found = 0;
      for (const folder of [paths.root, paths.demo]) {
        const { supervisorSocket } = await loadSettings(folder);
        if ((await askSupervisor(supervisorSocket, 'stop')) === undefined) continue;
        found += 1;
        if (!(await untilStopped(supervisorSocket, DEADLINE_MS))) {
          context.stderr.write(`landfall: ${join(folder, 'logs')} says why it has not stopped yet\n`);
          context.setExitCode(EXIT.fault);
          return;
        }
        context.stdout.write(`stopped what ran on ${folder}\n`);
      }
      if (found === 0) context.stdout.write('nothing was running\n');
    });
  });
  return document(command, {
    text: ['Stops what `landfall serve` or `landfall demo` runs, in good order, and waits until it has ended.'],
    examples: [{ command: 'landfall stop', says: 'Stop it.' }],
  });
}
