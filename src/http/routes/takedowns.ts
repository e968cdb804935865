/** Taking versions down, and the record of it. */
import { listTakedowns, planTakedown, takeDown } from '../../archive/index.ts';
import { planTakedownRoute, takeDownRoute, takedownsRoute } from '../../contract/takedowns.ts';
import type { HttpDeps } from '../deps.ts';
import { Refusal, notFound } from '../refusal.ts';
import { audiencesOfCaller, mutable, nameOf, requirePerson, type Api } from './shared.ts';

export function takedownRoutes(app: Api, deps: HttpDeps): void {
  app.openapi(planTakedownRoute, async (c) => {
    const { source, version, keepUpstream } = c.req.valid('json');
    const audiences = audiencesOfCaller(c.get('caller'));
    const planned = await planTakedown(deps.db, { source, version, keepUpstream, audiences });
    if (planned.kind !== 'plan') throw refused(planned, source, version);
    const { kind: _kind, ...plan } = planned;
    return c.json(mutable(plan), 200);
  });

  app.openapi(takeDownRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const { hash, ...wanted } = c.req.valid('json');
    const audiences = audiencesOfCaller(person);
    const done = await takeDown(deps.db, { ...wanted, by: nameOf(person), audiences }, hash);
    if (done.kind === 'out-of-date') {
      throw new Refusal({
        status: 409,
        code: 'takedown.out-of-date',
        detail: 'what would be taken down is no longer what was confirmed; nothing was done',
        remedy: 'look at the new plan and confirm it: run the same command again',
      });
    }
    if (done.kind !== 'done') throw refused(done, wanted.source, wanted.version);
    const { archives, suites, files, shared } = done;
    return c.json(mutable({ archives, suites, files, shared }), 200);
  });

  app.openapi(takedownsRoute, async (c) => {
    const found = await listTakedowns(deps.db, audiencesOfCaller(c.get('caller')));
    const takedowns = found.map(({ at, removedAt, ...record }) => ({
      ...mutable(record),
      at: at.toISOString(),
      removedAt: removedAt?.toISOString() ?? null,
    }));
    return c.json({ takedowns }, 200);
  });
}

function refused(
  found: { readonly kind: 'unknown' } | { readonly kind: 'taken-down'; readonly at: Date; readonly by: string },
  source: string,
  version: string,
): Refusal {
  if (found.kind === 'unknown') return notFound(`version ${version} of ${source}`);
  return new Refusal({
    status: 409,
    code: 'takedown.done',
    detail: `${source} ${version} was taken down on ${found.at.toISOString()} by ${found.by}`,
    remedy: '`landfall archive takedowns` has the record',
  });
}
