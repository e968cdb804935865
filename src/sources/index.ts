/**
 * From a frozen commit to a source package. recipe.ts is the part that the worker also runs; prepare.ts finds the upstream
 * tarballs before.
 */
export { assembleSource, dpkgSourceVersion, unpackFrozenInput } from './recipe.ts';
export type { AssembledSource, AssembleInput, AssemblyFailure, QuiltMode } from './recipe.ts';
export { findAcceptedTag, origsOf } from './store.ts';
export type { AcceptedTag, Orig } from './store.ts';
export { sourceTasks } from './tasks.ts';
