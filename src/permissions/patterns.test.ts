import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { coversPattern, isPattern, matchesPattern, MAX_PATTERN_LENGTH } from './patterns.ts';

const letters = fc.string({ unit: fc.constantFrom('a', 'b', '-'), maxLength: 8 });
const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), minLength: 1, maxLength: 7 });

/** The same meaning said by JavaScript's own regular expressions. */
function asRegExp(text: string): RegExp {
  return new RegExp(`^${text.replace(/[+.-]/g, '\\$&').replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`);
}

describe('a pattern', () => {
  test('speaks of the whole name', () => {
    expect(matchesPattern('hello', 'hello')).toBe(true);
    expect(matchesPattern('hello', 'hello-dev')).toBe(false);
    expect(matchesPattern('hello', 'xhello')).toBe(false);
    expect(matchesPattern('*', '')).toBe(true);
    expect(matchesPattern('?', '')).toBe(false);
    expect(matchesPattern('lib*-dev', 'libfoo-dev')).toBe(true);
    expect(matchesPattern('lib?', 'libab')).toBe(false);
  });

  test('takes a dot for a dot and a plus for a plus', () => {
    expect(matchesPattern('g++.1', 'g++.1')).toBe(true);
    expect(matchesPattern('g++.1', 'ggg.1')).toBe(false);
    expect(matchesPattern('a.c', 'abc')).toBe(false);
  });

  test('means what the same regular expression means', () => {
    fc.assert(
      fc.property(pattern, letters, (text, name) => {
        expect(matchesPattern(text, name)).toBe(asRegExp(text).test(name));
      }),
      { numRuns: 2000 },
    );
  });

  test('made to be expensive costs no time worth speaking of', () => {
    expect(matchesPattern('*a'.repeat(60) + 'b', 'a'.repeat(10_000))).toBe(false);
    expect(coversPattern('*a????????????????????????', '*b????????????????????????')).toBe(false);
  });

  test('holds only what names are made of, and has an end', () => {
    expect(isPattern('lib*')).toBe(true);
    expect(isPattern('g++-1?')).toBe(true);
    for (const wrong of ['', 'Lib', 'a b', 'a/b', 'a[b]', 'a\n', 'é', '%', 'a'.repeat(MAX_PATTERN_LENGTH + 1)]) {
      expect(isPattern(wrong)).toBe(false);
    }
  });
});

describe('covering', () => {
  test('is told exactly', () => {
    for (const [outer, inner, covered] of [
      ['*', '*', true],
      ['*', 'lib*', true],
      ['lib*', '*', false],
      ['lib*', 'lib', true],
      ['lib*', 'libfoo*', true],
      ['lib*', 'li*', false],
      ['?*', '*?', true],
      ['?*', '*', false],
      ['*a*', '*ba*c', true],
      ['a?*b', 'a*c*b', true],
      ['??', '?', false],
      ['hello', 'hell?', false],
    ] as const) {
      expect([outer, inner, coversPattern(outer, inner)]).toEqual([outer, inner, covered]);
    }
  });

  test('means that no name escapes, and is found whenever that is so', () => {
    // Names long enough to tell apart patterns of this size, over their letters and one that is in neither.
    const names: string[] = [''];
    for (let at = 0; at < names.length; at += 1) {
      const name = names[at] ?? '';
      if (name.length < 6) names.push(`${name}a`, `${name}b`, `${name}c`);
    }
    const short = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(short, short, (outer, inner) => {
        const escapes = names.some((name) => matchesPattern(inner, name) && !matchesPattern(outer, name));
        expect(coversPattern(outer, inner)).toBe(!escapes);
      }),
      { numRuns: 400 },
    );
  });

  test('goes on from one to the next', () => {
    fc.assert(
      fc.property(pattern, pattern, pattern, (one, two, three) => {
        fc.pre(coversPattern(one, two) && coversPattern(two, three));
        expect(coversPattern(one, three)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
