/** Builds: which ones a source needs, on which architectures, and what people may ask of them. */
export { getBuild, findBuildOfJob, type Build } from './store.ts';
export { cancelBuild, giveBackBuild, type BuildMove } from './service.ts';
export { buildTasks } from './tasks.ts';
export type { PlanDeps } from './plan.ts';
export {
  neededBuilds,
  type ArchitectureNeeds,
  type AptSource,
  type BinaryPayload,
  type PayloadFile,
  type PlannedBuild,
  type SourcePayload,
} from './model.ts';
