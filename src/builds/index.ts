/** Builds: which ones a source needs, on which architectures, and what people may ask of them. */
export { findBuildOfJob } from './store.ts';
export { cancelBuild, giveBackBuild, type BuildMove } from './service.ts';
export { buildTasks } from './tasks.ts';
