import { join } from 'node:path';
import { readFile, writeFile } from 'node:fs/promises';
import { expect, test, describe } from 'vitest';
import { parseConfig } from '../platform/config.ts';
import { exec } from '../platform/exec.ts';
import { withTemporaryDirectory } from '../platform/files.ts';
import { bashCompletion, createProgram, manPages } from './index.ts';
import { commandsBelow, manualOf } from './manual.ts';
import { idleContext } from '../../test/scenarios/cli.ts';

const program = createProgram(idleContext());

describe.each(commandsBelow(program).map(({ words, command }) => ({ name: words.join(' '), command })))(
  '$name',
  ({ command }) => {
    test('has a summary, a description, and an example that begins with it', () => {
      expect(command.description()).toMatch(/^[a-z].{10,90}[^.]$/);
      const manual = manualOf(command);
      expect(manual?.text.length).toBeGreaterThan(0);
      expect(manual?.examples.length).toBeGreaterThan(0);
    });

    test('says what each option is', () => {
      for (const option of command.options) expect(option.description, option.flags).not.toBe('');
    });
  },
);

test('the manual pages are flawless to mandoc', async () => {
  await withTemporaryDirectory(async (folder) => {
    const pages = manPages(program, '0.1.0', '2025-01-31');
    expect(pages.map((page) => page.file)).toContain('landfall-tag-check.1');
    for (const page of pages) await writeFile(join(folder, page.file), page.text);
    const files = pages.map((page) => join(folder, page.file));
    const { stdout } = await exec(['mandoc', '-T', 'lint', '-W', 'warning', ...files], {
      deadlineMs: 30_000,
      okCodes: 'any',
    });
    expect(stdout.toString()).toBe('');
    const shown = await exec(['mandoc', '-T', 'ascii', join(folder, 'landfall-tag-check.1')], { deadlineMs: 30_000 });
    expect(shown.stdout.toString().replace(/.\u0008/g, '')).toContain('landfall tag check landfall/2.10-3');
  });
});

test('bash completes commands, subcommands and options', async () => {
  await withTemporaryDirectory(async (folder) => {
    const script = join(folder, 'completion');
    await writeFile(script, bashCompletion(program));
    const complete = async (...words: string[]): Promise<string[]> => {
      const line = `source ${script}; COMP_WORDS=(landfall ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _landfall; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout } = await exec(['bash', '-c', line], { deadlineMs: 10_000 });
      return stdout
        .toString()
        .split('\n')
        .filter((one) => one !== '');
    };
    expect(await complete('wh')).toEqual(['where', 'why']);
    expect(await complete('tag', 'ch')).toEqual(['check']);
    expect(await complete('tag', 'show', '--j')).toEqual(['--json']);
    expect(await complete('--url', 'job', 'give')).toEqual(['give-back']);
  });
});

describe('landfall.toml(5)', () => {
  const page = join(import.meta.dirname, '..', '..', 'man', 'landfall.toml.5');

  /** Dotted names of everything that is set. */
  function keysOf(value: object, prefix = ''): string[] {
    return Object.entries(value).flatMap(([key, one]: [string, unknown]) =>
      typeof one === 'object' && one !== null ? keysOf(one, `${prefix}${key}.`) : [`${prefix}${key}`],
    );
  }

  test('describes every key of its example, which the program takes, and every key that has a default', async () => {
    const text = await readFile(page, 'utf8');
    const example = (/^\.EX\n([\s\S]*?)^\.EE$/m.exec(text)?.[1] ?? '').replaceAll('\\-', '-');
    const parsed = parseConfig(example);
    expect(parsed.kind, JSON.stringify(parsed)).toBe('config');
    const described = [...text.matchAll(/^\.TP\n\.B ([a-z_.]+)$/gm)].map((match) => match[1]).sort();
    expect(parsed.kind === 'config' ? keysOf(parsed.config).sort() : []).toEqual(described);
    const empty = parseConfig('');
    expect(described).toEqual(expect.arrayContaining(empty.kind === 'config' ? keysOf(empty.config) : ['']));
  });

  test('is flawless to mandoc', async () => {
    const { stdout } = await exec(['mandoc', '-T', 'lint', page], { deadlineMs: 10_000, okCodes: 'any' });
    expect(stdout.toString()).toBe('');
  });
});
