/** High-water marks: shown, and lowered by those who administer the package there. */
import { lowerMarkRoute, markRoute } from '../../contract/marks.ts';
import { findArchive, findSuite, lowerHighWaterMark } from '../../registry/index.ts';
import { describeMark } from '../../trace/index.ts';
import type { HttpDeps } from '../deps.ts';
import { Refusal } from '../refusal.ts';
import { traceDeps } from './people-views.ts';
import { audiencesOfCaller, mutable, orNotFound, requirePerson, type Api } from './shared.ts';

export function markRoutes(app: Api, deps: HttpDeps): void {
  const find = async (of: { archive: string; suite: string; source: string }, audiences: readonly string[]) =>
    orNotFound(await describeMark(traceDeps(deps), of, { audiences }), `suite ${of.archive}/${of.suite}`);

  app.openapi(markRoute, async (c) =>
    c.json(mutable(await find(c.req.valid('param'), audiencesOfCaller(c.get('caller')))), 200),
  );

  app.openapi(lowerMarkRoute, async (c) => {
    const by = requirePerson(c.get('caller'));
    const of = c.req.valid('param');
    const audiences = audiencesOfCaller(by);
    const seen = await find(of, audiences);
    const archive = orNotFound(await findArchive(deps.db, of.archive), `archive ${of.archive}`);
    const suite = orNotFound(await findSuite(deps.db, archive.id, of.suite), `suite ${of.archive}/${of.suite}`);
    const { version, reason } = c.req.valid('json');
    const place = { id: suite.id, name: suite.name, archive: archive.name };
    const result = await lowerHighWaterMark(deps.db, { suite: place, source: of.source, version, reason, by });
    switch (result.kind) {
      case 'lowered':
        return c.json(mutable(await find(of, audiences)), 200);
      case 'denied':
        throw new Refusal({ status: 403, code: result.code, detail: result.reason });
      case 'not-lower':
        throw new Refusal({
          status: 409,
          code: 'mark.not-lower',
          detail: result.reason,
          remedy:
            seen.mark === null
              ? 'there is nothing to lower'
              : `name a version that is older than ${seen.mark} and older than the next release`,
        });
    }
  });
}
