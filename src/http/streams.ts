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
      if (open >= deps.limits.streams) {
        throw new Refusal({
          status: 503,
          code: 'server.streams',
          detail: `${open} streams are open, and no more are taken`,
          remedy: 'try again in a moment, or read without following',
          headers: { 'retry-after': '5' },
        });
      }
      open += 1;
      const controller = new AbortController();
      const signal = AbortSignal.any([controller.signal, c.req.raw.signal, deps.shutdown]);
      const source = produce(signal)[Symbol.asyncIterator]();
      let closed = false;
      const close = (): void => {
        if (closed) return;
        closed = true;
        open -= 1;
        controller.abort();
        deps.shutdown.removeEventListener('abort', wake);
      };
      // A producer that waits for its source sees the signal and ends; this only makes sure of it.
      const wake = (): void => controller.abort();
      deps.shutdown.addEventListener('abort', wake, { once: true });
      const body = new ReadableStream<Uint8Array>(
        {
          pull: async (sink) => {
            try {
              const next = await source.next();
              if (next.done === true) {
                close();
                sink.close();
              } else sink.enqueue(next.value);
            } catch (error) {
              close();
              deps.log.warn({ error, requestId: c.get('requestId') }, 'a stream broke off');
              sink.error(error);
            }
          },
          cancel: async () => {
            close();
            await source.return?.();
          },
        },
        { highWaterMark: 0 },
      );
      return new Response(body, {
        status: init.status ?? 200,
        headers: { ...init.headers },
      });
    },
  };
}
