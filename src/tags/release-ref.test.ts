import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { isTagName, parseReleaseRef } from './release-ref.ts';

let repository: TestRepository;
beforeAll(async () => {
  repository = await createRepository();
});
afterAll(async () => await repository.remove());

test('a release ref gives distro and version', () => {
  expect(parseReleaseRef('refs/tags/landing/2%1.0_rc1-1')).toEqual({
    ref: 'refs/tags/landing/2%1.0_rc1-1',
    name: 'landing/2%1.0_rc1-1',
    distro: 'landing',
    mangledVersion: '2%1.0_rc1-1',
    version: '2:1.0~rc1-1',
  });
  expect(parseReleaseRef('refs/tags/landing/1.0.#.1-1')?.version).toBe('1.0..1-1');
});

test('H70 refs that begin with a hyphen, hold blanks, NUL or revision syntax are none', () => {
  for (const ref of [
    '--upload-pack=touch /tmp/x',
    'refs/tags/-x/1.0',
    'refs/tags/landing/-1 --foo',
    'refs/tags/landing/1.0\0',
    'refs/tags/landing/1.0 x',
    'refs/tags/landing/../../heads/x',
    'refs/tags/landing/1.0^{}',
    'refs/tags/landing/1:0',
    'refs/tags/landing/1.0.lock',
    'refs/tags/landing/',
    'refs/tags/landing',
    'refs/heads/landing/1.0',
    'refs/tags/LANDING/1.0',
    `refs/tags/landing/${'1'.repeat(300)}`,
  ]) {
    expect(parseReleaseRef(ref), ref).toBeUndefined();
  }
});

test('every name that is taken is one that git takes', async () => {
  const name = fc.oneof(
    fc.stringMatching(/^[-a-z0-9./@{}~^:#%_+]{1,12}$/),
    fc
      .array(fc.constantFrom('a', '.', '..', '-', '@', '{', 'x.lock', '/', '~', 'é', ' '), { minLength: 1 })
      .map((parts) => parts.join('')),
  );
  const taken = fc.sample(name, { numRuns: 3000, seed: 7 }).filter(isTagName).slice(0, 60);
  expect(taken.length).toBeGreaterThan(20);
  for (const one of taken) await repository.git(['check-ref-format', `refs/tags/${one}`]);
});
