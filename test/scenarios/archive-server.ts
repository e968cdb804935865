/** The archives of a world as our own server hands them out, with a note of what was asked for. For a real apt. */
import { Hono } from 'hono';
import { archiveFiles } from '../../src/http/archive-files.ts';
import type { HttpDeps } from '../../src/http/deps.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { Refusal } from '../../src/http/refusal.ts';
import { startHttp } from '../../src/http/server.ts';

export interface ArchiveServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Paths asked for, in order, with the status that was answered. */
  readonly requests: { readonly path: string; readonly status: number }[];
  close(): Promise<void>;
}

/** Serves `/archive/NAME/…` on a free port of the loopback interface. */
export async function serveArchives(deps: Pick<HttpDeps, 'db' | 'storage'>): Promise<ArchiveServer> {
  const requests: { path: string; status: number }[] = [];
  const app = new Hono<HttpEnv>();
  app.use(async (c, next) => {
    await next();
    requests.push({ path: new URL(c.req.url).pathname, status: c.res.status });
  });
  app.onError((error, c) => c.text(error.message, error instanceof Refusal ? error.facts.status : 500));
  app.get('/archive/*', archiveFiles(deps));
  const server = await startHttp({ listen: '127.0.0.1:0', app });
  return { url: server.url, requests, close: () => server.stop(100) };
}
