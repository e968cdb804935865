/**
 * What a command is for, said once: the help on the terminal, the manual page and the completion are made from it. Every
 * command, also one that app/ adds, is documented with {@link document}.
 */
import type { Command } from 'commander';

export interface Example {
  readonly command: string;
  /** What it does, as it reads below the command. */
  readonly says: string;
}

export interface Manual {
  /** Paragraphs of plain text. */
  readonly text: readonly string[];
  readonly examples: readonly [Example, ...Example[]];
}

const manuals = new WeakMap<Command, Manual>();

/** Attaches its manual to a command; its help shows the examples. */
export function document(command: Command, manual: Manual): Command {
  manuals.set(command, manual);
  const examples = manual.examples.map(({ command: line, says }) => `  $ ${line}\n      ${says}`).join('\n');
  return command.addHelpText('after', `\n${manual.text.join('\n\n')}\n\nExamples:\n${examples}`);
}

export function manualOf(command: Command): Manual | undefined {
  return manuals.get(command);
}

/** The command and all below it that a person can run, with the words that are typed for each. */
export function commandsBelow(command: Command, words: readonly string[] = [command.name()]): CommandPath[] {
  const own: CommandPath[] = [{ words, command }];
  return own.concat(
    command.commands
      .filter((child) => child.name() !== 'help')
      .flatMap((child) => commandsBelow(child, [...words, child.name()])),
  );
}

export interface CommandPath {
  readonly words: readonly string[];
  readonly command: Command;
}
