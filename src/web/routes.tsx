/**
 * Which address shows which page. Every page also answers at its address with `.json` behind it, with the object that it was
 * made from.
 */
import { Hono, type Context, type Env } from 'hono';
import type { JSX } from 'hono/jsx/jsx-runtime';
import { Layout } from './components/layout.tsx';
import { BuildPage, BuildsPage } from './pages/builds.tsx';
import { GitPage } from './pages/git.tsx';
import { OverviewPage } from './pages/overview.tsx';
import { SnapshotListPage, SnapshotPage, SnapshotSuitesPage } from './pages/snapshots.tsx';
import { SuitePage } from './pages/suite.tsx';
import { TagPage, TagsPage } from './pages/tags.tsx';
import { SubmissionPage, WherePage } from './pages/where.tsx';
import { STYLE } from './style.ts';
import type { ListFilter, Views } from './views.ts';

const PACKAGE = '[a-z0-9][a-z0-9+.-]{0,254}';
const NAME = '[a-z0-9][a-z0-9+.-]{0,63}';
const NUMBER = '[1-9][0-9]{0,15}';
const SNAPSHOT = '[0-9]{1,8}(?:T[0-9]{6}Z)?';

/** @param viewsFor what the caller of a request may see. */
export function createPages<E extends Env>(viewsFor: (c: Context<E>) => Promise<Views>): Hono<E> {
  const pages = new Hono<E>();
  const show = <T,>(
    path: string,
    load: (views: Views, c: Context<E>, param: (name: string) => string) => Promise<T | undefined>,
    render: (value: T, c: Context<E>) => JSX.Element,
    twin = `${path}.json`,
  ): void => {
    const answer = async (c: Context<E>, json: boolean): Promise<Response> => {
      const param = (name: string): string => (c.req.param(name) ?? '').replace(json ? /\.json$/ : /^$/, '');
      const value = await load(await viewsFor(c), c, param);
      if (value === undefined) return await notFound(c, json);
      return json ? c.json(value) : await html(c, render(value, c), 200);
    };
    pages.get(twin, async (c) => await answer(c, true));
    pages.get(path, async (c) => await answer(c, false));
  };

  pages.get('/style.css', (c) => {
    c.header('Cache-Control', 'public, max-age=3600');
    return c.body(STYLE, 200, { 'Content-Type': 'text/css; charset=utf-8' });
  });
  pages.get('/where', (c) => {
    const name = (c.req.query('package') ?? '').trim().toLowerCase();
    return c.redirect(new RegExp(`^${PACKAGE}$`).test(name) ? `/where/${encodeURIComponent(name)}` : '/', 303);
  });
  show(
    '/',
    async (views) => await views.status(),
    (status) => <OverviewPage status={status} />,
    '/index.json',
  );
  show(
    `/where/:package{${PACKAGE}}`,
    async (views, _c, param) => await views.where(param('package')),
    (where) => <WherePage where={where} />,
    `/where/:package{${PACKAGE}\\.json}`,
  );
  show(
    `/submissions/:id{${NUMBER}}`,
    async (views, _c, param) => await views.submission(Number(param('id'))),
    (trace) => <SubmissionPage trace={trace} />,
    `/submissions/:id{${NUMBER}\\.json}`,
  );
  show(
    '/tags',
    async (views, c) => await views.tags(filterOf(c)),
    (found, c) => <TagsPage tags={found.tags} next={found.next} filter={filterOf(c)} />,
  );
  show(
    `/tags/:id{${NUMBER}}`,
    async (views, _c, param) => await views.tag(Number(param('id'))),
    (tag) => <TagPage tag={tag} />,
    `/tags/:id{${NUMBER}\\.json}`,
  );
  show(
    '/git',
    async (views) => await views.gitRepositories(),
    (found) => <GitPage repositories={found.repositories} namespaces={found.namespaces} />,
  );
  show(
    '/builds',
    async (views, c) => await views.builds(filterOf(c)),
    (found, c) => <BuildsPage builds={found.builds} next={found.next} filter={filterOf(c)} />,
  );
  show(
    `/builds/:id{${NUMBER}}`,
    async (views, _c, param) => await views.build(Number(param('id'))),
    (build) => <BuildPage build={build} />,
    `/builds/:id{${NUMBER}\\.json}`,
  );
  show(
    `/suites/:archive{${NAME}}/:suite{${NAME}}`,
    async (views, _c, param) => await views.suite(param('archive'), param('suite')),
    (suite) => <SuitePage suite={suite} />,
    `/suites/:archive{${NAME}}/:suite{${NAME}\\.json}`,
  );
  show(
    '/snapshots',
    async (views) => await views.snapshotSuites(),
    ({ suites }) => <SnapshotSuitesPage suites={suites} />,
  );
  show(
    `/snapshots/:archive{${NAME}}/:suite{${NAME}}`,
    async (views, c, param) => await views.snapshots(param('archive'), param('suite'), filterOf(c).before),
    (list) => <SnapshotListPage list={list} />,
    `/snapshots/:archive{${NAME}}/:suite{${NAME}\\.json}`,
  );
  show(
    `/snapshots/:archive{${NAME}}/:suite{${NAME}}/:id{${SNAPSHOT}}`,
    async (views, c, param) => await views.snapshot(param('archive'), param('suite'), param('id'), c.req.query('from')),
    (snapshot) => <SnapshotPage snapshot={snapshot} />,
    `/snapshots/:archive{${NAME}}/:suite{${NAME}}/:id{${SNAPSHOT}\\.json}`,
  );
  return pages;
}

/** hono/jsx writes no doctype; without one a browser goes into quirks mode. */
async function html(c: Context, element: JSX.Element, status: 200 | 404): Promise<Response> {
  c.header('Cache-Control', 'no-cache');
  return c.html(`<!doctype html>${String(await element)}`, status);
}

async function notFound(c: Context, json: boolean): Promise<Response> {
  const detail = 'There is nothing here, or nothing that you may see.';
  if (json) {
    return c.json({ type: 'about:blank', title: 'Not found', status: 404, code: 'not-found', detail }, 404, {
      'Content-Type': 'application/problem+json',
    });
  }
  const page = (
    <Layout title="Not found">
      <h1>Not found</h1>
      <p>{detail}</p>
    </Layout>
  );
  return await html(c, page, 404);
}

/** Empty fields of a form are no filter. */
function filterOf(c: Context): ListFilter {
  const text = (name: string): string | undefined => {
    const value = c.req.query(name);
    return value === undefined || value === '' ? undefined : value.slice(0, 255);
  };
  const before = text('before');
  return {
    state: text('state'),
    source: text('source'),
    architecture: text('architecture'),
    repository: text('repository'),
    before: before !== undefined && /^[1-9]\d{0,15}$/.test(before) ? Number(before) : undefined,
  };
}
