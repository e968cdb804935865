/**
 * The read model: where each package is, why it waits, where it came from. Read-only SQL to plain objects; every question says
 * for which audiences it is asked, and what is for another is answered as if it did not exist.
 */
export { overview } from './overview.ts';
export { describeSubmission, whereIs } from './submissions.ts';
export { describeTag, listTags } from './tags.ts';
export { describeBuild } from './build.ts';
export { describeJob, listBuilds, listFailures } from './build-list.ts';
export { describeSuite, listSuites } from './suites.ts';
export { describeSnapshot, listSnapshots, listSnapshotSuites } from './snapshots.ts';
export { listGitNamespaces, listGitRepositories } from './git-repositories.ts';
export { listQueues, listWorkers } from './workers.ts';
export { leadsBack } from './provenance.ts';
export { describeMark } from './marks.ts';
export { describePerson, listKeys, listPeople, type PeopleViewer } from './people.ts';
export type * from './types.ts';
