/** Tags as they were seen and decided, and what a person can ask for. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, jsonBody, octetBody, refusals } from './responses.ts';
import { check, id, idInPath, limit, objectId, person, repositoryName, time } from './values.ts';

/** `obstructed`: not decided, for a reason that is not the signer's fault; it is tried again. */
export const TAG_STATES = ['seen', 'obstructed', 'accepted', 'rejected'] as const;
const tags = ['tags'];

export const tagSchema = z
  .object({
    id,
    submissionId: id,
    repository: z.string(),
    archive: z.string(),
    ref: z.string(),
    objectId: z.string(),
    distro: z.string(),
    state: z.enum(TAG_STATES),
    seenAt: time,
    decidedAt: time.nullable(),
    source: z.string().nullable(),
    version: z.string().nullable(),
    suite: z.string().nullable(),
    signer: person.nullable(),
    /** The check that stopped it, or `accepted`. */
    code: z.string().nullable(),
    sentence: z.string().nullable(),
    remedy: z.string().nullable(),
    url: z.string(),
  })
  .openapi('Tag');
export type Tag = z.infer<typeof tagSchema>;

export const tagDetailSchema = tagSchema
  .extend({
    checks: z.array(check),
    fingerprint: z.string().nullable(),
    commitId: z.string().nullable(),
    upstreamCommitId: z.string().nullable(),
    quilt: z.string().nullable(),
    /** The signed text, verbatim; bytes that are not UTF-8 are replaced. */
    text: z.string().nullable(),
    retryAt: time.nullable(),
    decisions: z.array(
      z.object({
        id,
        outcome: z.enum(['accepted', 'rejected']),
        code: z.string(),
        sentence: z.string(),
        remedy: z.string().nullable(),
        decidedBy: z.string(),
        decidedAt: time,
      }),
    ),
    obstacles: z.array(z.object({ code: z.string(), sentence: z.string(), at: time })),
    /** By the archive, when uploads of this release arrived; the newest first. */
    verifiedAgain: z.array(
      z.object({
        uploadId: id,
        kind: z.enum(['source', 'binary']),
        verified: z.boolean(),
        sentence: z.string(),
        at: time,
      }),
    ),
  })
  .openapi('TagDetail');
export type TagDetail = z.infer<typeof tagDetailSchema>;

export const tagsRoute = createRoute({
  method: 'get',
  path: '/api/v1/tags',
  summary: 'Every tag that was seen, also the rejected ones, the newest first',
  tags,
  ...access('anyone'),
  request: {
    query: z.object({
      state: z.enum(TAG_STATES).exactOptional(),
      repository: repositoryName.exactOptional(),
      source: z.string().max(255).exactOptional(),
      before: idInPath.exactOptional(),
      limit: limit.exactOptional(),
    }),
  },
  responses: {
    200: json(
      z.object({ tags: z.array(tagSchema), next: id.nullable() }),
      'A page; `next` is the `before` of the next',
    ),
    ...refusals,
  },
});

export const tagRoute = createRoute({
  method: 'get',
  path: '/api/v1/tags/{id}',
  summary: 'One tag: its checks, its decisions and its signed text',
  tags,
  ...access('anyone'),
  request: { params: z.object({ id: idInPath }) },
  responses: { 200: json(tagDetailSchema, 'The tag'), ...refusals },
});

export const verdictSchema = z
  .object({
    outcome: z.enum(['accepted', 'rejected', 'obstructed']),
    code: z.string(),
    sentence: z.string(),
    remedy: z.string().nullable(),
    checks: z.array(check),
    source: z.string().nullable(),
    version: z.string().nullable(),
    suite: z.string().nullable(),
  })
  .openapi('TagVerdict');
export type TagVerdict = z.infer<typeof verdictSchema>;

export const checkTagRoute = createRoute({
  method: 'post',
  path: '/api/v1/tags/check',
  summary:
    'The verdict on a tag before it is pushed; the body is the pack of the tag and what it needs. Nothing is recorded',
  tags,
  ...access('person'),
  request: {
    query: z.object({
      /** The Git repository by its name, or by its address; one of the two. */
      repository: repositoryName.exactOptional(),
      url: z.string().max(1000).exactOptional(),
      ref: z.string().min(1).max(250),
      object: objectId,
      /** The commit that the upstream tag of the clone leads to, when the clone has that tag. */
      upstream: objectId.exactOptional(),
    }),
    body: octetBody,
  },
  responses: { 200: json(verdictSchema, 'What would be decided'), ...refusals },
});

export const adoptTagRoute = createRoute({
  method: 'post',
  path: '/api/v1/tags/adopt',
  summary: 'Have a tag decided that was there when its Git repository was looked at first',
  tags,
  ...access('person'),
  request: {
    body: jsonBody(z.strictObject({ repository: repositoryName, tag: z.string().min(1).max(250) })),
  },
  responses: {
    200: json(z.object({ id, state: z.enum(TAG_STATES), sentence: z.string(), url: z.string() }), 'It is decided now'),
    ...refusals,
  },
});

const asked = z.object({ id, state: z.enum(TAG_STATES), sentence: z.string() });

export const retryTagRoute = createRoute({
  method: 'post',
  path: '/api/v1/tags/{id}/retry',
  summary: 'Try an obstructed tag again now',
  tags,
  ...access('person'),
  request: { params: z.object({ id: idInPath }) },
  responses: { 200: json(asked, 'It is tried again'), ...refusals },
});

export const redecideTagRoute = createRoute({
  method: 'post',
  path: '/api/v1/tags/{id}/redecide',
  summary: 'Decide a tag again that was denied for its signer, after a grant was mended',
  tags,
  ...access('person'),
  request: { params: z.object({ id: idInPath }) },
  responses: { 200: json(asked, 'It is decided again'), ...refusals },
});
