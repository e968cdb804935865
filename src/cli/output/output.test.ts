import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Step, SubmissionTrace } from '../../contract/submissions.ts';
import { inert, inertLine } from './inert.ts';
import { styleOf } from './style.ts';
import { table, widthOf, wrap } from './table.ts';
import { renderSubmission } from './timeline.ts';
import { ago, bytes, duration } from './time.ts';

describe('H92 text of others', () => {
  test('colours vanish, links and titles too, the rest becomes visible', () => {
    expect(inert('\u001b[31merror\u001b[0m: x')).toBe('error: x');
    expect(inert('\u001b]8;;http://evil\u0007click\u001b]8;;\u0007')).toBe('click');
    expect(inert('\u001b]0;title\u001b\\done')).toBe('done');
    expect(inert('a\u001b[2Jb\u0000c\u009bd\u202ee')).toBe('a\\x1b[2Jb\\x00c\\x9bd\\u202ee');
    expect(inert('progress\r 10%\r\nnext')).toBe('progress\\x0d 10%\nnext');
  });

  test('whatever it is, nothing is left that a terminal would obey', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom('\u001b', '\u001b[', '\u001b]', '\u0007', '\u009b', '\r', '\n', '\u202e'),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        expect(inert(pieces.join(''))).not.toMatch(
          /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/,
        );
        expect(inertLine(pieces.join(''))).not.toMatch(/[\u0000-\u001f]/);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('times and sizes', () => {
  test.each([
    [0, '0.0 s'],
    [340, '0.3 s'],
    [9_940, '9.9 s'],
    [9_960, '10 s'],
    [59_400, '59 s'],
    [59_600, '1 min 00 s'],
    [245_000, '4 min 05 s'],
    [11_400_000, '3 h 10 min'],
    [187_200_000, '2 d 4 h'],
  ])('%i ms is %s', (milliseconds, text) => {
    expect(duration(milliseconds)).toBe(text);
  });

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [9_949, '9.9 kB'],
    [999_600, '1.0 MB'],
    [83_000_000_000, '83 GB'],
  ])('%i bytes are %s', (count, text) => {
    expect(bytes(count)).toBe(text);
  });

  test('a time in the future is not negative', () => {
    expect(ago('2031-01-01T00:00:00.000Z', new Date('2030-01-01T00:00:00Z'))).toBe('0.0 s ago');
  });
});

describe('tables', () => {
  test('columns line up, also with letters that are two columns wide', () => {
    expect(
      table(
        [
          ['a', 'bb', 'c'],
          ['中文', 'b', ''],
        ],
        '  ',
      ),
    ).toBe('  a     bb  c\n  中文  b\n');
    expect(widthOf('é\u0301')).toBe(1);
  });

  test('wrapped lines keep every word and stay within the width where words allow', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 }),
        fc.integer({ min: 12, max: 60 }),
        (words, width) => {
          const lines = wrap(words.join(' '), width);
          expect(lines.join(' ')).toBe(words.join(' '));
          for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});

const STEP: Step = {
  name: 'tag.seen',
  title: 'tag seen',
  state: 'done',
  architecture: null,
  startedAt: '2025-01-31T12:00:05.000Z',
  endedAt: '2025-01-31T12:00:05.100Z',
  durationMs: 100,
  by: 'landfall',
  code: null,
  sentence: null,
  remedy: null,
  mustAct: null,
  url: null,
  buildId: null,
};

const TRACE: SubmissionTrace = {
  id: 7,
  origin: 'tag',
  archive: 'main',
  audience: 'public',
  suite: 'landing',
  source: 'hello',
  version: '2.10-3land1',
  person: { handle: 'alice', name: 'Alice Archer' },
  createdAt: '2025-01-31T12:00:05.000Z',
  state: 'attention',
  settled: false,
  sentence: 'amd64 is published; arm64 waits',
  remedy: null,
  mustAct: null,
  url: 'https://landfall.example/where/hello',
  steps: [
    STEP,
    {
      ...STEP,
      name: 'tag.decided',
      title: 'tag verified',
      durationMs: 120,
      sentence: '22 checks passed',
      by: 'person:alice',
    },
    {
      ...STEP,
      name: 'binary.built',
      title: 'amd64 built',
      durationMs: 20_400,
      by: 'worker:w1',
      architecture: 'amd64',
      endedAt: '2025-02-01T00:00:10.000Z',
      startedAt: '2025-02-01T00:00:00.000Z',
    },
    {
      ...STEP,
      name: 'binary.built',
      title: 'arm64',
      state: 'waiting',
      architecture: 'arm64',
      startedAt: null,
      endedAt: null,
      durationMs: null,
      by: null,
      sentence: 'no worker for arm64 has ever joined pool trusted',
      mustAct: 'an administrator: let a worker for arm64 join pool trusted',
      url: 'https://landfall.example/builds/3',
      buildId: 3,
    },
  ],
  tag: {
    id: 1,
    ref: 'refs/tags/landfall/2.10-3land1',
    objectId: 'a'.repeat(40),
    repository: 'packages/hello',
    commitId: 'b'.repeat(40),
    signer: 'alice',
    fingerprint: 'F'.repeat(40),
    url: 'https://landfall.example/tags/1',
  },
  packages: [
    {
      kind: 'source',
      name: 'hello',
      version: '2.10-3land1',
      architecture: 'source',
      worker: 'w1',
      workerFingerprint: 'E',
      buildId: 1,
    },
    {
      kind: 'binary',
      name: 'hello',
      version: '2.10-3land1',
      architecture: 'amd64',
      worker: 'w1',
      workerFingerprint: 'E',
      buildId: 2,
    },
  ],
};

const NOW = new Date('2025-02-01T00:01:00Z');

describe('the timeline', () => {
  test('into a pipe, in ASCII: no colours, nothing broken', () => {
    const style = styleOf({ write: () => undefined }, {});
    expect(renderSubmission(TRACE, style, NOW)).toBe(`hello 2.10-3land1 -> main/landing: waits for somebody
  amd64 is published; arm64 waits
  submission 7, asked for by Alice Archer (alice) on 2025-01-31 12:00:05 UTC
  https://landfall.example/where/hello

  2025-01-31
  +  12:00:05    0.1 s  tag seen
  +  12:00:05    0.1 s  tag verified  22 checks passed (alice)
  2025-02-01
  +  00:00:10     20 s  amd64 built   (w1)
  .                     arm64         no worker for arm64 has ever joined pool trusted
                                      -> an administrator: let a worker for arm64 join pool trusted
                                      https://landfall.example/builds/3

  tag     landfall/2.10-3land1 in packages/hello, object ${'a'.repeat(40)}
  commit  ${'b'.repeat(40)}
  signer  alice  ${'F'.repeat(40)}
  source  hello 2.10-3land1  built by worker w1
  amd64   hello 2.10-3land1  built by worker w1
`);
  });

  test('on a terminal: symbols, colours, sentences broken at its width', () => {
    const output = { write: () => undefined, isTTY: true, columns: 72 };
    const text = renderSubmission(TRACE, styleOf(output, { LANG: 'C.UTF-8' }), NOW);
    expect(text).toContain('\u001b[32m✓\u001b[0m');
    const plain = text.replace(/\u001b\[\d*m/g, '');
    expect(plain).toContain('no worker for arm64 has ever\n');
    const steps = plain.split('\n').filter((line) => !/aaaa|FFFF|https:/.test(line));
    expect(steps.filter((line) => widthOf(line) > 72)).toEqual([]);
  });

  test('NO_COLOR and TERM=dumb are heard', () => {
    const output = { write: () => undefined, isTTY: true, columns: 80 };
    for (const environment of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
      expect(renderSubmission(TRACE, styleOf(output, environment), NOW)).not.toContain('\u001b');
    }
  });

  test('H93 what a maintainer wrote cannot steer the terminal', () => {
    const hostile = { ...TRACE, sentence: 'a\u001b[2J', person: { handle: 'x', name: '\u001b]0;owned\u0007Eve' } };
    expect(renderSubmission(hostile, styleOf({ write: () => undefined }, {}), NOW)).not.toContain('\u001b');
  });
});
