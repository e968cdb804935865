/** `landfall mark show|lower`: the version below which a suite takes nothing. */
import { Command, InvalidArgumentError } from 'commander';
import { lowerMarkRoute, markRoute, type HighWaterMark } from '../../contract/marks.ts';
import { remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import type { Style } from '../output/style.ts';
import { table } from '../output/table.ts';
import { moment } from '../output/time.ts';

interface Place {
  readonly archive: string;
  readonly suite: string;
}

export function markCommand(context: CliContext): Command {
  const mark = new Command('mark').description(
    'see and lower high-water marks: versions below which a suite takes nothing',
  );
  mark.addCommand(showCommand(context));
  mark.addCommand(lowerCommand(context));
  return document(mark, {
    text: [
      'A suite never goes back to an older version of a source, also after the newer one was removed: the newest that it ever ' +
        'had is its mark. A version that was typed by mistake would keep all others out.',
    ],
    examples: [{ command: 'landfall mark show main/landing hello', says: 'Below which version is nothing taken?' }],
  });
}

function showCommand(context: CliContext): Command {
  const command = remoteCommand('show', 'show the mark of a source in a suite, and how it came about')
    .argument('<suite>', 'ARCHIVE/SUITE', placeArgument)
    .argument('<source>', 'name of a source package')
    .action(async (place: Place, source: string, options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        const mark = await client.call(markRoute, { params: { ...place, source }, signal: context.signal });
        answer(context, options.json, mark, (style) => render(mark, style));
      });
    });
  return document(command, {
    text: ['The newest line is the one that counts.'],
    examples: [{ command: 'landfall mark show main/landing hello', says: 'The mark of hello in landing.' }],
  });
}

function lowerCommand(context: CliContext): Command {
  const command = remoteCommand('lower', 'lower a mark that a mistake has raised')
    .argument('<suite>', 'ARCHIVE/SUITE', placeArgument)
    .argument('<source>', 'name of a source package')
    .argument('<version>', 'the version that counts from now on')
    .requiredOption('--reason <text>', 'why; it stays on record')
    .action(
      async (place: Place, source: string, version: string, options: RemoteOptions & { readonly reason: string }) => {
        await runRemote(context, options, async (client) => {
          const mark = await client.call(lowerMarkRoute, {
            params: { ...place, source },
            body: { version, reason: options.reason },
            signal: context.signal,
          });
          answer(context, options.json, mark, (style) => render(mark, style));
        });
      },
    );
  return document(command, {
    text: [
      'For those who administer the package in this suite; audited, and the old mark stays on record. It is no way to downgrade ' +
        'what the suite holds: a release must still be newer than that.',
    ],
    examples: [
      {
        command: 'landfall mark lower main/landing hello 2.10-3 --reason "20300101 was a slip"',
        says: 'Lets hello 2.10-4 in again.',
      },
    ],
  });
}

function placeArgument(text: string): Place {
  const [archive, suite, ...rest] = text.split('/');
  if (archive !== undefined && archive !== '' && suite !== undefined && suite !== '' && rest.length === 0) {
    return { archive, suite };
  }
  throw new InvalidArgumentError('expected ARCHIVE/SUITE, such as main/landing.');
}

function render(mark: HighWaterMark, style: Style): string {
  const where = inertLine(`${mark.source} in ${mark.archive}/${mark.suite}`);
  if (mark.mark === null) return `${where}: there never was a version\n`;
  const held =
    mark.held.length === 0 ? 'the suite holds none now' : `the suite holds ${inertLine(mark.held.join(', '))} now`;
  return [
    `${where}: a release must be newer than ${style.paint('strong', inertLine(mark.mark))}; ${held}\n`,
    table(
      mark.history.map((one) => [moment(one.at), inertLine(one.version), inertLine(one.actor), inertLine(one.reason)]),
      '  ',
    ),
  ].join('');
}
