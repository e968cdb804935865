import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Build } from '../contract/builds.ts';
import type { SubmissionTrace } from '../contract/submissions.ts';
import type { SnapshotDetail } from '../contract/snapshots.ts';
import type { TagDetail } from '../contract/tags.ts';
import { createPages, type Views } from './index.ts';

const HOSTILE = `"><script>alert(1)</script><img src=x onerror=alert(2)>'`;

const trace = (text: string): SubmissionTrace => ({
  id: 7,
  origin: 'tag',
  archive: 'main',
  audience: 'public',
  suite: 'landing',
  source: 'hello',
  version: text,
  person: null,
  createdAt: '2026-11-20T10:00:00.000Z',
  state: 'in-flight',
  settled: false,
  sentence: text,
  remedy: text,
  mustAct: text,
  url: 'http://127.0.0.1:8463/submissions/7',
  steps: [
    {
      name: 'tag.seen',
      title: text,
      state: 'waiting',
      architecture: null,
      startedAt: '2026-11-20T10:00:00.000Z',
      endedAt: null,
      durationMs: 61_000,
      by: text,
      code: null,
      sentence: text,
      remedy: null,
      mustAct: null,
      url: 'http://127.0.0.1:8463/tags/3',
      buildId: null,
    },
  ],
  tag: null,
  packages: [],
});

const tag = (text: string): TagDetail => ({
  id: 3,
  submissionId: 7,
  repository: text,
  archive: 'main',
  ref: `refs/tags/landfall/${text}`,
  objectId: 'a'.repeat(40),
  distro: 'landfall',
  state: 'rejected',
  seenAt: '2026-11-20T10:00:00.000Z',
  decidedAt: '2026-11-20T10:00:01.000Z',
  source: null,
  version: null,
  suite: null,
  signer: { handle: 'x', name: text },
  code: 'signer.permission',
  sentence: text,
  remedy: text,
  url: 'http://127.0.0.1:8463/tags/3',
  checks: [
    { code: 'tag.object', outcome: 'passed', detail: null },
    { code: 'signer.permission', outcome: 'failed', detail: text },
  ],
  fingerprint: null,
  commitId: null,
  upstreamCommitId: null,
  quilt: null,
  text,
  retryAt: null,
  decisions: [],
  obstacles: [],
  verifiedAgain: [],
});

const build = (text: string): Build => ({
  id: 5,
  submissionId: 7,
  jobId: 9,
  kind: 'binary',
  architecture: 'amd64',
  archive: 'main',
  suite: 'landing',
  source: 'hello',
  version: '1',
  state: 'failed',
  createdAt: '2026-11-20T10:00:00.000Z',
  changedAt: '2026-11-20T10:00:00.000Z',
  sentence: text,
  mustAct: null,
  url: 'http://127.0.0.1:8463/builds/5',
  withAll: true,
  workerPool: 'trusted',
  failureCode: 'build.failed',
  failureReason: text,
  excerpt: [text],
  limits: {},
  inputs: [],
  reproduce: [text],
  lastGood: null,
  uploads: [],
  attempts: [],
});

const snapshot = (archive: string, suite: string, id: string, text: string): SnapshotDetail => ({
  archive,
  suite,
  serial: 12,
  id,
  date: '2026-11-20T10:00:00.000Z',
  until: null,
  validUntil: null,
  reason: text,
  kept: true,
  added: 1,
  removed: 1,
  url: 'http://127.0.0.1:8463/snapshots/main/landing/20261120T100000Z',
  aptSource: text,
  from: null,
  differences: [{ kind: 'source', name: text, architectures: ['source'], before: null, after: text }],
  omitted: 0,
});

function pagesOf(text: string) {
  const views: Views = {
    status: async () => Promise.reject(new Error('not asked for here')),
    where: async (name) =>
      Promise.resolve(
        name === 'hello'
          ? { package: 'hello', source: 'hello', url: 'http://x/where/hello', suites: [], submissions: [trace(text)] }
          : undefined,
      ),
    submission: async (id) => Promise.resolve(id === 7 ? trace(text) : undefined),
    tags: async () => Promise.resolve({ tags: [tag(text)], next: 2 }),
    tag: async (id) => Promise.resolve(id === 3 ? tag(text) : undefined),
    builds: async () => Promise.resolve({ builds: [build(text)], next: null }),
    build: async (id) => Promise.resolve(id === 5 ? build(text) : undefined),
    suite: async () => Promise.resolve(undefined),
    snapshotSuites: async () => Promise.resolve({ suites: [] }),
    snapshots: async () => Promise.resolve(undefined),
    snapshot: async (archive, suite, id) => Promise.resolve(snapshot(archive, suite, id, text)),
    gitRepositories: async () => Promise.resolve({ repositories: [], namespaces: [] }),
  };
  return createPages(async () => Promise.resolve(views));
}

describe('pages', () => {
  it('show the timeline with the sentence why and who must act', async () => {
    const text = await (await pagesOf('no worker for arm64').request('/where/hello')).text();
    expect(text).toMatch(/^<!doctype html>/);
    expect(text).toContain('no worker for arm64');
    expect(text).toContain('Must act:');
    expect(text).toContain('1 min 1 s');
  });

  it('say at which check a tag stopped, and how many it passed', async () => {
    const text = await (await pagesOf('x').request('/tags/3')).text();
    expect(text).toContain('1 passed, stopped at signer.permission');
  });

  it.each([
    '/where/hello',
    '/submissions/7',
    '/tags',
    '/tags/3',
    '/builds',
    '/builds/5',
    '/snapshots/main/landing/20261120T100000Z',
  ])('%s has a JSON twin, which is what it was made from', async (path) => {
    const answer = await pagesOf('x').request(`${path}.json`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/json/);
    expect(JSON.stringify(await answer.json())).toContain('2026-11-20T10:00:00.000Z');
  });

  it.each([
    '/where/hello',
    '/submissions/7',
    '/tags',
    '/tags/3',
    '/builds',
    '/builds/5',
    '/snapshots/main/landing/20261120T100000Z',
  ])('H93 %s shows what others wrote as text, whatever it is', async (path) => {
    const text = await (await pagesOf(HOSTILE).request(path)).text();
    expect(text).not.toContain('<script');
    expect(text).not.toContain('<img');
    expect(text).toContain('&lt;script&gt;');
  });

  it('keep a filter in the address of the next page', async () => {
    const text = await (await pagesOf('x').request('/tags?state=rejected')).text();
    expect(text).toContain('/tags?state=rejected&amp;before=2');
  });

  it('answer 404 for what is not there, as a page and as a problem', async () => {
    expect((await pagesOf('x').request('/tags/4')).status).toBe(404);
    const problem = await pagesOf('x').request('/tags/4.json');
    expect(problem.status).toBe(404);
    expect(problem.headers.get('content-type')).toBe('application/problem+json');
  });

  it('send the search box to the page of a package, and never to another host', async () => {
    const pages = pagesOf('x');
    expect((await pages.request('/where?package=Hello')).headers.get('location')).toBe('/where/hello');
    await fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        const answer = await pages.request(`/where?package=${encodeURIComponent(text)}`);
        expect(answer.headers.get('location')).toMatch(/^\/(where\/[a-z0-9.+%-]+)?$/i);
      }),
    );
  });
});
