import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contentRange, selectRange } from './byte-range.ts';

test.each([
  [undefined, 10, { kind: 'whole' }],
  ['bytes=0-3', 10, { kind: 'part', start: 0, length: 4 }],
  ['bytes=5-', 10, { kind: 'part', start: 5, length: 5 }],
  ['bytes=-3', 10, { kind: 'part', start: 7, length: 3 }],
  ['bytes=-30', 10, { kind: 'part', start: 0, length: 10 }],
  ['bytes=0-99', 10, { kind: 'part', start: 0, length: 10 }],
  ['bytes=10-', 10, { kind: 'unsatisfiable' }],
  ['bytes=-0', 10, { kind: 'unsatisfiable' }],
  ['bytes=0-0', 0, { kind: 'unsatisfiable' }],
  ['bytes=3-1', 10, { kind: 'whole' }],
  ['bytes=0-1,4-5', 10, { kind: 'whole' }],
  ['lines=0-1', 10, { kind: 'whole' }],
  ['bytes=-', 10, { kind: 'whole' }],
  ['bytes= 1-2', 10, { kind: 'whole' }],
])('%s of %i bytes', (header, size, expected) => {
  expect(selectRange(header, size)).toEqual(expected);
});

test('a part never reaches beyond the bytes that are there', () => {
  const header = fc.oneof(
    fc.string(),
    fc.tuple(fc.option(fc.nat()), fc.option(fc.nat())).map(([a, b]) => `bytes=${a ?? ''}-${b ?? ''}`),
  );
  fc.assert(
    fc.property(header, fc.nat(1000), (text, size) => {
      const range = selectRange(text, size);
      if (range.kind !== 'part') return;
      expect(range.start).toBeGreaterThanOrEqual(0);
      expect(range.length).toBeGreaterThan(0);
      expect(range.start + range.length).toBeLessThanOrEqual(size);
      expect(contentRange(range.start, range.length, size)).toMatch(/^bytes \d+-\d+\/\d+$/);
    }),
  );
});
