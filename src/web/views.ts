/**
 * What the pages show: the same objects that the API answers with, already cut to what the caller may see. Each page has a
 * `.json` twin, which is that object.
 */
import type { Build, BuildSummary } from '../contract/builds.ts';
import type { GitNamespace, GitRepository } from '../contract/git-repositories.ts';
import type { SnapshotDetail, SnapshotList, SnapshotSuite } from '../contract/snapshots.ts';
import type { Status } from '../contract/status.ts';
import type { SubmissionTrace } from '../contract/submissions.ts';
import type { SuiteDetail } from '../contract/suites.ts';
import type { Tag, TagDetail } from '../contract/tags.ts';
import type { Where } from '../contract/where.ts';

/** What stands in a list's address: each filter is a part of it, so that a list can be mailed as a link. */
export interface ListFilter {
  readonly state?: string | undefined;
  readonly source?: string | undefined;
  readonly architecture?: string | undefined;
  readonly repository?: string | undefined;
  readonly before?: number | undefined;
}

/** Undefined where there is no such thing, or none that the caller may see: the two are not told apart. */
export interface Views {
  status(): Promise<Status>;
  where(name: string): Promise<Where | undefined>;
  submission(id: number): Promise<SubmissionTrace | undefined>;
  tags(filter: ListFilter): Promise<{ readonly tags: readonly Tag[]; readonly next: number | null }>;
  tag(id: number): Promise<TagDetail | undefined>;
  builds(filter: ListFilter): Promise<{ readonly builds: readonly BuildSummary[]; readonly next: number | null }>;
  build(id: number): Promise<Build | undefined>;
  suite(archive: string, suite: string): Promise<SuiteDetail | undefined>;
  snapshotSuites(): Promise<{ readonly suites: readonly SnapshotSuite[] }>;
  snapshots(archive: string, suite: string, before?: number): Promise<SnapshotList | undefined>;
  snapshot(archive: string, suite: string, id: string, from?: string): Promise<SnapshotDetail | undefined>;
  gitRepositories(): Promise<{
    readonly repositories: readonly GitRepository[];
    readonly namespaces: readonly GitNamespace[];
  }>;
}
