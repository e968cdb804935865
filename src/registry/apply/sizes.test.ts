import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatSize, parseSize } from './sizes.ts';

test('sizes are read as people write them, and nothing else is one', () => {
  expect([parseSize('50GB'), parseSize('2GiB'), parseSize('1TB')]).toEqual([50e9, 2 * 1024 ** 3, 1e12]);
  for (const text of ['', '50', '50 GB', '-1GB', '1.5GB', '50gb', '9999999GB', '1PB']) {
    expect([text, parseSize(text)]).toEqual([text, undefined]);
  }
});

test('what is written is read again', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 999_999 }),
      fc.constantFrom('MB', 'GB', 'TB', 'MiB', 'GiB', 'TiB'),
      (count, unit) => {
        const bytes = parseSize(`${count}${unit}`);
        expect(bytes === undefined ? undefined : parseSize(formatSize(bytes))).toBe(bytes);
      },
    ),
  );
});
