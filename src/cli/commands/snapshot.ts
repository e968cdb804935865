/** `landfall snapshot list|show|diff` */
import { Command, InvalidArgumentError } from 'commander';
import {
  snapshotRoute,
  snapshotsRoute,
  snapshotSuitesRoute,
  type Snapshot,
  type SnapshotDetail,
} from '../../contract/snapshots.ts';
import { remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import type { Style } from '../output/style.ts';
import { table } from '../output/table.ts';
import { moment } from '../output/time.ts';

export function snapshotCommand(context: CliContext): Command {
  const command = new Command('snapshot').description('earlier publications of suites, which apt can still read');
  command.addCommand(listCommand(context));
  command.addCommand(showCommand(context));
  command.addCommand(diffCommand(context));
  return document(command, {
    text: [
      'Every publication is an apt source for as long as its suite keeps them. It is named by a moment, 20260131T120000Z, and is ' +
        'the publication that was in force then; or by its serial.',
    ],
    examples: [{ command: 'landfall snapshot list main/landing', says: 'Which snapshots of the suite are there?' }],
  });
}

interface SuiteName {
  readonly archive: string;
  readonly suite: string;
}

function listCommand(context: CliContext): Command {
  const command = remoteCommand('list', 'show the snapshots of a suite, or which suites have some')
    .argument('[suite]', 'as ARCHIVE/SUITE', suiteArgument)
    .option('--before <serial>', 'go on below this serial', serialArgument)
    .action(async (suite: SuiteName | undefined, options: RemoteOptions & { readonly before?: number }) => {
      await runRemote(context, options, async (client) => {
        if (suite === undefined) {
          const found = await client.call(snapshotSuitesRoute, { signal: context.signal });
          answer(context, options.json, found, () =>
            table([
              ['SUITE', 'SNAPSHOTS', 'OLDEST', 'NEWEST', 'KEPT FOR'],
              ...found.suites.map((one) => [
                inertLine(`${one.archive}/${one.suite}`),
                String(one.snapshots),
                one.oldest === null ? '-' : moment(one.oldest),
                one.newest === null ? '-' : moment(one.newest),
                one.retention,
              ]),
            ]),
          );
          return;
        }
        const query = options.before === undefined ? {} : { before: options.before };
        const found = await client.call(snapshotsRoute, { params: { ...suite }, query, signal: context.signal });
        answer(context, options.json, found, () =>
          [
            table([
              ['SNAPSHOT', 'SERIAL', 'IN FORCE FROM', 'UNTIL', 'ADDED', 'REMOVED', 'WHY'],
              ...found.snapshots.map(row),
            ]),
            found.next === null
              ? ''
              : `older ones: landfall snapshot list ${suite.archive}/${suite.suite} --before ${found.next}\n`,
          ].join(''),
        );
      });
    });
  return document(command, {
    text: ['The newest first. Those that are older than the suite keeps them are left out.'],
    examples: [
      { command: 'landfall snapshot list', says: 'The suites, with how many snapshots each has.' },
      {
        command: 'landfall snapshot list main/landing',
        says: 'The snapshots of the suite landing of the archive main.',
      },
    ],
  });
}

function row(one: Snapshot): readonly string[] {
  return [
    one.id,
    String(one.serial),
    moment(one.date),
    one.until === null ? 'now' : moment(one.until),
    String(one.added),
    String(one.removed),
    inertLine(one.reason),
  ];
}

function showCommand(context: CliContext): Command {
  const command = remoteCommand('show', 'show one snapshot: the lines for apt, and what changed with it')
    .argument('<suite>', 'as ARCHIVE/SUITE', suiteArgument)
    .argument('<snapshot>', 'a moment, or a serial', idArgument)
    .action(async (suite: SuiteName, id: string, options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        const found = await client.call(snapshotRoute, { params: { ...suite, id }, signal: context.signal });
        answer(context, options.json, found, (style) =>
          [
            `${style.paint('strong', `${inertLine(found.archive)}/${inertLine(found.suite)} ${found.id}`)}, serial ${found.serial}, `,
            `in force from ${moment(found.date)} UTC ${found.until === null ? 'until now' : `until ${moment(found.until)} UTC`}\n`,
            found.kept ? `\n${found.aptSource}\n` : 'it is older than the suite keeps them, and can be read no more\n',
            renderDifferences(found, style),
          ].join(''),
        );
      });
    });
  return document(command, {
    text: [
      'The bytes are those that were signed then, so the Valid-Until of a snapshot passes like that of any publication: the lines ' +
        'for apt say Check-Valid-Until: no.',
    ],
    examples: [
      { command: 'landfall snapshot show main/landing 20260131T120000Z', says: 'As it was that day at noon.' },
    ],
  });
}

function diffCommand(context: CliContext): Command {
  const command = remoteCommand('diff', 'show what changed between two snapshots')
    .argument('<suite>', 'as ARCHIVE/SUITE', suiteArgument)
    .argument('<from>', 'a moment, or a serial', idArgument)
    .argument('<to>', 'a moment, or a serial', idArgument)
    .action(async (suite: SuiteName, from: string, id: string, options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        const query = { from };
        const found = await client.call(snapshotRoute, { params: { ...suite, id }, query, signal: context.signal });
        answer(context, options.json, found, (style) => renderDifferences(found, style));
      });
    });
  return document(command, {
    text: ['Also of publications that are not kept any more: their record is.'],
    examples: [
      { command: 'landfall snapshot diff main/landing 20260101T000000Z 20260201T000000Z', says: 'A month of changes.' },
    ],
  });
}

function renderDifferences(found: SnapshotDetail, style: Style): string {
  const since = found.from === null ? 'it began with' : `changes since ${found.from.id} (serial ${found.from.serial})`;
  if (found.differences.length === 0) return `${since}: none\n`;
  const rows = found.differences.map((one) => {
    const [sign, tone] =
      one.before === null
        ? (['+', 'good'] as const)
        : one.after === null
          ? (['-', 'bad'] as const)
          : (['~', 'waiting'] as const);
    return [
      { text: sign, painted: style.paint(tone, sign) },
      inertLine(one.name),
      inertLine(one.architectures.join(' ')),
      inertLine([one.before, one.after].filter((version) => version !== null).join(` ${style.symbols.arrow} `)),
    ];
  });
  return `${since}:\n${table(rows)}${found.omitted === 0 ? '' : `and ${found.omitted} more\n`}`;
}

function suiteArgument(text: string): SuiteName {
  const [, archive, suite] = /^([a-z0-9][a-z0-9.-]{0,63})\/([a-z0-9][a-z0-9+.-]{0,63})$/.exec(text) ?? [];
  if (archive !== undefined && suite !== undefined) return { archive, suite };
  throw new InvalidArgumentError('expected ARCHIVE/SUITE, such as main/landing.');
}

function idArgument(text: string): string {
  if (/^(\d{8}T\d{6}Z|[1-9]\d{0,14})$/.test(text)) return text;
  throw new InvalidArgumentError('expected a moment such as 20260131T120000Z, or a serial.');
}

function serialArgument(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a serial.');
}
