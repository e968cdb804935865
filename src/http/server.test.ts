import { createServer, connect, type AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { listeningInodes } from './port-holder.ts';
import { parseListen, startHttp, type HttpServer } from './server.ts';

const servers: HttpServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(100);
});

async function start(app: Parameters<typeof startHttp>[0]['app'], listen = '127.0.0.1:0'): Promise<HttpServer> {
  const server = await startHttp({ listen, app });
  servers.push(server);
  return server;
}

const hello = { fetch: () => new Response('hello') };

test('listens where it is told and says the port that was chosen', async () => {
  const server = await start(hello);
  expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
  expect(await (await fetch(server.url)).text()).toBe('hello');
});

test('an occupied port is a fault that names who has it and how to choose another', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  try {
    await expect(start(hello, `127.0.0.1:${port}`)).rejects.toMatchObject({
      code: 'server.port-in-use',
      reason: expect.stringMatching(new RegExp(`\\(process ${process.pid}\\) listens on port ${port}`)) as string,
      remedy: expect.stringContaining('[server] listen') as string,
    });
  } finally {
    other.close();
  }
});

test('an address that is not of this machine, and text that is none, are faults', async () => {
  await expect(start(hello, '192.0.2.1:0')).rejects.toMatchObject({ code: 'server.address' });
  expect(() => parseListen('8463')).toThrow('it is not HOST:PORT');
  expect(() => parseListen('localhost:70000')).toThrow('it is not HOST:PORT');
  expect(parseListen('[::1]:80')).toEqual({ host: '::1', port: 80 });
});

test('stopping waits for the request that runs', async () => {
  let answer: (response: Response) => void = () => undefined;
  let arrived: () => void = () => undefined;
  const running = new Promise<void>((resolve) => (arrived = resolve));
  const fetched = new Promise<Response>((resolve) => (answer = resolve));
  const server = await start({
    fetch: () => {
      arrived();
      return fetched;
    },
  });
  const request = fetch(server.url);
  await running;
  const stopped = server.stop(5_000);
  answer(new Response('late'));
  expect(await (await request).text()).toBe('late');
  await stopped;
});

test('stopping cuts off what does not end', async () => {
  const server = await start({ fetch: () => new Promise<Response>(() => undefined) });
  const request = fetch(server.url).then(
    () => 'answered',
    () => 'cut off',
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  await server.stop(50);
  expect(await request).toBe('cut off');
});

test('H100 a hundred clients that send nothing do not keep the next one waiting', async () => {
  const server = await start(hello);
  const silent = Array.from({ length: 100 }, () => connect(server.port, '127.0.0.1'));
  await Promise.all(silent.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  for (const socket of silent) socket.write('GET / HTTP/1.1\r\nhost: x\r\n');
  expect(await (await fetch(server.url)).text()).toBe('hello');
  for (const socket of silent) socket.destroy();
});

test('H100 headers beyond 32 KiB are refused', async () => {
  const server = await start(hello);
  const response = await fetch(server.url, { headers: { 'x-long': 'a'.repeat(40_000) } });
  expect(response.status).toBe(431);
});

test('the kernel table gives the sockets that listen on a port and no others', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:210F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:210F 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
   2: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
`;
  expect(listeningInodes(table, 8463)).toEqual(['4711']);
  expect(listeningInodes('', 8463)).toEqual([]);
});
