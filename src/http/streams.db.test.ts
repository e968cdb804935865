/** Logs and events as they come: by range, followed, cut off and gone on with, ended by the server's stop. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createHttpWorld, type HttpWorld } from '../../test/scenarios/http-world.ts';
import { failBuild, leaseNext } from '../../test/scenarios/world-builds.ts';
import { releaseSource } from '../../test/scenarios/world-path.ts';
import { seeTag } from '../../test/scenarios/world-tags.ts';
import { createClient, type Client } from '../contract/client.ts';
import { eventsRoute, type Event } from '../contract/events.ts';
import { followEvents, readMessages } from '../contract/sse.ts';
import { appendLogRoute } from '../contract/worker.ts';
import type { Running } from '../../test/scenarios/lighthouse.ts';
import { readEvents } from '../platform/events.ts';
import { createApp } from './app.ts';
import { startHttp } from './server.ts';

let world: HttpWorld;
beforeEach(async () => {
  world = await createHttpWorld();
});
afterEach(async () => await world.close());

async function write(running: Running, offset: number, text: string): Promise<number> {
  const response = await world.request(`/api/v1/worker/attempts/${running.attemptId}/log?offset=${offset}`, {
    method: 'PUT',
    as: 'worker',
    headers: { 'landfall-token': String(running.token), 'content-type': 'application/octet-stream' },
    body: text,
  });
  expect(response.status, await response.clone().text()).toBe(200);
  return ((await response.json()) as { size: number }).size;
}

function bytesOf(response: Response): AsyncIterable<Uint8Array> {
  if (response.body === null) throw new Error('the answer has no body');
  return response.body;
}

describe('logs', () => {
  test('whole, by Range, from a byte on', async () => {
    await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    await write(running, 0, 'one\ntwo\nthree\n');
    const path = `/logs/${running.attemptId}`;
    const whole = await world.request(path);
    expect(whole.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(whole.headers.get('content-security-policy')).toContain('sandbox');
    expect(whole.headers.get('content-length')).toBe('14');
    expect(await whole.text()).toBe('one\ntwo\nthree\n');
    const part = await world.request(path, { headers: { range: 'bytes=4-6' } });
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([206, 'bytes 4-6/14', 'two']);
    expect((await world.request(path, { headers: { range: 'bytes=99-' } })).status).toBe(416);
    expect(await (await world.request(`${path}?from=8`)).text()).toBe('three\n');
    expect(await (await world.request(`${path}?from=999`)).text()).toBe('');
  });

  test('H92 what a build writes is text whatever it is, never a page', async () => {
    await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    await write(running, 0, '<script>alert(1)</script>\u001b]8;;http://evil\u0007');
    const response = await world.request(`/logs/${running.attemptId}`, { headers: { accept: 'text/html' } });
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('a piece that was sent twice changes nothing, and one after a gap is told where to go on', async () => {
    await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    expect(await write(running, 0, 'one\n')).toBe(4);
    expect(await write(running, 0, 'one\ntwo\n')).toBe(8);
    const gap = await world.request(`/api/v1/worker/attempts/${running.attemptId}/log?offset=100`, {
      method: 'PUT',
      as: 'worker',
      headers: { 'landfall-token': String(running.token), 'content-type': 'application/octet-stream' },
      body: 'x',
    });
    expect(gap.status).toBe(409);
    expect(await gap.json()).toMatchObject({ code: 'log.gap', remedy: 'send from byte 8 on' });
  });

  test('followed over a socket until the attempt ends, with what is added meanwhile', async () => {
    const { url } = await world.serve();
    await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    const client = createClient({ url, token: world.worker.secret });
    const add = async (offset: number, text: string): Promise<void> => {
      await client.call(appendLogRoute, {
        params: { id: running.attemptId },
        headers: { 'landfall-token': running.token },
        query: { offset },
        body: Buffer.from(text),
      });
    };
    await add(0, 'begin\n');
    const response = await fetch(`${url}/logs/${running.attemptId}?follow=1`);
    const decoder = new TextDecoder();
    let text = '';
    let added = false;
    for await (const piece of bytesOf(response)) {
      text += decoder.decode(piece, { stream: true });
      if (text === 'begin\n' && !added) {
        added = true;
        await add(6, 'more\n');
        await failBuild(world, running);
      }
    }
    expect(text).toBe('begin\nmore\n');
  });

  test('as events, each with the byte to go on from; Last-Event-ID goes on there', async () => {
    await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    await write(running, 0, 'one\ntwo\n');
    await failBuild(world, running);
    const read = async (lastEventId?: string): Promise<unknown[]> => {
      const response = await world.request(`/logs/${running.attemptId}`, {
        headers: {
          accept: 'text/event-stream',
          ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
        },
      });
      const messages: unknown[] = [];
      if (response.body !== null) for await (const message of readMessages(response.body)) messages.push(message);
      return messages;
    };
    expect(await read()).toEqual([
      { id: '8', event: 'log', data: JSON.stringify('one\ntwo\n') },
      { id: '8', event: 'end', data: '8' },
    ]);
    expect(await read('4')).toEqual([
      { id: '8', event: 'log', data: JSON.stringify('two\n') },
      { id: '8', event: 'end', data: '8' },
    ]);
  });

  test('H98 a log of 40 MB goes through in pieces: memory stays bounded', async () => {
    const { url } = await world.serve();
    await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    const piece = Buffer.alloc(4 * 1024 * 1024, 'a line of a log, sixty-four bytes long, over and over again ...\n');
    let offset = 0;
    for (let count = 0; count < 10; count += 1) {
      offset = await write(running, offset, piece.toString('utf8'));
    }
    const before = process.memoryUsage().rss;
    let most = 0;
    let size = 0;
    const response = await fetch(`${url}/logs/${running.attemptId}`);
    for await (const chunk of bytesOf(response)) {
      size += chunk.length;
      most = Math.max(most, process.memoryUsage().rss);
    }
    expect(size).toBe(offset);
    expect(most - before).toBeLessThan(200 * 1024 * 1024);
  });
});

describe('events', () => {
  const nextOf = async (client: Client, after: string | undefined, count: number): Promise<Event[]> => {
    const stop = new AbortController();
    const events: Event[] = [];
    for await (const event of followEvents(client, {
      ...(after === undefined ? {} : { after }),
      signal: stop.signal,
    })) {
      events.push(event);
      if (events.length === count) stop.abort();
    }
    return events;
  };

  test('a stream gives what happens, and a reader that was cut off loses and repeats nothing', async () => {
    const { url } = await world.serve();
    const client = createClient({ url });
    // A transaction in another database of the same server holds back what the world began with: "now" would be before it.
    await expect
      .poll(async () => (await readEvents(world.db, { limit: 1_000, audiences: ['public'] })).pending)
      .toBe(false);
    const { cursor } = await client.call(eventsRoute, { query: { after: 'now' } });
    await seeTag(world, { version: '1-1' });
    await seeTag(world, { version: '1-2' });
    const first = await nextOf(client, cursor ?? undefined, 1);
    await seeTag(world, { version: '1-3' });
    const rest = await nextOf(client, first[0]?.cursor, 2);
    expect([...first, ...rest].map((event) => [event.kind, event.data.tagId])).toEqual([
      ['tag.seen', 1],
      ['tag.seen', 2],
      ['tag.seen', 3],
    ]);
  });

  test('a page of the same events has the same order, and its cursor goes on', async () => {
    for (const version of ['1-1', '1-2', '1-3']) await seeTag(world, { version });
    const client = createClient({
      url: 'http://in.memory',
      transport: async (url, { body: _, duplex: __, ...init }) => await createApp(world.httpDeps).request(url, init),
    });
    // A transaction that writes in another database of the same server holds back what came after it.
    const seen = async (): Promise<number> => (await client.call(eventsRoute, { query: { limit: 10 } })).events.length;
    await expect.poll(seen, { timeout: 120_000 }).toBe(3);
    const one = await client.call(eventsRoute, { query: { limit: 2 } });
    const two = await client.call(eventsRoute, { query: { after: one.cursor ?? '', limit: 2 } });
    expect([...one.events, ...two.events].map((event) => event.id)).toEqual([1, 2, 3]);
  });

  test('a cursor that is none is refused, in the query and in the header', async () => {
    expect((await world.request('/api/v1/events?after=1%27-0')).status).toBe(400);
    const header = { accept: 'text/event-stream', 'last-event-id': 'x' };
    expect((await world.request('/api/v1/events', { headers: header })).status).toBe(400);
  });
});

describe('streams', () => {
  test('H100 beyond the limit the next one is told to come again, and the rest of the API answers', async () => {
    const { url } = await world.serve();
    const streams: Response[] = [];
    const headers = { accept: 'text/event-stream' };
    for (let count = 0; count < world.httpDeps.limits.streams; count += 1) {
      streams.push(await fetch(`${url}/api/v1/events`, { headers }));
    }
    const refused = await fetch(`${url}/api/v1/events`, { headers });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect((await fetch(`${url}/api/v1/status`)).status).toBe(200);
    for (const stream of streams) await stream.body?.cancel();
    await expect
      .poll(async () => {
        const again = await fetch(`${url}/api/v1/events`, { headers });
        await again.body?.cancel();
        return again.status;
      })
      .toBe(200);
  });

  test('H100 a thousand open log streams, and the API still answers', async () => {
    const app = createApp({ ...world.httpDeps, limits: { uploadFile: 1, streams: 2_000 } });
    const server = await startHttp({ listen: '127.0.0.1:0', app });
    try {
      await releaseSource(world, '1-1');
      const running = await leaseNext(world);
      await write(running, 0, 'begin\n');
      const readers = await Promise.all(
        Array.from({ length: 1_000 }, async () => {
          const response = await fetch(`${server.url}/logs/${running.attemptId}?follow=1`);
          const reader = bytesOf(response)[Symbol.asyncIterator]();
          const first = await reader.next();
          return { reader, first: Buffer.from(first.value ?? []).toString('utf8') };
        }),
      );
      expect(readers.filter(({ first }) => first !== 'begin\n')).toEqual([]);
      expect((await fetch(`${server.url}/api/v1/status`)).status).toBe(200);
      const waiting = Promise.all(readers.map(async ({ reader }) => await reader.next()));
      await write(running, 6, 'more\n');
      const pieces = await waiting;
      expect(pieces.filter((piece) => Buffer.from(piece.value ?? []).toString('utf8') !== 'more\n')).toEqual([]);
    } finally {
      await server.stop(0);
    }
  });

  test('HEAD opens no stream, so that it cannot use up their number', async () => {
    await releaseSource(world, '1-1');
    const running = await leaseNext(world);
    await write(running, 0, 'begin\n');
    for (let count = 0; count < world.httpDeps.limits.streams + 5; count += 1) {
      const response = await world.request(`/logs/${running.attemptId}`, { method: 'HEAD' });
      expect([response.status, response.headers.get('content-length')]).toEqual([200, '6']);
    }
    const { url } = await world.serve();
    for (const accept of ['text/plain', 'text/event-stream']) {
      const response = await fetch(`${url}/logs/${running.attemptId}?follow=1`, {
        method: 'HEAD',
        headers: { accept },
      });
      expect(response.status).toBe(200);
    }
  });

  test('a stop ends open streams at once', async () => {
    const { url } = await world.serve();
    const response = await fetch(`${url}/api/v1/events`, { headers: { accept: 'text/event-stream' } });
    const read = (async () => {
      let text = '';
      for await (const piece of bytesOf(response)) text += Buffer.from(piece).toString('utf8');
      return text;
    })();
    world.shutDown();
    expect(await read).toContain('id: ');
  });
});
