/**
 * Events by cursor: a page at a time, or a stream. A stream is woken by the database and looks by itself besides; every event
 * carries its cursor as id, so that a reader that was cut off goes on without losing or repeating one. Who may see what is asked
 * again at every pulse, so that a revoked token ends an open stream too.
 */
import { eventsRoute, type Event } from '../../contract/events.ts';
import {
  FIRST_EVENT,
  currentEventCursor,
  parseEventCursor,
  readEvents,
  type EventCursor,
  type RecordedEvent,
} from '../../platform/events.ts';
import { authenticate } from '../callers.ts';
import type { HttpDeps } from '../deps.ts';
import { Refusal } from '../refusal.ts';
import type { StreamDesk } from '../streams.ts';
import { createWaiter } from '../../lighthouse/index.ts';
import { audiencesOfCaller, mutable, type Api } from './shared.ts';

const EVENTS_CHANNEL = 'events';
const PAGE = 100;
const BATCH = 500;
/** Also keeps proxies from taking the stream for dead. */
const PULSE_MS = 15_000;
/** How long an event may wait that no notification told of. */
const LOOK_AGAIN_MS = 5_000;
/** How long until the next look when a transaction that still runs holds events back. */
const HELD_BACK_MS = 50;

export function eventRoutes(app: Api, deps: HttpDeps, streams: StreamDesk): void {
  app.openapi(eventsRoute, async (c) => {
    const { after, submission, limit } = c.req.valid('query');
    if (c.req.header('accept')?.includes('text/event-stream') === true) {
      const header = c.req.header('last-event-id');
      const place = header === undefined || header === '' ? (after ?? 'now') : header;
      const cursor = await cursorAt(deps, place);
      const authorization = c.req.header('authorization');
      return streams.respond(c, (signal) => follow(deps, { cursor, submission, authorization, signal }), {
        headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
      });
    }
    const page = await readEvents(deps.db, {
      after: await cursorAt(deps, after ?? FIRST_EVENT),
      limit: limit ?? PAGE,
      submissionId: submission,
      audiences: audiencesOfCaller(c.get('caller')),
    });
    return c.json({ events: page.events.map(eventOf), cursor: page.cursor }, 200);
  });
}

interface Following {
  readonly cursor: EventCursor;
  readonly submission: number | undefined;
  readonly authorization: string | undefined;
  readonly signal: AbortSignal;
}

async function* follow(deps: HttpDeps, reader: Following): AsyncGenerator<Uint8Array> {
  const waiter = createWaiter();
  const unsubscribe = deps.signals.subscribe(EVENTS_CHANNEL, undefined, waiter.wake);
  let { cursor } = reader;
  let audiences: readonly string[] = [];
  let checkedAt = Number.NEGATIVE_INFINITY;
  try {
    // The cursor first, so that a reader who is cut off before the first event knows where to go on.
    yield Buffer.from(`retry: 1000\nid: ${cursor}\n\n`);
    while (!reader.signal.aborted) {
      if (performance.now() - checkedAt >= PULSE_MS) {
        audiences = audiencesOfCaller(await authenticate(deps, reader.authorization));
        if (checkedAt > 0) yield Buffer.from(': pulse\n\n');
        checkedAt = performance.now();
      }
      const page = await readEvents(deps.db, {
        after: cursor,
        limit: BATCH,
        submissionId: reader.submission,
        audiences,
      });
      cursor = page.cursor;
      for (const event of page.events) {
        yield Buffer.from(`id: ${event.cursor}\nevent: event\ndata: ${JSON.stringify(eventOf(event))}\n\n`);
      }
      if (page.events.length < BATCH) await waiter.wait(page.pending ? HELD_BACK_MS : LOOK_AGAIN_MS, reader.signal);
    }
  } finally {
    unsubscribe();
  }
}

async function cursorAt(deps: HttpDeps, text: string): Promise<EventCursor> {
  if (text === 'now') return await currentEventCursor(deps.db);
  const cursor = parseEventCursor(text);
  if (cursor !== undefined) return cursor;
  throw new Refusal({ status: 400, code: 'events.cursor', detail: 'this is no cursor that the server gave' });
}

function eventOf(event: RecordedEvent): Event {
  return {
    cursor: event.cursor,
    id: event.id,
    at: event.at.toISOString(),
    kind: event.kind,
    submissionId: event.submissionId,
    actor: event.actor,
    data: mutable(event.data),
  };
}
