import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  architectureMatches,
  architecturesFor,
  isKnownArchitecture,
  isWildcard,
  restrictionsMatch,
} from './architectures.ts';
import { formatRelations, parseRelations, profilesMatch, type Dependencies, type Relation } from './relations.ts';

function valid(text: string): Dependencies {
  const result = parseRelations(text);
  if ('kind' in result) throw new Error(result.reason);
  return result;
}

function reasonOf(text: string, restrictions = true): string {
  const result = parseRelations(text, { restrictions });
  return 'kind' in result ? result.reason : 'accepted';
}

describe('parseRelations', () => {
  it('reads every part of a relation', () => {
    expect(valid('aa:any (>= 1:2~rc1) [linux-any] <!nocheck> <cross stage1>')).toEqual([
      [
        {
          name: 'aa',
          qualifier: 'any',
          version: { operator: '>=', version: '1:2~rc1' },
          architectures: [{ name: 'linux-any', negated: false }],
          profiles: [
            [{ name: 'nocheck', negated: true }],
            [
              { name: 'cross', negated: false },
              { name: 'stage1', negated: false },
            ],
          ],
        },
      ],
    ]);
  });

  it('writes as dpkg does, whatever the spacing', () => {
    expect(formatRelations(valid(' aa(>=1)|bb [ !amd64  !i386 ]<!x>,\n cc ,, dd (< 2), '))).toBe(
      'aa (>= 1) | bb [!amd64 !i386] <!x>, cc, dd (<= 2)',
    );
    expect(valid('')).toEqual([]);
  });

  it.each([
    ['a |', 'not a relationship'],
    ['a b', 'not a relationship'],
    ['a (>= 1', 'not a relationship'],
    ['a (1)', 'not a relationship'],
    ['a (>= )', 'not a relationship'],
    ['a (=> 1)', 'unknown operator'],
    ['a (>= x)', 'malformed version'],
    ['A', 'package name'],
    ['a\0b', 'package name'],
    ['../a', 'package name'],
    ['${misc:Depends}', 'not a relationship'],
    ['aa:', 'not a relationship'],
    ['aa:-x', 'architecture behind the colon'],
    ['aa []', 'empty list of architectures'],
    ['aa [amd64 !i386]', 'mixes'],
    ['aa [A]', 'invalid architecture'],
    ['aa <>', 'empty list of build profiles'],
    ['aa <!!x>', 'invalid build profile'],
    ['aa [amd64] (>= 1)', 'not a relationship'],
  ])('refuses %j', (text, word) => {
    expect(reasonOf(text.replace(/^a(?=[ |])/, 'aa'))).toContain(word);
  });

  it('refuses restrictions where only binary packages speak', () => {
    expect(reasonOf('aa [amd64]', false)).toContain('only build dependencies');
    expect(reasonOf('aa <!x>', false)).toContain('only build dependencies');
  });

  it('H55 refuses a million dependencies, quickly', () => {
    expect(reasonOf('aa,'.repeat(400_000))).toContain('at most');
    expect(reasonOf('aa,'.repeat(30_000))).toContain('more than 20000');
    expect(reasonOf(`aa ${'<x>'.repeat(100_000)}(`)).toContain('not a relationship');
    expect(reasonOf(`aa ${' '.repeat(500_000)}x`)).toContain('not a relationship');
  });

  it('reads back what it writes, and never throws', () => {
    const restriction = fc.record({
      name: fc.constantFrom('amd64', 'linux-any', 'arm64'),
      negated: fc.constant(false),
    });
    const profile = fc.record({ name: fc.constantFrom('nocheck', 'cross', 'pkg.x.y'), negated: fc.boolean() });
    const plain = fc.record({
      name: fc.constantFrom('aa', 'lib-b+', '0c.d'),
      architectures: fc.array(restriction, { maxLength: 2 }),
      profiles: fc.array(fc.array(profile, { minLength: 1, maxLength: 2 }), { maxLength: 2 }),
    });
    const relation: fc.Arbitrary<Relation> = fc
      .tuple(
        plain,
        fc.option(fc.constantFrom('any', 'native')),
        fc.option(fc.constantFrom('<<', '<=', '=', '>=', '>>')),
      )
      .map(([base, qualifier, operator]) => ({
        ...base,
        ...(qualifier === null ? {} : { qualifier }),
        ...(operator === null ? {} : { version: { operator, version: '1:2.0~x-3' } }),
      }));
    fc.assert(
      fc.property(fc.array(fc.array(relation, { minLength: 1, maxLength: 3 }), { maxLength: 4 }), (dependencies) => {
        expect(valid(formatRelations(dependencies))).toEqual(dependencies);
      }),
    );
    const noise = fc.constantFrom(
      'a',
      'b1',
      ' ',
      '(',
      ')',
      '[',
      ']',
      '<',
      '>',
      '=',
      '!',
      ',',
      '|',
      ':',
      '\n',
      '\0',
      '1.0',
    );
    fc.assert(
      fc.property(fc.string({ unit: noise, maxLength: 30 }), (text) => void parseRelations(text)),
      { numRuns: 1_000 },
    );
  });
});

