/** What a notice is answered with where JSON is asked for; the text for `git push` says the same. */
import { z } from 'zod';

export const hookAnswerSchema = z.object({
  /** The Git repositories that it was about, as they are registered. */
  repositories: z.array(z.string()),
  /** What became of the notice as a whole. */
  sentence: z.string(),
  tags: z.array(
    z.object({
      repository: z.string(),
      name: z.string(),
      /** `noted`: not seen yet; `passed-over`: it was there at the first look, and decides nothing until it is adopted. */
      state: z.enum(['noted', 'passed-over', 'seen', 'obstructed', 'accepted', 'rejected']),
      code: z.string().nullable(),
      sentence: z.string(),
      remedy: z.string().nullable(),
      url: z.string().nullable(),
    }),
  ),
});
export type HookAnswer = z.infer<typeof hookAnswerSchema>;
