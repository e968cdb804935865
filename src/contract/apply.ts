/**
 * Distribution files: first the plan, then its application. The plan's hash makes sure that what is applied is what was read:
 * when something changed in between, nothing is done.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, jsonBody, refusals } from './responses.ts';

const tags = ['administration'];

/** The TOML files, and the bytes of every file that they name (keys, keyrings), by the name as it stands there. */
export const distributionSchema = z.strictObject({
  files: z
    .array(z.strictObject({ name: z.string().max(1000), text: z.string().max(4 * 1024 * 1024) }))
    .min(1)
    .max(200),
  attachments: z.array(z.strictObject({ name: z.string().max(1000), bytes: z.base64() })).max(2000),
});
export type Distribution = z.infer<typeof distributionSchema>;

export const changeSchema = z
  .object({ action: z.enum(['create', 'change', 'withdraw']), what: z.string(), detail: z.string().nullable() })
  .openapi('Change');

export const planSchema = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('plan'), changes: z.array(changeSchema), hash: z.string() }),
    z.object({
      kind: z.literal('problems'),
      problems: z.array(
        z.object({
          file: z.string(),
          line: z.int().positive().nullable(),
          field: z.string().nullable(),
          reason: z.string(),
          remedy: z.string().nullable(),
        }),
      ),
    }),
  ])
  .openapi('Plan');
export type Plan = z.infer<typeof planSchema>;

export const planRoute = createRoute({
  method: 'post',
  path: '/api/v1/apply/plan',
  summary: 'What applying the files would change, or what is wrong with them',
  tags,
  ...access('administrator'),
  request: { body: jsonBody(distributionSchema) },
  responses: { 200: json(planSchema, 'The plan'), ...refusals },
});

export const applyRoute = createRoute({
  method: 'post',
  path: '/api/v1/apply/confirm',
  summary: 'Apply the files, when they still mean the plan with this hash',
  tags,
  ...access('administrator'),
  request: { body: jsonBody(distributionSchema.extend({ hash: z.string().max(128) })) },
  responses: { 200: json(z.object({ applied: z.array(changeSchema) }), 'What was changed'), ...refusals },
});
