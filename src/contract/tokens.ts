/** Who the caller is, and the tokens that stand for a person. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, jsonBody, refusals } from './responses.ts';
import { id, idInPath, line, time } from './values.ts';

const tags = ['people'];

export const whoamiRoute = createRoute({
  method: 'get',
  path: '/api/v1/whoami',
  summary: 'Who the token stands for',
  tags,
  ...access('person'),
  responses: {
    200: json(
      z.object({ handle: z.string(), groups: z.array(z.string()), administrator: z.boolean() }).openapi('Actor'),
      'The person',
    ),
    ...refusals,
  },
});

export const accessTokenSchema = z
  .object({ id, name: z.string(), createdAt: time, expiresAt: time.nullable(), revokedAt: time.nullable() })
  .openapi('AccessToken');

export const tokensRoute = createRoute({
  method: 'get',
  path: '/api/v1/tokens',
  summary: "The caller's tokens, without their secrets",
  tags,
  ...access('person'),
  responses: { 200: json(z.object({ tokens: z.array(accessTokenSchema) }), 'The tokens'), ...refusals },
});

export const createTokenRoute = createRoute({
  method: 'post',
  path: '/api/v1/tokens',
  summary: 'Make another token for oneself; it ends with the one that it is made with at the latest',
  tags,
  ...access('person'),
  request: {
    body: jsonBody(
      z.strictObject({
        name: line(100),
        validSeconds: z
          .int()
          .min(60)
          .max(3660 * 86_400)
          .exactOptional(),
      }),
    ),
  },
  responses: {
    201: json(z.object({ secret: z.string(), expiresAt: time.nullable() }), 'Shown once; only its hash is kept'),
    ...refusals,
  },
});

export const revokeTokenRoute = createRoute({
  method: 'post',
  path: '/api/v1/tokens/{id}/revoke',
  summary: "Revoke one of the caller's tokens",
  tags,
  ...access('person'),
  request: { params: z.object({ id: idInPath }) },
  responses: { 204: { description: 'It is refused from now on' }, ...refusals },
});
