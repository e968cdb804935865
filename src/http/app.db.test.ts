/** The application as clients meet it: refusals in one form, credentials, other sites, bad input, the hook, health. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHttpWorld, type HttpWorld } from '../../test/scenarios/http-world.ts';
import { PUBLIC_URL } from '../../test/scenarios/world.ts';
import { releaseSource } from '../../test/scenarios/world-path.ts';
import { obstructTag, rejectTag, seeTag } from '../../test/scenarios/world-tags.ts';
import { problemSchema } from '../contract/problem.ts';

let world: HttpWorld;
beforeAll(async () => {
  world = await createHttpWorld();
});
afterAll(async () => await world.close());

const JSON_TYPE = { 'content-type': 'application/json' };

async function problemOf(response: Response): Promise<{ status: number; code: string; detail: string }> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  return problemSchema.parse(await response.json());
}

describe('every refusal is a problem document', () => {
  test('what does not exist', async () => {
    expect(await problemOf(await world.request('/api/v1/nothing'))).toMatchObject({ status: 404, code: 'not-found' });
  });

  test('JSON that is none', async () => {
    const response = await world.request('/api/v1/tokens', {
      method: 'POST',
      as: 'bob',
      headers: JSON_TYPE,
      body: '{"a"',
    });
    expect(await problemOf(response)).toMatchObject({ status: 400, code: 'request.malformed' });
  });

  test('a body of another kind, and none at all', async () => {
    const form = await world.request('/api/v1/tokens', {
      method: 'POST',
      as: 'bob',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'name=x',
    });
    expect(await problemOf(form)).toMatchObject({ status: 415, code: 'request.content-type' });
    const none = await world.request('/api/v1/tokens', { method: 'POST', as: 'bob' });
    expect((await problemOf(none)).status).toBe(400);
  });

  test('fields that are wrong are named, unknown ones too', async () => {
    const response = await world.request('/api/v1/tokens', {
      method: 'POST',
      as: 'bob',
      headers: JSON_TYPE,
      body: JSON.stringify({ name: '', extra: 1 }),
    });
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ status: 400, code: 'request.invalid' });
    expect(problem.detail).toContain('name');
    expect(problem.detail).toContain('extra');
  });

  test('a body beyond the limit', async () => {
    const response = await world.request('/api/v1/tokens', {
      method: 'POST',
      as: 'bob',
      headers: JSON_TYPE,
      body: JSON.stringify({ name: 'x'.repeat(3 * 1024 * 1024) }),
    });
    expect(await problemOf(response)).toMatchObject({ status: 413, code: 'request.too-large' });
  });

  test('a number that is none', async () => {
    expect((await problemOf(await world.request('/api/v1/tags/abc'))).status).toBe(400);
    expect((await problemOf(await world.request('/api/v1/tags/99999999999999999999'))).status).toBe(400);
  });

  test('a database that is away is 503 with a time to come again, and its words stay in the log', async () => {
    const { createApp } = await import('./app.ts');
    const away = await createHttpWorld();
    const app = createApp(away.httpDeps);
    await away.close();
    const response = await app.request('/api/v1/tags', { headers: { authorization: `Bearer ${away.tokens.bob}` } });
    expect([500, 503]).toContain(response.status);
    const problem = await problemOf(response);
    expect(problem.detail).not.toContain('driver');
  });
});

describe('credentials', () => {
  test('H99 a token in the address counts for nothing', async () => {
    const response = await world.request(`/api/v1/whoami?token=${world.tokens.bob}&access_token=${world.tokens.bob}`);
    expect(response.status).toBe(401);
    expect(await response.text()).not.toContain(world.tokens.bob);
  });

  test('H99 a token is in no answer that did not make it', async () => {
    for (const path of ['/api/v1/tokens', '/api/v1/whoami', '/api/v1/events', '/api/v1/status', '/api/v1/workers']) {
      const text = await (await world.request(path, { as: 'carol' })).text();
      for (const secret of [...Object.values(world.tokens), world.worker.secret]) expect(text).not.toContain(secret);
    }
  });

  test.each([
    'Bearer',
    'Bearer ',
    'Bearer a b',
    'Basic eDp5',
    'Digest x',
    'Bearer lf_short',
    `Bearer ${'x'.repeat(300)}`,
  ])('an Authorization of %j is refused and not taken for nobody', async (authorization) => {
    const response = await world.request('/api/v1/tags', { headers: { authorization } });
    expect(await problemOf(response)).toMatchObject({ status: 401, code: 'credentials.invalid' });
    expect(response.headers.get('www-authenticate')).toContain('Bearer');
  });

  test('a person makes tokens for themselves; for others an administrator makes a code that works once', async () => {
    const post = async (path: string, body: unknown, as?: 'bob' | 'carol', authorization?: string): Promise<Response> =>
      await world.request(path, {
        method: 'POST',
        as,
        headers: { ...JSON_TYPE, ...(authorization === undefined ? {} : { authorization }) },
        body: JSON.stringify(body),
      });
    expect((await post('/api/v1/tokens', { name: 'for alice', person: 'alice' }, 'carol')).status).toBe(400);
    const invitation = ['/api/v1/people/alice/enrolment', { validSeconds: 3600 }] as const;
    expect((await post(...invitation, 'bob')).status).toBe(403);
    const { code } = (await (await post(...invitation, 'carol')).json()) as { code: string };
    expect((await post('/api/v1/tokens', { name: 'x' }, undefined, `Bearer ${code}`)).status).toBe(403);
    const redeem = async (): Promise<Response> =>
      await post('/api/v1/enrolment', { name: 'laptop' }, undefined, `Bearer ${code}`);
    const answers = await Promise.all([redeem(), redeem()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401]);
    const made = (await answers.find(({ status }) => status === 201)?.json()) as { secret: string };
    expect(await problemOf(await redeem())).toMatchObject({ status: 401, code: 'enrolment.refused' });
    const who = await world.request('/api/v1/whoami', { headers: { authorization: `Bearer ${made.secret}` } });
    expect(await who.json()).toMatchObject({ handle: 'alice', administrator: false });
  });
});

describe('browsers', () => {
  test.each([
    [{ origin: 'https://evil.example' }],
    [{ 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'same-site' }],
    [{ origin: 'null' }],
  ])('H94 a POST of another site is 403: %o', async (headers) => {
    for (const path of ['/api/v1/tokens', '/hooks/git/packages/hello']) {
      const response = await world.request(path, { method: 'POST', as: 'bob', headers });
      expect(await problemOf(response)).toMatchObject({ status: 403, code: 'request.cross-site' });
    }
  });

  test('our own pages may', async () => {
    const response = await world.request('/hooks/git/packages/hello', {
      method: 'POST',
      headers: { origin: PUBLIC_URL, 'sec-fetch-site': 'same-origin' },
    });
    expect(response.status).toBe(200);
  });

  test('every answer carries the policy that lets nothing foreign run', async () => {
    for (const path of ['/', '/api/v1/tags', '/nothing', '/healthz', '/openapi.json']) {
      const { headers } = await world.request(path);
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('content-security-policy')).not.toContain('unsafe');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('landfall-request')).toMatch(/^[0-9a-f]{16}$/);
    }
  });
});

describe('versions', () => {
  test('a client of another contract is refused with what to do', async () => {
    const response = await world.request('/api/v1/tags', { headers: { 'landfall-version': '9.0' } });
    expect(await problemOf(response)).toMatchObject({ status: 426, code: 'contract.version' });
  });

  test('every answer says which contract the server speaks', async () => {
    expect((await world.request('/api/v1/tags')).headers.get('landfall-version')).toBe('1.0');
  });
});

describe('filters', () => {
  test.each(["'; DROP TABLE tags; --", '%', '_', '\\', '"', "hello' OR '1'='1", '\u0000x'])(
    'H97 %j is literal in every filter',
    async (text) => {
      const value = encodeURIComponent(text);
      for (const path of [`/api/v1/tags?source=${value}`, `/api/v1/builds?source=${value}`, `/tags?source=${value}`]) {
        const response = await world.request(path);
        expect([200, 400], path).toContain(response.status);
        const body = await response.text();
        if (response.status === 200 && path.startsWith('/api')) expect(JSON.parse(body)).toMatchObject({ next: null });
      }
      expect([200, 400, 404]).toContain((await world.request(`/api/v1/where/${value}`)).status);
    },
  );
});

describe('the push hook', () => {
  const push = async (path: string, init: Parameters<HttpWorld['request']>[1] = {}): Promise<Response> =>
    await world.request(path, { method: 'POST', ...init });

  test('says what was decided, with sentence, remedy and page', async () => {
    const rejected = await seeTag(world, { version: '7-1' });
    await rejectTag(world, rejected, {
      code: 'signer.permission',
      sentence: 'bob may not release hello\nto landing\u001b[31m',
      remedy: 'ask an administrator',
    });
    const response = await push('/hooks/git/packages/hello?ref=refs/tags/landfall/7-1&wait=5');
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(await response.text()).toBe(
      'landfall: landfall/7-1: REJECTED (signer.permission). bob may not release hello to landing?[31m\n' +
        'landfall:   to mend it: ask an administrator\n' +
        `landfall:   ${PUBLIC_URL}/tags/${rejected.tagId}\n`,
    );
  });

  test('says where to follow what was accepted, and that an obstructed tag is tried again', async () => {
    const release = await releaseSource(world, '8-1');
    const obstructed = await seeTag(world, { version: '8-2' });
    await obstructTag(world, obstructed, null);
    const body = [`${'0'.repeat(40)} ${'a'.repeat(40)} refs/heads/main`, ''].join('\n');
    expect(await (await push('/hooks/git/packages/hello?ref=refs/tags/landfall/8-1', { body })).text()).toBe(
      `landfall: landfall/8-1: accepted. Alice Archer may release hello to landing\n` +
        `landfall:   ${PUBLIC_URL}/submissions/${release.submissionId}\n`,
    );
    expect(await (await push('/hooks/git/packages/hello?ref=refs/tags/landfall/8-2')).text()).toContain(
      'could not be decided yet, it is tried again by itself. the forge does not answer',
    );
  });

  test('H91 notes a hint for a tag that nobody has seen, and nothing follows from it but a look', async () => {
    const before = await world.db.selectFrom('tags').select('id').execute();
    const response = await push(`/hooks/git/packages/hello?ref=refs/tags/landfall/66-1&object=${'f'.repeat(40)}`);
    expect(await response.text()).toContain('noted; nothing under this name was seen yet');
    expect(await world.db.selectFrom('tags').select('id').execute()).toEqual(before);
  });

  test('H90 an address in the payload is never looked at: only registered names are', async () => {
    const body = JSON.stringify({ repository: { clone_url: 'http://169.254.169.254/latest' } });
    expect((await push('/hooks/git/packages/hello', { body, headers: JSON_TYPE })).status).toBe(200);
    expect((await push('/hooks/git/http://127.0.0.1/x', { body })).status).toBe(400);
    const notices = await world.db.selectFrom('notices').select(['ref', 'via']).execute();
    expect(JSON.stringify(notices)).not.toContain('169.254');
  });

  test('an unknown repository is 404 with what to do, in JSON', async () => {
    expect(await problemOf(await push('/hooks/git/unknown'))).toMatchObject({ code: 'git-repository.unknown' });
  });
});

describe('health', () => {
  test('it lives, it is ready', async () => {
    expect(await (await world.request('/healthz')).text()).toBe('ok\n');
    expect(await (await world.request('/readyz')).text()).toBe('ready\n');
  });
});
