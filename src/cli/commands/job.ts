/** `landfall job give-back BUILD`, `landfall job cancel BUILD` */
import { Command } from 'commander';
import { cancelRoute, giveBackRoute } from '../../contract/builds.ts';
import { numberArgument, remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';

export function jobCommand(context: CliContext): Command {
  const job = new Command('job').description('give builds back to the queue, or cancel them');
  job.addCommand(giveBackCommand(context));
  job.addCommand(cancelCommand(context));
  return document(job, {
    text: ['Builds are named by the number that their page and `landfall where` show.'],
    examples: [{ command: 'landfall job give-back 13', says: 'Runs build 13 again.' }],
  });
}

function giveBackCommand(context: CliContext): Command {
  const command = remoteCommand('give-back', 'run a failed or quarantined build again')
    .argument('<build>', 'number of a build', numberArgument)
    .action(async (id: number, options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        const after = await client.call(giveBackRoute, { params: { id }, signal: context.signal });
        answer(context, options.json, after, () => `build ${id}: ${inertLine(after.sentence)}\n`);
      });
    });
  return document(command, {
    text: [
      'The build goes back to the queue. A source build reserves its version again, and is refused when another took it.',
    ],
    examples: [{ command: 'landfall job give-back 13', says: 'Runs build 13 again.' }],
  });
}

interface CancelOptions extends RemoteOptions {
  readonly reason: string;
}

function cancelCommand(context: CliContext): Command {
  const command = remoteCommand('cancel', 'cancel a build that has not succeeded')
    .argument('<build>', 'number of a build', numberArgument)
    .requiredOption('--reason <text>', 'why, for those who ask later')
    .action(async (id: number, options: CancelOptions) => {
      await runRemote(context, options, async (client) => {
        const after = await client.call(cancelRoute, {
          params: { id },
          body: { reason: options.reason },
          signal: context.signal,
        });
        answer(context, options.json, after, () => `build ${id}: ${inertLine(after.sentence)}\n`);
      });
    });
  return document(command, {
    text: ['What runs is stopped, and nothing leads out of this state. The reason is shown on the page of the build.'],
    examples: [{ command: 'landfall job cancel 13 --reason "superseded by 2.10-4"', says: 'Cancels build 13.' }],
  });
}
