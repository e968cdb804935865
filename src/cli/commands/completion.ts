/** `landfall completion`, `landfall man` */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { run } from '../command.ts';
import { bashCompletion } from '../completion.ts';
import { absolute } from '../connection.ts';
import type { CliContext } from '../context.ts';
import { UsageError } from '../failures.ts';
import { manPages } from '../man-page.ts';
import { document } from '../manual.ts';

export function completionCommand(context: CliContext): Command {
  const command = new Command('completion').description('print the completion for bash').action(async () => {
    await run(context, {}, () => {
      context.stdout.write(bashCompletion(rootOf(command)));
      return Promise.resolve();
    });
  });
  return document(command, {
    text: ['Made from the same definition as the help, so that it is never behind.'],
    examples: [{ command: 'source <(landfall completion)', says: 'Completes commands and options in this shell.' }],
  });
}

interface ManOptions {
  readonly directory?: string;
}

export function manCommand(context: CliContext): Command {
  const command = new Command('man')
    .description('print a manual page, or write all of them')
    .argument('[command...]', 'the words of the command, for example: tag check')
    .option('--directory <folder>', 'write every page into this folder')
    .action(async (words: string[], options: ManOptions) => {
      await run(context, {}, async () => {
        const pages = manPages(rootOf(command), context.version, dateOf(context));
        if (options.directory !== undefined) {
          const folder = absolute(context, options.directory);
          await mkdir(folder, { recursive: true });
          for (const page of pages) await writeFile(join(folder, page.file), page.text);
          return;
        }
        const wanted = `${[rootOf(command).name(), ...words].join('-')}.1`;
        const page = pages.find(({ file }) => file === wanted);
        if (page === undefined) throw new UsageError(`there is no command ${words.join(' ')}`);
        context.stdout.write(page.text);
      });
    });
  return document(command, {
    text: ['Pages are in the language of man(7).'],
    examples: [
      { command: 'landfall man where | man -l -', says: 'Shows the page of `landfall where`.' },
      { command: 'landfall man --directory /usr/share/man/man1', says: 'Writes every page.' },
    ],
  });
}

/** Of the release, when the build says it (SOURCE_DATE_EPOCH), so that pages are reproducible. */
function dateOf(context: CliContext): string {
  const epoch = context.environment.SOURCE_DATE_EPOCH;
  const date = epoch !== undefined && /^\d{1,12}$/.test(epoch) ? new Date(Number(epoch) * 1000) : context.now();
  return date.toISOString().slice(0, 10);
}

function rootOf(command: Command): Command {
  let root = command;
  while (root.parent !== null) root = root.parent;
  return root;
}
