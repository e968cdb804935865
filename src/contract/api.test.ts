import { expect, test } from 'vitest';
import { accessOf } from './access.ts';
import { API_ROUTES } from './api.ts';
import { inputsOf, payloadSchema } from './jobs.ts';

test('every route says who may use it, has a summary, and promises problem documents', () => {
  for (const route of API_ROUTES) {
    expect(accessOf(route), `${route.method} ${route.path}`).toBeTypeOf('string');
    expect(route.summary.length, route.path).toBeGreaterThan(10);
    expect(Object.keys(route.responses)).toContain('default');
  }
});

test('no two routes answer the same request', () => {
  const names = API_ROUTES.map((route) => `${route.method} ${route.path.replace(/\{\w+\}/g, '{}')}`);
  expect(new Set(names).size).toBe(names.length);
});

test('every body is required, since an absent one would pass unchecked', () => {
  for (const route of API_ROUTES) {
    if ('request' in route && 'body' in route.request) expect(route.request.body.required, route.path).toBe(true);
  }
});

const HASH = 'a'.repeat(64);
const SOURCE = {
  kind: 'source',
  submissionId: 1,
  archive: 'main',
  suite: 'landing',
  source: 'hello',
  version: '2.10-3',
  distribution: 'landing',
  quilt: 'gbp',
  commitId: 'b'.repeat(40),
  tagObjectId: 'c'.repeat(40),
  upstreamCommitId: null,
  pristineTarCommitId: null,
  fingerprint: 'F'.repeat(40),
  tagger: 'Alice <alice@example.org>',
  frozen: { sha256: HASH, size: 3 },
  origs: [{ name: 'hello_2.10.orig.tar.gz', sha256: 'd'.repeat(64), size: 4 }],
};

test('a payload with an unknown field is refused: whoever wrote it means something that we would not do', () => {
  expect(payloadSchema.safeParse(SOURCE).success).toBe(true);
  expect(payloadSchema.safeParse({ ...SOURCE, extra: 1 }).success).toBe(false);
  expect(payloadSchema.safeParse({ ...SOURCE, kind: 'binary' }).success).toBe(false);
});

test('the inputs of a source job are the frozen pack and the origs, and nothing else', () => {
  expect(inputsOf(payloadSchema.parse(SOURCE)).map((one) => one.sha256)).toEqual([HASH, 'd'.repeat(64)]);
});
