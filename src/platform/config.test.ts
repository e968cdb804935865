import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { describeProblem, loadConfig, parseConfig } from './config.ts';
import { withTemporaryDirectory } from './files.ts';

/** The problems of a text, as a person reads them. */
function problems(text: string): string[] {
  const parsed = parseConfig(text);
  return parsed.kind === 'config' ? [] : parsed.problems.map(describeProblem);
}

test('an empty file is the defaults', () => {
  expect(parseConfig('')).toMatchObject({
    kind: 'config',
    config: {
      server: { listen: '127.0.0.1:8463' },
      database: { pool_size: 10 },
      log: { level: 'info' },
    },
  });
});

test('everything can be set', () => {
  const parsed = parseConfig(`
public_url = "https://builds.example.org"
[database]
url = "postgresql://landfall@db/landfall"
[server]
listen = "[::1]:443"
[worker]
name = "arm-1"
slots = 4
`);
  expect(parsed).toMatchObject({
    kind: 'config',
    config: {
      public_url: 'https://builds.example.org',
      server: { listen: '[::1]:443' },
      worker: { name: 'arm-1', slots: 4 },
    },
  });
});

test('every problem is told with line and field', () => {
  expect(
    problems(`signer.socket = "relative"
colour = 1
[server]
listen = "everywhere"
listne = "x"
[worker]
slots = "many"
`),
  ).toEqual([
    'line 1: signer.socket: expected an absolute path',
    'line 2: colour: there is no such key',
    'line 4: server.listen: expected HOST:PORT, for example "127.0.0.1:8463"',
    'line 5: server.listne: there is no such key',
    'line 7: worker.slots: Invalid input: expected number, received string',
  ]);
});

test('an unknown table is found at its header, and a port that does not exist is refused', () => {
  expect(problems('[nothing]\nx = 1\n')).toEqual(['line 1: nothing: there is no such key']);
  expect(problems('server.listen = "127.0.0.1:70000"')).toEqual([
    'line 1: server.listen: the port is larger than 65535',
  ]);
});

test('text that is no TOML is told with its line', () => {
  expect(problems('a = 1\nb = = 2\n')[0]).toMatch(/^line 2: not valid TOML: /);
});

test('a missing file is an empty one, and a wrong one is a fault that names it', async () => {
  await withTemporaryDirectory(async (folder) => {
    const path = join(folder, 'landfall.toml');
    expect((await loadConfig(path)).server.listen).toBe('127.0.0.1:8463');
    await writeFile(path, 'x = 1');
    await expect(loadConfig(path)).rejects.toMatchObject({
      code: 'config.invalid',
      message: `could not read ${path}: line 1: x: there is no such key`,
    });
  });
});

test('whatever text comes, it is configuration or a list of problems', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(fc.constantFrom('[', ']', 'server', '.', 'listen', '=', '"', '\n', '1')).map((a) => a.join('')),
      ),
      (text) => {
        const parsed = parseConfig(text);
        if (parsed.kind === 'invalid-config') expect(parsed.problems.length).toBeGreaterThan(0);
      },
    ),
  );
});
