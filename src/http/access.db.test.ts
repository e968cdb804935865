/**
 * H96: every route × every kind of caller × public and closed audience. The expectation is computed from what the route says of
 * itself, so that a new route is in the test from its first day; one without a sample fails it.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHttpWorld, type AskInit, type HttpWorld } from '../../test/scenarios/http-world.ts';
import { SIGNER_FINGERPRINT, SIGNER_MATERIAL } from '../../test/scenarios/signed-tag.ts';
import type { Release } from '../../test/scenarios/world.ts';
import { leaseNext } from '../../test/scenarios/world-builds.ts';
import { releaseSource } from '../../test/scenarios/world-path.ts';
import type { Running } from '../../test/scenarios/lighthouse.ts';
import { accessOf, type Access } from '../contract/access.ts';
import { API_ROUTES } from '../contract/api.ts';
import { pathOf } from '../contract/client.ts';

type Audience = 'public' | 'closed';
type Caller = 'anonymous' | 'bob' | 'sue' | 'carol' | 'worker' | 'join-token' | 'enrolment-code' | 'revoked';

interface Facts {
  readonly release: Release;
  readonly buildId: number;
  readonly jobId: number;
  readonly running: Running;
  /** Of another submission, that no worker has. */
  readonly waitingBuildId: number;
}

interface Sample {
  readonly params?: Record<string, string | number>;
  readonly query?: Record<string, string | number>;
  readonly init?: AskInit;
  /**
   * `object`: what is closed does not exist for outsiders; `list`: it is left out; `own`: there is nothing of others in it.
   */
  readonly about: 'object' | 'list' | 'own';
  /** Rights of persons on the object, where the door does not say all: who is let in. */
  readonly letsIn?: readonly Caller[];
}

/** Appears in everything that belongs to the closed audience, and nowhere else. */
const MARKER = 'embargoed-fix';
let world: HttpWorld;
let facts: Readonly<Record<Audience, Facts>>;
let tokenToRevoke = 0;
let aliceKey = 0;

beforeAll(async () => {
  world = await createHttpWorld();
  await world.startSigner();
  const factsOf = async (release: Release): Promise<Facts> => {
    const running = await leaseNext(world);
    const build = await world.db
      .selectFrom('builds')
      .select(['id', 'job_id'])
      .where('submission_id', '=', release.submissionId)
      .executeTakeFirstOrThrow();
    return { release, buildId: build.id, jobId: build.job_id, running, waitingBuildId: 0 };
  };
  const leased = {
    public: await factsOf(await releaseSource(world, '1-1')),
    closed: await factsOf(await releaseSource(world, '2-1', { source: MARKER, archive: world.embargo })),
  };
  const waiting = async (release: Release): Promise<number> => {
    const build = world.db.selectFrom('builds').select('id').where('submission_id', '=', release.submissionId);
    return (await build.executeTakeFirstOrThrow()).id;
  };
  facts = {
    public: { ...leased.public, waitingBuildId: await waiting(await releaseSource(world, '1-2')) },
    closed: {
      ...leased.closed,
      waitingBuildId: await waiting(await releaseSource(world, '2-2', { source: MARKER, archive: world.embargo })),
    },
  };
  const key = await world.db
    .insertInto('keys')
    .values({ person_id: world.alice, kind: 'ssh', fingerprint: SIGNER_FINGERPRINT, material: SIGNER_MATERIAL })
    .returning('id')
    .executeTakeFirstOrThrow();
  aliceKey = key.id;
  const revoked = await world.request('/api/v1/tokens', json('POST', { name: 'to be revoked' }, 'bob'));
  revokedSecret = ((await revoked.json()) as { secret: string }).secret;
  const { tokens } = (await (await world.request('/api/v1/tokens', { as: 'bob' })).json()) as {
    tokens: { id: number; name: string }[];
  };
  const id = tokens.find((token) => token.name === 'to be revoked')?.id ?? 0;
  expect((await world.request(`/api/v1/tokens/${id}/revoke`, { as: 'bob', method: 'POST' })).status).toBe(204);
  tokenToRevoke = id;
}, 120_000);
afterAll(async () => await world.close());

let revokedSecret = '';
const ENROLMENT_CODE = `lfe_${randomBytes(32).toString('base64url')}`;
const JOIN_SECRET = `lfj_${randomBytes(32).toString('base64url')}`;

