/**
 * Build logs as plain text, read in pieces so that a log of any size costs no memory (H98): whole, from a byte on, by Range, or
 * followed until the attempt is over. `text/event-stream` gives the same as events whose id is the byte to go on from.
 */
import { logRoute } from '../../contract/logs.ts';
import { followLog, getAttempt, readLog } from '../../lighthouse/index.ts';
import { contentRange, selectRange } from '../byte-range.ts';
import { authenticate } from '../callers.ts';
import type { HttpDeps } from '../deps.ts';
import { INERT_POLICY } from '../hardening.ts';
import { notFound } from '../refusal.ts';
import { whileAllowed, type StreamDesk } from '../streams.ts';
import { audiencesOfCaller, type Api } from './shared.ts';

/** Readers are woken when a log grows; this is for the signal that was lost, and must cost little with a thousand readers. */
const LOOK_AGAIN_MS = 10_000;
/** How long a reader of a log that is not for everybody goes on without being looked at again. */
const ASK_AGAIN_MS = 15_000;

export function logRoutes(app: Api, deps: HttpDeps, streams: StreamDesk): void {
  app.openapi(logRoute, async (c) => {
    const { attempt: id } = c.req.valid('param');
    const { from, follow } = c.req.valid('query');
    const attempt = await getAttempt(deps.db, id);
    if (attempt === undefined || !audiencesOfCaller(c.get('caller')).includes(attempt.audience)) {
      throw notFound('such log');
    }
    const authorization = c.req.header('authorization');
    const following = (from: number, signal: AbortSignal): AsyncIterable<Uint8Array> => {
      const pieces = followLog(deps, id, { from, signal, pollMs: LOOK_AGAIN_MS });
      if (attempt.audience === 'public') return pieces;
      const mayRead = async (): Promise<boolean> =>
        audiencesOfCaller(await authenticate(deps, authorization)).includes(attempt.audience);
      return whileAllowed(pieces, mayRead, ASK_AGAIN_MS);
    };
    const headers = {
      'content-type': 'text/plain; charset=utf-8',
      'content-security-policy': INERT_POLICY,
      // A log grows, and a revoked reader must not find it in a cache.
      'cache-control': attempt.audience === 'public' ? 'no-cache' : 'private, no-store',
      'accept-ranges': 'bytes',
    };
    if (c.req.header('accept')?.includes('text/event-stream') === true) {
      const start = lastEventByte(c.req.header('last-event-id')) ?? from ?? 0;
      return streams.respond(c, (signal) => asEvents(following(start, signal), start), {
        headers: {
          ...headers,
          'content-type': 'text/event-stream',
          'cache-control': 'no-store',
          'x-accel-buffering': 'no',
        },
      });
    }
    if (follow === '1') {
      return streams.respond(c, (signal) => following(from ?? 0, signal), {
        headers: { ...headers, 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
      });
    }
    const size = attempt.logSize;
    const range = from === undefined ? selectRange(c.req.header('range'), size) : selectRange(`bytes=${from}-`, size);
    if (range.kind === 'unsatisfiable' && from === undefined) {
      return new Response(null, { status: 416, headers: { ...headers, 'content-range': `bytes */${size}` } });
    }
    const start = range.kind === 'part' ? range.start : 0;
    const length = range.kind === 'part' ? range.length : range.kind === 'whole' ? size : 0;
    return streams.respond(c, () => readLog(deps.db, id, { offset: start, length }), {
      status: range.kind === 'part' && from === undefined ? 206 : 200,
      headers: {
        ...headers,
        'content-length': String(length),
        ...(range.kind === 'part' && from === undefined ? { 'content-range': contentRange(start, length, size) } : {}),
      },
    });
  });
}

/** Pieces of text as events; each id is the byte that the next piece begins at. */
async function* asEvents(pieces: AsyncIterable<Uint8Array>, from: number): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder('utf-8');
  let offset = from;
  // An event at once, so that the reader knows that it is connected.
  yield Buffer.from(`: from byte ${from}\n\n`);
  for await (const piece of pieces) {
    offset += piece.length;
    const text = decoder.decode(piece, { stream: true });
    yield Buffer.from(`id: ${offset}\nevent: log\ndata: ${JSON.stringify(text)}\n\n`);
  }
  yield Buffer.from(`id: ${offset}\nevent: end\ndata: ${offset}\n\n`);
}

function lastEventByte(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}
