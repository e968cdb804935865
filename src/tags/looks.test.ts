import fc from 'fast-check';
import { expect, test } from 'vitest';
import { obstacleOf, secondsToNextLook } from './looks.ts';
import { createNoticeLimiter } from './notice-limit.ts';

test.each([
  ["fatal: repository 'https://forge.example.org/a.git/' not found", 'repository.gone'],
  ["fatal: could not read Username for 'https://forge.example.org': terminal prompts disabled", 'repository.gone'],
  ['remote: The project you were looking for could not be found; fatal: Authentication failed', 'repository.gone'],
  ['The requested URL returned error: 404', 'repository.gone'],
  ["fatal: '/srv/git/a.git' does not appear to be a git repository", 'repository.gone'],
  ['The requested URL returned error: 502', 'forge.unreachable'],
  ['ssh: connect to host forge.example.org port 22: Connection refused', 'forge.unreachable'],
  ['fatal: unable to access: Could not resolve host: forge.example.org', 'forge.unreachable'],
])('what git says becomes an obstacle with a remedy: %s', (detail, code) => {
  const obstacle = obstacleOf(
    { name: 'packages/hello', url: 'https://forge.example.org/a.git' },
    { kind: 'unreachable', detail },
  );
  expect(obstacle).toMatchObject({ code, sentence: expect.stringContaining('packages/hello') as string });
  expect(obstacle.remedy).toMatch(/landfall (apply|tag notify)/);
});

test('looks spread about their interval, and failed ones wait longer and longer, within bounds', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 10, max: 86_400 }),
      fc.nat({ max: 500 }),
      fc.boolean(),
      unit(),
      (poll, failed, gone, random) => {
        const seconds = secondsToNextLook({ pollEverySeconds: poll, failedLooks: failed, isGone: gone }, random);
        const most = failed === 0 ? poll : gone ? 6 * 3600 : 1800;
        expect(seconds).toBeGreaterThanOrEqual((failed === 0 ? poll : 60) * 0.9);
        expect(seconds).toBeLessThanOrEqual(most * 1.1);
      },
    ),
  );
});

test('a bucket gives a minute’s worth at once, then evenly, each Git repository its own', () => {
  let now = 0;
  const limiter = createNoticeLimiter(() => now);
  const many = (key: string, count: number): string[] =>
    Array.from({ length: count }, () => limiter.take(key, 60)).map((one) =>
      one.kind === 'taken' ? 'taken' : `${one.retryAfterSeconds}${one.isFirst ? ' first' : ''}`,
    );
  expect(many('a', 62)).toEqual([...Array.from({ length: 60 }, () => 'taken'), '1 first', '1']);
  expect(many('b', 1)).toEqual(['taken']);
  now = 2_500;
  expect(many('a', 4)).toEqual(['taken', 'taken', '1 first', '1']);
  expect(limiter.take('slow', 1)).toEqual({ kind: 'taken' });
  expect(limiter.take('slow', 1)).toEqual({ kind: 'limited', retryAfterSeconds: 60, isFirst: true });
});

test('however notices come, no more are taken than the bucket holds and gets', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 20_000 }), { maxLength: 200 }),
      fc.integer({ min: 1, max: 100 }),
      (pauses, rate) => {
        let now = 0;
        const limiter = createNoticeLimiter(() => now);
        let taken = 0;
        for (const pause of pauses) {
          now += pause;
          if (limiter.take('a', rate).kind === 'taken') taken += 1;
        }
        expect(taken).toBeLessThanOrEqual(rate + (now / 60_000) * rate + 1e-6);
      },
    ),
  );
});

/** [0, 1) */
function unit(): fc.Arbitrary<number> {
  return fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
}
