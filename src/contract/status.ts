/** What is happening now, in one answer: what `/` shows and `landfall status` prints. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { buildSummarySchema } from './builds.ts';
import { json, refusals } from './responses.ts';
import { submissionTraceSchema } from './submissions.ts';
import { suiteSchema } from './suites.ts';
import { tagSchema } from './tags.ts';
import { time } from './values.ts';
import { queueSchema, workerSchema } from './workers.ts';

export const statusSchema = z
  .object({
    version: z.string(),
    contract: z.string(),
    now: time,
    /** Submissions that go on by themselves, and where each stands. */
    inFlight: z.array(submissionTraceSchema),
    /** Submissions that have stopped until a person acts, where it is no failed build and no rejected tag. */
    attention: z.array(submissionTraceSchema),
    /** Builds that failed and wait for somebody. */
    failures: z.array(buildSummarySchema),
    rejectedTags: z.array(tagSchema),
    /** Packages that are published, but not for an architecture that no worker builds. */
    lacked: z.array(
      z.object({
        pool: z.string(),
        architecture: z.string(),
        packages: z.int(),
        newest: z.array(z.string()),
        sentence: z.string(),
        mustAct: z.string().nullable(),
      }),
    ),
    /** The newest submissions that have arrived. */
    done: z.array(submissionTraceSchema),
    suites: z.array(suiteSchema),
    workers: z.array(workerSchema),
    queues: z.array(queueSchema),
    /** Free and whole bytes where the files lie. */
    space: z.object({ availableBytes: z.number(), totalBytes: z.number() }).nullable(),
    /** The last reading of all that is stored against its hashes; `finishedAt` is null while it goes on. */
    scrub: z
      .object({
        startedAt: time,
        finishedAt: time.nullable(),
        files: z.int(),
        bytes: z.int(),
        damaged: z.int(),
      })
      .nullable(),
    /** What needs somebody, in sentences. */
    alerts: z.array(z.string()),
  })
  .openapi('Status');
export type Status = z.infer<typeof statusSchema>;

export const statusRoute = createRoute({
  method: 'get',
  path: '/api/v1/status',
  summary: 'What is happening now',
  tags: ['trace'],
  ...access('anyone'),
  responses: { 200: json(statusSchema, 'How things stand'), ...refusals },
});
