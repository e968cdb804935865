/** What the reference lists, held against the sources: what is added or renamed there must be written here too. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { formatBytes, formatSeconds, resolveLimits } from '../src/worker/limits.ts';

const ROOT = join(import.meta.dirname, '..');

let sources: ReadonlyMap<string, string>;
beforeAll(async () => {
  const files = await readdir(join(ROOT, 'src'), { recursive: true });
  const code = files.filter((name) => /\.tsx?$/.test(name) && !/\.test\.tsx?$/.test(name));
  sources = new Map(
    await Promise.all(
      code.map(async (name) => [name, await readFile(join(ROOT, 'src', name), 'utf8')] as [string, string]),
    ),
  );
});

/** First cells of the rows of all tables of a page, as they stand between backquotes. */
async function listed(page: string): Promise<string[]> {
  const text = await readFile(join(ROOT, 'docs', page), 'utf8');
  return [...text.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1] ?? '');
}

function literals(text: string): string[] {
  return [...text.matchAll(/'([a-z-]+\.[a-z-]+) ?'/g)].map((match) => match[1] ?? '');
}

describe('docs/reference/events-and-alerts.md', () => {
  const PAGE = 'reference/events-and-alerts.md';
  const ALERTS = /^(?:suite\.(?:not-|behind)|storage\.|archive-key\.expires)/;

  test('lists the events that are recorded, and no others', async () => {
    const events = (await listed(PAGE)).filter((name) => !ALERTS.test(name));
    const recorded = new Set<string>();
    const told = new Set<string>();
    for (const text of sources.values()) {
      if (!/record(?:Job)?Event\(|INSERT INTO events/.test(text)) continue;
      for (const one of literals(text)) told.add(one);
      const kinds = [
        ...text.matchAll(/recordEvent\(\s*\w+,\s*\{\s*kind: '([^']+)'/g),
        ...text.matchAll(/recordJobEvent\([^;]*?'(job\.[a-z-]+)'/g),
        ...text.matchAll(/SELECT '(job\.[a-z-]+)'/g),
        ...text.matchAll(/\btell\([^;]*?'((?:upload|git-repository)\.[a-z-]+)'/g),
      ];
      for (const [, kind = ''] of kinds) recorded.add(kind);
      // The kinds that are put together of a beginning and a table of ends.
      const [, beginning, table] = /kind: `([a-z-]+)\.\$\{([A-Z]+)\[/.exec(text) ?? [];
      if (beginning === undefined || table === undefined) continue;
      const ends = new RegExp(`const ${table}[^=]*= \\{([^}]*)\\}`).exec(text)?.[1] ?? '';
      for (const [, end = ''] of ends.matchAll(/: '([a-z-]+)'/g)) {
        recorded.add(`${beginning}.${end}`);
        told.add(`${beginning}.${end}`);
      }
    }
    expect([...recorded].filter((kind) => !events.includes(kind))).toEqual([]);
    expect(events.filter((kind) => !told.has(kind))).toEqual([]);
    expect(recorded.size).toBeGreaterThan(35);
  });

  test('lists the alerts that are raised, and no others', async () => {
    const alerts = (await listed(PAGE)).filter((name) => ALERTS.test(name));
    const raising = [...sources].filter(([name, text]) => /raiseAlert\(/.test(text) && !name.endsWith('alerts.ts'));
    const keys = [...raising, ...[...sources].filter(([name]) => /key-alerts\.ts$/.test(name))].flatMap(([, text]) => [
      ...literals(text),
      ...[...text.matchAll(/`([a-z-]+\.[a-z-]+) \$\{/g)].map((match) => match[1] ?? ''),
    ]);
    expect([...new Set(keys.filter((key) => ALERTS.test(key)))].sort()).toEqual([...alerts].sort());
  });
});

test('docs/reference/build-limits.md has the numbers that workers take', async () => {
  const text = await readFile(join(ROOT, 'docs/reference/build-limits.md'), 'utf8');
  const rows = [...text.matchAll(/^\| ([a-z ]+?) +\| `[a-z.]+` +\|(.*)\|$/gm)].map(([, name = '', cells = '']) => [
    name,
    ...cells.split('|').map((cell) => cell.trim()),
  ]);
  const sizes = (['small', 'medium', 'large'] as const).map((size) =>
    resolveLimits({}, size, { memoryBytes: 2 ** 50, processors: 1 }),
  );
  expect(rows).toEqual([
    ['memory', ...sizes.map(({ memoryBytes }) => formatBytes(memoryBytes))],
    ['disk', ...sizes.map(({ diskBytes }) => formatBytes(diskBytes))],
    ['files', ...sizes.map(({ diskFiles }) => String(diskFiles))],
    ['processes', ...sizes.map(({ processes }) => String(processes))],
    ['time', ...sizes.map(({ seconds }) => formatSeconds(seconds))],
    ['without output', ...sizes.map(({ silentSeconds }) => formatSeconds(silentSeconds))],
    ['log', ...sizes.map(({ logBytes }) => formatBytes(logBytes))],
  ]);
});

test('every page of docs/ is found from docs/README.md, and every link leads somewhere', async () => {
  const pages = (await readdir(join(ROOT, 'docs'), { recursive: true })).filter((name) => name.endsWith('.md'));
  const index = await readFile(join(ROOT, 'docs/README.md'), 'utf8');
  expect(pages.filter((name) => name !== 'README.md' && !index.includes(`(${name})`))).toEqual([]);
  const broken: string[] = [];
  for (const page of [...pages.map((name) => `docs/${name}`), 'README.md']) {
    const text = await readFile(join(ROOT, page), 'utf8');
    for (const [, target = ''] of text.replace(/^ {4}.*$|```[^]*?```/gm, '').matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const path = join(ROOT, page, '..', target.replace(/#.*$/, '').replace(/\/$/, ''));
      const parent = await readdir(join(path, '..')).catch((): string[] => []);
      if (!parent.includes(path.split('/').at(-1) ?? '')) broken.push(`${page}: ${target}`);
    }
  }
  expect(broken).toEqual([]);
});
