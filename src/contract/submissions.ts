/** One submission, step by step: whatever asked to enter an archive and all that followed from it. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, refusals } from './responses.ts';
import { id, idInPath, person, time } from './values.ts';

/**
 * What a step has come to.
 * `waiting`: nothing works on it now, and `sentence` says why; `skipped`: it will not come.
 */
export const STEP_STATES = ['done', 'running', 'waiting', 'failed', 'skipped'] as const;

export const stepSchema = z
  .object({
    /** Stable: `tag.seen`, `tag.decided`, `source.built`, `source.accepted`, `binary.built`, `binary.published` … */
    name: z.string(),
    /** For people: "source built", "amd64 built". */
    title: z.string(),
    state: z.enum(STEP_STATES),
    architecture: z.string().nullable(),
    startedAt: time.nullable(),
    endedAt: time.nullable(),
    durationMs: z.number().nonnegative().nullable(),
    /** Who did it: `person:HANDLE`, `worker:NAME`, `landfall`. */
    by: z.string().nullable(),
    code: z.string().nullable(),
    /** What came of it, or why it waits. */
    sentence: z.string().nullable(),
    remedy: z.string().nullable(),
    /** Who must act, when it waits for somebody. */
    mustAct: z.string().nullable(),
    /** Where to look: a page of this server. */
    url: z.string().nullable(),
    buildId: id.nullable(),
  })
  .openapi('Step');
export type Step = z.infer<typeof stepSchema>;

/** Whether something still happens: `in-flight`, or how it ended. `attention`: a person must act; `suspended`: one has stopped it. */
export const SUBMISSION_STATES = [
  'in-flight',
  'attention',
  'published',
  'rejected',
  'failed',
  'cancelled',
  'suspended',
] as const;

export const submissionTraceSchema = z
  .object({
    id,
    origin: z.enum(['tag', 'dput', 'sync', 'import', 'rebuild']),
    archive: z.string(),
    audience: z.string(),
    suite: z.string().nullable(),
    source: z.string().nullable(),
    version: z.string().nullable(),
    person: person.nullable(),
    createdAt: time,
    state: z.enum(SUBMISSION_STATES),
    /** Nothing more happens by itself: `state` is the outcome. */
    settled: z.boolean(),
    /** How it stands, in one sentence. */
    sentence: z.string(),
    remedy: z.string().nullable(),
    mustAct: z.string().nullable(),
    url: z.string(),
    steps: z.array(stepSchema),
    /** What it leads back to. */
    tag: z
      .object({
        id,
        ref: z.string(),
        objectId: z.string(),
        repository: z.string(),
        commitId: z.string().nullable(),
        signer: z.string().nullable(),
        fingerprint: z.string().nullable(),
        url: z.string(),
      })
      .nullable(),
    /** Source and binary packages that came of it, and the worker that built each. */
    packages: z.array(
      z.object({
        kind: z.enum(['source', 'binary']),
        name: z.string(),
        version: z.string(),
        architecture: z.string(),
        worker: z.string().nullable(),
        workerFingerprint: z.string().nullable(),
        buildId: id.nullable(),
      }),
    ),
  })
  .openapi('SubmissionTrace');
export type SubmissionTrace = z.infer<typeof submissionTraceSchema>;

export const submissionRoute = createRoute({
  method: 'get',
  path: '/api/v1/submissions/{id}',
  summary: 'One submission, step by step',
  tags: ['trace'],
  ...access('anyone'),
  request: { params: z.object({ id: idInPath }) },
  responses: { 200: json(submissionTraceSchema, 'Its steps'), ...refusals },
});
