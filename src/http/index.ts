/**
 * The HTTP side of `serve`: the API for people and workers, the push hook, the archives, the pages. {@link createApp} makes the
 * application, {@link startHttp} gives it a socket.
 */
export { createApp } from './app.ts';
export type { HttpDeps, HttpLimits, InTransaction } from './deps.ts';
export { startHttp, type HttpServer, type HttpServerOptions } from './server.ts';
