/** Keys of people: read in, read again, and revoked with all that follows. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { keySchema } from './people.ts';
import { json, jsonBody, refusals } from './responses.ts';
import { id, idInPath, line, name, time } from './values.ts';

const tags = ['people'];

export const LET_IN_STATES = ['under-way', 'partly-published', 'published', 'gone', 'ended', 'suspended'] as const;

const letInSchema = z.object({
  submissionId: id,
  tagId: id,
  archive: z.string(),
  suite: z.string(),
  source: z.string(),
  version: z.string(),
  decidedAt: time,
  state: z.enum(LET_IN_STATES),
  /** `ARCHIVE/SUITE` */
  publishedIn: z.array(z.string()),
  /** What to do about it when the key is not to be trusted. */
  advice: z.string().nullable(),
});

export const keyDetailSchema = keySchema
  .extend({
    name: z.string(),
    /** OpenPGP: armoured. SSH: one line. */
    publicKey: z.string(),
    /** Everything that it let in, the oldest first. */
    releases: z.array(letInSchema),
    /** Of those, how many are not for the caller to see. They are acted upon all the same. */
    hidden: z.int().nonnegative(),
    /** Stands for how all of it is now; a revocation is confirmed by it. */
    hash: z.string(),
  })
  .openapi('KeyDetail');
export type KeyDetail = z.infer<typeof keyDetailSchema>;

export const keysRoute = createRoute({
  method: 'get',
  path: '/api/v1/keys',
  summary: 'Every key that was ever registered',
  tags,
  ...access('person'),
  request: {
    query: z.object({
      person: name.exactOptional(),
      /** A whole fingerprint, or the end of one, at least 8 digits. */
      fingerprint: z.string().min(8).max(120).exactOptional(),
    }),
  },
  responses: { 200: json(z.object({ keys: z.array(keySchema) }), 'The keys'), ...refusals },
});

export const keyRoute = createRoute({
  method: 'get',
  path: '/api/v1/keys/{id}',
  summary: 'One key, and everything that it let in',
  tags,
  ...access('person'),
  request: { params: z.object({ id: idInPath }) },
  responses: { 200: json(keyDetailSchema, 'The key'), ...refusals },
});

const keyFile = {
  /** Armoured, binary, a keyring, or OpenSSH's. */
  bytes: z.base64().max(6 * 1024 * 1024),
  /** Whose the keys are that are not registered yet. */
  person: name.exactOptional(),
};

export const keyImportSchema = z
  .object({
    keys: z.array(
      z.object({
        kind: z.enum(['openpgp', 'ssh']),
        fingerprint: z.string(),
        userIds: z.array(z.string()),
        /** Whose it is, or would become; null when nobody was named. */
        person: z.string().nullable(),
        action: z.enum(['add', 'refresh', 'unchanged', 'refuse']),
        /** What changes, or why it is refused. */
        detail: z.string(),
        remedy: z.string().nullable(),
      }),
    ),
    hash: z.string(),
  })
  .openapi('KeyImport');
export type KeyImport = z.infer<typeof keyImportSchema>;

export const planKeysRoute = createRoute({
  method: 'post',
  path: '/api/v1/keys/plan',
  summary: 'What reading a file of keys would change: whose each is, and what is new in it',
  tags,
  ...access('person'),
  request: { body: jsonBody(z.strictObject(keyFile)) },
  responses: { 200: json(keyImportSchema, 'The plan'), ...refusals },
});

export const importKeysRoute = createRoute({
  method: 'post',
  path: '/api/v1/keys/import',
  summary: 'Read a file of keys, when it still means the plan with this hash',
  tags,
  ...access('person'),
  request: { body: jsonBody(z.strictObject({ ...keyFile, hash: z.string().max(128) })) },
  responses: { 200: json(keyImportSchema, 'What was changed'), ...refusals },
});

export const revocationSchema = z
  .object({
    key: keyDetailSchema,
    alreadyRevoked: z.boolean(),
    suspended: z.array(
      z.object({
        submissionId: id,
        jobs: z.int(),
        uploads: z.int(),
        versionFreed: z.boolean(),
        takenFrom: z.array(z.string()),
      }),
    ),
  })
  .openapi('KeyRevocation');
export type KeyRevocation = z.infer<typeof revocationSchema>;

export const revokeKeyRoute = createRoute({
  method: 'post',
  path: '/api/v1/keys/{id}/revoke',
  summary: 'Revoke a key for ever, and suspend what it let in and is not published yet, when asked to',
  tags,
  ...access('person'),
  request: {
    params: z.object({ id: idInPath }),
    body: jsonBody(z.strictObject({ reason: line(500), suspend: z.boolean(), hash: z.string().max(128) })),
  },
  responses: { 200: json(revocationSchema, 'What was done, and how the rest stands'), ...refusals },
});
