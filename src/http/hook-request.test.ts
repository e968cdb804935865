import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asForm, forgeRequest, FORGES, type ForgeRequest } from '../../test/scenarios/forge-payloads.ts';
import { isProven, type Provable } from './hook-proof.ts';
import { parseHook, type HookRequest } from './hook-request.ts';

const OLD = '0'.repeat(40);
const NEW = 'a'.repeat(40);
const SECRET = 'correct-horse-battery';
const FUZZ_RUNS = Number(process.env.LANDFALL_FUZZ_RUNS ?? 300);

function parse(
  path: string,
  query: Readonly<Record<string, string>> = {},
  request: Partial<ForgeRequest> & { readonly bytes?: Uint8Array } = {},
): HookRequest {
  const header = (name: string): string | undefined => request.headers?.[name];
  return parseHook({ path, query, header, body: request.bytes ?? Buffer.from(request.body ?? '') });
}

describe('a plain hook', () => {
  test('the query names one tag and how long to wait for its decision', () => {
    const query = { ref: 'refs/tags/landfall/2.10-3', object: NEW, wait: '30' };
    expect(parse('/hooks/git/packages/hello', query)).toMatchObject({
      kind: 'push',
      sender: 'hook',
      repository: 'packages/hello',
      refs: [{ ref: 'refs/tags/landfall/2.10-3', objectId: NEW }],
      waitSeconds: 30,
    });
  });

  test('the lines of post-receive: tags that are new, no branches, nothing that was removed', () => {
    const body = [
      `${OLD} ${NEW} refs/heads/main`,
      `${OLD} ${NEW} refs/tags/landfall/1-1`,
      `${NEW} ${OLD} refs/tags/landfall/0-1`,
      'garbage',
      `${OLD} ${NEW} refs/tags/landfall/1-1`,
      '',
    ].join('\n');
    expect(parse('/hooks/git/hello', {}, { body })).toMatchObject({
      refs: [{ ref: 'refs/tags/landfall/1-1', objectId: NEW }],
      waitSeconds: 0,
    });
  });

  test('plain JSON names the repository, or its address, and the tag', () => {
    const body = JSON.stringify({ repository: 'packages/hello', ref: 'refs/tags/landfall/1-1', object: NEW });
    expect(parse('/hooks/git', {}, { body })).toMatchObject({
      repository: 'packages/hello',
      refs: [{ ref: 'refs/tags/landfall/1-1', objectId: NEW }],
    });
    const address = JSON.stringify({ url: 'https://forge.example.org/group/hello.git' });
    expect(parse('/hooks/git', {}, { body: address })).toMatchObject({
      repository: undefined,
      addresses: ['https://forge.example.org/group/hello.git'],
      concernsTags: true,
      refs: [],
    });
    expect(parse('/hooks/git/hello', {}, { body: '{"ref":"refs/heads/main"}' })).toMatchObject({ concernsTags: false });
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
    expect(parse(path, query)).toMatchObject({
      kind: 'invalid',
      remedy: expect.stringContaining('POST') as string,
    });
  });

  test('nobody waits longer than two minutes', () => {
    expect(parse('/hooks/git/hello', { wait: '9999' })).toMatchObject({ waitSeconds: 120 });
  });
});

describe('forges', () => {
  const push = { host: 'forge.example.org', path: 'group/hello', tag: 'landfall/2.10-3', secret: SECRET };

  test.each(FORGES)('%s: the tag, the addresses of the repository, and the proof', (forge) => {
    const request = parse('/hooks/git', {}, forgeRequest(forge, push));
    expect(request).toMatchObject({
      kind: 'push',
      sender: forge.split(' ')[0],
      repository: undefined,
      concernsTags: true,
      refs: [{ ref: 'refs/tags/landfall/2.10-3', objectId: undefined }],
      addresses: expect.arrayContaining([
        'https://forge.example.org/group/hello.git',
        'git@forge.example.org:group/hello.git',
      ]) as string[],
    });
    expect(request.kind === 'push' && isProven(knows(SECRET), request.proof)).toBe(true);
    expect(request.kind === 'push' && isProven(knows(`${SECRET}!`), request.proof)).toBe(false);
  });

  test.each(FORGES)('%s: a body that was changed on its way, or that nobody signed, proves nothing', (forge) => {
    if (forge !== 'gitlab') {
      const { headers, body } = forgeRequest(forge, push);
      const changed = parse('/hooks/git', {}, { headers, body: body.replace('2.10-3', '2.10-4') });
      expect(changed.kind === 'push' && isProven(knows(SECRET), changed.proof)).toBe(false);
    }
    const bare = parse('/hooks/git', {}, forgeRequest(forge, { ...push, secret: undefined }));
    expect(bare.kind === 'push' && isProven(knows(SECRET), bare.proof)).toBe(false);
  });

  test.each(['github', 'gitea', 'forgejo'] as const)('%s can send a form', (forge) => {
    // GitHub signs the form; Gitea and Forgejo sign the JSON that is in it.
    const form = asForm(forgeRequest(forge, push), forge === 'github' ? SECRET : undefined);
    const request = parse('/hooks/git/hello', {}, form);
    expect(request).toMatchObject({ sender: forge, refs: [{ ref: 'refs/tags/landfall/2.10-3' }] });
    expect(request.kind === 'push' && isProven(knows(SECRET), request.proof)).toBe(true);
  });

  test.each(['gitlab', 'forgejo', 'gitea', 'github'] as const)(
    '%s: a tag that was removed asks for nothing',
    (forge) => {
      const request = parse('/hooks/git/hello', {}, forgeRequest(forge, { ...push, removed: true }));
      expect(request).toMatchObject({ concernsTags: false, refs: [] });
    },
  );

  test.each([
    ['a ping', 'github', 'x-github-event', 'ping', { zen: 'Design for failure.', hook_id: 1 }],
    ['a branch', 'github', 'x-github-event', 'push', { ref: 'refs/heads/main', after: NEW }],
    ['a new branch', 'forgejo', 'x-forgejo-event', 'create', { ref: 'main', ref_type: 'branch' }],
    ['a branch', 'gitlab', 'x-gitlab-event', 'Push Hook', { object_kind: 'push', ref: 'refs/heads/main' }],
    ['a list for a body', 'gitea', 'x-gitea-event', 'push', [1, 2]],
  ])('%s of %s asks for nothing', (_what, sender, header, event, body) => {
    const request = parse('/hooks/git/hello', {}, { headers: { [header]: event }, body: JSON.stringify(body) });
    expect(request).toMatchObject({ kind: 'push', sender, event, concernsTags: false, refs: [] });
  });

  test('a forge that sends no JSON is told so', () => {
    const headers = { 'x-github-event': 'push' };
    expect(parse('/hooks/git/hello', {}, { headers, body: 'ref=x' })).toMatchObject({
      kind: 'invalid',
      reason: 'the body is not the JSON that github sends',
    });
  });
});

