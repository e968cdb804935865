/**
 * Distribution files: first the plan, then its application. The plan's hash makes sure that what is applied is what was read:
 * when something changed in between, nothing is done.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, jsonBody, refusals } from './responses.ts';

const tags = ['administration'];

/**
 * The TOML files, each with the bytes of the files that it names (keys, keyrings), by the name as it stands there. What is
 * missing comes back as a problem that `needs` it.
 */
export const distributionSchema = z.strictObject({
  files: z
    .array(
      z.strictObject({
        /** As it is shown in messages. */
        name: z.string().min(1).max(1000),
        text: z.string().max(1024 * 1024),
        attachments: z.array(z.strictObject({ name: z.string().min(1).max(1000), bytes: z.base64() })).max(1000),
      }),
    )
    .min(1)
    .max(200),
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
          column: z.int().positive().nullable(),
          /** `archive.main.suite.landing.parents`; empty for the file as a whole. */
          path: z.string(),
          /** What was found, as it reads after the path. */
          problem: z.string(),
          /** What would be right there. */
          expected: z.string(),
          remedy: z.string(),
          /** The file that must be sent along, as the distribution file names it. */
          needs: z.string().nullable(),
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
  ...access('person'),
  request: { body: jsonBody(distributionSchema) },
  responses: { 200: json(planSchema, 'The plan'), ...refusals },
});

export const applyRoute = createRoute({
  method: 'post',
  path: '/api/v1/apply/confirm',
  summary: 'Apply the files, when they still mean the plan with this hash',
  tags,
  ...access('person'),
  request: { body: jsonBody(distributionSchema.extend({ hash: z.string().max(128) })) },
  responses: { 200: json(z.object({ applied: z.array(changeSchema) }), 'What was changed'), ...refusals },
});
