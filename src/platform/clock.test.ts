import { expect, test } from 'vitest';
import { fixedClock, systemClock } from './clock.ts';

test('a fixed clock stands still until it is moved, and hands out no date that could move it', () => {
  const clock = fixedClock(new Date('2026-01-01T00:00:00Z'));
  clock.now().setFullYear(1999);
  clock.advance(1500);
  expect(clock.now()).toEqual(new Date('2026-01-01T00:00:01.500Z'));
  clock.set(new Date(0));
  expect(clock.now()).toEqual(new Date(0));
  expect(systemClock.now()).toBeInstanceOf(Date);
});
