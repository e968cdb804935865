/** `landfall git list`: the Git repositories that tags come from, when each was looked at, and what stands in the way. */
import { Command } from 'commander';
import { gitRepositoriesRoute, type GitNamespace, type GitRepository } from '../../contract/git-repositories.ts';
import { remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import type { Style } from '../output/style.ts';
import { table } from '../output/table.ts';
import { ago, duration } from '../output/time.ts';

export function gitCommand(context: CliContext): Command {
  const git = new Command('git').description('see the Git repositories that tags come from');
  git.addCommand(listCommand(context));
  return document(git, {
    text: ['They are declared in distribution files, alone or by namespace; `landfall apply` registers them.'],
    examples: [{ command: 'landfall git list', says: 'When was each looked at, and what stands in the way?' }],
  });
}

function listCommand(context: CliContext): Command {
  const command = remoteCommand('list', 'list Git repositories and namespaces')
    .option('--obstructed', 'only those that cannot be looked at, or have a tag that is not decided')
    .action(async (options: RemoteOptions & { readonly obstructed?: boolean }) => {
      await runRemote(context, options, async (client) => {
        const found = await client.call(gitRepositoriesRoute, { signal: context.signal });
        const needsSomebody = ({ obstacle, passedOver }: GitRepository): boolean =>
          obstacle !== null || passedOver.length > 0;
        const repositories =
          options.obstructed === true ? found.repositories.filter(needsSomebody) : found.repositories;
        const shown = { ...found, repositories };
        answer(context, options.json, shown, (style) => render(repositories, found.namespaces, style, context.now()));
      });
    });
  return document(command, {
    text: [
      'What cannot be looked at comes first, with the reason and what to do. A tag that was there when its Git repository was ' +
        'looked at first, and that a notice named since, is shown with the command that has it decided.',
    ],
    examples: [{ command: 'landfall git list --obstructed', says: 'What needs somebody?' }],
  });
}

function render(
  repositories: readonly GitRepository[],
  namespaces: readonly GitNamespace[],
  style: Style,
  now: Date,
): string {
  const rows = repositories.map((one) => [
    inertLine(one.name),
    inertLine(one.url ?? 'a folder of the server'),
    one.prefixes.map(({ distro, archive }) => `${distro}/ to ${archive}`).join(', '),
    lookOf(one, now),
  ]);
  const words = repositories.flatMap(({ name, obstacle, passedOver }) => [
    ...(obstacle === null
      ? []
      : [
          `${style.paint('bad', inertLine(name))}: ${inertLine(obstacle.sentence)}`,
          `  ${style.paint('faint', `${obstacle.code}, ${obstacle.failedLooks} looks since ${ago(obstacle.since, now)}`)}`,
          `  ${style.symbols.arrow} ${style.paint('waiting', inertLine(obstacle.remedy))}`,
        ]),
    ...passedOver.flatMap((tag) => [
      `${style.paint('waiting', inertLine(tag.name))} in ${inertLine(name)} is not decided: it was there at the first look`,
      `  ${style.symbols.arrow} if it is meant as a release: landfall tag adopt ${inertLine(name)} ${inertLine(tag.name)}`,
    ]),
  ]);
  const groups = namespaces.map((one) => [
    inertLine(`${one.name}/*`),
    inertLine(one.url ?? 'a folder of the server'),
    one.prefixes.map(({ distro, archive }) => `${distro}/ to ${archive}`).join(', '),
    `${one.repositories} of at most ${one.maxRepositories} Git repositories${one.enabled ? '' : ', switched off'}`,
  ]);
  return [
    words.length === 0 ? '' : `${words.join('\n')}\n`,
    rows.length === 0 ? 'No Git repository is registered, or none that you may see.\n' : table(rows),
    groups.length === 0 ? '' : table(groups),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function lookOf(one: GitRepository, now: Date): string {
  if (!one.enabled) return 'switched off';
  const last = one.lastLookAt === null ? 'never looked at' : `looked at ${ago(one.lastLookAt, now)}`;
  if (one.nextLookAt === null) return last;
  const wait = Date.parse(one.nextLookAt) - now.getTime();
  return `${last}, next ${wait <= 0 ? 'now' : `in ${duration(wait)}`}`;
}
