/** Build logs as plain text: whole, by range, or followed while they grow. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { refusals } from './responses.ts';
import { idInPath, offset } from './values.ts';

const text = { content: { 'text/plain': { schema: z.string() } } };

export const logRoute = createRoute({
  method: 'get',
  path: '/logs/{attempt}',
  summary: 'The log of an attempt; Range gives a part, follow=1 stays until it ends',
  tags: ['builds'],
  ...access('anyone'),
  request: {
    params: z.object({ attempt: idInPath }),
    query: z.object({ from: offset.exactOptional(), follow: z.enum(['0', '1']).exactOptional() }),
  },
  responses: {
    200: { ...text, description: 'The log' },
    206: { ...text, description: 'A part of it' },
    416: { description: 'No such range' },
    ...refusals,
  },
});
