/** `landfall tag …`: what was decided about tags, and what a maintainer can ask for. */
import { Command, Option } from 'commander';
import {
  TAG_STATES,
  adoptTagRoute,
  redecideTagRoute,
  retryTagRoute,
  tagRoute,
  tagsRoute,
  type Tag,
  type TagDetail,
} from '../../contract/tags.ts';
import { numberArgument, remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import type { Style, Tone } from '../output/style.ts';
import { table, type Cell } from '../output/table.ts';
import { moment } from '../output/time.ts';
import { renderChecks, tagCheckCommand } from './tag-check.ts';
import { tagNotifyCommand } from './tag-notify.ts';
import { tagVerifyCommand } from './tag-verify.ts';

export function tagCommand(context: CliContext): Command {
  const tag = new Command('tag').description('see what was decided about tags, and check one before it is pushed');
  tag.addCommand(listCommand(context));
  tag.addCommand(showCommand(context));
  tag.addCommand(tagCheckCommand(context));
  tag.addCommand(tagNotifyCommand(context));
  tag.addCommand(adoptCommand(context));
  tag.addCommand(tagVerifyCommand(context));
  tag.addCommand(retryCommand(context));
  tag.addCommand(redecideCommand(context));
  return document(tag, {
    text: [
      'A tag is named by its number, as its page and `git push` show it; one that was not pushed yet by its name.',
    ],
    examples: [{ command: 'landfall tag check landfall/2.10-3', says: 'Would this tag be accepted?' }],
  });
}

interface ListOptions extends RemoteOptions {
  readonly state?: (typeof TAG_STATES)[number];
  readonly repository?: string;
  readonly source?: string;
  readonly limit?: number;
}

function listCommand(context: CliContext): Command {
  const command = remoteCommand('list', 'list the tags that were seen, also the rejected ones')
    .addOption(new Option('--state <state>', 'only those in this state').choices([...TAG_STATES]))
    .option('--repository <name>', 'only those of this Git repository')
    .option('--source <name>', 'only those of this source package')
    .option('--limit <count>', 'at most so many', numberArgument)
    .action(async (options: ListOptions) => {
      await runRemote(context, options, async (client) => {
        const { state, repository, source, limit } = options;
        const page = await client.call(tagsRoute, {
          query: {
            ...(state === undefined ? {} : { state }),
            ...(repository === undefined ? {} : { repository }),
            ...(source === undefined ? {} : { source }),
            ...(limit === undefined ? {} : { limit }),
          },
          signal: context.signal,
        });
        answer(context, options.json, page, (style) =>
          page.tags.length === 0 ? 'No tag was seen.\n' : table(page.tags.map((tag) => row(tag, style))),
        );
      });
    });
  return document(command, {
    text: ['The newest first, each with the check that stopped it.'],
    examples: [{ command: 'landfall tag list --state rejected', says: 'Every tag that was rejected.' }],
  });
}

const TONES: Readonly<Record<Tag['state'], Tone>> = {
  seen: 'busy',
  obstructed: 'waiting',
  accepted: 'good',
  rejected: 'bad',
};

function row(tag: Tag, style: Style): readonly (Cell | string)[] {
  return [
    String(tag.id),
    moment(tag.seenAt),
    { text: tag.state, painted: style.paint(TONES[tag.state], tag.state) },
    inertLine(shortRef(tag.ref)),
    inertLine(tag.repository),
    tag.code === null || tag.code === 'accepted' ? '' : inertLine(tag.code),
  ];
}

function showCommand(context: CliContext): Command {
  const command = remoteCommand('show', 'show one tag: its checks, its signer and why it was decided so')
    .argument('<tag>', 'number of a tag', numberArgument)
    .option('--text', 'also the signed text')
    .action(async (id: number, options: RemoteOptions & { readonly text?: boolean }) => {
      await runRemote(context, options, async (client) => {
        const tag = await client.call(tagRoute, { params: { id }, signal: context.signal });
        answer(context, options.json, tag, (style) => renderTag(tag, options.text === true, style));
        if (tag.state === 'rejected') context.setExitCode(EXIT.failed);
      });
    });
  return document(command, {
    text: ['The exit code is 1 when the tag was rejected.'],
    examples: [{ command: 'landfall tag show 7', says: 'What was checked, and what stopped it.' }],
  });
}

function renderTag(tag: TagDetail, withText: boolean, style: Style): string {
  const what = [tag.source, tag.version].filter((part) => part !== null).join(' ');
  const head = [
    `${style.paint('strong', inertLine(shortRef(tag.ref)))} in ${inertLine(tag.repository)}: ${style.paint(TONES[tag.state], tag.state)}`,
    ...(what === ''
      ? []
      : [`  ${inertLine(what)} ${style.symbols.arrow} ${inertLine(`${tag.archive}/${tag.suite ?? ''}`)}`]),
    ...(tag.sentence === null ? [] : [`  ${inertLine(tag.sentence)}`]),
    ...(tag.remedy === null ? [] : [`  ${style.symbols.arrow} ${style.paint('waiting', inertLine(tag.remedy))}`]),
    style.paint('faint', `  seen ${moment(tag.seenAt)} UTC, object ${tag.objectId}`),
    style.paint('faint', `  ${inertLine(tag.url)}`),
  ].join('\n');
  const facts: (readonly (Cell | string)[])[] = [
    ...(tag.signer === null ? [] : [['signer', inertLine(`${tag.signer.name} (${tag.signer.handle})`)]]),
    ...(tag.fingerprint === null ? [] : [['key', inertLine(tag.fingerprint)]]),
    ...(tag.commitId === null ? [] : [['commit', inertLine(tag.commitId)]]),
    ...(tag.upstreamCommitId === null ? [] : [['upstream', inertLine(tag.upstreamCommitId)]]),
  ];
  const obstacles = tag.obstacles.map(
    (one) => `  ${moment(one.at)}  ${inertLine(one.code)}: ${inertLine(one.sentence)}\n`,
  );
  const parts = [
    `${head}\n`,
    facts.length === 0 ? '' : table(facts, '  '),
    renderChecks(tag.checks, style),
    obstacles.length === 0 ? '' : `What stood in the way:\n${obstacles.join('')}`,
    withText && tag.text !== null
      ? `${tag.text
          .split('\n')
          .map((line) => `  | ${inertLine(line)}`)
          .join('\n')}\n`
      : '',
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function adoptCommand(context: CliContext): Command {
  const command = remoteCommand('adopt', 'have a tag decided that was there at the first look')
    .argument('<repository>', 'name of the Git repository, as the server calls it')
    .argument('<tag>', 'name of the tag, DISTRO/VERSION')
    .action(async (repository: string, tag: string, options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        const adopted = await client.call(adoptTagRoute, { body: { repository, tag }, signal: context.signal });
        answer(
          context,
          options.json,
          adopted,
          () => `tag ${adopted.id}: ${inertLine(adopted.sentence)}\n  ${inertLine(adopted.url)}\n`,
        );
      });
    });
  return document(command, {
    text: [
      'What a Git repository had when it was looked at for the first time decides nothing by itself, also when a hook names ' +
        'it: it may be older than the registration. Whoever administers the archive, or may release something to it, can ' +
        'have one such tag decided. All checks are made.',
    ],
    examples: [
      {
        command: 'landfall tag adopt team/hello landfall/2.10-3',
        says: 'The tag that made team/hello known is meant as a release.',
      },
    ],
  });
}

function retryCommand(context: CliContext): Command {
  const command = remoteCommand('retry', 'try an obstructed tag again now')
    .argument('<tag>', 'number of a tag', numberArgument)
    .action(async (id: number, options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        const asked = await client.call(retryTagRoute, { params: { id }, signal: context.signal });
        answer(context, options.json, asked, () => `tag ${id}: ${inertLine(asked.sentence)}\n`);
      });
    });
  return document(command, {
    text: [
      'For what was not the signer’s fault: the forge was down, the disk was full. It is tried again by itself, too.',
    ],
    examples: [{ command: 'landfall tag retry 7', says: 'Fetches and decides tag 7 again.' }],
  });
}

function redecideCommand(context: CliContext): Command {
  const command = remoteCommand('redecide', 'decide a tag again that was denied for its signer')
    .argument('<tag>', 'number of a tag', numberArgument)
    .action(async (id: number, options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        const asked = await client.call(redecideTagRoute, { params: { id }, signal: context.signal });
        answer(context, options.json, asked, () => `tag ${id}: ${inertLine(asked.sentence)}\n`);
      });
    });
  return document(command, {
    text: ['For an administrator, after a permission or a key was mended. The first decision stays on record.'],
    examples: [{ command: 'landfall tag redecide 7', says: 'Decides tag 7 again.' }],
  });
}

function shortRef(ref: string): string {
  return ref.replace(/^refs\/tags\//, '');
}
