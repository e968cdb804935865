import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isMemberPath, memberPath, memberUrl, patternProblem, placeOf } from './git-places.ts';
import { HookSecret, readHookSecret } from './hook-secrets.ts';

test.each([
  'https://forge.example.org/group/hello.git',
  'https://forge.example.org/group/hello',
  'https://Forge.Example.org/Group/Hello.git/',
  'https://forge.example.org:8443/group/hello.git',
  'http://user@forge.example.org/group/hello',
  'ssh://git@forge.example.org/group/hello.git',
  'ssh://git@forge.example.org:2222/group/hello',
  'git@forge.example.org:group/hello.git',
  'git@forge.example.org:/group/hello.git',
  'git://forge.example.org/group/hello.git',
])('%s is one place, however it is spelled', (address) => {
  expect(placeOf(address)).toBe('forge.example.org/group/hello');
});

test.each([
  '',
  'hello',
  '/srv/git/hello.git',
  'ext::sh -c id',
  '--upload-pack=x',
  'https://forge.example.org',
  'https://forge.example.org/',
  'https://forge.example.org/a/../b',
  'https://forge.example.org/a//b',
  'https://-forge/a',
  'https://[::1/a',
  'file://host/a',
  'git@forge.example.org:../x',
  'ssh://git@forge/a b',
  'https://forge.example.org/\0',
])('%j is no place', (address) => {
  expect(placeOf(address)).toBeUndefined();
});

describe('namespaces', () => {
  const pattern = 'https://forge.example.org/group/*';

  test('the path below, from whatever address a forge names', () => {
    expect(memberPath(pattern, 'https://forge.example.org/group/hello.git', 1)).toBe('hello');
    expect(memberPath(pattern, 'git@forge.example.org:Group/Hello.git', 1)).toBe('Hello');
    expect(memberPath(pattern, 'https://forge.example.org/group/libs/hello', 2)).toBe('libs/hello');
    expect(memberPath('file:///srv/git/*.git', 'file:///srv/git/hello.git', 1)).toBe('hello');
    expect(memberUrl(pattern, 'hello')).toBe('https://forge.example.org/group/hello');
    expect(memberUrl('file:///srv/git/*.git', 'a$&b')).toBe('file:///srv/git/a$&b.git');
  });

  test.each([
    ['another group', 'https://forge.example.org/groups/hello'],
    ['another host', 'https://forge.example.com/group/hello'],
    ['a host that only begins so', 'https://forge.example.org.evil.example/group/hello'],
    ['the group itself', 'https://forge.example.org/group'],
    ['deeper than allowed', 'https://forge.example.org/group/a/b'],
    ['H70 an option', 'https://forge.example.org/group/--upload-pack=x'],
    ['a wiki', 'https://forge.example.org/group/hello.wiki.git'],
    ['a folder of this machine', 'file:///group/hello'],
  ])('H90 %s is not below it', (_what, address) => {
    expect(memberPath(pattern, address, 1)).toBeUndefined();
  });

  test.each(['https://forge.example.org/*', 'ssh://git@forge.example.org/group/*.git'])('%s is a pattern', (text) => {
    expect(patternProblem(text)).toBeUndefined();
  });

  test.each(['https://forge.example.org/group', 'https://*.example.org/group/*', 'https://x/*/y', 'https://x/a*'])(
    '%s is none',
    (text) => {
      expect(patternProblem(text)).toBeDefined();
    },
  );
});

test('H90 whatever an address says, what is made from it lies below the pattern and is in strict form', () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('..', '.', '-x', '.git', 'hello', '%2e%2e', '\0', 'a b', '@', ':', '//'),
  );
  const address = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 5 }).map((parts) => `https://forge.example.org/group/${parts.join('/')}`),
    fc.array(piece, { maxLength: 5 }).map((parts) => `git@forge.example.org:group/${parts.join('/')}`),
  );
  fc.assert(
    fc.property(address, fc.integer({ min: 1, max: 3 }), (text, depth) => {
      const path = memberPath('https://forge.example.org/group/*', text, depth);
      if (path === undefined) return;
      expect(isMemberPath(path, depth)).toBe(true);
      const url = memberUrl('https://forge.example.org/group/*', path);
      expect(new URL(url).href).toBe(url);
      expect(url).toMatch(/^https:\/\/forge\.example\.org\/group\/[A-Za-z0-9][A-Za-z0-9+._/-]*$/);
      expect(url).not.toMatch(/\/\.|\.\.|\/-/);
    }),
    { numRuns: Number(process.env.LANDFALL_FUZZ_RUNS ?? 300) },
  );
});

describe('H99 the secret of a hook', () => {
  const secret = new HookSecret(Buffer.from('correct-horse-battery'));

  test('shows itself to nobody: not as text, as JSON, in a template or in a log', () => {
    const shown = [
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }),
      JSON.stringify(Object.entries(secret)),
    ];
    for (const text of shown) expect(text).not.toContain('horse');
  });

  test('is one line of printable characters, not too short', () => {
    expect(readHookSecret(Buffer.from('0123456789abcdef\n'))).toMatchObject({ kind: 'secret' });
    for (const text of ['', 'short', 'x'.repeat(600), 'with a space in it, long', 'two lines of\nsixteen bytes!']) {
      expect(readHookSecret(Buffer.from(text))).toMatchObject({ kind: 'unusable' });
    }
  });

  test('is proven by itself and by nothing else', () => {
    expect(secret.isText('correct-horse-battery')).toBe(true);
    for (const text of ['', 'correct-horse-batter', 'correct-horse-battery ', 'CORRECT-HORSE-BATTERY']) {
      expect(secret.isText(text)).toBe(false);
      expect(secret.hasSigned(Buffer.from('x'), text)).toBe(false);
    }
  });
});
