import { expect, test } from 'vitest';
import { isNotModified, mayContinue } from './conditions.ts';

const current = { etag: '"abc"', lastModified: new Date('2025-01-31T12:00:00Z') };
const DATE = 'Fri, 31 Jan 2025 12:00:00 GMT';

test.each([
  [{ ifNoneMatch: '"abc"', ifModifiedSince: undefined }, true],
  [{ ifNoneMatch: 'W/"abc"', ifModifiedSince: undefined }, true],
  [{ ifNoneMatch: '"x", "abc"', ifModifiedSince: undefined }, true],
  [{ ifNoneMatch: '*', ifModifiedSince: undefined }, true],
  [{ ifNoneMatch: '"x"', ifModifiedSince: DATE }, false],
  [{ ifNoneMatch: undefined, ifModifiedSince: DATE }, true],
  [{ ifNoneMatch: undefined, ifModifiedSince: 'Fri, 31 Jan 2025 12:00:01 GMT' }, true],
  [{ ifNoneMatch: undefined, ifModifiedSince: 'Fri, 31 Jan 2025 11:59:59 GMT' }, false],
  [{ ifNoneMatch: undefined, ifModifiedSince: 'yesterday' }, false],
  [{ ifNoneMatch: undefined, ifModifiedSince: '2025-01-31' }, false],
  [{ ifNoneMatch: undefined, ifModifiedSince: undefined }, false],
])('%o', (headers, expected) => {
  expect(isNotModified(headers, current)).toBe(expected);
});

test('a half download goes on only when the bytes are still the same', () => {
  expect(mayContinue(undefined, current)).toBe(true);
  expect(mayContinue('"abc"', current)).toBe(true);
  expect(mayContinue('"other"', current)).toBe(false);
  expect(mayContinue('W/"abc"', current)).toBe(false);
  expect(mayContinue(DATE, current)).toBe(true);
  expect(mayContinue('Fri, 31 Jan 2025 12:00:01 GMT', current)).toBe(false);
});
