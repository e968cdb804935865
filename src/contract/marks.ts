/** High-water marks: the newest version that a suite ever had of a source, below which it takes nothing. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, jsonBody, refusals } from './responses.ts';
import { line, name, packageName, suiteName, time } from './values.ts';

const tags = ['administration'];

export const markSchema = z
  .object({
    archive: z.string(),
    suite: z.string(),
    source: z.string(),
    /** Null: the suite never had one. */
    mark: z.string().nullable(),
    /** The versions that the suite holds now; a release must be newer than these too. */
    held: z.array(z.string()),
    /** The newest first. */
    history: z.array(z.object({ version: z.string(), actor: z.string(), reason: z.string(), at: time })),
  })
  .openapi('HighWaterMark');
export type HighWaterMark = z.infer<typeof markSchema>;

const params = z.object({ archive: name, suite: suiteName, source: packageName });

export const markRoute = createRoute({
  method: 'get',
  path: '/api/v1/marks/{archive}/{suite}/{source}',
  summary: 'The version below which a suite takes nothing of a source, and how it came about',
  tags,
  ...access('anyone'),
  request: { params },
  responses: { 200: json(markSchema, 'The mark'), ...refusals },
});

export const lowerMarkRoute = createRoute({
  method: 'post',
  path: '/api/v1/marks/{archive}/{suite}/{source}',
  summary: 'Lower a mark that a mistake has raised; audited',
  tags,
  ...access('person'),
  request: { params, body: jsonBody(z.strictObject({ version: z.string().min(1).max(255), reason: line(500) })) },
  responses: { 200: json(markSchema, 'The mark now'), ...refusals },
});
