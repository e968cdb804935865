/** Workers, as people manage them. */
import { joinTokenRoute, revokeWorkerRoute } from '../../contract/workers.ts';
import { createJoinToken, revokeWorker } from '../../lighthouse/index.ts';
import { listArchives } from '../../registry/index.ts';
import type { HttpDeps } from '../deps.ts';
import { Refusal, notFound } from '../refusal.ts';
import { mutable, nameOf, requirePerson, type Api } from './shared.ts';

export function workersRoutes(app: Api, deps: HttpDeps): void {
  app.openapi(joinTokenRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const { name, pool, architectures, validSeconds } = c.req.valid('json');
    const archives = await listArchives(deps.db);
    const served = archives.find((archive) => archive.workerPool === pool);
    if (served === undefined) {
      const pools = [...new Set(archives.map((archive) => archive.workerPool))].sort();
      throw new Refusal({
        status: 422,
        code: 'worker.unknown-pool',
        detail: `no archive is built by a worker pool ${pool}`,
        remedy: pools.length === 0 ? 'apply a distribution file first' : `there is: ${pools.join(', ')}`,
      });
    }
    const made = await deps.inTransaction((trx) =>
      createJoinToken(trx, {
        workerName: name,
        workerPoolId: served.workerPoolId,
        architectures,
        validSeconds,
        actor: nameOf(person),
      }),
    );
    return c.json({ secret: made.secret, expiresAt: made.expiresAt.toISOString() }, 201);
  });

  app.openapi(revokeWorkerRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const { name } = c.req.valid('param');
    const { reason } = c.req.valid('json');
    const revoked = await deps.inTransaction((trx) => revokeWorker(trx, name, { actor: nameOf(person), reason }));
    if (revoked.kind === 'unknown-worker') throw notFound(`worker ${name}`);
    return c.json(
      {
        name,
        revokedAt: revoked.revokedAt.toISOString(),
        returnedJobs: mutable(revoked.returnedJobs),
        outputs: revoked.outputs.map((output) => ({
          attemptId: output.attemptId,
          jobId: output.jobId,
          submissionId: output.traceId,
          state: output.state,
          files: mutable(output.files),
        })),
      },
      200,
    );
  });
}
