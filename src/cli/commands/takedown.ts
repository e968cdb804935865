/** `landfall archive takedown` and `landfall archive takedowns`: versions whose bytes are not handed out any more. */
import type { Command } from 'commander';
import { planTakedownRoute, takeDownRoute, takedownsRoute, type TakedownPlan } from '../../contract/takedowns.ts';
import { remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import { styleOf, type Style } from '../output/style.ts';
import { table } from '../output/table.ts';
import { bytes, moment } from '../output/time.ts';

interface Options extends RemoteOptions {
  readonly reason: string;
  readonly legal?: boolean;
  readonly keepUpstream?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

export function takedownCommand(context: CliContext): Command {
  const command = remoteCommand('takedown', 'remove the bytes of one version everywhere, for ever; the record stays')
    .argument('<source>', 'the source package')
    .argument('<version>', 'its version')
    .requiredOption('--reason <text>', 'why: told to whoever asks for one of its files, and in the audit')
    .option('--legal', 'the law demands it: files are answered with 451 in place of 410')
    .option(
      '--keep-upstream',
      'upstream tarballs stay: what is wrong is not in them, and later versions may bring them again',
    )
    .option('--yes', 'do it without asking')
    .option('--dry-run', 'only print the plan; the exit code is 1 when it would remove something')
    .action(async (source: string, version: string, options: Options) => {
      await takeDown(context, source, version, options);
    });
  return document(command, {
    text: [
      'For malware, and for what nobody may hand out. The version leaves every suite of every archive that has it, and each of ' +
        'them is published without it. The bytes of its source and binary packages are removed from the pool and from the store, ' +
        'snapshots included; the indices of snapshots stay as they were signed. The same bytes are refused in every later upload. ' +
        'Files that other versions have too, such as an upstream tarball, stay; with --keep-upstream also tarballs that no other version has.',
      'It cannot be undone. A cache between you and your users may hold a file for a year: purge it there.',
    ],
    examples: [
      {
        command: 'landfall archive takedown hello 2.10-4 --reason "the upstream release was replaced by an attacker"',
        says: 'Shows what would be removed, and asks.',
      },
    ],
  });
}

async function takeDown(context: CliContext, source: string, version: string, options: Options): Promise<void> {
  await runRemote(context, options, async (client) => {
    const wanted = {
      source,
      version,
      reason: options.reason,
      legal: options.legal === true,
      keepUpstream: options.keepUpstream === true,
    };
    const plan = await client.call(planTakedownRoute, { body: wanted, signal: context.signal });
    const style = styleOf(context.stdout, context.environment);
    if (options.json !== true) context.stdout.write(renderPlan(plan, `${source} ${version}`, style));
    if (options.dryRun === true) {
      if (options.json === true) context.stdout.write(`${JSON.stringify(plan, undefined, 2)}\n`);
      context.setExitCode(EXIT.failed);
      return;
    }
    if (options.yes !== true && !(await confirm(context, 'Remove this for ever?'))) {
      context.stderr.write('nothing was removed\n');
      context.setExitCode(EXIT.failed);
      return;
    }
    const body = { ...wanted, hash: plan.hash };
    const done = await client.call(takeDownRoute, { body, signal: context.signal });
    answer(
      context,
      options.json,
      done,
      () =>
        `${inertLine(source)} ${inertLine(version)} is taken down: its files are answered with the reason from now on, ` +
        `${done.suites.length === 0 ? 'no suite had it' : `${done.suites.join(', ')} is published without it`}, and the ` +
        'bytes are removed when that is done\n',
    );
  });
}

function renderPlan(plan: TakedownPlan, title: string, style: Style): string {
  const size = (files: TakedownPlan['files']): string =>
    `${files.length} ${files.length === 1 ? 'file' : 'files'}, ${bytes(files.reduce((sum, file) => sum + file.size, 0))}`;
  const rows = (files: TakedownPlan['files']): string =>
    table(
      files.map((file) => [inertLine(file.path), bytes(file.size), file.sha256.slice(0, 16)]),
      '  ',
    );
  return [
    `${style.paint('strong', inertLine(title))} of ${plan.archives.join(', ')}\n`,
    plan.suites.length === 0 ? 'no suite has it now\n' : `leaves ${plan.suites.join(', ')}\n`,
    `${style.paint('bad', 'removed for ever')}: ${size(plan.files)}\n${rows(plan.files)}`,
    plan.shared.length === 0
      ? ''
      : `stays, since other versions have it or may have it: ${size(plan.shared)}\n${rows(plan.shared)}`,
  ].join('');
}

export function takedownsCommand(context: CliContext): Command {
  const command = remoteCommand('takedowns', 'show what was taken down, by whom, when and why').action(
    async (options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        const found = await client.call(takedownsRoute, { signal: context.signal });
        answer(context, options.json, found, () =>
          found.takedowns.length === 0
            ? 'Nothing was ever taken down.\n'
            : table([
                ['VERSION', 'ARCHIVE', 'WHEN', 'BY', 'BYTES GONE', 'WHY'],
                ...found.takedowns.map((one) => [
                  inertLine(`${one.source} ${one.version}`),
                  inertLine(one.archive),
                  moment(one.at),
                  inertLine(one.by),
                  one.removedAt === null ? 'not yet' : moment(one.removedAt),
                  inertLine(`${one.legal ? '(legal) ' : ''}${one.reason}`),
                ]),
              ]),
        );
      });
    },
  );
  return document(command, {
    text: ['With --json also every file with its sha256.'],
    examples: [{ command: 'landfall archive takedowns', says: 'The record.' }],
  });
}
