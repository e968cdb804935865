/** `landfall tag notify REPOSITORY`: what a hook does, by hand. */
import type { Command } from 'commander';
import { remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import { document } from '../manual.ts';
import { inert } from '../output/inert.ts';
import { numberArgument } from '../command.ts';

interface Options extends RemoteOptions {
  readonly tag?: string;
  readonly wait?: number;
}

export function tagNotifyCommand(context: CliContext): Command {
  const command = remoteCommand('notify', 'tell the server that a Git repository has something new')
    .argument('<repository>', 'name of the Git repository, as the server calls it')
    .option('--tag <name>', 'the tag that is new, DISTRO/VERSION')
    .option('--wait <seconds>', 'wait so long for the decision', numberArgument)
    .action(async (repository: string, options: Options) => {
      await runRemote(context, options, async (client) => {
        const query = new URLSearchParams();
        if (options.tag !== undefined) query.set('ref', `refs/tags/${options.tag.replace(/^refs\/tags\//, '')}`);
        if (options.wait !== undefined) query.set('wait', String(options.wait));
        const path = repository.split('/').map(encodeURIComponent).join('/');
        const response = await client.fetch(`/hooks/git/${path}?${query.toString()}`, {
          method: 'POST',
          accept: options.json === true ? 'application/json' : 'text/plain',
          signal: context.signal,
          timeoutMs: ((options.wait ?? 0) + 30) * 1000,
        });
        const text = await response.text();
        context.stdout.write(context.stdout.isTTY === true ? inert(text) : text);
      });
    });
  return document(command, {
    text: [
      'The server looks by itself every few minutes; this makes it look now. It is a hint and nothing more: what is new is ' +
        'fetched from the address that was registered.',
    ],
    examples: [
      {
        command: 'landfall tag notify packages/hello --tag landfall/2.10-3 --wait 30',
        says: 'And waits for the decision.',
      },
    ],
  });
}
