import { expect, test } from 'vitest';
import { createSteadiness } from './steadiness.ts';

function world() {
  const jumps: number[] = [];
  let monotonic = 5_000;
  let database = Date.parse('2025-01-31T12:00:00Z');
  const steadiness = createSteadiness({ monotonicMs: () => monotonic, onJump: (by) => jumps.push(by) });
  return {
    jumps,
    after: (ms: number, databaseMs = ms): number => {
      monotonic += ms;
      database += databaseMs;
      return steadiness.observe(new Date(database));
    },
  };
}

test('a process that just began has been steady for as long as it runs', () => {
  const { after, jumps } = world();
  expect(after(0)).toBe(5_000);
  expect(after(60_000)).toBe(65_000);
  expect(jumps).toEqual([]);
});

test('H28 a clock that is set a year ahead begins the waiting anew, and is told', () => {
  const { after, jumps } = world();
  after(100_000);
  const year = 365 * 86_400_000;
  expect(after(5_000, year)).toBe(0);
  expect(after(5_000)).toBe(5_000);
  expect(jumps).toEqual([year - 5_000]);
});

test('H29 so does one that is set back, and a machine that slept', () => {
  const { after, jumps } = world();
  after(100_000);
  expect(after(5_000, -3_600_000)).toBe(0);
  expect(after(1, 28_800_000)).toBe(0);
  expect(jumps.length).toBe(2);
});

test('a clock that is corrected by a little stays steady', () => {
  const { after, jumps } = world();
  after(100_000);
  expect(after(5_000, 6_500)).toBe(110_000);
  expect(jumps).toEqual([]);
});
