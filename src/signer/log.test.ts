/** The signer's log when it is long, and when its file was changed under it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { chainLine, EMPTY_CHAIN } from '../platform/hash-chain.ts';
import { openSignerLog, type SignedEntry, type SignerLog } from './log.ts';

const LINES = 40_000;
const PAGE = 500;

let home: TemporaryDirectory;
let path: string;
let log: SignerLog;
let texts: readonly string[];

function entry(serial: number): SignedEntry {
  const date = '2026-01-31T12:00:00.000Z';
  return {
    ...{ kind: 'release', at: date, archive: 'main', suite: 'landing', serial, date, validUntil: null },
    ...{ sha256: '0'.repeat(64), fingerprints: ['A'.repeat(40)] },
  };
}

beforeAll(async () => {
  home = await makeTemporaryDirectory('lf-log-');
  path = join(home.path, 'log.jsonl');
  const made: string[] = [];
  for (let head = EMPTY_CHAIN; head.line < LINES;) {
    const line = chainLine(head, entry(head.line + 1));
    made.push(line.text);
    head = line.head;
  }
  texts = made;
  await writeFile(path, `${made.join('\n')}\n`);
  log = await openSignerLog(home.path, () => undefined);
});
afterAll(async () => {
  await log.close();
  await home.remove();
});

/** Reads it all, page by page, as whoever wants the last serials does. */
async function readAll(): Promise<string[]> {
  const all: string[] = [];
  for (;;) {
    const lines = await log.read(all.length, PAGE);
    all.push(...lines);
    if (lines.length < PAGE) return all;
  }
}

/** What this process has read until now, in bytes, by the kernel's own count. */
async function bytesRead(): Promise<number> {
  return Number(/^rchar: (\d+)$/m.exec(await readFile('/proc/self/io', 'utf8'))?.[1]);
}

it('a line that holds what ends lines elsewhere is one line', async () => {
  const folder = await makeTemporaryDirectory('lf-log-');
  const said: string[] = [];
  const asked = { at: '2026-01-31T12:00:00.000Z', archive: 'main', fingerprint: 'A'.repeat(40), by: 'person:carol' };
  const reason = 'lost\u2028stolen\u2029\u0085gone';
  const first = await openSignerLog(folder.path, () => undefined);
  await first.append({ kind: 'key-retired', ...asked, reason });
  await first.close();
  const again = await openSignerLog(folder.path, (line) => said.push(line.kind === 'key-retired' ? line.reason : ''));
  expect(said).toEqual([reason]);
  expect(await again.read(0, 10)).toHaveLength(1);
  await again.close();
  await folder.remove();
});

describe('a log of many lines', () => {
  it('is read about once when all its pages are read, and not from its beginning for each', async () => {
    const before = await bytesRead();
    const all = await readAll();
    const read = (await bytesRead()) - before;
    expect(all.length).toBe(LINES);
    expect(all.every((text, index) => text === texts[index])).toBe(true);
    // A page is read in pieces of a size of their own, and each begins up to 256 lines before it. From the beginning for each
    // page it would be forty times the file.
    const size = texts.reduce((sum, text) => sum + text.length + 1, 0);
    expect(read).toBeLessThan(4 * size);
  });

  it('gives the same lines wherever a page begins, and those that came since', async () => {
    for (const after of [0, 1, 255, 256, 257, 511, 512, 25_000, LINES - 1]) {
      expect(await log.read(after, 3)).toEqual(texts.slice(after, after + 3));
    }
    expect(await log.read(LINES, 3)).toEqual([]);
    const head = await log.append(entry(LINES + 1));
    expect(head.line).toBe(LINES + 1);
    expect(await log.read(LINES, 3)).toHaveLength(1);
    expect(await log.read(LINES + 1, 3)).toEqual([]);
  });

  it('whose file was changed shows the file as it is now', async () => {
    const whole = await readFile(path, 'utf8');
    const lines = whole.trimEnd().split('\n');
    for (const changed of [lines.filter((_, index) => index !== 700), lines.slice(0, 600), ['x', ...lines]]) {
      await writeFile(path, `${changed.join('\n')}\n`);
      expect(await log.read(1_024, 2)).toEqual(changed.slice(1_024, 1_026));
      expect(await log.read(699, 3)).toEqual(changed.slice(699, 702));
    }
    await writeFile(path, whole);
  });
});
