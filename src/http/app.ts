/**
 * The application: every route behind its door, every error a problem document. The order matters and is kept short: hardening,
 * limits and the door come before the body of a request is looked at.
 */
import { OpenAPIHono, type RouteConfig } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { archiveKey, archiveKeyring } from '../archive/index.ts';
import { accessOf } from '../contract/access.ts';
import { API_ROUTES } from '../contract/api.ts';
import { audiencesOf } from '../permissions/index.ts';
import { createPages } from '../web/index.ts';
import { archiveAudience, archiveFiles } from './archive-files.ts';
import { actorOf, authenticate } from './callers.ts';
import type { HttpDeps } from './deps.ts';
import type { HttpEnv } from './env.ts';
import { guard } from './guard.ts';
import { answering, hardening } from './hardening.ts';
import { healthRoutes } from './health.ts';
import { gitHook } from './hooks.ts';
import { openApiDocument } from './openapi.ts';
import { invalidRequest, notFoundHandler, problemHandler } from './problems.ts';
import { Refusal } from './refusal.ts';
import { applyRoutes } from './routes/apply.ts';
import { archiveKeyRoutes } from './routes/archive-keys.ts';
import { takedownRoutes } from './routes/takedowns.ts';
import { buildRoutes } from './routes/builds.ts';
import { eventRoutes } from './routes/events.ts';
import { keyRoutes } from './routes/keys.ts';
import { logRoutes } from './routes/logs.ts';
import { markRoutes } from './routes/marks.ts';
import { peopleRoutes } from './routes/people.ts';
import { tagRoutes } from './routes/tags.ts';
import { traceRoutes } from './routes/trace.ts';
import { verificationRoutes } from './routes/verification.ts';
import { workerRoutes } from './routes/worker.ts';
import { workersRoutes } from './routes/workers.ts';
import { openStreamDesk } from './streams.ts';
import { viewsFor } from './views.ts';

const MAX_JSON = 2 * 1024 * 1024;
/** Distribution files bring keyrings along. */
const MAX_APPLY = 96 * 1024 * 1024;

export function createApp(deps: HttpDeps): OpenAPIHono<HttpEnv> {
  const app = new OpenAPIHono<HttpEnv>({ defaultHook: invalidRequest });
  app.onError(problemHandler(deps));
  app.notFound(notFoundHandler);
  app.use(answering(deps), hardening(deps));
  for (const route of API_ROUTES) {
    const path = route.getRoutingPath();
    app.on(route.method, path, guard(deps, accessOf(route)));
    if (takesJson(route)) {
      const maxSize = /^\/api\/v1\/(apply|keys)\//.test(path) ? MAX_APPLY : MAX_JSON;
      app.on(route.method, path, bodyLimit({ maxSize, onError: () => tooLarge(maxSize) }));
    }
  }

  const streams = openStreamDesk(deps);
  traceRoutes(app, deps);
  buildRoutes(app, deps);
  tagRoutes(app, deps);
  applyRoutes(app, deps);
  archiveKeyRoutes(app, deps);
  takedownRoutes(app, deps);
  verificationRoutes(app, deps);
  peopleRoutes(app, deps);
  keyRoutes(app, deps);
  markRoutes(app, deps);
  workersRoutes(app, deps);
  workerRoutes(app, deps);
  logRoutes(app, deps, streams);
  eventRoutes(app, deps, streams);

  const hook = gitHook(deps);
  app.post('/hooks/git', hook);
  app.post('/hooks/git/*', hook);
  app.get('/archive/:archive/:file{key\\.(asc|pgp)}', async (c) => {
    const name = c.req.param('archive');
    const audience = await archiveAudience(deps, name, c.req.header('authorization'));
    const armored = c.req.param('file') === 'key.asc';
    const keyring = armored
      ? (await archiveKey(deps, name)).publicKey
      : new Uint8Array(await archiveKeyring(deps, name));
    return c.body(keyring, 200, {
      'content-type': armored ? 'application/pgp-keys' : 'application/octet-stream',
      'cache-control': audience === 'public' ? 'public, max-age=300' : 'private, no-store',
    });
  });
  app.get('/archive/*', archiveFiles(deps));
  app.get('/openapi.json', (c) => c.json(openApiDocument()));
  healthRoutes(app, deps);
  app.route(
    '/',
    createPages<HttpEnv>(async (c) => {
      const caller = await authenticate(deps, c.req.header('authorization'));
      return viewsFor(deps, audiencesOf(actorOf(caller)));
    }),
  );
  return app;
}

function takesJson(route: RouteConfig): boolean {
  return route.request?.body !== undefined && 'application/json' in route.request.body.content;
}

function tooLarge(limit: number): never {
  throw new Refusal({
    status: 413,
    code: 'request.too-large',
    detail: `the body may have ${limit} bytes`,
  });
}