describe('architectures', () => {
  it.each([
    ['amd64', 'any', true],
    ['amd64', 'amd64', true],
    ['amd64', 'arm64', false],
    ['amd64', 'linux-any', true],
    ['amd64', 'any-amd64', true],
    ['x32', 'any-amd64', true],
    ['armhf', 'any-arm', true],
    ['armhf', 'gnu-any-any', true],
    ['musl-linux-amd64', 'gnu-any-any', false],
    ['hurd-i386', 'linux-any', false],
    ['hurd-i386', 'any-i386', true],
    ['all', 'any', false],
    ['all', 'all', true],
    ['amd64', 'all', false],
    ['nonsense', 'linux-any', false],
    ['amd64', 'any-any-any-any-any', false],
    ['amd64', '', false],
  ])('%s under %s: %s', (architecture, wildcard, matches) => {
    expect(architectureMatches(architecture, wildcard)).toBe(matches);
  });

  it('gives the architectures that a field asks for', () => {
    expect(architecturesFor(['any'], ['amd64', 'arm64', 'all'])).toEqual(['amd64', 'arm64']);
    expect(architecturesFor(['any-arm64', 'all'], ['amd64', 'arm64', 'all'])).toEqual(['arm64', 'all']);
    expect([isKnownArchitecture('amd64'), isKnownArchitecture('all'), isKnownArchitecture('any')]).toEqual([
      true,
      false,
      false,
    ]);
    expect([isWildcard('any'), isWildcard('linux-any'), isWildcard('amd64')]).toEqual([true, true, false]);
  });

  it('decides restrictions and profiles as dpkg does', () => {
    const restrictions = (text: string): Relation['architectures'] =>
      valid(`aa [${text}]`)[0]?.[0]?.architectures ?? [];
    expect(restrictionsMatch(restrictions('linux-any'), 'amd64')).toBe(true);
    expect(restrictionsMatch(restrictions('!linux-any'), 'amd64')).toBe(false);
    expect(restrictionsMatch(restrictions('!i386 !arm64'), 'amd64')).toBe(true);
    expect(restrictionsMatch([], 'amd64')).toBe(true);
    const profiles = (text: string): Relation['profiles'] => valid(`aa ${text}`)[0]?.[0]?.profiles ?? [];
    expect(profilesMatch(profiles('<!nocheck>'), new Set())).toBe(true);
    expect(profilesMatch(profiles('<!nocheck>'), new Set(['nocheck']))).toBe(false);
    expect(profilesMatch(profiles('<!nocheck> <cross stage1>'), new Set(['nocheck', 'cross', 'stage1']))).toBe(true);
    expect(profilesMatch([], new Set(['x']))).toBe(true);
  });
});
