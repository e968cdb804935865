/** Workers as people see and manage them. What workers themselves say is in worker.ts. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, jsonBody, refusals } from './responses.ts';
import { architecture, facts, id, name, time, line } from './values.ts';

const tags = ['workers'];

export const workerSchema = z
  .object({
    name: z.string(),
    pool: z.string(),
    architectures: z.array(z.string()),
    /** `alive`: heard of lately; `silent`: not; `new`: never yet. */
    state: z.enum(['alive', 'silent', 'new', 'disabled', 'revoked']),
    joinedAt: time,
    lastContactAt: time.nullable(),
    fingerprint: z.string(),
    /** What it is busy with. */
    current: z.array(
      z.object({ buildId: id.nullable(), jobId: id, title: z.string(), phase: z.string(), since: time }),
    ),
    facts,
  })
  .openapi('Worker');
export type Worker = z.infer<typeof workerSchema>;

export const queueSchema = z
  .object({
    pool: z.string(),
    /** Null: any architecture. */
    architecture: z.string().nullable(),
    ready: z.int().nonnegative(),
    running: z.int().nonnegative(),
    /** Workers that could take its jobs now. */
    workers: z.int().nonnegative(),
    oldestReadyAt: time.nullable(),
    sentence: z.string().nullable(),
  })
  .openapi('Queue');

export const workersRoute = createRoute({
  method: 'get',
  path: '/api/v1/workers',
  summary: 'Workers, and the queue of each pool and architecture',
  tags,
  ...access('anyone'),
  responses: {
    200: json(z.object({ workers: z.array(workerSchema), queues: z.array(queueSchema) }), 'The workers'),
    ...refusals,
  },
});

export const joinTokenRoute = createRoute({
  method: 'post',
  path: '/api/v1/workers/tokens',
  summary: 'Make a one-time token with which one worker may join',
  tags,
  ...access('administrator'),
  request: {
    body: jsonBody(
      z.strictObject({
        name,
        pool: name,
        architectures: z.array(architecture).min(1).max(16),
        validSeconds: z
          .int()
          .min(60)
          .max(30 * 86_400),
      }),
    ),
  },
  responses: {
    201: json(z.object({ secret: z.string(), expiresAt: time }), 'Shown once; only its hash is kept'),
    ...refusals,
  },
});

export const revokeWorkerRoute = createRoute({
  method: 'post',
  path: '/api/v1/workers/{name}/revoke',
  summary: 'Revoke a worker: its next request is refused, its jobs go back',
  tags,
  ...access('operator'),
  request: {
    params: z.object({ name }),
    body: jsonBody(z.strictObject({ reason: line(1000) })),
  },
  responses: {
    200: json(
      z.object({
        name: z.string(),
        revokedAt: time,
        /** Jobs that were taken from it. */
        returnedJobs: z.array(id),
        /** What it ever delivered, the newest first. */
        outputs: z.array(
          z.object({
            attemptId: id,
            jobId: id,
            submissionId: id,
            state: z.string(),
            files: z.array(z.object({ name: z.string(), sha256: z.string() })),
          }),
        ),
      }),
      'It is revoked',
    ),
    ...refusals,
  },
});
