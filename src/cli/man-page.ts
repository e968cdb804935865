/** Manual pages from the commands' own definition, in mdoc's older sister. @see man(7); held against `mandoc -T lint`. */
import type { Command, Option } from 'commander';
import { EXIT_MEANINGS } from './exit-codes.ts';
import { commandsBelow, manualOf, type CommandPath } from './manual.ts';
import { wrap } from './output/table.ts';

/** Lines of the source, not of what is shown. */
const LINE = 76;

export interface ManPage {
  /** `landfall-tag-check.1` */
  readonly file: string;
  readonly text: string;
}

/** One page per command, the program itself included. */
export function manPages(program: Command, release: string, date: string): readonly ManPage[] {
  const paths = commandsBelow(program);
  return paths.map((path) => ({ file: `${path.words.join('-')}.1`, text: page(path, paths, release, date) }));
}

function page({ words, command }: CommandPath, all: readonly CommandPath[], release: string, date: string): string {
  const name = words.join('-');
  const manual = manualOf(command);
  const parts = [
    `.TH ${quote(name.toUpperCase())} 1 "${date}" ${quote(`Landfall ${release}`)} ${quote('Landfall')}`,
    '.SH NAME',
    `${escape(name)} \\- ${escape(command.description())}`,
    '.SH SYNOPSIS',
    `.B ${escape(words.join(' '))}`,
    ...(usage(command) === '' ? [] : [escape(usage(command))]),
    '.SH DESCRIPTION',
    ...(manual?.text ?? [command.description()]).flatMap((paragraph, index) => [
      ...(index === 0 ? [] : ['.PP']),
      fill(paragraph),
    ]),
  ];
  const children = command.commands.filter((child) => child.name() !== 'help');
  if (children.length > 0) {
    parts.push('.SH COMMANDS');
    for (const child of children) {
      parts.push('.TP', `.BR ${escape([...words, child.name()].join('-'))} (1)`, fill(child.description()));
    }
  }
  const options = command.options.filter((option) => !option.hidden);
  if (options.length > 0) {
    parts.push('.SH OPTIONS');
    for (const option of options) parts.push('.TP', `.B ${escape(option.flags)}`, fill(described(option)));
  }
  parts.push('.SH EXIT STATUS');
  for (const [code, meaning] of EXIT_MEANINGS) parts.push('.TP', `.B ${code}`, fill(meaning));
  parts.push(
    '.SH ENVIRONMENT',
    '.TP',
    '.B LANDFALL_URL',
    'The address of the server, when \\-\\-url is not given.',
    '.TP',
    '.B LANDFALL_TOKEN_FILE',
    'A file that holds the token, when \\-\\-token\\-file is not given.',
    '.TP',
    '.B LANDFALL_STATE_DIR',
    fill('Where the state lies; its client.json names server and token when nothing else does.'),
    '.TP',
    '.B NO_COLOR',
    'When set, nothing is printed in colours.',
  );
  if (manual !== undefined) {
    parts.push('.SH EXAMPLES');
    for (const example of manual.examples) parts.push('.TP', `.B ${escape(example.command)}`, fill(example.says));
  }
  const related = all
    .filter((other) => other.command.parent === command.parent && other.command !== command)
    .concat(all.filter((other) => other.command === command.parent))
    .map((other) => other.words.join('-'))
    .sort();
  if (related.length > 0) {
    parts.push('.SH SEE ALSO');
    parts.push(...related.map((other, index) => `.BR ${escape(other)} (1)${index === related.length - 1 ? '' : ','}`));
  }
  return `${parts.join('\n')}\n`;
}

function usage(command: Command): string {
  return command
    .usage()
    .replace(/^\[options\] ?/, command.options.length > 0 ? '[options] ' : '')
    .trim();
}

function described(option: Option): string {
  const value: unknown = option.defaultValue;
  const standard = typeof value === 'string' || typeof value === 'number' ? ` (default: ${value})` : '';
  return `${option.description}${standard}`;
}

/** Text as roff takes it: no line is a request, hyphens are hyphens, backslashes are shown. */
function escape(text: string): string {
  return protect(text.replace(/\\/g, '\\e').replace(/-/g, '\\-').replace(/\s+/g, ' '));
}

/** As {@link escape}, over as many lines as it takes. */
function fill(text: string): string {
  return wrap(escape(text), LINE).map(protect).join('\n');
}

function protect(line: string): string {
  return line.replace(/^(?=[.'])/, '\\&');
}

function quote(text: string): string {
  return `"${escape(text).replace(/"/g, '')}"`;
}
