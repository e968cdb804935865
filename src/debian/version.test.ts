import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  binNmuOf,
  compareVersionTexts,
  compareVersions,
  formatVersion,
  isNative,
  isVersion,
  parseVersion,
  upstreamOf,
  withoutEpoch,
  type Version,
} from './version.ts';

const characters = (set: string): fc.Arbitrary<string> => fc.constantFrom(...Array.from(set));
const upstream = fc
  .tuple(characters('0123456789'), fc.string({ unit: characters('019azAZ.+~-'), maxLength: 12 }))
  .map(([first, rest]) => first + rest);
const revision = fc.string({ unit: characters('019azAZ.+~'), minLength: 1, maxLength: 6 });
const version: fc.Arbitrary<Version> = fc.oneof(
  fc.record({ epoch: fc.nat({ max: 3 }), upstream, revision }),
  fc.record({
    epoch: fc.nat({ max: 3 }),
    upstream: upstream.map((text) => text.replaceAll('-', '')),
    revision: fc.constant(''),
  }),
);

describe('parseVersion', () => {
  it('takes a version apart at the first colon and the last hyphen', () => {
    expect(parseVersion('1:2.0-rc1-3+b1')).toEqual({ epoch: 1, upstream: '2.0-rc1', revision: '3+b1' });
    expect(parseVersion('2.10')).toEqual({ epoch: 0, upstream: '2.10', revision: '' });
  });

  it('reads an epoch of 0 as none', () => {
    const parsed = parseVersion('0:1.0-1');
    expect('kind' in parsed ? parsed : formatVersion(parsed)).toBe('1.0-1');
  });

  it.each([
    ['', 'empty'],
    ['1.0-', 'revision'],
    ['-1', 'upstream'],
    ['1:', 'upstream'],
    ['1:-1', 'upstream'],
    [':1.0', 'epoch'],
    ['a:1.0', 'epoch'],
    ['9999999999:1', 'epoch is too big'],
    ['v1.0', 'digit'],
    ['1.0:2', 'epoch'],
    ['1:1:0', 'character'],
    ['1.0 ', 'character'],
    ['1.0\n', 'character'],
    ['1.0/../2', 'character'],
    ['1_0', 'character'],
    ['１.0', 'digit'],
    ['1.0-1_2', 'revision holds'],
    [`1.${'0'.repeat(199)}`, '200'],
  ])('refuses %j', (text, word) => {
    const parsed = parseVersion(text);
    expect('kind' in parsed ? parsed.reason : parsed).toContain(word);
  });

  it('reads back what it writes, and never throws', () => {
    fc.assert(
      fc.property(version, (value) => {
        expect(parseVersion(formatVersion(value))).toEqual(value);
      }),
    );
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 24 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
        (text) => {
          const parsed = parseVersion(text);
          if (!('kind' in parsed)) expect(isVersion(formatVersion(parsed))).toBe(true);
        },
      ),
    );
  });
});

describe('compareVersions', () => {
  it.each([
    ['1.0', '<', '1.0-1'],
    ['1.0~rc1', '<', '1.0'],
    ['1.0~~', '<', '1.0~'],
    ['1.0~', '<', '1.0'],
    ['1.0', '<', '1.0a'],
    ['1.0a', '<', '1.0+'],
    ['1.9', '<', '1.10'],
    ['2.0', '<', '1:1.0'],
    ['1.0-1', '<', '1.0-1+b1'],
    ['2.10-3', '<', '2.10-3land1'],
    ['1.0-0', '=', '1.0'],
    ['1.00', '=', '1.0'],
    ['0:1', '=', '1'],
  ])('holds %s %s %s', (a, relation, b) => {
    const wanted = relation === '<' ? -1 : 0;
    expect(Math.sign(compareVersionTexts(a, b))).toBe(wanted);
    expect(Math.sign(compareVersionTexts(b, a))).toBe(0 - wanted);
  });

  it('is a total order', () => {
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        expect(compareVersions(a, a)).toBe(0);
        expect(Math.sign(compareVersions(a, b))).toBe(0 - Math.sign(compareVersions(b, a)));
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0)
          expect(compareVersions(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });

  it('throws on a text that is no version, where a version was promised', () => {
    expect(() => compareVersionTexts('1.0', 'x')).toThrow(RangeError);
  });
});

it('gives the parts that file names are made of', () => {
  const parsed = parseVersion('3:2.0-rc1-4');
  if ('kind' in parsed) throw new Error(parsed.reason);
  expect([withoutEpoch(parsed), upstreamOf(parsed), isNative(parsed)]).toEqual(['2.0-rc1-4', '2.0-rc1', false]);
  expect(binNmuOf('1.0-2+b13')).toEqual({ source: '1.0-2', number: 13 });
  expect(binNmuOf('1.0-2')).toBeUndefined();
});
