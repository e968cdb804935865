/** The background tasks of this module. */
import { z } from 'zod';
import type { TaskHandlers } from '../platform/tasks.ts';
import { prepareSource, type SourceDeps } from './prepare.ts';

const submission = z.strictObject({ submissionId: z.int().positive() });

export function sourceTasks(deps: SourceDeps): TaskHandlers {
  return {
    'sources.prepare': async (payload) => await prepareSource(deps, submission.parse(payload).submissionId),
  };
}
