/**
 * What people may do to builds. Whoever may rebuild a package, operates the system, or may release the package may give its
 * builds back; a build that the caller may not see does not exist for him.
 */
import { cancelBuild, giveBackBuild, type BuildMove } from '../../builds/index.ts';
import { cancelRoute, giveBackRoute, type Build } from '../../contract/builds.ts';
import { mayAct, type Action, type PersonActor } from '../../permissions/index.ts';
import type { HttpDeps } from '../deps.ts';
import { Refusal, notFound } from '../refusal.ts';
import { viewsFor } from '../views.ts';
import { audiencesOfCaller, nameOf, orNotFound, requirePerson, type Api } from './shared.ts';

export function buildRoutes(app: Api, deps: HttpDeps): void {
  const find = async (person: PersonActor, id: number): Promise<Build> =>
    orNotFound(await viewsFor(deps, audiencesOfCaller(person)).build(id), `build ${id}`);

  app.openapi(giveBackRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const { id } = c.req.valid('param');
    await requireOneOf(deps, person, ['rebuild', 'operate', 'release'], await find(person, id));
    requireMoved(await giveBackBuild(deps, id, nameOf(person)), id);
    const { state, sentence } = await find(person, id);
    return c.json({ id, state, sentence }, 200);
  });

  app.openapi(cancelRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const { id } = c.req.valid('param');
    await requireOneOf(deps, person, ['operate', 'release'], await find(person, id));
    requireMoved(await cancelBuild(deps, id, nameOf(person), c.req.valid('json').reason), id);
    const { state, sentence } = await find(person, id);
    return c.json({ id, state, sentence }, 200);
  });
}

/** @throws Refusal 403 in the words for the first of `actions` */
async function requireOneOf(
  deps: HttpDeps,
  person: PersonActor,
  actions: readonly [Action, ...Action[]],
  build: Build,
): Promise<void> {
  const scope = {
    archive: build.archive,
    suite: build.suite ?? undefined,
    package: build.source ?? undefined,
  };
  let first: { readonly code: string; readonly reason: string } | undefined;
  for (const action of actions) {
    const answer = await mayAct(deps.db, person, action, scope);
    if (answer.kind === 'allowed') return;
    first ??= answer;
  }
  throw new Refusal({
    status: 403,
    code: first?.code ?? 'permission.missing',
    detail: first?.reason ?? 'this needs a permission',
    remedy: `an administrator can grant it: [[grant]] to="${person.handle}" action="${actions[0]}"`,
  });
}

function requireMoved(move: BuildMove, id: number): void {
  switch (move.kind) {
    case 'done':
    case 'unchanged':
      return;
    case 'unknown-build':
      throw notFound(`build ${id}`);
    case 'not-possible':
      throw new Refusal({ status: 409, code: 'build.state', detail: move.reason });
  }
}
