import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import {
  ApiProblem,
  ServerUnreachable,
  createClient,
  pathOf,
  type Transport,
  type TransportRequest,
} from './client.ts';
import { problem } from './problem.ts';
import { tagRoute, tagsRoute } from './tags.ts';
import { appendLogRoute, leaseRoute, phaseRoute } from './worker.ts';
import { VERSION_HEADER } from './version.ts';

interface Sent extends TransportRequest {
  readonly url: string;
}

/** A transport that keeps what was sent and answers what it is told. */
function recorder(answer: () => Response | Promise<Response>): {
  readonly transport: Transport;
  readonly sent: Sent[];
} {
  const sent: Sent[] = [];
  return {
    sent,
    transport: async (url, request) => {
      sent.push({ url, ...request });
      return await answer();
    },
  };
}

function json(value: unknown, init: ResponseInit = {}): Response {
  return new Response(JSON.stringify(value), { headers: { 'content-type': 'application/json' }, ...init });
}

test('a call puts parameters into the path, encoded, and the query behind it', () => {
  expect(pathOf({ path: '/a/{name}/b/{id}' }, { params: { name: 'x/../y z', id: 3 }, query: { q: 'a&b', n: 0 } })).toBe(
    '/a/x%2F..%2Fy%20z/b/3?q=a%26b&n=0',
  );
});

test('the token goes into the Authorization header and never into the address (H99)', async () => {
  const { transport, sent } = recorder(() => json({ tags: [], next: null }));
  const client = createClient({ url: 'http://server.example/base/', token: 'lf_secret', transport });
  await client.call(tagsRoute, { query: { state: 'rejected', limit: 5 } });
  expect(sent).toHaveLength(1);
  expect(sent[0]?.url).toBe('http://server.example/base/api/v1/tags?state=rejected&limit=5');
  expect(sent[0]?.headers.authorization).toBe('Bearer lf_secret');
  expect(sent[0]?.headers[VERSION_HEADER]).toBe('1.0');
  expect(sent[0]?.redirect).toBe('error');
});

test('an answer without content is undefined', async () => {
  const { transport } = recorder(() => new Response(null, { status: 204 }));
  const client = createClient({ url: 'http://server.example', transport });
  expect(await client.call(leaseRoute, { body: { waitSeconds: 1 } })).toBeUndefined();
  const phase = client.call(phaseRoute, {
    params: { id: 1 },
    headers: { 'landfall-token': 7 },
    body: { name: 'build', logStart: 0 },
  });
  await expect(phase).resolves.toBeUndefined();
});

test('bytes go out as they are, with the fencing token in its header', async () => {
  const { transport, sent } = recorder(() => json({ size: 3 }));
  const client = createClient({ url: 'http://server.example', transport });
  await client.call(appendLogRoute, {
    params: { id: 9 },
    headers: { 'landfall-token': 7 },
    query: { offset: 12 },
    body: Buffer.from('log'),
  });
  expect(sent[0]).toMatchObject({ method: 'PUT', url: 'http://server.example/api/v1/worker/attempts/9/log?offset=12' });
  expect(sent[0]?.headers).toMatchObject({ 'landfall-token': '7', 'content-type': 'application/octet-stream' });
  expect(Buffer.from(sent[0]?.body as Uint8Array).toString()).toBe('log');
});

test("a refusal has the server's code, words and remedy", async () => {
  const facts = { status: 404, code: 'not-found', detail: 'there is no tag 9', remedy: 'look again', requestId: 'abc' };
  const { transport } = recorder(() =>
    json(problem(facts), { status: 404, headers: { 'content-type': 'application/problem+json' } }),
  );
  const call = createClient({ url: 'http://server.example', transport }).call(tagRoute, { params: { id: 9 } });
  await expect(call).rejects.toThrow(ApiProblem);
  await expect(call).rejects.toMatchObject(facts);
});

test('an error page of something else is a problem that says so', async () => {
  const { transport } = recorder(() => new Response('<h1>Bad gateway</h1>', { status: 502 }));
  const call = createClient({ url: 'http://server.example', transport }).call(tagsRoute);
  await expect(call).rejects.toMatchObject({ status: 502, code: 'http.502' });
});

test('a page in place of JSON asks whether it is a Landfall server', async () => {
  const { transport } = recorder(() => new Response('<h1>Welcome to nginx</h1>'));
  const call = createClient({ url: 'http://server.example', transport }).call(tagsRoute);
  await expect(call).rejects.toThrow(ServerUnreachable);
  await expect(call).rejects.toThrow('is it a Landfall server?');
});

test('an answer that does not fit the contract is refused with the field that is wrong', async () => {
  const { transport } = recorder(() => json({ tags: 'none', next: null }));
  const call = createClient({ url: 'http://server.example', transport }).call(tagsRoute);
  await expect(call).rejects.toMatchObject({ code: 'contract.mismatch' });
  await expect(call).rejects.toThrow('tags');
});

test('a server of another contract is refused before its answer is read', async () => {
  const { transport } = recorder(() => json({ tags: [], next: null }, { headers: { [VERSION_HEADER]: '7.2' } }));
  const call = createClient({ url: 'http://server.example', transport }).call(tagsRoute);
  await expect(call).rejects.toMatchObject({ code: 'contract.version', status: 426 });
});

test('nobody who listens is unreachable, in words', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await new Promise((resolve) => server.close(resolve));
  const call = createClient({ url: `http://127.0.0.1:${port}` }).call(tagsRoute);
  await expect(call).rejects.toThrow(ServerUnreachable);
  await expect(call).rejects.toThrow(`http://127.0.0.1:${port}/api/v1/tags: nobody listens there`);
});

test('a server that does not answer in time is unreachable', async () => {
  const transport: Transport = (_url, request) =>
    new Promise((_resolve, reject) => {
      request.signal.addEventListener('abort', () => reject(new Error('aborted')));
    });
  const call = createClient({ url: 'http://server.example', transport, timeoutMs: 5 }).call(tagsRoute);
  await expect(call).rejects.toThrow('it did not answer within 0.005 s');
});

test('the caller who cancels gets his own reason back', async () => {
  const transport: Transport = (_url, request) =>
    new Promise((_resolve, reject) => {
      request.signal.addEventListener('abort', () => reject(new Error('aborted')));
    });
  const controller = new AbortController();
  const call = createClient({ url: 'http://server.example', transport }).call(tagsRoute, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(call).rejects.toThrow('enough');
});
