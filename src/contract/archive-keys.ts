/** The keys that archives are signed by: what they are, how they change, and the signer's account of it all. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, jsonBody, refusals } from './responses.ts';
import { heldKeySchema, MAX_LOG_LINES } from './signer.ts';
import { fingerprint, limit, line, name, offset } from './values.ts';

const tags = ['archive keys'];

export const archiveKeysSchema = z
  .object({
    archive: z.string(),
    /** Of the active key; the newest, where there are several. */
    fingerprint: z.string(),
    keys: z.array(heldKeySchema),
    /** Every key but the retired ones, armored. */
    publicKey: z.string(),
    /** Where clients fetch it. */
    keyUrl: z.string(),
  })
  .openapi('ArchiveKeys');
export type ArchiveKeys = z.infer<typeof archiveKeysSchema>;

const expiresInDays = z.int().min(1).max(36_500);
const keyBytes = z.base64().max(512 * 1024);

export const keyChangeSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('add'), expiresInDays: expiresInDays.exactOptional() }),
    z.strictObject({ kind: z.literal('activate'), fingerprint, beside: z.boolean() }),
    z.strictObject({ kind: z.literal('retire'), fingerprint }),
    z.strictObject({ kind: z.literal('extend'), fingerprint, expiresInDays }),
    z.strictObject({
      kind: z.literal('certify'),
      fingerprint,
      /** A copy of the key with the certification, as `gpg --export` writes it. */
      certified: keyBytes,
      /** The public key that made the certification. */
      certifier: keyBytes,
    }),
  ])
  .openapi('ArchiveKeyChange');
export type KeyChange = z.infer<typeof keyChangeSchema>;

const wanted = z.strictObject({ change: keyChangeSchema, reason: line(1_000) });
const params = z.object({ archive: name });

export const archiveKeysRoute = createRoute({
  method: 'get',
  path: '/api/v1/archives/{archive}/keys',
  summary: 'The keys of an archive, with their states',
  tags,
  ...access('anyone'),
  request: { params },
  responses: { 200: json(archiveKeysSchema, 'The keys'), ...refusals },
});

export const planKeyChangeRoute = createRoute({
  method: 'post',
  path: '/api/v1/archives/{archive}/keys/plan',
  summary: 'What a change of the keys would do',
  tags,
  ...access('administrator'),
  request: { params, body: jsonBody(wanted) },
  responses: {
    200: json(
      z
        .object({ changes: z.array(z.string()), warnings: z.array(z.string()), hash: z.string() })
        .openapi('ArchiveKeyPlan'),
      'The plan; no change when it is so already',
    ),
    ...refusals,
  },
});

export const changeKeyRoute = createRoute({
  method: 'post',
  path: '/api/v1/archives/{archive}/keys/confirm',
  summary: 'Change the keys, when it still means the plan with this hash',
  tags,
  ...access('administrator'),
  request: { params, body: jsonBody(wanted.extend({ hash: z.string().max(128) })) },
  responses: {
    200: json(
      z.object({ kind: z.enum(['done', 'unchanged']), fingerprint: z.string(), keys: archiveKeysSchema }),
      'The keys as they are now',
    ),
    ...refusals,
  },
});

export const signerLogRoute = createRoute({
  method: 'get',
  path: '/api/v1/signer/log',
  summary: "The signer's log: every Release that was signed and every change of the keys",
  tags,
  ...access('operator'),
  request: { query: z.object({ after: offset.optional(), limit: limit.optional() }) },
  responses: {
    200: json(
      z.object({
        /** As they stand in the log; docs/reference/signer-log.md has the form. */
        lines: z.array(z.string()).max(MAX_LOG_LINES),
        total: z.int().nonnegative(),
      }),
      'Lines, the oldest first',
    ),
    ...refusals,
  },
});

export const checkSignerLogRoute = createRoute({
  method: 'get',
  path: '/api/v1/signer/log/check',
  summary: "Whether the signer's log is whole: against its own hashes, and those that publications kept",
  tags,
  ...access('operator'),
  responses: {
    200: json(
      z.discriminatedUnion('kind', [
        z.object({
          kind: z.literal('whole'),
          lines: z.int().nonnegative(),
          /** Of the last line. */
          hash: z.string(),
          /** Lines that a publication vouches for. */
          confirmed: z.int().nonnegative(),
        }),
        z.object({ kind: z.literal('damaged'), line: z.int().positive(), reason: z.string() }),
      ]),
      'The finding',
    ),
    ...refusals,
  },
});
