/** `landfall why BUILD` */
import type { Command } from 'commander';
import { buildRoute, type Build } from '../../contract/builds.ts';
import { numberArgument, remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import type { Style } from '../output/style.ts';

export function whyCommand(context: CliContext): Command {
  const command = remoteCommand('why', 'say why a build waits or failed, and who must act')
    .argument('<build>', 'number of a build', numberArgument)
    .action(async (id: number, options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        const build = await client.call(buildRoute, { params: { id }, signal: context.signal });
        const { state, sentence, mustAct, failureCode, failureReason, excerpt, url } = build;
        const facts = { id, state, sentence, mustAct, failureCode, failureReason, excerpt, url };
        answer(context, options.json, facts, (style) => renderWhy(build, style));
        if (build.state === 'failed' || build.state === 'quarantined') context.setExitCode(EXIT.failed);
      });
    });
  return document(command, {
    text: ['Prints one sentence, who must act, and for a failed build the lines of its log that say why.'],
    examples: [{ command: 'landfall why 13', says: 'Why does build 13 wait?' }],
  });
}

function renderWhy(build: Build, style: Style): string {
  const what = [build.source, build.version, build.architecture].filter((part) => part !== null).join(' ');
  const lines = [
    `${style.paint('strong', inertLine(what))}: ${build.state}`,
    `  ${inertLine(build.sentence)}`,
    ...(build.mustAct === null ? [] : [`  ${style.symbols.arrow} ${style.paint('waiting', inertLine(build.mustAct))}`]),
    ...(build.excerpt.length === 0 ? [] : ['', ...build.excerpt.map((line) => `  | ${inertLine(line)}`), '']),
    style.paint('faint', `  ${inertLine(build.url)}`),
  ];
  return `${lines.join('\n')}\n`;
}
