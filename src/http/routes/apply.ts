/** Distribution files: their plan, and its application. Whether the caller may do all of it is judged step by step. */
import { applyRoute, planRoute, type Distribution } from '../../contract/apply.ts';
import {
  applyPlan,
  describeApplyProblem,
  planApply,
  type ApplyProblem,
  type DistributionFile,
} from '../../registry/index.ts';
import type { HttpDeps } from '../deps.ts';
import { Refusal } from '../refusal.ts';
import { mutable, requirePerson, type Api } from './shared.ts';

export function applyRoutes(app: Api, deps: HttpDeps): void {
  app.openapi(planRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const planned = await planApply(deps.db, filesOf(c.req.valid('json')), person);
    switch (planned.kind) {
      case 'plan':
        return c.json({ kind: 'plan' as const, changes: mutable(planned.changes), hash: planned.hash }, 200);
      case 'problems':
        return c.json({ kind: 'problems' as const, problems: planned.problems.map(problemOf) }, 200);
      case 'refused':
        throw new Refusal({ status: 403, code: planned.code, detail: planned.reason });
    }
  });

  app.openapi(applyRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const { hash, ...distribution } = c.req.valid('json');
    const done = await applyPlan(deps.db, filesOf(distribution), hash, person);
    switch (done.kind) {
      case 'applied':
        return c.json({ applied: mutable(done.changes) }, 200);
      case 'out-of-date':
        throw new Refusal({
          status: 409,
          code: 'apply.out-of-date',
          detail: 'the plan is no longer the one that was confirmed; nothing was changed',
          remedy: 'look at the new plan and confirm it: run the same command again',
        });
      case 'problems':
        throw new Refusal({
          status: 422,
          code: 'apply.problems',
          detail: done.problems.slice(0, 20).map(describeApplyProblem).join('\n'),
        });
      case 'refused':
        throw new Refusal({ status: 403, code: done.code, detail: done.reason });
    }
  });
}

function filesOf(distribution: Distribution): readonly DistributionFile[] {
  return distribution.files.map((file) => ({
    name: file.name,
    text: file.text,
    attachments: new Map(file.attachments.map(({ name, bytes }) => [name, Buffer.from(bytes, 'base64')])),
  }));
}

function problemOf(one: ApplyProblem) {
  return {
    file: one.file,
    line: one.line ?? null,
    column: one.column ?? null,
    path: one.path,
    problem: one.problem,
    expected: one.expected,
    remedy: one.remedy,
    needs: one.needs ?? null,
  };
}
