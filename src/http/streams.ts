/**
 * Answers that stay open: bounded in number, ended when the client goes away or the server stops, and never faster than the
 * client reads.
 */
import type { Context } from 'hono';
import type { HttpDeps } from './deps.ts';
import type { HttpEnv } from './env.ts';
import { Refusal } from './refusal.ts';

export interface StreamDesk {
  /**
   * An answer that sends what `produce` yields. `produce` is told by its signal that nobody reads any more.
   * @throws Refusal 503 when too many are open
   */
  respond(
    c: Context<HttpEnv>,
    produce: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
    init: { readonly status?: number; readonly headers: Readonly<Record<string, string>> },
  ): Response;
}

export function openStreamDesk(deps: Pick<HttpDeps, 'limits' | 'shutdown' | 'log'>): StreamDesk {
  let open = 0;
  return {
    respond: (c, produce, init) => {
      const status = init.status ?? 200;
      // Nobody reads the body of an answer to HEAD, so it must not even begin.
      if (c.req.raw.method === 'HEAD') return new Response(null, { status, headers: { ...init.headers } });
      if (open >= deps.limits.streams) {
        throw new Refusal({
          status: 503,
          code: 'server.streams',
          detail: `${open} streams are open, and no more are taken`,
          remedy: 'try again in a moment, or read without following',
          headers: { 'retry-after': '5' },
        });
      }
      const controller = new AbortController();
      // The producer is told of all three: the answer's end, the client's going away, the server's stop.
      const ended = AbortSignal.any([controller.signal, c.req.raw.signal, deps.shutdown]);
      // A client that has gone already would never be taken off the count.
      if (!ended.aborted) {
        open += 1;
        ended.addEventListener('abort', () => (open -= 1), { once: true });
      }
      const source = produce(ended)[Symbol.asyncIterator]();
      const body = new ReadableStream<Uint8Array>(
        {
          pull: async (sink) => {
            try {
              const next = await source.next();
              if (next.done !== true) {
                sink.enqueue(next.value);
                return;
              }
              controller.abort();
              sink.close();
            } catch (error) {
              if (!ended.aborted) deps.log.warn({ error, requestId: c.get('requestId') }, 'a stream broke off');
              controller.abort();
              sink.error(error);
            }
          },
          cancel: async () => {
            controller.abort();
            await source.return?.();
          },
        },
        { highWaterMark: 0 },
      );
      return new Response(body, { status, headers: { ...init.headers } });
    },
  };
}

/**
 * Hands on `pieces` while `mayRead` says yes, which is asked again before a piece when the last answer is older than `everyMs`: a
 * revoked reader sees no more of what goes on.
 */
export async function* whileAllowed<T>(
  pieces: AsyncIterable<T>,
  mayRead: () => Promise<boolean>,
  everyMs: number,
): AsyncGenerator<T, void, undefined> {
  let askedAt = performance.now();
  for await (const piece of pieces) {
    if (performance.now() - askedAt >= everyMs) {
      if (!(await mayRead())) return;
      askedAt = performance.now();
    }
    yield piece;
  }
}
