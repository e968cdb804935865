/**
 * The socket: listens, keeps slow and silent clients from holding it (H100), says who has the port when it is taken, and stops
 * gracefully: no new connections, streams and long polls ended by the shutdown signal, then whatever is left is cut off.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { LandfallError, isErrnoException } from '../platform/errors.ts';
import { findPortHolder } from './port-holder.ts';

export interface HttpServerOptions {
  /** HOST:PORT, `[::1]:8463` for IPv6; port 0 lets the system choose one. */
  readonly listen: string;
  readonly app: { fetch(request: Request, env?: unknown): Response | Promise<Response> };
}

export interface HttpServer {
  /** Where it listens, with the port that was chosen: `http://127.0.0.1:8463`. */
  readonly url: string;
  readonly port: number;
  /** Takes no more connections, waits for running requests, and cuts off what is left after `graceMs`. */
  stop(graceMs?: number): Promise<void>;
}

/** For the request line and headers. */
const HEADERS_MS = 15_000;
/** For a whole request: a large upload over a slow line takes its time. */
const REQUEST_MS = 6 * 3_600_000;
/** Without a byte in either direction. Longer than any long poll and than the pulse of a stream. */
const SILENCE_MS = 120_000;
const KEEP_ALIVE_MS = 20_000;
const MAX_CONNECTIONS = 10_000;
const DEFAULT_GRACE_MS = 10_000;

/** @throws LandfallError `server.port-in-use`, `server.address`, `server.port-denied` */
export async function startHttp(options: HttpServerOptions): Promise<HttpServer> {
  const { host, port } = parseListen(options.listen);
  // Web globals stay the ones that everything else was written against.
  const answer = getRequestListener((request, env) => options.app.fetch(request, env), {
    overrideGlobalObjects: false,
  });
  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 5_000,
      maxHeaderSize: 32 * 1024,
    },
    (incoming, outgoing) => void answer(incoming, outgoing),
  );
  server.timeout = SILENCE_MS;
  server.maxConnections = MAX_CONNECTIONS;
  server.maxHeadersCount = 100;
  await listen(server, host, port, options.listen);
  const address = server.address();
  const chosen = isAddressInfo(address) ? address.port : port;
  return {
    port: chosen,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${chosen}`,
    stop: async (graceMs = DEFAULT_GRACE_MS) => {
      await new Promise<void>((resolve) => {
        const cutOff = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(cutOff);
          resolve();
        });
        server.closeIdleConnections();
      });
    },
  };
}

function isAddressInfo(address: string | AddressInfo | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}

async function listen(server: Server, host: string, port: number, written: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    throw await explain(error, written, port);
  }
}

async function explain(error: unknown, written: string, port: number): Promise<unknown> {
  const doing = `listen on ${written}`;
  const another = 'choose another with [server] listen = "127.0.0.1:PORT" in landfall.toml';
  if (!isErrnoException(error)) return error;
  switch (error.code) {
    case 'EADDRINUSE': {
      const holder = await findPortHolder(port);
      const who = holder === undefined ? 'another program' : `${holder.command} (process ${holder.pid})`;
      return new LandfallError({
        code: 'server.port-in-use',
        doing,
        reason: `${who} listens on port ${port} already`,
        remedy: `stop it (landfall stop, when it is Landfall), or ${another}`,
        cause: error,
      });
    }
    case 'EACCES':
      return new LandfallError({
        code: 'server.port-denied',
        doing,
        reason: `this user may not listen on port ${port}`,
        remedy: `${another}, above 1023`,
        cause: error,
      });
    default:
      return new LandfallError({
        code: 'server.address',
        doing,
        reason: `the address cannot be used (${error.code})`,
        remedy: another,
        cause: error,
      });
  }
}

/** HOST and PORT of an address as the configuration has it. @throws LandfallError `server.address` */
export function parseListen(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):(\d{1,5})$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new LandfallError({
    code: 'server.address',
    doing: `listen on ${text}`,
    reason: 'it is not HOST:PORT',
    remedy: 'write it as 127.0.0.1:8463 or [::1]:8463',
  });
}
