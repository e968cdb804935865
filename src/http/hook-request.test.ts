import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseHook } from './hook-request.ts';

const OLD = '0'.repeat(40);
const NEW = 'a'.repeat(40);
const none = Buffer.alloc(0);

test('the query names one tag and how long to wait for its decision', () => {
  const query = { ref: 'refs/tags/landfall/2.10-3', object: NEW, wait: '30' };
  expect(parseHook({ path: '/hooks/git/packages/hello', query, body: none })).toEqual({
    kind: 'push',
    repository: 'packages/hello',
    refs: [{ ref: 'refs/tags/landfall/2.10-3', objectId: NEW }],
    waitSeconds: 30,
  });
});

test('the lines of post-receive: tags that are new, no branches, nothing that was removed', () => {
  const body = Buffer.from(
    [
      `${OLD} ${NEW} refs/heads/main`,
      `${OLD} ${NEW} refs/tags/landfall/1-1`,
      `${NEW} ${OLD} refs/tags/landfall/0-1`,
      'garbage',
      `${OLD} ${NEW} refs/tags/landfall/1-1`,
      '',
    ].join('\n'),
  );
  expect(parseHook({ path: '/hooks/git/hello', query: {}, body })).toMatchObject({
    refs: [{ ref: 'refs/tags/landfall/1-1', objectId: NEW }],
    waitSeconds: 0,
  });
});

test.each([
  ['no repository', '/hooks/git/', {}],
  ['H90 an address as repository', '/hooks/git/http:%2f%2f127.0.0.1%2f', {}],
  ['H70 a repository that begins with a hyphen', '/hooks/git/--upload-pack=x', {}],
  ['a repository that leaves its folder', '/hooks/git/packages/../x', {}],
  ['a ref that is no tag', '/hooks/git/hello', { ref: 'refs/heads/main' }],
  ['H70 a ref with a space', '/hooks/git/hello', { ref: 'refs/tags/a b' }],
  ['H70 a ref with NUL', '/hooks/git/hello', { ref: 'refs/tags/a\0b' }],
  ['an object id that is none', '/hooks/git/hello', { ref: 'refs/tags/a', object: '$(id)' }],
  ['a time that is none', '/hooks/git/hello', { wait: 'forever' }],
])('%s is refused with the way to do it right', (_what, path, query) => {
  expect(parseHook({ path, query, body: none })).toMatchObject({
    kind: 'invalid',
    remedy: expect.stringContaining('POST') as string,
  });
});

test('nobody waits longer than two minutes', () => {
  expect(parseHook({ path: '/hooks/git/hello', query: { wait: '9999' }, body: none })).toMatchObject({
    waitSeconds: 120,
  });
});

test('H91 whatever a hook sends, it is read without a fault, and only tags come out', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `/hooks/git/${text}`),
      ),
      fc.dictionary(fc.constantFrom('ref', 'object', 'wait', 'x'), fc.string()),
      fc.uint8Array({ maxLength: 400 }),
      (path, query, body) => {
        const request = parseHook({ path, query, body });
        if (request.kind === 'invalid') return;
        expect(request.repository).toMatch(/^[a-z0-9][a-z0-9+./_-]*$/);
        for (const { ref } of request.refs) expect(ref).toMatch(/^refs\/tags\/[!-~]+$/);
      },
    ),
    { numRuns: 2_000 },
  );
});
