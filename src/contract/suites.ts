/** Archives and suites as an apt client sees them. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, refusals } from './responses.ts';
import { suiteName, name, time } from './values.ts';

const tags = ['suites'];

export const publicationSchema = z.object({
  serial: z.int().positive(),
  date: time,
  validUntil: time.nullable(),
  reason: z.string(),
  publishedAt: time.nullable(),
});

export const suiteSchema = z
  .object({
    archive: z.string(),
    suite: z.string(),
    codename: z.string(),
    aliases: z.array(z.string()),
    description: z.string(),
    components: z.array(z.string()),
    architectures: z.array(z.string()),
    audience: z.string(),
    /** The last publication that apt can read. */
    published: publicationSchema.nullable(),
    sources: z.int().nonnegative(),
    binaries: z.int().nonnegative(),
    /** The signing key: fingerprint, and where to fetch it. */
    fingerprint: z.string().nullable(),
    keyUrl: z.string(),
    /** What to paste into a file below /etc/apt/sources.list.d, in deb822 form. */
    aptSource: z.string(),
    url: z.string(),
  })
  .openapi('Suite');
export type Suite = z.infer<typeof suiteSchema>;

/** With its last publications, the newest first. */
export const suiteDetailSchema = suiteSchema
  .extend({ publications: z.array(publicationSchema) })
  .openapi('SuiteDetail');
export type SuiteDetail = z.infer<typeof suiteDetailSchema>;

export const suitesRoute = createRoute({
  method: 'get',
  path: '/api/v1/suites',
  summary: 'Every suite of every archive that the caller may see',
  tags,
  ...access('anyone'),
  responses: { 200: json(z.object({ suites: z.array(suiteSchema) }), 'The suites'), ...refusals },
});

export const suiteRoute = createRoute({
  method: 'get',
  path: '/api/v1/suites/{archive}/{suite}',
  summary: 'One suite, with its last publications',
  tags,
  ...access('anyone'),
  request: { params: z.object({ archive: name, suite: suiteName }) },
  responses: {
    200: json(suiteDetailSchema, 'The suite'),
    ...refusals,
  },
});