test('H91 whatever a hook sends, it is read without a fault, only tags come out, and nothing proves a secret', () => {
  const refLike = fc.oneof(
    fc.string(),
    fc.constantFrom('refs/tags/landfall/1', 'landfall/1', 'refs/heads/x', '--upload-pack=x', 'refs/tags/\n', OLD),
    fc.string().map((name) => `refs/tags/${name}`),
  );
  const address = fc.oneof(
    fc.string(),
    fc.constantFrom('http://127.0.0.1/x', 'ext::sh -c id', 'git@h:x', 'file:///etc', 'https://h/x.git', '\0'),
  );
  const repository = fc.oneof(
    fc.jsonValue(),
    fc.record({ clone_url: address, ssh_url: address, git_http_url: address, url: address }, { requiredKeys: [] }),
  );
  const message = fc.record(
    {
      object_kind: fc.constantFrom('tag_push', 'push', 7, null),
      ref: fc.oneof(refLike, fc.jsonValue()),
      ref_type: fc.constantFrom('tag', 'branch', {}),
      after: refLike,
      deleted: fc.jsonValue(),
      object: refLike,
      url: address,
      project: repository,
      repository,
      __proto__: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    message.map((value) => Buffer.from(JSON.stringify(value))),
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value))),
    message.map((value) => Buffer.from(new URLSearchParams({ payload: JSON.stringify(value) }).toString())),
    fc.nat({ max: 3000 }).map((depth) => Buffer.from(`${'{"repository":'.repeat(depth)}1${'}'.repeat(depth)}`)),
  );
  const headers = fc.dictionary(
    fc.constantFrom(
      'x-gitlab-event',
      'x-gitlab-token',
      'x-forgejo-event',
      'x-forgejo-signature',
      'x-gitea-event',
      'x-gitea-signature',
      'x-github-event',
      'x-hub-signature-256',
      'landfall-hook-secret',
      'content-type',
    ),
    fc.oneof(
      fc.string(),
      fc.constantFrom(
        'push',
        'create',
        'Tag Push Hook',
        'application/x-www-form-urlencoded',
        `sha256=${'0'.repeat(64)}`,
      ),
    ),
  );
  const path = fc.oneof(
    fc.string(),
    fc.constantFrom('/hooks/git', '/hooks/git/', '/hooks/git/hello'),
    fc.string().map((text) => `/hooks/git/${text}`),
  );
  const query = fc.dictionary(fc.constantFrom('ref', 'object', 'wait', 'x'), refLike);
  fc.assert(
    fc.property(path, query, headers, body, (where, asked, sent, bytes) => {
      const request = parse(where, asked, { headers: sent, bytes });
      if (request.kind === 'invalid') {
        expect(request.reason).not.toBe('');
        return;
      }
      if (request.repository === undefined) expect(request.addresses).not.toEqual([]);
      else expect(request.repository).toMatch(/^[a-z0-9][A-Za-z0-9+./_-]{0,199}$/);
      for (const { ref } of request.refs) expect(ref).toMatch(/^refs\/tags\/[!-~]{1,240}$/);
      expect(request.addresses.length).toBeLessThanOrEqual(8);
      expect(request.waitSeconds).toBeLessThanOrEqual(120);
      expect(isProven(knows(SECRET), request.proof)).toBe(false);
    }),
    { numRuns: FUZZ_RUNS },
  );
});

/** A secret that is known by its text. */
function knows(secret: string): Provable {
  return {
    isText: (text) => text === secret,
    hasSigned: (body, hex) => createHmac('sha256', secret).update(body).digest('hex') === hex,
  };
}
