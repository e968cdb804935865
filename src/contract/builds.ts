/** Builds: the attempts of a source or binary job, why one waits, and what a person can do about it. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, jsonBody, refusals } from './responses.ts';
import { check, facts, file, id, idInPath, limit, time, line } from './values.ts';

export const JOB_STATES = [
  'blocked',
  'ready',
  'leased',
  'delivered',
  'succeeded',
  'failed',
  'quarantined',
  'cancelled',
] as const;
export const ATTEMPT_STATES = [
  'running',
  'delivered',
  'succeeded',
  'failed',
  'lost',
  'infrastructure-failed',
  'cancelled',
] as const;
const tags = ['builds'];

export const buildSummarySchema = z
  .object({
    id,
    submissionId: id,
    jobId: id,
    kind: z.enum(['source', 'binary']),
    architecture: z.string(),
    archive: z.string(),
    suite: z.string().nullable(),
    source: z.string().nullable(),
    version: z.string().nullable(),
    state: z.enum(JOB_STATES),
    createdAt: time,
    changedAt: time,
    /** Why it waits, failed or runs where it does. */
    sentence: z.string(),
    mustAct: z.string().nullable(),
    url: z.string(),
  })
  .openapi('BuildSummary');
export type BuildSummary = z.infer<typeof buildSummarySchema>;

export const attemptSchema = z
  .object({
    id,
    number: z.int().positive(),
    worker: z.string(),
    state: z.enum(ATTEMPT_STATES),
    phase: z.string(),
    startedAt: time,
    endedAt: time.nullable(),
    durationMs: z.number().nonnegative().nullable(),
    code: z.string().nullable(),
    reason: z.string().nullable(),
    facts,
    phases: z.array(
      z.object({
        name: z.string(),
        startedAt: time,
        endedAt: time.nullable(),
        durationMs: z.number().nonnegative().nullable(),
        logStart: z.int().nonnegative(),
      }),
    ),
    files: z.array(file),
    logSize: z.int().nonnegative(),
    logUrl: z.string(),
  })
  .openapi('Attempt');
export type Attempt = z.infer<typeof attemptSchema>;

export const uploadSchema = z
  .object({
    id,
    attemptId: id.nullable(),
    changes: z.string(),
    state: z.enum(['received', 'held', 'accepted', 'rejected']),
    receivedAt: time,
    decidedAt: time.nullable(),
    code: z.string().nullable(),
    sentence: z.string().nullable(),
    remedy: z.string().nullable(),
    checks: z.array(check),
  })
  .openapi('Upload');

export const buildSchema = buildSummarySchema
  .extend({
    withAll: z.boolean(),
    workerPool: z.string(),
    failureCode: z.string().nullable(),
    failureReason: z.string().nullable(),
    /** The lines of the last log that say why it failed. */
    excerpt: z.array(z.string()),
    limits: facts,
    inputs: z.array(file),
    /** Command lines that make the same build on one's own machine. */
    reproduce: z.array(z.string()),
    /** The last build of this source and architecture in the archive that succeeded before this one. */
    lastGood: z.object({ buildId: id, version: z.string(), url: z.string() }).nullable(),
    /** What the archive said of each delivery. */
    uploads: z.array(uploadSchema),
    /** The newest first. */
    attempts: z.array(attemptSchema),
  })
  .openapi('Build');
export type Build = z.infer<typeof buildSchema>;

export const buildsRoute = createRoute({
  method: 'get',
  path: '/api/v1/builds',
  summary: 'Builds, the newest first',
  tags,
  ...access('anyone'),
  request: {
    query: z.object({
      state: z.enum(JOB_STATES).exactOptional(),
      architecture: z.string().max(64).exactOptional(),
      source: z.string().max(255).exactOptional(),
      before: idInPath.exactOptional(),
      limit: limit.exactOptional(),
    }),
  },
  responses: {
    200: json(z.object({ builds: z.array(buildSummarySchema), next: id.nullable() }), 'A page'),
    ...refusals,
  },
});

export const buildRoute = createRoute({
  method: 'get',
  path: '/api/v1/builds/{id}',
  summary: 'One build with its attempts',
  tags,
  ...access('anyone'),
  request: { params: z.object({ id: idInPath }) },
  responses: { 200: json(buildSchema, 'The build'), ...refusals },
});

export const jobSchema = z
  .object({
    id,
    kind: z.string(),
    traceId: id,
    buildId: id.nullable(),
    state: z.enum(JOB_STATES),
    architecture: z.string().nullable(),
    workerPool: z.string(),
    sizeClass: z.string(),
    priority: z.int(),
    createdAt: time,
    changedAt: time,
    /** Why it waits; null when it does not. */
    waitsBecause: z.string().nullable(),
    mustAct: z.string().nullable(),
  })
  .openapi('Job');
export type Job = z.infer<typeof jobSchema>;

export const jobRoute = createRoute({
  method: 'get',
  path: '/api/v1/jobs/{id}',
  summary: 'One job of the queue, and why it waits',
  tags,
  ...access('anyone'),
  request: { params: z.object({ id: idInPath }) },
  responses: { 200: json(jobSchema, 'The job'), ...refusals },
});

const after = z.object({ id, state: z.enum(JOB_STATES), sentence: z.string() });

export const giveBackRoute = createRoute({
  method: 'post',
  path: '/api/v1/builds/{id}/give-back',
  summary: 'Run a failed build again',
  tags,
  ...access('person'),
  request: { params: z.object({ id: idInPath }) },
  responses: { 200: json(after, 'It is ready again'), ...refusals },
});

export const cancelRoute = createRoute({
  method: 'post',
  path: '/api/v1/builds/{id}/cancel',
  summary: 'Cancel a build that has not succeeded',
  tags,
  ...access('person'),
  request: {
    params: z.object({ id: idInPath }),
    body: jsonBody(z.strictObject({ reason: line(1000) })),
  },
  responses: { 200: json(after, 'It is cancelled'), ...refusals },
});
