/** People as others see them: keys, groups, permissions, and what they released lately. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, jsonBody, refusals } from './responses.ts';
import { id, line, name, time } from './values.ts';

const tags = ['people'];

/** `valid`, or why a key does not count: `inactive` is its person. */
export const KEY_STATES = ['valid', 'expired', 'revoked', 'inactive'] as const;

export const keySchema = z
  .object({
    id,
    person: z.string(),
    kind: z.enum(['openpgp', 'ssh']),
    fingerprint: z.string(),
    state: z.enum(KEY_STATES),
    validFrom: time,
    validUntil: time.nullable(),
    revokedAt: time.nullable(),
    revocationReason: z.string().nullable(),
    /** How many releases it let in, of those that the caller may see. */
    letIn: z.int().nonnegative(),
  })
  .openapi('Key');
export type Key = z.infer<typeof keySchema>;

export const grantSchema = z
  .object({
    id,
    /** The group that it was given to; null when it was given to the person. */
    group: z.string().nullable(),
    action: z.string(),
    archive: z.string(),
    suites: z.string(),
    packages: z.string(),
    /** In words, as it reads after "may". */
    permission: z.string(),
    state: z.enum(['in-force', 'expired', 'withdrawn']),
    validUntil: time.nullable(),
    withdrawnAt: time.nullable(),
    grantedBy: z.string(),
    createdAt: time,
  })
  .openapi('Grant');

export const personSummarySchema = z
  .object({
    handle: z.string(),
    name: z.string(),
    email: z.string(),
    active: z.boolean(),
    groups: z.array(z.string()),
    keys: z.object({ valid: z.int(), all: z.int() }),
    grants: z.int().nonnegative(),
    lastReleaseAt: time.nullable(),
  })
  .openapi('PersonSummary');
export type PersonSummary = z.infer<typeof personSummarySchema>;

export const personDetailSchema = personSummarySchema
  .omit({ keys: true, grants: true })
  .extend({
    keys: z.array(keySchema),
    /** In force first, then those that are over. */
    grants: z.array(grantSchema),
    /** The newest first. */
    releases: z.array(
      z.object({
        tagId: id,
        submissionId: id,
        source: z.string(),
        version: z.string(),
        archive: z.string(),
        suite: z.string(),
        decidedAt: time,
      }),
    ),
  })
  .openapi('PersonDetail');
export type PersonDetail = z.infer<typeof personDetailSchema>;

export const peopleRoute = createRoute({
  method: 'get',
  path: '/api/v1/people',
  summary: 'Everybody who is registered',
  tags,
  ...access('person'),
  responses: { 200: json(z.object({ people: z.array(personSummarySchema) }), 'The people'), ...refusals },
});

export const personRoute = createRoute({
  method: 'get',
  path: '/api/v1/people/{handle}',
  summary: 'One person: keys, groups, permissions, releases',
  tags,
  ...access('person'),
  request: { params: z.object({ handle: name }) },
  responses: { 200: json(personDetailSchema, 'The person'), ...refusals },
});

export const inviteRoute = createRoute({
  method: 'post',
  path: '/api/v1/people/{handle}/enrolment',
  summary: 'Make a one-time code that the person turns into a token of their own',
  tags,
  ...access('administrator'),
  request: {
    params: z.object({ handle: name }),
    body: jsonBody(
      z.strictObject({
        validSeconds: z
          .int()
          .min(60)
          .max(30 * 86_400),
      }),
    ),
  },
  responses: { 201: json(z.object({ code: z.string(), expiresAt: time }), 'Shown once'), ...refusals },
});

export const enrolRoute = createRoute({
  method: 'post',
  path: '/api/v1/enrolment',
  summary: 'Turn a one-time code into a token; the code is worthless afterwards',
  tags,
  ...access('enrolment-code'),
  request: { body: jsonBody(z.strictObject({ name: line(100) })) },
  responses: { 201: json(z.object({ handle: z.string(), secret: z.string() }), 'Shown once'), ...refusals },
});
