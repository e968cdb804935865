import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judgeVersion } from './version.ts';

test('a browser or curl, which says no version, is taken', () => {
  expect(judgeVersion(undefined)).toEqual({ kind: 'compatible' });
});

test('the same major number is compatible whatever the minor one', () => {
  fc.assert(
    fc.property(fc.nat(9999), fc.nat(9999), fc.nat(9999), (major, ours, theirs) => {
      expect(judgeVersion(`${major}.${theirs}`, `${major}.${ours}`).kind).toBe('compatible');
    }),
  );
});

test('another major number is refused with both numbers in the words', () => {
  expect(judgeVersion('2.0', '1.4')).toMatchObject({ kind: 'incompatible', ours: '1.4', theirs: '2.0' });
});

test('what is no number is refused and never thrown', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const number = /^\d{1,6}\.\d{1,6}$/.test(text);
      if (!number) expect(judgeVersion(text, '1.0').kind).toBe('incompatible');
    }),
  );
});
