/** "Where is my package?": one timeline per submission, with the sentence why for what waits and who must act. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, refusals } from './responses.ts';
import { submissionTraceSchema } from './submissions.ts';
import { limit, packageName } from './values.ts';

export const whereSchema = z
  .object({
    /** The name that was asked for. */
    package: z.string(),
    /** Its source: another name when a binary package was asked for. */
    source: z.string(),
    url: z.string(),
    /** What the suites hold, newest suite first. */
    suites: z.array(
      z.object({
        archive: z.string(),
        suite: z.string(),
        version: z.string(),
        architectures: z.array(z.string()),
      }),
    ),
    /** The newest first. */
    submissions: z.array(submissionTraceSchema),
  })
  .openapi('Where');
export type Where = z.infer<typeof whereSchema>;

export const whereRoute = createRoute({
  method: 'get',
  path: '/api/v1/where/{package}',
  summary: 'Where is my package?',
  tags: ['trace'],
  ...access('anyone'),
  request: { params: z.object({ package: packageName }), query: z.object({ limit: limit.exactOptional() }) },
  responses: { 200: json(whereSchema, 'Its submissions, the newest first'), ...refusals },
});
