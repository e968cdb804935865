/**
 * What a caller may see, asked of the read model: one set of answers for the API, for the pages and for their `.json` twins.
 */
import type { Build, BuildSummary, Job } from '../contract/builds.ts';
import type { SnapshotDetail, SnapshotList, SnapshotSuite } from '../contract/snapshots.ts';
import type { Status } from '../contract/status.ts';
import type { SubmissionTrace } from '../contract/submissions.ts';
import type { Suite } from '../contract/suites.ts';
import type { Tag, TagDetail } from '../contract/tags.ts';
import { CONTRACT_VERSION } from '../contract/version.ts';
import type { Where } from '../contract/where.ts';
import { parseSnapshotId } from '../archive/index.ts';
import { whyJobsWait } from '../lighthouse/index.ts';
import { freeSpace } from '../platform/files.ts';
import {
  describeBuild,
  describeJob,
  describeSnapshot,
  describeSubmission,
  describeSuite,
  describeTag,
  listBuilds,
  listGitNamespaces,
  listGitRepositories,
  listQueues,
  listSnapshots,
  listSnapshotSuites,
  listSuites,
  listTags,
  listWorkers,
  overview,
  whereIs,
  type BuildFilters,
  type SuiteDetail,
  type TagFilters,
  type TraceDeps,
} from '../trace/index.ts';
import type { GitNamespaceView, GitRepositoryView, QueueView, WorkerView } from '../trace/index.ts';
import type { Views } from '../web/index.ts';
import type { HttpDeps } from './deps.ts';
import { defined, mutable, type Defined, type Mutable } from './mutable.ts';

export interface ApiViews extends Views {
  job(id: number): Promise<Job | undefined>;
  suite(archive: string, suite: string): Promise<Mutable<SuiteDetail> | undefined>;
  suites(): Promise<Suite[]>;
  snapshotSuites(): Promise<{ suites: SnapshotSuite[] }>;
  snapshots(archive: string, suite: string, before?: number): Promise<SnapshotList | undefined>;
  snapshot(archive: string, suite: string, id: string, from?: string): Promise<SnapshotDetail | undefined>;
  gitRepositories(): Promise<{ repositories: Mutable<GitRepositoryView>[]; namespaces: Mutable<GitNamespaceView>[] }>;
  workers(): Promise<{ workers: Mutable<WorkerView>[]; queues: Mutable<QueueView>[] }>;
  where(name: string, limit?: number): Promise<Where | undefined>;
  tags(filter: TextFilter): Promise<{ tags: Tag[]; next: number | null }>;
  builds(filter: TextFilter): Promise<{ builds: BuildSummary[]; next: number | null }>;
}

/** Filters as they stand in an address; what names no state is a filter that nothing fits. */
export interface TextFilter {
  readonly state?: string | undefined;
  readonly source?: string | undefined;
  readonly architecture?: string | undefined;
  readonly repository?: string | undefined;
  readonly before?: number | undefined;
  readonly limit?: number | undefined;
}

const TAG_STATES: readonly NonNullable<TagFilters['state']>[] = ['seen', 'obstructed', 'accepted', 'rejected'];
const JOB_STATES: readonly NonNullable<BuildFilters['state']>[] = [
  'blocked',
  'ready',
  'leased',
  'delivered',
  'succeeded',
  'failed',
  'quarantined',
  'cancelled',
];

/** The answers for those who belong to `audiences`. */
export function viewsFor(
  deps: Pick<HttpDeps, 'db' | 'publicUrl' | 'paths' | 'version' | 'room'>,
  audiences: readonly string[],
): ApiViews {
  const trace: TraceDeps = { db: deps.db, publicUrl: deps.publicUrl, whyJobsWait };
  const viewer = { audiences };
  return {
    status: async (): Promise<Status> => {
      const seen = mutable(await overview(trace, viewer));
      const alerts = await withRoom(deps, seen.alerts);
      return { version: deps.version, contract: CONTRACT_VERSION, ...seen, alerts, space: await space(deps) };
    },
    where: async (name, limit) =>
      mutable(await whereIs(trace, name, { ...viewer, ...(limit === undefined ? {} : { limit }) })),
    submission: async (id): Promise<SubmissionTrace | undefined> =>
      mutable(await describeSubmission(trace, id, viewer)),
    tags: async (filter) => {
      const state = TAG_STATES.find((one) => one === filter.state);
      if (filter.state !== undefined && state === undefined) return { tags: [], next: null };
      return mutable(await listTags(trace, { ...viewer, ...pageOf(filter), ...defined({ state }) }));
    },
    tag: async (id): Promise<TagDetail | undefined> => mutable(await describeTag(trace, id, viewer)),
    builds: async (filter) => {
      const state = JOB_STATES.find((one) => one === filter.state);
      if (filter.state !== undefined && state === undefined) return { builds: [], next: null };
      return mutable(await listBuilds(trace, { ...viewer, ...pageOf(filter), ...defined({ state }) }));
    },
    build: async (id): Promise<Build | undefined> => mutable(await describeBuild(trace, id, viewer)),
    job: async (id) => mutable(await describeJob(trace, id, viewer)),
    snapshotSuites: async () => ({ suites: mutable(await listSnapshotSuites(trace, viewer)) }),
    snapshots: async (archive, suite, before) =>
      mutable(await listSnapshots(trace, { archive, suite }, viewer, before)),
    snapshot: async (archive, suite, id, from) => {
      const [wanted, base] = [parseSnapshotId(id), from === undefined ? undefined : parseSnapshotId(from)];
      if (wanted === undefined || (from !== undefined && base === undefined)) return undefined;
      return mutable(await describeSnapshot(trace, { archive, suite }, wanted, viewer, base));
    },
    suites: async () => mutable(await listSuites(trace, viewer)),
    suite: async (archive, suite) => mutable(await describeSuite(trace, { archive, suite }, viewer)),
    gitRepositories: async () => ({
      repositories: mutable(await listGitRepositories(trace, viewer)),
      namespaces: mutable(await listGitNamespaces(trace, viewer)),
    }),
    workers: async () => ({
      workers: mutable(await listWorkers(trace, viewer)),
      queues: mutable(await listQueues(trace, viewer)),
    }),
  };
}

/** Little room is told also while the database can keep no alert of it. */
async function withRoom(deps: Pick<HttpDeps, 'room'>, alerts: string[]): Promise<string[]> {
  const problem = await deps.room?.problem().catch(() => undefined);
  if (problem === undefined) return alerts;
  return [
    `${problem.sentence}: ${problem.detail} (${problem.remedy})`,
    ...alerts.filter((alert) => !alert.startsWith(problem.sentence)),
  ];
}

async function space(deps: Pick<HttpDeps, 'paths'>): Promise<Status['space']> {
  try {
    const { availableBytes, totalBytes } = await freeSpace(deps.paths.root);
    return { availableBytes, totalBytes };
  } catch {
    // Room that cannot be asked for must not take the whole answer with it.
    return null;
  }
}

function pageOf(filter: TextFilter): Defined<Omit<TextFilter, 'state'>> {
  const { source, architecture, repository, before, limit } = filter;
  return defined({ source, architecture, repository, before, limit });
}
