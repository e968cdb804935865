/** Taking versions down, and the record of it. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, jsonBody, refusals } from './responses.ts';
import { line, packageName, sha256, time } from './values.ts';

const tags = ['takedowns'];

const version = z.string().regex(/^[0-9A-Za-z.+:~-]{1,200}$/, 'expected a Debian version');
const fileSchema = z.object({ path: z.string(), sha256, size: z.int().nonnegative() });

const wanted = z.strictObject({
  source: packageName,
  version,
  /** Told to whoever asks for a file. */
  reason: line(500),
  /** The law demands it: files are answered with 451 instead of 410. */
  legal: z.boolean(),
  /** Upstream tarballs stay: what is wrong is not in them, and later versions may bring them again. */
  keepUpstream: z.boolean(),
});

const facts = {
  /** Those that the caller may see; it leaves all others too. */
  archives: z.array(z.string()),
  /** `ARCHIVE/SUITE` that have it: each gets a publication without it. */
  suites: z.array(z.string()),
  /** What is removed for ever. */
  files: z.array(fileSchema),
  /** What other versions need or may bring again, and stays. */
  shared: z.array(fileSchema),
};

export const takedownPlanSchema = z.object({ ...facts, hash: z.string() }).openapi('TakedownPlan');
export type TakedownPlan = z.infer<typeof takedownPlanSchema>;

export const planTakedownRoute = createRoute({
  method: 'post',
  path: '/api/v1/takedowns/plan',
  summary: 'What taking a version down would remove',
  tags,
  ...access('administrator'),
  request: { body: jsonBody(wanted) },
  responses: { 200: json(takedownPlanSchema, 'The plan'), ...refusals },
});

export const takeDownRoute = createRoute({
  method: 'post',
  path: '/api/v1/takedowns/confirm',
  summary: 'Take a version down, when it still means the plan with this hash',
  tags,
  ...access('administrator'),
  request: { body: jsonBody(wanted.extend({ hash: z.string().max(128) })) },
  responses: { 200: json(z.object(facts), 'It is taken down'), ...refusals },
});

export const takedownsRoute = createRoute({
  method: 'get',
  path: '/api/v1/takedowns',
  summary: 'What was taken down, by whom, when and why',
  tags,
  ...access('anyone'),
  responses: {
    200: json(
      z.object({
        takedowns: z.array(
          z
            .object({
              archive: z.string(),
              source: z.string(),
              version: z.string(),
              legal: z.boolean(),
              reason: z.string(),
              by: z.string(),
              at: time,
              /** When the bytes were gone. */
              removedAt: time.nullable(),
              files: z.array(fileSchema),
            })
            .openapi('Takedown'),
        ),
      }),
      'The record, the newest first',
    ),
    ...refusals,
  },
});
