/**
 * The wire between `serve` and the signer: HTTP with JSON over a unix socket. The signer takes typed statements, never bytes
 * to be signed blindly. Errors are problem details, see problem.ts.
 *
 *     POST /v1/keys               keyRequest      → keyAnswer        the archive's keys; the first is made where there is none
 *     GET  /v1/keys/ARCHIVE                       → keyAnswer | 404
 *     POST /v1/key-statements     keyStatement    → keyStatementAnswer
 *     POST /v1/key-judgements     keyStatement    → keyJudgement     whether it would be done; nothing is
 *     POST /v1/release            releaseRequest  → releaseAnswer
 *     GET  /v1/log?after=N&limit=M                → logAnswer        lines of its log, as they stand in the file
 */
import { z } from '@hono/zod-openapi';
import { fingerprint, line, name, suiteName } from './values.ts';

/** The largest request: a Release of several hundred thousand index files stays far below. */
export const MAX_SIGNER_REQUEST_BYTES = 64 * 1024 * 1024;

/** Of a key that is made now: one printable line, `NAME <ADDRESS>`. */
const userId = z.string().regex(/^[^\p{C}<>]{1,200}(?: <[!-;=?-~]{1,200}>)?$/u, 'expected NAME <ADDRESS> on one line');

/** Until when a key signs, counted from now; absent: for ever. */
const expiresInDays = z.int().min(1).max(36_500);

/** A key's certifications are a few hundred bytes each. */
const keyBytes = z.base64().max(512 * 1024);

export const keyRequestSchema = z.strictObject({ archive: name, userId });
export type KeyRequest = z.infer<typeof keyRequestSchema>;

/** See src/signer/key-book.ts for the states and the moves between them. */
export const keyStateSchema = z.enum(['upcoming', 'active', 'retiring', 'retired']);
export type KeyState = z.infer<typeof keyStateSchema>;

export const heldKeySchema = z.object({
  fingerprint,
  state: keyStateSchema,
  /** RFC 3339, as all times here. */
  madeAt: z.string(),
  /** When it came into its state. */
  since: z.string(),
  expiresAt: z.string().nullable(),
  /** Fingerprints of the keys, held elsewhere, that vouch for it. */
  certifiedBy: z.array(fingerprint),
});
export type HeldKey = z.infer<typeof heldKeySchema>;

export const keyAnswerSchema = z.object({
  archive: name,
  /** Of the active key; the newest, where there are several. */
  fingerprint,
  /** Every key that is published (all but the retired ones), armored, in one block. */
  publicKey: z.string(),
  /** The oldest first. */
  keys: z.array(heldKeySchema),
});
export type KeyAnswer = z.infer<typeof keyAnswerSchema>;

/** Who asks, and why: kept in the signer's own log. */
const asked = { archive: name, by: line(200), reason: line(1_000) };

export const keyStatementSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('make-key'), ...asked, userId, expiresInDays: expiresInDays.exactOptional() }),
  z.strictObject({
    kind: z.literal('activate-key'),
    ...asked,
    fingerprint,
    /** The keys that are active now stay so; otherwise they are retiring from then on. */
    beside: z.boolean(),
  }),
  z.strictObject({ kind: z.literal('retire-key'), ...asked, fingerprint }),
  z.strictObject({ kind: z.literal('extend-key'), ...asked, fingerprint, expiresInDays }),
  z.strictObject({
    kind: z.literal('certify-key'),
    ...asked,
    fingerprint,
    /** A copy of the key with the certification. */
    certified: keyBytes,
    /** The public key that made it. */
    certifier: keyBytes,
  }),
]);
export type KeyStatement = z.infer<typeof keyStatementSchema>;

export const keyStatementAnswerSchema = z.object({
  /** `unchanged`: it was so already. */
  kind: z.enum(['done', 'unchanged']),
  /** The key that the statement is about. */
  fingerprint,
  keys: keyAnswerSchema,
});
export type KeyStatementAnswer = z.infer<typeof keyStatementAnswerSchema>;

export const keyJudgementSchema = z.object({
  kind: z.enum(['holds', 'unchanged']),
  /** The keys that would be retiring from then on. */
  retiring: z.array(fingerprint),
});
export type KeyJudgement = z.infer<typeof keyJudgementSchema>;

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
  /** Of the active key; the newest, where there are several. */
  fingerprint,
  /** Of every key that signed, that one first. */
  fingerprints: z.array(fingerprint),
  inRelease: z.base64(),
  releaseGpg: z.base64(),
  /** Where the signer's log tells of it. */
  log: z.object({ line: z.int().positive(), hash: z.string() }),
});
export type ReleaseAnswer = z.infer<typeof releaseAnswerSchema>;

export const MAX_LOG_LINES = 1_000;

export const logAnswerSchema = z.object({
  lines: z.array(z.string()),
  /** How many lines there are in all. */
  total: z.int().nonnegative(),
});
export type LogAnswer = z.infer<typeof logAnswerSchema>;
