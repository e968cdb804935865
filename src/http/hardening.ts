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

/** Headers, request id and one line in the log for every answer, whoever made it. */
export function answering(options: HardeningOptions): MiddlewareHandler<HttpEnv> {
  const encrypted = options.publicUrl.startsWith('https:');
  return async (c, next) => {
    const started = performance.now();
    const requestId = randomBytes(8).toString('hex');
    c.set('requestId', requestId);
    await next();
    const always: Record<string, string> = {
      [VERSION_HEADER]: CONTRACT_VERSION,
      'landfall-request': requestId,
      'x-content-type-options': 'nosniff',
      'content-security-policy': CONTENT_SECURITY_POLICY,
      'referrer-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
      'permissions-policy': 'camera=(), geolocation=(), microphone=()',
      ...(encrypted ? { 'strict-transport-security': 'max-age=31536000' } : {}),
    };
    // Whoever answered with foreign bytes has chosen a stricter policy, which stays.
    for (const [name, value] of Object.entries(always)) if (!c.res.headers.has(name)) c.header(name, value);
    const milliseconds = Math.round(performance.now() - started);
    const line = { method: c.req.method, path: c.req.path, status: c.res.status, milliseconds, requestId };
    if (isSafe(c.req.method) && c.res.status < 500) options.log.debug(line, 'answered');
    else options.log.info(line, 'answered');
  };
}

/** What is refused before anything is looked at: other contracts, other sites, addresses that no database takes. */
export function hardening(options: HardeningOptions): MiddlewareHandler<HttpEnv> {
  const { origin } = new URL(options.publicUrl);
  return async (c, next) => {
    refuseOtherVersions(c.req.header(VERSION_HEADER));
    refuseOtherSites(c.req.raw, origin);
    refuseControls(new URL(c.req.raw.url).search);
    await next();
  };
}

/** No filter has a control character in it, and PostgreSQL takes no NUL. */
function refuseControls(search: string): void {
  if (!/%(?:[01][0-9a-f]|7f)/i.test(search)) return;
  throw new Refusal({
    status: 400,
    code: 'request.invalid',
    detail: 'a value in the query has a control character in it',
  });
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
