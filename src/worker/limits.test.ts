import { expect, test } from 'vitest';
import { describeLimit, formatBytes, formatSeconds, resolveLimits } from './limits.ts';

const GIB = 1024 ** 3;

test('a job says its limits, its size class the rest, the machine the most', () => {
  expect(resolveLimits({ seconds: 60 }, 'small', 64 * GIB)).toMatchObject({ seconds: 60, memoryBytes: 2 * GIB });
  expect(resolveLimits({ memoryBytes: 512 * GIB }, 'small', 10 * GIB).memoryBytes).toBe(9 * GIB);
  expect(resolveLimits({}, 'large', 1024 * GIB).diskBytes).toBeGreaterThan(
    resolveLimits({}, 'small', 1024 * GIB).diskBytes,
  );
});

test('a limit that struck is a sentence with its number', () => {
  const limits = resolveLimits({ memoryBytes: 400 * 1024 ** 2, seconds: 9_000, silentSeconds: 2.5 }, 'small', 64 * GIB);
  expect(describeLimit('limit.memory', limits)).toBe('the build used more than its 400 MiB of memory');
  expect(describeLimit('limit.time', limits)).toBe('the build ran longer than its 2 h 30 min');
  expect(describeLimit('limit.silence', limits)).toBe('the build printed nothing for 2.5 s');
});

test('sizes and times are written for people', () => {
  expect([0, 1023, 1536, 5 * GIB].map(formatBytes)).toEqual(['0 bytes', '1023 bytes', '1.5 KiB', '5 GiB']);
  expect([1, 59.96, 60, 3600, 86_400].map(formatSeconds)).toEqual(['1 s', '60 s', '1 min', '1 h', '24 h']);
});
