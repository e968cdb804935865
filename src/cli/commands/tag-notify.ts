/** `landfall tag notify REPOSITORY [TAG]`: what a hook does, by hand. */
import type { Command } from 'commander';
import { hookAnswerSchema, type HookAnswer } from '../../contract/hooks.ts';
import { numberArgument, remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import type { Style, Tone } from '../output/style.ts';

interface Options extends RemoteOptions {
  readonly wait?: number;
}

const MAX_WAIT_SECONDS = 120;

export function tagNotifyCommand(context: CliContext): Command {
  const command = remoteCommand('notify', 'tell the server that a Git repository has something new')
    .argument('<repository>', 'name of the Git repository, as the server calls it; or NAMESPACE/PATH')
    .argument('[tag]', 'the tag that is new, DISTRO/VERSION')
    .option('--wait <seconds>', 'wait so long for the decision, at most 120', numberArgument)
    .action(async (repository: string, tag: string | undefined, options: Options) => {
      await runRemote(context, options, async (client) => {
        const wait = Math.min(options.wait ?? 0, MAX_WAIT_SECONDS);
        const query = new URLSearchParams(wait === 0 ? {} : { wait: String(wait) });
        if (tag !== undefined) query.set('ref', tag.startsWith('refs/') ? tag : `refs/tags/${tag}`);
        const path = repository.split('/').map(encodeURIComponent).join('/');
        const response = await client.fetch(`/hooks/git/${path}?${query.toString()}`, {
          method: 'POST',
          accept: 'application/json',
          signal: context.signal,
          timeoutMs: (wait + 30) * 1000,
        });
        const said = hookAnswerSchema.parse(JSON.parse(await response.text()));
        answer(context, options.json, said, (style) => render(said, style));
        if (said.tags.some(({ state }) => state === 'rejected' || state === 'passed-over')) {
          context.setExitCode(EXIT.failed);
        }
      });
    });
  return document(command, {
    text: [
      'The server looks by itself every few minutes; this makes it look now. It is a hint and nothing more: what is new is ' +
        'fetched from the address that was registered. With a token no secret of the hook is needed.',
      'A Git repository below a namespace becomes known by this, once it has a tag of ours. The exit code is 1 when the tag ' +
        'was rejected, or is not decided because it was there at the first look.',
    ],
    examples: [
      { command: 'landfall tag notify packages/hello', says: 'Looks at packages/hello now.' },
      {
        command: 'landfall tag notify packages/hello landfall/2.10-3 --wait 30',
        says: 'And waits for the decision on this tag.',
      },
    ],
  });
}

type Told = HookAnswer['tags'][number];

const TONES: Readonly<Record<Told['state'], Tone>> = {
  noted: 'busy',
  seen: 'busy',
  accepted: 'good',
  obstructed: 'waiting',
  'passed-over': 'waiting',
  rejected: 'bad',
};

function render(said: HookAnswer, style: Style): string {
  if (said.tags.length === 0) return `${inertLine(said.sentence)}\n`;
  return said.tags
    .map((tag) => {
      const state = style.paint(TONES[tag.state], tag.state === 'passed-over' ? 'not decided' : tag.state);
      const lines = [
        `${style.paint('strong', inertLine(tag.name))} in ${inertLine(tag.repository)}: ${state}`,
        ...(tag.state === 'noted' && tag.sentence === 'noted' ? [] : [`  ${inertLine(tag.sentence)}`]),
        ...(tag.remedy === null ? [] : [`  ${style.symbols.arrow} ${style.paint('waiting', inertLine(tag.remedy))}`]),
        ...(tag.url === null ? [] : [style.paint('faint', `  ${inertLine(tag.url)}`)]),
      ];
      return `${lines.join('\n')}\n`;
    })
    .join('');
}
