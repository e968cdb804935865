import { expect, test } from 'vitest';
import { describeLimit, formatBytes, formatSeconds, remainingLimits, resolveLimits } from './limits.ts';

const GIB = 1024 ** 3;
const machine = (gib: number) => ({ memoryBytes: gib * GIB, processors: 4 });

test('a job says its limits, its size class the rest, the machine the most', () => {
  expect(resolveLimits({ seconds: 60 }, 'small', machine(64))).toMatchObject({ seconds: 60, memoryBytes: 2 * GIB });
  expect(resolveLimits({ memoryBytes: 512 * GIB }, 'small', machine(10)).memoryBytes).toBe(9 * GIB);
  expect(resolveLimits({}, 'large', machine(1024)).diskBytes).toBeGreaterThan(
    resolveLimits({}, 'small', machine(1024)).diskBytes,
  );
});

test('a limit that struck is a sentence with its number', () => {
  const limits = resolveLimits(
    { memoryBytes: 400 * 1024 ** 2, seconds: 9_000, silentSeconds: 2.5 },
    'small',
    machine(64),
  );
  expect(describeLimit('limit.memory', limits)).toBe('the build used more than its 400 MiB of memory');
  expect(describeLimit('limit.time', limits)).toBe('the build ran longer than its 2 h 30 min');
  expect(describeLimit('limit.cpu', limits)).toBe('the build used more than its 10 h of processor time');
  expect(describeLimit('limit.silence', limits)).toBe('the build printed nothing for 2.5 s');
});

test('processor time is what the processors give in the time, unless the job says less', () => {
  expect(resolveLimits({ seconds: 60 }, 'small', machine(8)).cpuSeconds).toBe(240);
  expect(resolveLimits({ seconds: 60, cpuSeconds: 5 }, 'small', machine(8)).cpuSeconds).toBe(5);
});

test('what one command used the next one lacks', () => {
  const limits = resolveLimits({ seconds: 60, cpuSeconds: 50, logBytes: 100 }, 'small', machine(8));
  const left = remainingLimits(limits, { seconds: 45, cpuSeconds: 60, logBytes: 30 });
  expect(left).toMatchObject({ seconds: 15, logBytes: 70, memoryBytes: limits.memoryBytes });
  expect(left.cpuSeconds).toBeGreaterThan(0);
  expect(left.cpuSeconds).toBeLessThan(0.01);
});

test('sizes and times are written for people', () => {
  expect([0, 1023, 1536, 5 * GIB].map(formatBytes)).toEqual(['0 bytes', '1023 bytes', '1.5 KiB', '5 GiB']);
  expect([1, 59.96, 60, 3600, 86_400].map(formatSeconds)).toEqual(['1 s', '60 s', '1 min', '1 h', '24 h']);
});
