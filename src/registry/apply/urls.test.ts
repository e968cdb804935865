import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aptUriProblem, gitUrlProblem } from './urls.ts';

describe('the URL of a Git repository', () => {
  test.each([
    'https://forge.example.org/packages/hello.git',
    'https://forge.example.org:8443/~alice/hello',
    'ssh://git@forge.example.org/packages/hello.git',
    'ssh://forge.example.org:2222/hello',
    'https://[2001:db8::1]/hello.git',
  ])('may be %s', (url) => {
    expect(gitUrlProblem(url, false)).toBeUndefined();
  });

  test('may be on this machine only where that is declared', () => {
    expect(gitUrlProblem('file:///srv/git/hello.git', true)).toBeUndefined();
    expect(gitUrlProblem('file:///srv/git/hello.git', false)).toMatchObject({
      problem: 'reads from this machine',
      remedy: 'add allow-file = true to this Git repository if that is meant',
    });
    expect(gitUrlProblem('/srv/git/hello.git', true)?.remedy).toBe('write it as file:///srv/git/hello.git');
  });

  test('in the short form of ssh is told its long form', () => {
    expect(gitUrlProblem('git@forge.example.org:packages/hello.git', false)?.remedy).toBe(
      'write it as ssh://git@forge.example.org/packages/hello.git',
    );
  });

  test.each([
    ['--upload-pack=touch /tmp/x', 'hyphen'],
    ['-oProxyCommand=x', 'hyphen'],
    ['ext::sh -c touch% /tmp/x', 'space'],
    ['ext::sh', 'remote helper'],
    ['fd::17', 'remote helper'],
    ['https::https://x/y', 'remote helper'],
    ['https://-x.example.org/y', 'host name'],
    ['ssh://-oProxyCommand=x/y', ''],
    ['ssh://-l@host/y', 'user name'],
    ['ssh://host/-x', 'hyphen'],
    ['https://alice:secret@forge.example.org/y', 'name or a password'],
    ['https://token@forge.example.org/y', 'name or a password'],
    ['ssh://git:secret@forge.example.org/y', 'password'],
    ['http://forge.example.org/y', 'scheme http'],
    ['git://forge.example.org/y', 'scheme git'],
    ['ftp://forge.example.org/y', 'scheme ftp'],
    ['file://host/y', 'names a host'],
    ['file:///', 'names no folder'],
    ['file:/srv/x', '//'],
    ['https://forge.example.org/a b', 'space'],
    ['https://forge.example.org/a\nb', 'control character'],
    ['https://forge.example.org/a\0b', 'control character'],
    ['https://forge.example.org/a%0ab', 'encoded control character'],
    ['https://forge.example.org/a%00', 'encoded control character'],
    ['https://forge.example.org/../y', '..'],
    ['https://forge.example.org/%2e%2e/y', '..'],
    ['https://forge.example.org/y?token=x', 'query'],
    ['https://forge.example.org/y#x', 'fragment'],
    ['https://forge.example.org/y$(id)', 'no place'],
    ['https://forge.examplе.org/y', 'ASCII'],
    ['hello', 'is no URL'],
    ['', 'empty'],
    [`https://forge.example.org/${'a'.repeat(1000)}`, 'longer'],
  ])('H70 %j is refused', (url, words) => {
    expect(gitUrlProblem(url, true)?.problem).toContain(words);
  });

  test('H70 what passes is never an option, a helper or another scheme for git', () => {
    const piece = fc.constantFrom(
      'https',
      'ssh',
      'file',
      'ext',
      '::',
      '://',
      '/',
      '-',
      '@',
      ':',
      'host',
      'a',
      '%2d',
      '..',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const url = pieces.join('');
        if (gitUrlProblem(url, true) !== undefined) return;
        expect(url).toMatch(/^(https|ssh|file):\/\/[^-]/);
        expect(url).not.toMatch(/::|[\s]|\/-|\/\.\.(\/|$)/);
      }),
      { numRuns: 3000 },
    );
  });

  test('H70 git itself takes what passes for a URL of that scheme', () => {
    // With no protocol allowed git stops before it does anything, and says what it would have used.
    for (const url of ['https://forge.example.org/a', 'ssh://git@forge.example.org/a', 'file:///srv/a']) {
      const { stderr } = spawnSync('git', ['ls-remote', '--', url], {
        env: { PATH: '/usr/bin:/bin', GIT_ALLOW_PROTOCOL: 'none', LC_ALL: 'C' },
        encoding: 'utf8',
      });
      expect(stderr).toContain(`transport '${url.split(':')[0] ?? ''}' not allowed`);
    }
  });
});

describe('the URI of an apt repository', () => {
  test.each(['http://deb.example.org/debian', 'https://deb.example.org/debian/', 'file:///srv/mirror/debian'])(
    'may be %s',
    (uri) => {
      expect(aptUriProblem(uri)).toBeUndefined();
    },
  );

  test.each([
    ['http://deb.example.org/debian [trusted=yes]', 'space'],
    ['http://deb.example.org/[a]', 'bracket'],
    ['http://deb.example.org/x\nTypes: deb', 'control character'],
    ['http://alice:secret@deb.example.org/', 'password'],
    ['cdrom://x/y', 'scheme cdrom'],
    ['mirror+file:///etc/x', 'scheme'],
    ['deb.example.org', 'no URL'],
    ['-o', 'hyphen'],
  ])('H70 %j is refused', (uri, words) => {
    expect(aptUriProblem(uri)?.problem).toContain(words);
  });
});
