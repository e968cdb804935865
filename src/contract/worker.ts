/**
 * What a worker says to Lighthouse: it joins once with a one-time token, then leases jobs, streams the log while it works,
 * uploads what it made and delivers. Every message of an attempt carries the fencing token of its lease in the header
 * `Landfall-Token`; a late or foreign one is refused (409 or 410), whatever it says.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { limitsSchema, payloadSchema } from './jobs.ts';
import { json, jsonBody, octetBody, octets, refusals } from './responses.ts';
import { architecture, facts, fileName, id, idInPath, line, name, offset, paragraph, sha256, time } from './values.ts';

const attempt = z.object({ id: idInPath });
const fencing = z.object({
  'landfall-token': z
    .string()
    .regex(/^\d{1,15}$/, 'expected the fencing token of the lease')
    .transform(Number)
    .openapi({ type: 'integer' }),
});
const tags = ['worker'];

export const workerIdentitySchema = z
  .object({ name, pool: name, architectures: z.array(architecture) })
  .openapi('WorkerIdentity');

export const joinRoute = createRoute({
  method: 'post',
  path: '/api/v1/workers/join',
  summary: 'Join as a worker, with the one-time token as bearer',
  tags,
  ...access('join-token'),
  request: {
    body: jsonBody(
      z.strictObject({
        /** The worker's OpenPGP public key, ASCII-armoured; what it delivers is signed with it. */
        openpgpKey: z.string().max(64 * 1024),
        facts: facts.exactOptional(),
      }),
    ),
  },
  responses: {
    201: json(
      workerIdentitySchema.extend({
        /** Shown once; only its hash is kept. */
        secret: z.string(),
      }),
      'The worker is known from now on',
    ),
    ...refusals,
  },
});

export const identityRoute = createRoute({
  method: 'get',
  path: '/api/v1/worker',
  summary: 'Who this worker is',
  tags,
  ...access('worker'),
  responses: { 200: json(workerIdentitySchema, 'The identity that its secret stands for'), ...refusals },
});

export const leaseSchema = z
  .object({
    attemptId: id,
    jobId: id,
    /** The submission that the job belongs to. */
    traceId: id,
    /** The how-manieth attempt of the job. */
    number: z.int().positive(),
    token: z.int().positive(),
    leaseExpiresAt: time,
    /** How often to send a heartbeat. */
    heartbeatSeconds: z.number().positive(),
    architecture: architecture.nullable(),
    sizeClass: z.enum(['small', 'medium', 'large']),
    limits: limitsSchema,
    payload: payloadSchema,
  })
  .openapi('Lease');
export type Lease = z.infer<typeof leaseSchema>;

export const leaseRoute = createRoute({
  method: 'post',
  path: '/api/v1/worker/leases',
  summary: 'Ask for a job and wait until there is one, or until the time is over',
  tags,
  ...access('worker'),
  request: {
    body: jsonBody(
      z.strictObject({
        waitSeconds: z.number().min(0).max(60),
        /** What the worker says of its machine: load, memory, disk. */
        facts: facts.exactOptional(),
        /** The attempts that it still works on; others of its own go back to the queue at once, as after a restart. */
        holding: z.array(id).max(256).exactOptional(),
      }),
    ),
  },
  responses: { 200: json(leaseSchema, 'A job'), 204: { description: 'Nothing to do' }, ...refusals },
});

export const heartbeatRoute = createRoute({
  method: 'post',
  path: '/api/v1/worker/attempts/{id}/heartbeat',
  summary: 'Keep the lease',
  tags,
  ...access('worker'),
  request: {
    params: attempt,
    headers: fencing,
    body: jsonBody(z.strictObject({ phase: line(100).exactOptional(), facts: facts.exactOptional() })),
  },
  responses: { 200: json(z.object({ leaseExpiresAt: time }), 'The lease goes on'), ...refusals },
});

export const appendLogRoute = createRoute({
  method: 'put',
  path: '/api/v1/worker/attempts/{id}/log',
  summary: 'Add bytes to the log at an offset; the same bytes again change nothing',
  tags,
  ...access('worker'),
  request: { params: attempt, headers: fencing, query: z.object({ offset }), body: octetBody },
  responses: { 200: json(z.object({ size: z.int().nonnegative() }), 'How long the log is now'), ...refusals },
});

export const phaseRoute = createRoute({
  method: 'post',
  path: '/api/v1/worker/attempts/{id}/phases',
  summary: 'Say that a phase begins, and where in the log',
  tags,
  ...access('worker'),
  request: {
    params: attempt,
    headers: fencing,
    body: jsonBody(z.strictObject({ name: line(100), logStart: z.int().nonnegative() })),
  },
  responses: { 204: { description: 'Noted' }, ...refusals },
});

export const inputRoute = createRoute({
  method: 'get',
  path: '/api/v1/worker/attempts/{id}/inputs/{sha256}',
  summary: 'Fetch a file that the job reads; a Range continues an interrupted one',
  tags,
  ...access('worker'),
  request: { params: z.object({ id: idInPath, sha256 }), headers: fencing },
  responses: {
    200: octets('The bytes'),
    206: octets('A part of them'),
    416: { description: 'No such range' },
    ...refusals,
  },
});

export const putFileRoute = createRoute({
  method: 'put',
  path: '/api/v1/worker/attempts/{id}/files/{name}',
  summary: 'Upload a file; kept only when size and sha256 are as announced',
  tags,
  ...access('worker'),
  request: {
    params: z.object({ id: idInPath, name: fileName }),
    headers: fencing,
    query: z.object({ sha256, size: offset, offset: offset.exactOptional() }),
    body: octetBody,
  },
  responses: {
    200: json(z.object({ received: z.int().nonnegative(), complete: z.boolean() }), 'What is there now'),
    ...refusals,
  },
});

export const deliverRoute = createRoute({
  method: 'post',
  path: '/api/v1/worker/attempts/{id}/deliver',
  summary: 'Hand over what was uploaded; said again, it has the same answer',
  tags,
  ...access('worker'),
  request: { params: attempt, headers: fencing, body: jsonBody(z.strictObject({ changes: fileName })) },
  responses: { 200: json(z.object({ uploadId: id }), 'The archive checks it now'), ...refusals },
});

export const failRoute = createRoute({
  method: 'post',
  path: '/api/v1/worker/attempts/{id}/fail',
  summary:
    'Say that the attempt failed: by the package (failed), by the machine (infrastructure), or as something was away (unavailable)',
  tags,
  ...access('worker'),
  request: {
    params: attempt,
    headers: fencing,
    body: jsonBody(
      z.strictObject({
        kind: z.enum(['failed', 'infrastructure', 'unavailable']),
        code: z
          .string()
          .regex(/^[a-z0-9]+([.-][a-z0-9]+)*$/, 'expected a code such as build.failed')
          .max(100),
        reason: paragraph(4096),
        facts: facts.exactOptional(),
      }),
    ),
  },
  responses: { 204: { description: 'Noted' }, ...refusals },
});