function json(method: string, body: unknown, as?: AskInit['as']): AskInit {
  return { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' }, as };
}

const fenced = (one: Facts): Record<string, string> => ({ 'landfall-token': String(one.running.token) });
const octets = (one: Facts, text: string): AskInit => ({
  body: Buffer.from(text),
  headers: { ...fenced(one), 'content-type': 'application/octet-stream' },
});
const said = (one: Facts, body: unknown): AskInit => ({
  body: JSON.stringify(body),
  headers: { ...fenced(one), 'content-type': 'application/json' },
});

const SAMPLES: Readonly<Record<string, (one: Facts) => Sample>> = {
  'get /api/v1/status': () => ({ about: 'list' }),
  'get /api/v1/where/{package}': ({ release }) => ({ about: 'object', params: { package: release.source } }),
  'get /api/v1/submissions/{id}': ({ release }) => ({ about: 'object', params: { id: release.submissionId } }),
  'get /api/v1/git-repositories': () => ({ about: 'list' }),
  'get /api/v1/tags': () => ({ about: 'list' }),
  'get /api/v1/tags/{id}': ({ release }) => ({ about: 'object', params: { id: release.tagId } }),
  'post /api/v1/tags/check': ({ release }) => ({
    about: 'object',
    query: {
      repository: release.archive.name === 'main' ? 'packages/hello' : 'security/hello',
      ref: 'refs/tags/landfall/9-1',
      object: 'a'.repeat(40),
    },
    init: { body: Buffer.from('PACK'), headers: { 'content-type': 'application/octet-stream' } },
  }),
  'post /api/v1/tags/adopt': ({ release }) => ({
    about: 'object',
    init: json('POST', {
      repository: release.archive.name === 'main' ? 'packages/hello' : 'security/hello',
      tag: 'landfall/9-9',
    }),
    letsIn: ['carol'],
  }),
  'post /api/v1/tags/{id}/retry': ({ release }) => ({ about: 'object', params: { id: release.tagId } }),
  'post /api/v1/tags/{id}/redecide': ({ release }) => ({
    about: 'object',
    params: { id: release.tagId },
    letsIn: ['carol'],
  }),
  'get /api/v1/builds': () => ({ about: 'list' }),
  'get /api/v1/builds/{id}': ({ buildId }) => ({ about: 'object', params: { id: buildId } }),
  'get /api/v1/jobs/{id}': ({ jobId }) => ({ about: 'object', params: { id: jobId } }),
  'post /api/v1/builds/{id}/give-back': ({ buildId }) => ({
    about: 'object',
    params: { id: buildId },
    letsIn: ['carol'],
  }),
  'post /api/v1/builds/{id}/cancel': ({ waitingBuildId }) => ({
    about: 'object',
    params: { id: waitingBuildId },
    init: json('POST', { reason: 'test' }),
    letsIn: ['carol'],
  }),
  'get /logs/{attempt}': ({ running }) => ({ about: 'object', params: { attempt: running.attemptId } }),
  'get /api/v1/suites': () => ({ about: 'list' }),
  'get /api/v1/suites/{archive}/{suite}': ({ release }) => ({
    about: 'object',
    params: { archive: release.archive.name, suite: release.archive.suite },
  }),
  'get /api/v1/archives/{archive}/keys': ({ release }) => ({
    about: 'object',
    params: { archive: release.archive.name },
  }),
  'post /api/v1/archives/{archive}/keys/plan': ({ release }) => ({
    about: 'object',
    params: { archive: release.archive.name },
    init: json('POST', { change: { kind: 'add' }, reason: 'test' }),
    letsIn: ['carol'],
  }),
  'post /api/v1/archives/{archive}/keys/confirm': ({ release }) => ({
    about: 'object',
    params: { archive: release.archive.name },
    init: json('POST', { change: { kind: 'add' }, reason: 'test', hash: 'x' }),
    letsIn: ['carol'],
  }),
  'get /api/v1/snapshots': () => ({ about: 'list' }),
  'get /api/v1/snapshots/{archive}/{suite}': ({ release }) => ({
    about: 'object',
    params: { archive: release.archive.name, suite: release.archive.suite },
  }),
  'get /api/v1/snapshots/{archive}/{suite}/{id}': ({ release }) => ({
    about: 'own',
    params: { archive: release.archive.name, suite: release.archive.suite, id: 1 },
  }),
  'get /api/v1/takedowns': () => ({ about: 'list' }),
  'post /api/v1/takedowns/plan': () => ({
    about: 'own',
    init: json('POST', { source: 'nothing', version: '1-1', reason: 'test', legal: false, keepUpstream: false }),
  }),
  'post /api/v1/takedowns/confirm': () => ({
    about: 'own',
    init: json('POST', {
      source: 'nothing',
      version: '1-1',
      reason: 'test',
      legal: false,
      keepUpstream: false,
      hash: 'x',
    }),
  }),
  'get /api/v1/signer/log': () => ({ about: 'own' }),
  'get /api/v1/signer/log/check': () => ({ about: 'own' }),
  'get /api/v1/workers': () => ({ about: 'list' }),
  'post /api/v1/workers/tokens': () => ({
    about: 'own',
    init: json('POST', { name: 'w9', pool: 'trusted', architectures: ['amd64'], validSeconds: 60 }),
  }),
  'post /api/v1/workers/{name}/revoke': () => ({
    about: 'own',
    params: { name: 'nobody' },
    init: json('POST', { reason: 'test' }),
  }),
  'get /api/v1/events': () => ({ about: 'list' }),
  'post /api/v1/apply/plan': () => ({
    about: 'own',
    init: json('POST', { files: [{ name: 'x.toml', text: '[pool.other]\n', attachments: [] }] }),
    letsIn: ['carol'],
  }),
  'post /api/v1/apply/confirm': () => ({
    about: 'own',
    init: json('POST', { files: [{ name: 'x.toml', text: '', attachments: [] }], hash: 'x' }),
    letsIn: ['carol'],
  }),
  'post /api/v1/tags/{id}/verify': ({ release }) => ({ about: 'object', params: { id: release.tagId } }),
  'get /api/v1/people': () => ({ about: 'list' }),
  'get /api/v1/people/{handle}': () => ({ about: 'list', params: { handle: 'alice' } }),
  'post /api/v1/people/{handle}/enrolment': () => ({
    about: 'own',
    params: { handle: 'bob' },
    init: json('POST', { validSeconds: 60 }),
  }),
  'post /api/v1/enrolment': () => ({ about: 'own', init: json('POST', { name: 'laptop' }) }),
  'get /api/v1/keys': () => ({ about: 'list' }),
  'get /api/v1/keys/{id}': () => ({ about: 'list', params: { id: aliceKey } }),
  'post /api/v1/keys/plan': () => ({ about: 'own', init: json('POST', { bytes: 'eA==' }) }),
  'post /api/v1/keys/import': () => ({ about: 'own', init: json('POST', { bytes: 'eA==', hash: 'x' }) }),
  'post /api/v1/keys/{id}/revoke': () => ({
    about: 'own',
    params: { id: aliceKey },
    init: json('POST', { reason: 'test', suspend: false, hash: 'x' }),
    letsIn: ['carol'],
  }),
  'get /api/v1/marks/{archive}/{suite}/{source}': ({ release }) => ({
    about: 'object',
    params: { archive: release.archive.name, suite: release.archive.suite, source: release.source },
  }),
  'post /api/v1/marks/{archive}/{suite}/{source}': ({ release }) => ({
    about: 'object',
    params: { archive: release.archive.name, suite: release.archive.suite, source: release.source },
    init: json('POST', { version: '0.1', reason: 'test' }),
    letsIn: ['carol'],
  }),
  'get /api/v1/whoami': () => ({ about: 'own' }),
  'get /api/v1/tokens': () => ({ about: 'own' }),
  'post /api/v1/tokens': () => ({ about: 'own', init: json('POST', { name: 'another' }) }),
  'post /api/v1/tokens/{id}/revoke': () => ({ about: 'own', params: { id: tokenToRevoke }, letsIn: ['bob'] }),
  'post /api/v1/workers/join': () => ({ about: 'own', init: json('POST', { openpgpKey: 'x' }) }),
  'get /api/v1/worker': () => ({ about: 'own' }),
  'post /api/v1/worker/leases': () => ({ about: 'own', init: json('POST', { waitSeconds: 0 }) }),
  'post /api/v1/worker/attempts/{id}/heartbeat': (one) => ({
    about: 'own',
    params: { id: one.running.attemptId },
    init: said(one, {}),
  }),
  'put /api/v1/worker/attempts/{id}/log': (one) => ({
    about: 'own',
    params: { id: one.running.attemptId },
    query: { offset: 0 },
    init: octets(one, `${one.release.source}\n`),
  }),
  'post /api/v1/worker/attempts/{id}/phases': (one) => ({
    about: 'own',
    params: { id: one.running.attemptId },
    init: said(one, { name: 'build', logStart: 0 }),
  }),
  'get /api/v1/worker/attempts/{id}/inputs/{sha256}': (one) => ({
    about: 'own',
    params: { id: one.running.attemptId, sha256: '0'.repeat(64) },
    init: { headers: { ...fenced(one) } },
  }),
  'put /api/v1/worker/attempts/{id}/files/{name}': (one) => ({
    about: 'own',
    params: { id: one.running.attemptId, name: 'x.dsc' },
    query: { sha256: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae', size: 3 },
    init: octets(one, 'foo'),
  }),
  'post /api/v1/worker/attempts/{id}/deliver': (one) => ({
    about: 'own',
    params: { id: one.running.attemptId },
    init: said(one, { changes: 'x.changes' }),
  }),
  'post /api/v1/worker/attempts/{id}/fail': (one) => ({
    about: 'own',
    params: { id: one.running.attemptId },
    init: said(one, { kind: 'failed', code: 'test.failed', reason: 'test' }),
  }),
};

const CALLERS: readonly Caller[] = [
  'anonymous',
  'bob',
  'sue',
  'carol',
  'worker',
  'join-token',
  'enrolment-code',
  'revoked',
];

/** What the door says; undefined: it lets in. */
function atTheDoor(access: Access, caller: Caller): 401 | 403 | undefined {
  if (caller === 'revoked') return 401;
  const isPerson = caller === 'bob' || caller === 'sue' || caller === 'carol';
  switch (access) {
    case 'anyone':
      return caller === 'join-token' || caller === 'enrolment-code' ? 403 : undefined;
    case 'person':
      return isPerson ? undefined : caller === 'anonymous' ? 401 : 403;
    case 'operator':
    case 'administrator':
      return caller === 'carol' ? undefined : caller === 'anonymous' ? 401 : 403;
    case 'worker':
      return caller === 'worker' ? undefined : caller === 'anonymous' ? 401 : 403;
    case 'join-token':
      return caller === 'join-token' ? undefined : caller === 'anonymous' ? 401 : 403;
    case 'enrolment-code':
      return caller === 'enrolment-code' ? undefined : caller === 'anonymous' ? 401 : 403;
  }
}

async function ask(route: (typeof API_ROUTES)[number], sample: Sample, caller: Caller): Promise<Response> {
  const secrets: Partial<Record<Caller, string>> = {
    'join-token': JOIN_SECRET,
    'enrolment-code': ENROLMENT_CODE,
    revoked: revokedSecret,
  };
  const secret = secrets[caller];
  const as = secret !== undefined || caller === 'anonymous' ? undefined : caller;
  return await world.request(pathOf(route, sample), {
    ...sample.init,
    method: route.method.toUpperCase(),
    as: as === 'join-token' || as === 'enrolment-code' || as === 'revoked' ? undefined : as,
    headers: {
      ...sample.init?.headers,
      ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
    },
  });
}

describe.each(API_ROUTES.map((route) => ({ name: `${route.method} ${route.path}`, route })))(
  'H96 $name',
  ({ name, route }) => {
    const makeSample = SAMPLES[name];
    test('has a sample', () => expect(makeSample).toBeDefined());
    if (makeSample === undefined) return;

    describe.each(['public', 'closed'] as const)('for a %s audience', (audience) => {
      test.each(CALLERS)('asked by %s', async (caller) => {
        const sample = makeSample(facts[audience]);
        const response = await ask(route, sample, caller);
        const text = await response.text();
        const door = atTheDoor(accessOf(route), caller);
        const told = `${response.status} ${text.slice(0, 300)}`;

        if (door !== undefined) {
          expect(response.status, told).toBe(door);
          expect(response.headers.get('content-type')).toBe('application/problem+json');
          expect(JSON.parse(text)).toMatchObject({ status: door, requestId: response.headers.get('landfall-request') });
          expect(text).not.toContain(MARKER);
          return;
        }
        const hidden = audience === 'closed' && caller !== 'sue' && sample.about === 'object';
        if (hidden) {
          expect(response.status, told).toBe(404);
          return;
        }
        const isPerson = ['bob', 'sue', 'carol'].includes(caller);
        if (isPerson && sample.letsIn?.includes(caller) === false) {
          expect([403, 404], told).toContain(response.status);
          return;
        }
        if (route.method === 'get' && sample.about !== 'own') expect(response.status, told).toBe(200);
        else if (caller === 'worker' || caller === 'join-token' || caller === 'enrolment-code')
          expect([200, 204, 401, 404, 409], told).toContain(response.status);
        else expect([200, 201, 204, 400, 404, 409, 422], told).toContain(response.status);
        if (sample.about === 'list' && caller !== 'sue')
          expect(text, 'what is closed is in the list').not.toContain(MARKER);
      });
    });
  },
);

describe('H96 what is beside the contract', () => {
  const addresses: readonly (readonly [string, (one: Facts) => string])[] = [
    ['the front page', () => '/'],
    ['its twin', () => '/index.json'],
    ['the snapshots', () => '/snapshots'],
    ['the tags', () => '/tags'],
    ['the builds', () => '/builds.json'],
  ];
  test.each(addresses)('%s leaves out what is closed', async (_name, path) => {
    for (const as of [undefined, 'bob', 'carol'] as const) {
      const response = await world.request(path(facts.closed), { as });
      expect(response.status).toBe(200);
      expect(await response.text()).not.toContain(MARKER);
    }
  });

  const pages: readonly (readonly [string, (one: Facts) => string])[] = [
    ['where', ({ release }) => `/where/${release.source}`],
    ['where.json', ({ release }) => `/where/${release.source}.json`],
    ['a tag', ({ release }) => `/tags/${release.tagId}`],
    ['a build', ({ buildId }) => `/builds/${buildId}`],
    ['a build.json', ({ buildId }) => `/builds/${buildId}.json`],
    ['a submission', ({ release }) => `/submissions/${release.submissionId}`],
    ['a suite', ({ release }) => `/suites/${release.archive.name}/${release.archive.suite}`],
  ];
  test.each(pages)(
    'the page of %s is there for those who may see it, and for others there is none',
    async (_name, path) => {
      for (const as of [undefined, 'bob', 'sue', 'carol', 'worker'] as const) {
        expect((await world.request(path(facts.public), { as })).status).toBe(200);
        expect((await world.request(path(facts.closed), { as })).status).toBe(as === 'sue' ? 200 : 404);
      }
    },
  );

  test('events of a closed submission reach its audience and nobody else', async () => {
    const path = `/api/v1/events?submission=${facts.closed.release.submissionId}`;
    for (const as of [undefined, 'bob', 'carol', 'worker'] as const) {
      expect(await (await world.request(path, { as })).json()).toMatchObject({ events: [] });
    }
    // Other tests write to the same server and so may hold events back for a moment.
    await expect
      .poll(async () => await (await world.request(path, { as: 'sue' })).json())
      .not.toMatchObject({ events: [] });
  });

  test('a hook for a closed repository is answered like one for a repository that does not exist', async () => {
    const { tagId } = facts.closed.release;
    const tag = await world.db.selectFrom('tags').selectAll().where('id', '=', tagId).executeTakeFirstOrThrow();
    const path = `/hooks/git/security/hello?ref=${tag.ref}&object=${tag.object_id}&wait=1`;
    const unknown = path.replace('security/hello', 'security/other');
    for (const as of [undefined, 'bob'] as const) {
      const closed = await world.request(path, { method: 'POST', as });
      const missing = await world.request(unknown, { method: 'POST', as });
      expect([closed.status, missing.status]).toEqual([404, 404]);
      const words = async (response: Response): Promise<string> =>
        (await response.text()).replaceAll('security/other', 'security/hello').replace(/"requestId":"[^"]*"/, '');
      expect(await words(closed)).toBe(await words(missing));
    }
    expect(await (await world.request(path, { method: 'POST', as: 'sue' })).text()).toContain('accepted');
  });
});
