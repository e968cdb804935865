/** `landfall where PACKAGE` */
import type { Command } from 'commander';
import { whereRoute, type Where } from '../../contract/where.ts';
import { numberArgument, remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import type { Style } from '../output/style.ts';
import { table } from '../output/table.ts';
import { renderSubmission } from '../output/timeline.ts';

interface Options extends RemoteOptions {
  readonly all?: boolean;
  readonly limit?: number;
}

export function whereCommand(context: CliContext): Command {
  const command = remoteCommand('where', 'say where a package is, step by step, and why it waits')
    .argument('<package>', 'a source or binary package')
    .option('--all', 'every submission, not only the newest and those under way')
    .option('--limit <count>', 'at most so many submissions', numberArgument)
    .action(async (name: string, options: Options) => {
      await runRemote(context, options, async (client) => {
        const where = await client.call(whereRoute, {
          params: { package: name },
          query: options.limit === undefined ? {} : { limit: options.limit },
          signal: context.signal,
        });
        answer(context, options.json, where, (style) => renderWhere(where, options.all === true, style, context.now()));
        const newest = where.submissions[0];
        if (newest?.state === 'rejected' || newest?.state === 'failed') context.setExitCode(EXIT.failed);
      });
    });
  return document(command, {
    text: [
      'Prints the timeline of the newest submission of the package, and of every other one that is still under way: each step ' +
        'with its time and how long it took, for what waits the reason and who must act, and at the end what it leads back ' +
        'to: the tag, the commit, who signed it, and the worker that built each package.',
      'A binary package leads to the source that it is built from. The exit code is 1 when the newest submission was rejected ' +
        'or failed.',
    ],
    examples: [
      { command: 'landfall where hello', says: 'Where is hello?' },
      { command: 'landfall where hello --json | jq .submissions[0].state', says: 'The same for a program.' },
    ],
  });
}

function renderWhere(where: Where, all: boolean, style: Style, now: Date): string {
  const parts: string[] = [];
  if (where.source !== where.package) {
    parts.push(`${inertLine(where.package)} is built from the source package ${inertLine(where.source)}.\n`);
  }
  const shown = where.submissions.filter(
    (one, index) => all || index === 0 || one.state === 'in-flight' || one.state === 'attention',
  );
  parts.push(...shown.map((one) => renderSubmission(one, style, now)));
  if (shown.length === 0) parts.push(`Nothing has asked to bring ${inertLine(where.package)} in yet.\n`);
  if (where.suites.length > 0) {
    const rows = where.suites.map((one) => [
      `${inertLine(one.archive)}/${inertLine(one.suite)}`,
      inertLine(one.version),
      inertLine(one.architectures.join(' ')),
    ]);
    parts.push(`In the suites now:\n${table(rows, '  ')}`);
  }
  const hidden = where.submissions.length - shown.length;
  if (hidden > 0) {
    const earlier = hidden === 1 ? '1 earlier submission' : `${hidden} earlier submissions`;
    parts.push(style.paint('faint', `${earlier}: landfall where ${inertLine(where.package)} --all`) + '\n');
  }
  return parts.join('\n');
}
