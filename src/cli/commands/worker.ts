/** `landfall worker list|token|revoke` */
import { Command, InvalidArgumentError } from 'commander';
import { joinTokenRoute, revokeWorkerRoute, workersRoute, type Worker } from '../../contract/workers.ts';
import { remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import { table } from '../output/table.ts';
import { ago, moment } from '../output/time.ts';

export function workerCommand(context: CliContext): Command {
  const worker = new Command('worker').description('manage workers');
  worker.addCommand(listCommand(context));
  worker.addCommand(tokenCommand(context));
  worker.addCommand(revokeCommand(context));
  return document(worker, {
    text: ['A worker joins once with a one-time token and has an identity of its own from then on.'],
    examples: [{ command: 'landfall worker list', says: 'Which workers are there, and what do they do?' }],
  });
}

function listCommand(context: CliContext): Command {
  const command = remoteCommand('list', 'show the workers and what they are busy with').action(
    async (options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        const found = await client.call(workersRoute, { signal: context.signal });
        answer(context, options.json, found, () =>
          found.workers.length === 0
            ? 'No worker has joined yet: landfall worker token makes a token to join with.\n'
            : table([
                ['NAME', 'STATE', 'POOL', 'ARCHITECTURES', 'LAST CONTACT', 'BUSY WITH'],
                ...found.workers.map((worker) => row(worker, context.now())),
              ]),
        );
      });
    },
  );
  return document(command, {
    text: ['Prints name, state, pool, architectures, last contact and current jobs of every worker.'],
    examples: [{ command: 'landfall worker list', says: 'All workers.' }],
  });
}

function row(worker: Worker, now: Date): readonly string[] {
  return [
    inertLine(worker.name),
    worker.state,
    inertLine(worker.pool),
    inertLine(worker.architectures.join(' ')),
    worker.lastContactAt === null ? 'never' : ago(worker.lastContactAt, now),
    worker.current.map((job) => `${inertLine(job.title)} (${inertLine(job.phase)})`).join('; '),
  ];
}

interface TokenOptions extends RemoteOptions {
  readonly pool: string;
  readonly architectures: readonly string[];
  readonly hours: number;
}

function tokenCommand(context: CliContext): Command {
  const command = remoteCommand('token', 'make a one-time token with which a worker may join')
    .argument('<name>', 'the name that the worker will have')
    .requiredOption('--pool <pool>', 'the worker pool it joins')
    .requiredOption('--architectures <list>', 'the architectures it builds for, separated by commas', listArgument)
    .option('--hours <hours>', 'how long the token may be used', hoursArgument, 24)
    .action(async (name: string, options: TokenOptions) => {
      await runRemote(context, options, async (client) => {
        const made = await client.call(joinTokenRoute, {
          body: {
            name,
            pool: options.pool,
            architectures: [...options.architectures],
            validSeconds: Math.round(options.hours * 3600),
          },
          signal: context.signal,
        });
        answer(context, options.json, made, () => `${made.secret}\n`);
        if (options.json !== true) {
          context.stderr.write(
            `good for one join until ${moment(made.expiresAt)} UTC; put it into a file on the worker's machine, where it is ` +
              `used once and then worthless\n`,
          );
        }
      });
    });
  return document(command, {
    text: [
      'The token is printed once, on stdout, and only its hash is kept. It is bound to the name, the pool and the architectures: ' +
        'whoever has it can join as this worker and as nothing else.',
    ],
    examples: [
      {
        command: 'landfall worker token builder-1 --pool trusted --architectures amd64 > join-token',
        says: 'A token for a worker that builds amd64.',
      },
    ],
  });
}

function listArgument(text: string): readonly string[] {
  const names = text.split(',').filter((name) => name !== '');
  if (names.length > 0 && names.every((name) => /^[a-z0-9][a-z0-9-]{0,63}$/.test(name))) return names;
  throw new InvalidArgumentError('expected names such as amd64,arm64.');
}

function hoursArgument(text: string): number {
  const hours = Number(text);
  if (/^\d{1,4}(\.\d+)?$/.test(text) && hours >= 0.02 && hours <= 720) return hours;
  throw new InvalidArgumentError('expected a number of hours, at most 720.');
}

interface RevokeOptions extends RemoteOptions {
  readonly reason: string;
}

function revokeCommand(context: CliContext): Command {
  const command = remoteCommand('revoke', 'revoke a worker: its next request is refused')
    .argument('<name>', 'name of the worker')
    .requiredOption('--reason <text>', 'why, for the audit')
    .action(async (name: string, options: RevokeOptions) => {
      await runRemote(context, options, async (client) => {
        const revoked = await client.call(revokeWorkerRoute, {
          params: { name },
          body: { reason: options.reason },
          signal: context.signal,
        });
        answer(context, options.json, revoked, () => {
          const outputs = revoked.outputs.flatMap((output) =>
            output.files.map((file) => [`build job ${output.jobId}`, output.state, inertLine(file.name)]),
          );
          return [
            `worker ${inertLine(revoked.name)} is revoked since ${moment(revoked.revokedAt)} UTC; ` +
              `${revoked.returnedJobs.length} of its jobs went back to the queue\n`,
            outputs.length === 0 ? 'it never delivered anything\n' : `what it delivered:\n${table(outputs, '  ')}`,
          ].join('');
        });
      });
    });
  return document(command, {
    text: [
      'The worker can do nothing more, what it runs goes back to the queue, and everything that it ever delivered is listed, so ' +
        'that people can judge what to do about it.',
    ],
    examples: [{ command: 'landfall worker revoke builder-1 --reason "disk was stolen"', says: 'Revokes builder-1.' }],
  });
}
