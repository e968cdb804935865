/** How a published file is answered: conditional requests, one range, and what caches may do with it. For GET and HEAD. */
import type { Context } from 'hono';
import { contentRange, selectRange } from './byte-range.ts';
import { isNotModified, mayContinue, type Validators } from './conditions.ts';
import type { HttpEnv } from './env.ts';
import { INERT_POLICY } from './hardening.ts';
import { Refusal } from './refusal.ts';

export interface AnsweredFile extends Validators {
  readonly size: number;
  readonly contentType: string;
  /** The bytes behind this address never change. */
  readonly immutable: boolean;
  /** Anybody may see it, so caches between may keep it. */
  readonly isPublic: boolean;
  /** Called once at most; `close` is called where it is not. */
  read(start: number, length: number): ReadableStream<Uint8Array>;
  close(): Promise<void>;
}

/** Answers with the file, or the part of it that is asked for. @throws Refusal 416 */
export async function answerFile(c: Context<HttpEnv>, file: AnsweredFile): Promise<Response> {
  try {
    const headers = new Headers({
      etag: file.etag,
      'last-modified': file.lastModified.toUTCString(),
      'cache-control': cachePolicy(file.immutable, file.isPublic),
      'accept-ranges': 'bytes',
      'content-type': file.contentType,
      'content-security-policy': INERT_POLICY,
      'cross-origin-resource-policy': 'cross-origin',
      'x-content-type-options': 'nosniff',
    });
    const conditions = {
      ifNoneMatch: c.req.header('if-none-match'),
      ifModifiedSince: c.req.header('if-modified-since'),
    };
    if (isNotModified(conditions, file)) {
      await file.close();
      return new Response(null, { status: 304, headers });
    }
    const { size } = file;
    const wanted = mayContinue(c.req.header('if-range'), file) ? c.req.header('range') : undefined;
    const range = selectRange(wanted, size);
    if (range.kind === 'unsatisfiable') {
      throw new Refusal({
        status: 416,
        code: 'range.unsatisfiable',
        detail: `the file has ${size} bytes`,
        headers: { 'content-range': `bytes */${size}` },
      });
    }
    const start = range.kind === 'part' ? range.start : 0;
    const length = range.kind === 'part' ? range.length : size;
    headers.set('content-length', String(length));
    if (range.kind === 'part') headers.set('content-range', contentRange(start, length, size));
    const status = range.kind === 'part' ? 206 : 200;
    if (c.req.raw.method === 'HEAD' || length === 0) {
      await file.close();
      return new Response(c.req.raw.method === 'HEAD' ? null : '', { status, headers });
    }
    return new Response(file.read(start, length), { status, headers });
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
}

function cachePolicy(immutable: boolean, isPublic: boolean): string {
  const whose = isPublic ? 'public' : 'private';
  return immutable ? `${whose}, max-age=31536000, immutable` : `${whose}, no-cache`;
}

const CONTENT_TYPES: ReadonlyMap<string, string> = new Map([
  ['deb', 'application/vnd.debian.binary-package'],
  ['udeb', 'application/vnd.debian.binary-package'],
  ['xz', 'application/x-xz'],
  ['gz', 'application/gzip'],
  ['zst', 'application/zstd'],
  ['bz2', 'application/x-bzip2'],
  ['gpg', 'application/pgp-signature'],
]);
const TEXTS =
  /^(InRelease|Release|Packages|Sources|Index|Translation-[\w@.-]+|.+_changelog|.+\.(dsc|changes|buildinfo|asc|diff))$/;

/** By the file's name. */
export function contentTypeOf(names: readonly string[]): string {
  const last = names.at(-1) ?? '';
  const extension = last.slice(last.lastIndexOf('.') + 1);
  const known = CONTENT_TYPES.get(extension);
  if (known !== undefined) return known;
  return TEXTS.test(last) ? 'text/plain; charset=utf-8' : 'application/octet-stream';
}
