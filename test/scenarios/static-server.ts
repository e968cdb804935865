/**
 * A web server for a folder, as small as apt needs one: GET and HEAD, Last-Modified and If-Modified-Since by whole seconds,
 * symbolic links followed. For tests that let a real apt read a published tree.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';

export interface StaticServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Paths asked for, in order, with the status that was answered. */
  readonly requests: { readonly path: string; readonly status: number }[];
  close(): Promise<void>;
}

/** Serves `folder` on a free port of the loopback interface. */
export async function serveFolder(folder: string): Promise<StaticServer> {
  const requests: { path: string; status: number }[] = [];
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent((request.url ?? '/').split('?')[0] ?? '/'));
    const end = (status: number, headers: Record<string, string | number> = {}): void => {
      requests.push({ path, status });
      response.writeHead(status, headers);
    };
    const answer = async (): Promise<void> => {
      const file = join(folder, path);
      const facts = await stat(file).catch(() => undefined);
      if (facts?.isFile() !== true) {
        end(404);
        response.end();
        return;
      }
      const modified = new Date(Math.floor(facts.mtimeMs / 1000) * 1000);
      const since = Date.parse(request.headers['if-modified-since'] ?? '');
      if (!Number.isNaN(since) && since >= modified.getTime()) {
        end(304);
        response.end();
        return;
      }
      end(200, { 'content-length': facts.size, 'last-modified': modified.toUTCString() });
      if (request.method === 'HEAD') response.end();
      else createReadStream(file).pipe(response);
    };
    answer().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
