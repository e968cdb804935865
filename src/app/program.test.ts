import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../cli/index.ts';
import { commandsBelow, manualOf } from '../cli/manual.ts';
import { idleContext } from '../../test/scenarios/cli.ts';
import { addRoles } from './program.ts';

const context = idleContext();
const program = createProgram(context);
addRoles(program, context);

describe.each(commandsBelow(program).map(({ words, command }) => ({ name: words.join(' '), command })))(
  '$name',
  ({ name, command }) => {
    test('has a summary, a manual, and an example that a person can type', () => {
      expect(command.description().length).toBeGreaterThan(10);
      const manual = manualOf(command);
      expect(manual?.text.length).toBeGreaterThan(0);
      expect(manual?.examples.some((example) => example.command.includes(name.split(' ')[1] ?? 'landfall'))).toBe(true);
    });
  },
);

test('every role of this machine is a command', () => {
  const names = program.commands.map((command) => command.name());
  expect(names).toEqual(expect.arrayContaining(['demo', 'init', 'serve', 'signer', 'stop', 'worker']));
});

/** The reference's page of commands, made from the same definitions as help and manual pages. */
function commandsPage(): string {
  const rows = commandsBelow(program)
    .filter(({ command }) => command !== program)
    .map(({ words, command }) => {
      const takes = command.registeredArguments.map((one) => {
        const name = `${one.name().toUpperCase()}${one.variadic ? '…' : ''}`;
        return one.required ? name : `[${name}]`;
      });
      return `- \`${[...words, ...takes].join(' ')}\`: ${command.description()}\n`;
    });
  return (
    '# The commands\n\n`landfall help COMMAND` says all of one, `landfall man COMMAND` prints its manual page. Made by\n' +
    '`UPDATE_DOCS=1 npx vitest run --project unit src/app/program.test.ts`.\n\n' +
    rows.join('')
  );
}

test('docs/reference/commands.md has every command; `UPDATE_DOCS=1` writes it anew', async () => {
  const path = join(import.meta.dirname, '..', '..', 'docs/reference/commands.md');
  const made = commandsPage();
  if (process.env.UPDATE_DOCS === '1') await writeFile(path, made);
  expect(await readFile(path, 'utf8'), 'UPDATE_DOCS=1 npx vitest run --project unit src/app/program.test.ts').toBe(
    made,
  );
});
