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
