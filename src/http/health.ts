/**
 * For those who look after the process: `/healthz` says that it runs, `/readyz` that it can do its work, and what is away when
 * it cannot.
 */
import type { Hono } from 'hono';
import { currentEventCursor } from '../platform/events.ts';
import { describeError } from '../platform/errors.ts';
import type { HttpDeps } from './deps.ts';
import type { HttpEnv } from './env.ts';
import { Refusal } from './refusal.ts';

export function healthRoutes(app: Hono<HttpEnv>, deps: Pick<HttpDeps, 'db' | 'log' | 'shutdown'>): void {
  app.get('/healthz', (c) => c.text('ok\n', 200, { 'cache-control': 'no-store' }));
  app.get('/readyz', async (c) => {
    if (deps.shutdown.aborted) throw notReady('server.stopping', 'the server is about to stop');
    try {
      await currentEventCursor(deps.db);
    } catch (error) {
      deps.log.warn({ error }, 'not ready: the database does not answer');
      throw notReady('database.away', `the database does not answer (${firstWords(describeError(error))})`);
    }
    return c.text('ready\n', 200, { 'cache-control': 'no-store' });
  });
}

function notReady(code: string, detail: string): Refusal {
  return new Refusal({
    status: 503,
    code,
    detail,
    remedy: "look at the server's log",
    headers: { 'retry-after': '2' },
  });
}

function firstWords(text: string): string {
  return text.split('\n')[0]?.slice(0, 200) ?? '';
}
