/**
 * What holds for every answer: a request id, the handshake of versions, headers that let a browser run nothing that is not
 * ours, and no state changed at the wish of another site.
 */
import { randomBytes } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { CONTRACT_VERSION, VERSION_HEADER, judgeVersion } from '../contract/version.ts';
import type { Logger } from '../platform/log.ts';
import type { HttpEnv } from './env.ts';
import { Refusal } from './refusal.ts';

/** Nothing inline, nothing from elsewhere, never in a frame. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** For bytes that somebody else wrote: even if a browser took them for a page, they could do nothing. */
export const INERT_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox";

export interface HardeningOptions {
  readonly publicUrl: string;
  readonly log: Logger;
}

export function hardening(options: HardeningOptions): MiddlewareHandler<HttpEnv> {
  const origin = new URL(options.publicUrl).origin;
  const encrypted = origin.startsWith('https:');
  return async (c, next) => {
    const started = performance.now();
    const requestId = randomBytes(8).toString('hex');
    c.set('requestId', requestId);
    c.header(VERSION_HEADER, CONTRACT_VERSION);
    c.header('Landfall-Request', requestId);
    c.header('X-Content-Type-Options', 'nosniff');
    c.header('Content-Security-Policy', CONTENT_SECURITY_POLICY);
    c.header('Referrer-Policy', 'same-origin');
    c.header('Cross-Origin-Opener-Policy', 'same-origin');
    c.header('Permissions-Policy', 'camera=(), geolocation=(), microphone=()');
    if (encrypted) c.header('Strict-Transport-Security', 'max-age=31536000');
    refuseOtherVersions(c.req.header(VERSION_HEADER));
    refuseOtherSites(c.req.raw, origin);
    await next();
    const milliseconds = Math.round(performance.now() - started);
    const line = { method: c.req.method, path: c.req.path, status: c.res.status, milliseconds, requestId };
    if (isSafe(c.req.method) && c.res.status < 500) options.log.debug(line, 'answered');
    else options.log.info(line, 'answered');
  };
}

function refuseOtherVersions(theirs: string | undefined): void {
  const verdict = judgeVersion(theirs);
  if (verdict.kind === 'compatible') return;
  throw new Refusal({
    status: 426,
    code: 'contract.version',
    detail: `the server speaks contract ${verdict.ours}, the client ${verdict.theirs.slice(0, 40)}`,
    remedy: 'bring both sides to the same release of Landfall',
  });
}

/**
 * A browser says where a request comes from; a program says nothing. Nothing here is authorised by cookies, so this is the
 * second lock, for the day on which something is.
 */
function refuseOtherSites(request: Request, origin: string): void {
  if (isSafe(request.method)) return;
  const site = request.headers.get('sec-fetch-site');
  const from = request.headers.get('origin');
  const foreign =
    site === 'cross-site' ||
    site === 'same-site' ||
    (from !== null && from !== origin && !isOwnHost(from, request.url));
  if (!foreign) return;
  throw new Refusal({
    status: 403,
    code: 'request.cross-site',
    detail: 'a page of another site sent this',
    remedy: 'use the pages of this server, or its API with a token',
  });
}

function isOwnHost(origin: string, url: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === new URL(url).host;
}

function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}
