/**
 * What exists: archives, suites, Git repositories; submissions; versions, marks and file names that were ever taken.
 *
 * model.ts says what each is; apply/ changes it from files that people write.
 */
export { applyPlan, planApply } from './apply/apply.ts';
export type { DistributionFile } from './apply/declarations.ts';
export { describeApplyProblem } from './apply/problems.ts';
export type { ApplyProblem } from './apply/problems.ts';
export {
  findArchive,
  findSuite,
  getArchive,
  getSuite,
  listArchives,
  listSuites,
  suiteOrder,
  suiteParents,
} from './archives.ts';
export {
  archiveForDistro,
  audiencesOfGitRepository,
  distrosOf,
  findGitRepositoriesByPlace,
  findGitRepositoryByName,
  findGitRepositoryByUrl,
  getGitRepository,
  listGitRepositories,
} from './git-repositories.ts';
export { memberUrl } from './git-places.ts';
export { HookSecret, findHookSecret } from './hook-secrets.ts';
export { isNewerVersion } from './model.ts';
export type { Archive, GitRepository, Suite, SuiteParent } from './model.ts';
export {
  distrosOfNamespace,
  findNamespace,
  listNamespaces,
  memberByAddress,
  memberByName,
  registerMember,
} from './namespaces.ts';
export type { GitNamespace, MemberName, RegisteredMember } from './namespaces.ts';
export { findPoolFile, namePoolFile } from './pool-files.ts';
export {
  createSubmission,
  describeSubmission,
  findSuspension,
  getSubmission,
  suspendSubmission,
} from './submissions.ts';
export {
  acceptVersion,
  freeVersion,
  highWaterMark,
  lowerHighWaterMark,
  raiseHighWaterMark,
  reserveVersion,
  setHighWaterMark,
  versionHolder,
} from './versions.ts';
