/** The Git repositories that tags come from, as people see them. They are declared in distribution files. */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, refusals } from './responses.ts';
import { time } from './values.ts';

export const gitRepositorySchema = z
  .object({
    name: z.string(),
    /** Null for a folder of the server's machine. */
    url: z.string().nullable(),
    /** The namespace that it came by; null where it was registered alone. */
    namespace: z.string().nullable(),
    prefixes: z.array(z.object({ distro: z.string(), archive: z.string() })),
    enabled: z.boolean(),
    /** Notices must prove that they come from its forge. */
    needsSecret: z.boolean(),
    pollEverySeconds: z.int().positive(),
    lastLookAt: time.nullable(),
    nextLookAt: time.nullable(),
    /** Tags that were seen. */
    tags: z.int().nonnegative(),
    /** Tags of the first look that decide nothing although a notice named them, until somebody adopts them. */
    passedOver: z.array(z.object({ name: z.string(), objectId: z.string(), noticedAt: time })),
    obstacle: z
      .object({
        code: z.string(),
        sentence: z.string(),
        remedy: z.string(),
        since: time,
        failedLooks: z.int().positive(),
      })
      .nullable(),
  })
  .openapi('GitRepository');
export type GitRepository = z.infer<typeof gitRepositorySchema>;

export const gitNamespaceSchema = z
  .object({
    name: z.string(),
    /** With `*` where the path goes; null for a folder of the server's machine. */
    url: z.string().nullable(),
    prefixes: z.array(z.object({ distro: z.string(), archive: z.string() })),
    enabled: z.boolean(),
    needsSecret: z.boolean(),
    repositories: z.int().nonnegative(),
    maxRepositories: z.int().positive(),
  })
  .openapi('GitNamespace');
export type GitNamespace = z.infer<typeof gitNamespaceSchema>;

export const gitRepositoriesRoute = createRoute({
  method: 'get',
  path: '/api/v1/git-repositories',
  summary: 'Git repositories and namespaces: when each was looked at, and what stands in the way',
  tags: ['tags'],
  ...access('anyone'),
  responses: {
    200: json(
      z.object({ repositories: z.array(gitRepositorySchema), namespaces: z.array(gitNamespaceSchema) }),
      'Those that lead to an archive that the caller may see',
    ),
    ...refusals,
  },
});
