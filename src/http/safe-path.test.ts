import { posix } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { namesOfPath } from './safe-path.ts';

test('a plain path is its names, decoded', () => {
  expect(namesOfPath('/pool/main/h/hello/hello_2.10-3%2Bb1_amd64.deb')).toEqual([
    'pool',
    'main',
    'h',
    'hello',
    'hello_2.10-3+b1_amd64.deb',
  ]);
  expect(namesOfPath('/dists/landing/main/source/by-hash/SHA256/ab')).toHaveLength(7);
});

test.each([
  ['..%2f', '/pool/..%2f..%2fetc/passwd'],
  ['..', '/pool/../etc/passwd'],
  ['%2e%2e', '/pool/%2e%2e/etc/passwd'],
  ['NUL', '/pool/a%00.deb'],
  ['a hidden file', '/dists/.publications'],
  ['an empty name', '/pool//a'],
  ['a folder', '/pool/'],
  ['a backslash', '/pool/a%5c..%5cb'],
  ['a newline', '/pool/a%0ab'],
  ['a direction mark', '/pool/a%E2%80%AEb'],
  ['bytes that are no UTF-8', '/pool/%ff%fe'],
  ['half an escape', '/pool/%zz'],
  ['a name that is too long', `/pool/${'a'.repeat(256)}`],
  ['too many folders', `/${'a/'.repeat(30)}b`],
  ['no slash at all', 'pool/a'],
])('H95 a path with %s is void', (_what, path) => {
  expect(namesOfPath(path)).toBeUndefined();
});

test('H95 whatever is asked for, what is let through stays below the folder', () => {
  const nasty = fc.constantFrom(
    '..',
    '.',
    '%2e',
    '%2f',
    '/',
    '\\',
    '%5c',
    '%00',
    'a',
    'pool',
    '%252e',
    '%252f',
    '~',
    'é',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(nasty, fc.string()), { maxLength: 12 }), (parts) => {
      const names = namesOfPath(`/${parts.join('')}`);
      if (names === undefined) return;
      expect(posix.normalize(posix.join('/srv/archive', ...names))).toBe(posix.join('/srv/archive', names.join('/')));
      for (const name of names) {
        expect(name).not.toMatch(/^\.|[/\\\0]/);
        expect(name).not.toBe('');
      }
    }),
    { numRuns: 2_000 },
  );
});
