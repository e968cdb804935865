/** The read side: everything is answered for the caller's audiences, and what is for others does not exist. */
import { buildRoute, buildsRoute, jobRoute } from '../../contract/builds.ts';
import { gitRepositoriesRoute } from '../../contract/git-repositories.ts';
import { snapshotRoute, snapshotsRoute, snapshotSuitesRoute } from '../../contract/snapshots.ts';
import { statusRoute } from '../../contract/status.ts';
import { submissionRoute } from '../../contract/submissions.ts';
import { suiteRoute, suitesRoute } from '../../contract/suites.ts';
import { tagRoute, tagsRoute } from '../../contract/tags.ts';
import { whereRoute } from '../../contract/where.ts';
import { workersRoute } from '../../contract/workers.ts';
import type { HttpDeps } from '../deps.ts';
import type { Caller } from '../env.ts';
import { viewsFor, type ApiViews } from '../views.ts';
import { audiencesOfCaller, orNotFound, type Api } from './shared.ts';

export function traceRoutes(app: Api, deps: HttpDeps): void {
  const views = (c: { get(key: 'caller'): Caller }): ApiViews => viewsFor(deps, audiencesOfCaller(c.get('caller')));

  app.openapi(statusRoute, async (c) => c.json(await views(c).status(), 200));
  app.openapi(whereRoute, async (c) => {
    const { package: name } = c.req.valid('param');
    return c.json(orNotFound(await views(c).where(name, c.req.valid('query').limit), `package ${name}`), 200);
  });
  app.openapi(submissionRoute, async (c) => {
    const { id } = c.req.valid('param');
    return c.json(orNotFound(await views(c).submission(id), `submission ${id}`), 200);
  });
  app.openapi(gitRepositoriesRoute, async (c) => c.json(await views(c).gitRepositories(), 200));
  app.openapi(tagsRoute, async (c) => c.json(await views(c).tags(c.req.valid('query')), 200));
  app.openapi(tagRoute, async (c) => {
    const { id } = c.req.valid('param');
    return c.json(orNotFound(await views(c).tag(id), `tag ${id}`), 200);
  });
  app.openapi(buildsRoute, async (c) => c.json(await views(c).builds(c.req.valid('query')), 200));
  app.openapi(buildRoute, async (c) => {
    const { id } = c.req.valid('param');
    return c.json(orNotFound(await views(c).build(id), `build ${id}`), 200);
  });
  app.openapi(jobRoute, async (c) => {
    const { id } = c.req.valid('param');
    return c.json(orNotFound(await views(c).job(id), `job ${id}`), 200);
  });
  app.openapi(suitesRoute, async (c) => c.json({ suites: await views(c).suites() }, 200));
  app.openapi(suiteRoute, async (c) => {
    const { archive, suite } = c.req.valid('param');
    return c.json(orNotFound(await views(c).suite(archive, suite), `suite ${archive}/${suite}`), 200);
  });
  app.openapi(snapshotSuitesRoute, async (c) => c.json(await views(c).snapshotSuites(), 200));
  app.openapi(snapshotsRoute, async (c) => {
    const { archive, suite } = c.req.valid('param');
    const found = await views(c).snapshots(archive, suite, c.req.valid('query').before);
    return c.json(orNotFound(found, `suite ${archive}/${suite}`), 200);
  });
  app.openapi(snapshotRoute, async (c) => {
    const { archive, suite, id } = c.req.valid('param');
    const found = await views(c).snapshot(archive, suite, id, c.req.valid('query').from);
    return c.json(orNotFound(found, `such snapshot of ${archive}/${suite}`), 200);
  });
  app.openapi(workersRoute, async (c) => c.json(await views(c).workers(), 200));
}
