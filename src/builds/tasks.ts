/** The background tasks of builds. Each may be run again at any moment: what was done is found done. */
import { z } from 'zod';
import type { TaskHandlers } from '../platform/tasks.ts';
import { JOB_ENDED_TASK, planBinaries, planSource, type PlanDeps } from './plan.ts';
import { noteJobEnded } from './service.ts';

const submission = z.strictObject({ submissionId: z.int().positive() });
const ended = z.strictObject({ jobId: z.int().positive(), state: z.string() });

export function buildTasks(deps: PlanDeps): TaskHandlers {
  return {
    'builds.plan-source': async (payload) => await planSource(deps, submission.parse(payload).submissionId),
    'builds.plan-binaries': async (payload) => await planBinaries(deps, submission.parse(payload).submissionId),
    [JOB_ENDED_TASK]: async (payload) => await noteJobEnded(deps.db, ended.parse(payload).jobId),
  };
}
