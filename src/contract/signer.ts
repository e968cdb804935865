/**
 * The wire between `serve` and the signer: HTTP with JSON over a unix socket. The signer takes typed statements, never bytes
 * to be signed blindly. Errors are problem details, see problem.ts.
 *
 *     POST /v1/keys               keyRequest      → keyAnswer        the archive's key, made at the first time
 *     GET  /v1/keys/ARCHIVE                       → keyAnswer | 404
 *     POST /v1/release            releaseRequest  → releaseAnswer
 */
import { z } from '@hono/zod-openapi';
import { name, suiteName } from './values.ts';

/** The largest request: a Release of several hundred thousand index files stays far below. */
export const MAX_SIGNER_REQUEST_BYTES = 64 * 1024 * 1024;

const fingerprint = z
  .string()
  .regex(/^(?:[0-9A-F]{40}|[0-9A-F]{64})$/, 'expected a fingerprint in upper-case hexadecimal');

export const keyRequestSchema = z.strictObject({
  archive: name,
  /** Of a key that is made now: one printable line, `NAME <ADDRESS>`. */
  userId: z.string().regex(/^[^\p{C}<>]{1,200}(?: <[!-;=?-~]{1,200}>)?$/u, 'expected NAME <ADDRESS> on one line'),
});
export type KeyRequest = z.infer<typeof keyRequestSchema>;

export const keyAnswerSchema = z.object({ archive: name, fingerprint, publicKey: z.string() });
export type KeyAnswer = z.infer<typeof keyAnswerSchema>;

export const releaseRequestSchema = z.strictObject({
  archive: name,
  suite: suiteName,
  codename: suiteName,
  serial: z.int().positive(),
  /** RFC 3339, whole seconds, UTC. */
  date: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/, 'expected whole seconds of UTC'),
  /** The Release file's text. */
  release: z.string(),
});
export type ReleaseRequest = z.infer<typeof releaseRequestSchema>;

export const releaseAnswerSchema = z.object({
  fingerprint,
  inRelease: z.base64(),
  releaseGpg: z.base64(),
});
export type ReleaseAnswer = z.infer<typeof releaseAnswerSchema>;
