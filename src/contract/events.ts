/**
 * Events: what happened, in order. A reader keeps a cursor and misses nothing, however slow it is. With
 * `Accept: text/event-stream` the answer stays open (SSE): each event's `id` is its cursor, and `Last-Event-ID` goes on there.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, refusals } from './responses.ts';
import { facts, id, idInPath, limit, time } from './values.ts';

export const eventCursor = z.string().regex(/^\d{1,20}-\d{1,20}$/, 'expected a cursor as the server gave it');

export const eventSchema = z
  .object({
    cursor: z.string(),
    id,
    at: time,
    /** `tag.accepted`, `job.leased`, `suite.published` … */
    kind: z.string(),
    submissionId: id.nullable(),
    actor: z.string(),
    data: facts,
  })
  .openapi('Event');
export type Event = z.infer<typeof eventSchema>;

export const eventsRoute = createRoute({
  method: 'get',
  path: '/api/v1/events',
  summary: 'Events after a cursor, as a page or, when asked for, as a stream',
  tags: ['events'],
  ...access('anyone'),
  request: {
    query: z.object({
      /** `now`: only what happens from here on. A page begins with the oldest event without it, a stream with `now`. */
      after: z.union([eventCursor, z.literal('now')]).exactOptional(),
      submission: idInPath.exactOptional(),
      limit: limit.exactOptional(),
    }),
  },
  responses: {
    200: json(z.object({ events: z.array(eventSchema), cursor: z.string().nullable() }), 'A page, or a stream'),
    503: { description: 'Too many streams are open' },
    ...refusals,
  },
});
