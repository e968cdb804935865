/** `testdata/` holds the logs of real failed builds, each made by the program that it is named after, on Debian 12. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { ExcerptReader, cleanLine, errorExcerpt } from './error-excerpt.ts';

const DATA = join(import.meta.dirname, 'testdata');
const log = (name: string): string => readFileSync(join(DATA, `${name}.log`), 'utf8');

const EXPECTED: Readonly<Record<string, readonly [kind: string, headline: string, shown: string]>> = {
  cmake: ['configure', 'CMake Error at ', 'Could NOT find ZLIB'],
  configure: ['configure', 'configure: error: libnowhere is needed', 'checking for main in -lnowhere... no'],
  go: ['compiler', './a.go:2:15: x declared but not used', './a.go:2:15'],
  header: ['compiler', 'a.c:1:10: fatal error: zlib.h: No such file or directory', '#include <zlib.h>'],
  library: ['linker', '/usr/bin/ld: cannot find -lnowhere', 'collect2: error'],
  missing: ['missing-program', 'script: 3: frobnicate: not found', 'Error 127'],
  module: ['missing-program', "ModuleNotFoundError: No module named 'numpy'", 'Traceback'],
  network: ['network', "fatal: unable to access 'https://example.org/x.git/'", 'Could not resolve host'],
  'no-rule': ['missing-file', "make[2]: *** No rule to make target 'foo.o', needed by 'all'.  Stop.", 'No rule'],
  patch: ['patch', 'Hunk #1 FAILED at 1.', 'patching file a'],
  'pkg-config': ['configure', 'Package gtk4 was not found in the pkg-config search path.', 'gtk4'],
  prove: ['test', "#   Failed test 'adds'", 'Result: FAIL'],
  pytest: ['test', 'FAILED test_it.py::test_sum - assert (1 + 1) == 3', 'E       assert (1 + 1) == 3'],
  python: ['test', 'FAIL: test_sum (__main__.T.test_sum)', 'AssertionError: 2 != 3'],
  rust: ['compiler', 'error[E0308]: mismatched types', 'expected `i32`, found `&str`'],
  script: ['script', 'x.sh: 2: Syntax error: end of file unexpected (expecting "fi")', 'x.sh: 2'],
  segv: ['script', 'bash: line 1:', 'Segmentation fault'],
  'undefined-reference': ['linker', 'a.c:(.text+0xa): undefined reference to `frobnicate', 'frobnicate'],
};

test('every log has its expectation', () => {
  expect(
    readdirSync(DATA)
      .map((name) => name.replace(/\.log$/, ''))
      .sort(),
  ).toEqual(Object.keys(EXPECTED).sort());
});

test.each(Object.entries(EXPECTED))('the log of %s', (name, [kind, headline, shown]) => {
  const excerpt = errorExcerpt(log(name));
  expect(excerpt).toMatchObject({ kind, headline: expect.stringContaining(headline) as string });
  expect(excerpt.lines.join('\n')).toContain(shown);
  expect(excerpt.lines.join('\n')).toContain(excerpt.headline);
});

test('the same excerpt comes of a log that is read in pieces, and behind a hundred thousand other lines', () => {
  const reader = new ExcerptReader();
  for (let line = 0; line < 100_000; line += 1) reader.push('cc -O2 -c x.c\n');
  for (const character of log('rust')) reader.push(character);
  expect(reader.excerpt()).toEqual(errorExcerpt(log('rust')));
});

it('shows a message that repeats only once, so that it does not crowd out the cause', () => {
  const noise = Array.from({ length: 30 }, () => 'sh: 1: build-aux/git-version-gen: not found');
  const text = [...noise, 'src/hello.c:1:16: error: nowhere is undeclared', 'make[1]: *** [Makefile:1: all] Error 1'];
  const { lines, kind } = errorExcerpt(text.join('\n'));
  expect(kind).toBe('compiler');
  expect(lines.filter((line) => line.includes('git-version-gen')).length).toBe(1);
  expect(lines.join('\n')).toContain('src/hello.c:1:16: error');
});

test('a log without any known error shows its end', () => {
  expect(errorExcerpt('one\ntwo\n\nthree\n')).toEqual({
    kind: 'unknown',
    headline: 'three',
    lines: ['one', 'two', 'three'],
  });
  expect(errorExcerpt('')).toEqual({ kind: 'unknown', headline: '', lines: [] });
});

describe('H92 what a build prints is made harmless', () => {
  test('colours, links and what was written over', () => {
    expect(cleanLine('\u001b[01m\u001b[Ka.c:1:2:\u001b[m\u001b[K \u001b[01;31merror: \u001b[mno')).toBe(
      'a.c:1:2: error: no',
    );
    expect(cleanLine('\u001b]8;;https://evil.example\u0007text\u001b]8;;\u0007')).toBe('text');
    expect(cleanLine(' 10%\r 50%\r100%\r')).toBe('100%');
    expect(cleanLine('a\u202eb\u0000c\td')).toBe('abc    d');
  });

  test('a line of a megabyte, and whatever else, gives few short lines without control characters', () => {
    expect(errorExcerpt(`error: ${'x'.repeat(1_000_000)}`).lines.join('').length).toBeLessThan(1_000);
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (parts) => {
        const { lines } = errorExcerpt(parts.join('\n'));
        expect(lines.length).toBeLessThanOrEqual(40);
        for (const line of lines) {
          expect(line.length).toBeLessThanOrEqual(400);
          expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
        }
      }),
      { numRuns: 40 },
    );
  });
});
