/** Snapshots: publications of suites that can still be read as apt sources, and what changed between them. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, refusals } from './responses.ts';
import { idInPath, name, suiteName, time } from './values.ts';

const tags = ['snapshots'];

export const snapshotSuiteSchema = z
  .object({
    archive: z.string(),
    suite: z.string(),
    /** How long a moment is kept, as PostgreSQL writes it: `30 days`. */
    retention: z.string(),
    snapshots: z.int().nonnegative(),
    oldest: time.nullable(),
    newest: time.nullable(),
    url: z.string(),
  })
  .openapi('SnapshotSuite');
export type SnapshotSuite = z.infer<typeof snapshotSuiteSchema>;

export const snapshotSchema = z
  .object({
    serial: z.int().positive(),
    /** `20260131T120000Z`: its Date, which is its id. */
    id: z.string(),
    date: time,
    /** When the next one came; null: it is the newest. */
    until: time.nullable(),
    validUntil: time.nullable(),
    reason: z.string(),
    /** False: older than the suite's retention, and read no more. */
    kept: z.boolean(),
    /** Packages that came and went with it, counted by architecture. */
    added: z.int().nonnegative(),
    removed: z.int().nonnegative(),
    url: z.string(),
    /** What to paste into a file below /etc/apt/sources.list.d. */
    aptSource: z.string(),
  })
  .openapi('Snapshot');
export type Snapshot = z.infer<typeof snapshotSchema>;

export const snapshotListSchema = z
  .object({
    archive: z.string(),
    suite: z.string(),
    retention: z.string(),
    snapshots: z.array(snapshotSchema),
    /** The serial to go on below. */
    next: z.int().nullable(),
  })
  .openapi('SnapshotList');
export type SnapshotList = z.infer<typeof snapshotListSchema>;

export const snapshotDetailSchema = snapshotSchema
  .extend({
    archive: z.string(),
    suite: z.string(),
    /** What it is compared with; null: with nothing. */
    from: z.object({ serial: z.int().positive(), id: z.string() }).nullable(),
    differences: z.array(
      z.object({
        kind: z.enum(['source', 'binary']),
        name: z.string(),
        architectures: z.array(z.string()),
        /** Null: it was not there. */
        before: z.string().nullable(),
        /** Null: it is gone. */
        after: z.string().nullable(),
      }),
    ),
    /** Differences that are left out, since there are too many. */
    omitted: z.int().nonnegative(),
  })
  .openapi('SnapshotDetail');
export type SnapshotDetail = z.infer<typeof snapshotDetailSchema>;

/** A moment, or a serial. */
export const snapshotId = z
  .string()
  .regex(/^(\d{8}T\d{6}Z|[1-9]\d{0,14})$/, 'expected a moment such as 20260131T120000Z, or a serial');

const params = z.object({ archive: name, suite: suiteName });

export const snapshotSuitesRoute = createRoute({
  method: 'get',
  path: '/api/v1/snapshots',
  summary: 'Suites, with how many snapshots each has',
  tags,
  ...access('anyone'),
  responses: { 200: json(z.object({ suites: z.array(snapshotSuiteSchema) }), 'The suites'), ...refusals },
});

export const snapshotsRoute = createRoute({
  method: 'get',
  path: '/api/v1/snapshots/{archive}/{suite}',
  summary: 'Snapshots of a suite, the newest first',
  tags,
  ...access('anyone'),
  request: { params, query: z.object({ before: idInPath.optional() }) },
  responses: { 200: json(snapshotListSchema, 'The snapshots that are kept'), ...refusals },
});

export const snapshotRoute = createRoute({
  method: 'get',
  path: '/api/v1/snapshots/{archive}/{suite}/{id}',
  summary: 'One snapshot, and what changed since the one before it or since another',
  tags,
  ...access('anyone'),
  request: { params: params.extend({ id: snapshotId }), query: z.object({ from: snapshotId.optional() }) },
  responses: { 200: json(snapshotDetailSchema, 'The snapshot'), ...refusals },
});
