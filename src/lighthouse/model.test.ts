import { expect, test } from 'vitest';
import {
  MAX_INFRASTRUCTURE_FAILURES,
  afterInfrastructureFailure,
  afterUnavailable,
  isEndState,
  nextAttemptState,
  nextJobState,
} from './model.ts';

test('a job goes from ready over leased and delivered to succeeded', () => {
  expect(nextJobState('ready', 'lease')).toBe('leased');
  expect(nextJobState('leased', 'deliver')).toBe('delivered');
  expect(nextJobState('delivered', 'accept')).toBe('succeeded');
});

test('nothing leads out of succeeded and out of cancelled', () => {
  for (const event of [
    'unblock',
    'block',
    'lease',
    'deliver',
    'accept',
    'refuse',
    'fail',
    'retry',
    'quarantine',
    'give-back',
    'cancel',
  ] as const) {
    expect(nextJobState('succeeded', event)).toBeUndefined();
    expect(nextJobState('cancelled', event)).toBeUndefined();
  }
});

test('an attempt that ended has no further moves', () => {
  for (const state of ['succeeded', 'failed', 'lost', 'infrastructure-failed', 'cancelled'] as const) {
    for (const event of ['deliver', 'accept', 'refuse', 'fail', 'fail-infrastructure', 'lose', 'cancel'] as const) {
      expect(nextAttemptState(state, event)).toBeUndefined();
    }
  }
});

test('H25 H30 pauses grow, and the third failure of machines in a row quarantines', () => {
  expect(afterInfrastructureFailure(1)).toEqual({ event: 'retry', delaySeconds: 10 });
  expect(afterInfrastructureFailure(2)).toEqual({ event: 'retry', delaySeconds: 60 });
  expect(afterInfrastructureFailure(MAX_INFRASTRUCTURE_FAILURES)).toEqual({ event: 'quarantine' });
});

test('what was away is asked for again after a pause that grows to a quarter of an hour', () => {
  expect([1, 2, 3, 6, 7, 1000].map(afterUnavailable)).toEqual([30, 60, 120, 900, 900, 900]);
});

test('the states in which nothing more happens by itself are the ends', () => {
  expect(isEndState('quarantined')).toBe(true);
  expect(isEndState('leased')).toBe(false);
});
