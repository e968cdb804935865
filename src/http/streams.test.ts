import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { silentLogger } from '../platform/log.ts';
import { problemHandler } from './problems.ts';
import type { HttpEnv } from './env.ts';
import { openStreamDesk, whileAllowed } from './streams.ts';

async function* forever(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield Buffer.from('begin\n');
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function appWith(streams: number): Hono<HttpEnv> {
  const deps = { limits: { uploadFile: 1, streams }, shutdown: new AbortController().signal, log: silentLogger() };
  const desk = openStreamDesk(deps);
  const app = new Hono<HttpEnv>();
  app.onError(problemHandler({ ...deps, isDatabaseAway: () => false }));
  app.get('/', (c) => desk.respond(c, forever, { headers: {} }));
  return app;
}

test('a stream that ended makes room for another, also when its reader was gone before it began', async () => {
  const app = appWith(1);
  const gone = new Request('http://landfall.example/', { signal: AbortSignal.abort() });
  await app.request(gone);
  const first = await app.request('/');
  expect(first.status).toBe(200);
  expect((await app.request('/')).status).toBe(503);
  await first.body?.cancel();
  expect((await app.request('/')).status).toBe(200);
});

test('who may not read any more gets nothing more', async () => {
  async function* pieces(): AsyncGenerator<number> {
    for (let number = 1; number <= 5; number += 1) yield await Promise.resolve(number);
  }
  let asked = 0;
  const seen: number[] = [];
  for await (const piece of whileAllowed(pieces(), async () => await Promise.resolve((asked += 1) < 3), 0)) {
    seen.push(piece);
  }
  expect(seen).toEqual([1, 2]);
});
