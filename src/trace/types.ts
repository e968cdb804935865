/**
 * What the read model answers with: plain objects that can be shown on a page and written as JSON. Dates are ISO strings,
 * durations milliseconds, URLs absolute; what is not known is null. The wire's schemas (contract/) have the same shapes.
 */
import type { Db, JsonObject } from '../platform/database.ts';
import type { AttemptState, JobState, SubmissionOrigin, TagState, UploadState } from '../platform/schema.ts';

export interface TraceDeps {
  readonly db: Db;
  /** How people reach this server, without a slash at its end. */
  readonly publicUrl: string;
  /** Lighthouse's sentences (`whyJobsWait`): this folder reads the database only, and there is one place that explains a queue. */
  readonly whyJobsWait: (
    db: Db,
    jobIds: readonly number[],
  ) => Promise<ReadonlyMap<number, { readonly sentence: string; readonly mustAct: string | null }>>;
}

/** Whose question it is: only what is for one of these audiences exists for the answer. */
export interface Viewer {
  readonly audiences: readonly string[];
}

export interface PageOptions {
  /** Only rows older than this id. */
  readonly before?: number;
  /** Default 50, at most 500. */
  readonly limit?: number;
}

export type { AttemptState, JobState, SubmissionOrigin, TagState, UploadState };

export interface PersonView {
  readonly handle: string;
  readonly name: string;
}

export interface FileView {
  readonly name: string;
  readonly sha256: string;
  readonly size: number;
}

// ------------------------------------------------------------------ submissions

/** `waiting`: nothing works on it now, the sentence says why; `skipped`: it will not come. */
export type StepState = 'done' | 'running' | 'waiting' | 'failed' | 'skipped';

export type StepName =
  | 'tag.seen'
  | 'tag.decided'
  | 'upload.received'
  /** A person has stopped it. */
  | 'suspended'
  | 'source.prepared'
  | 'source.built'
  | 'source.accepted'
  | 'binary.built'
  | 'binary.accepted'
  /** Of the source where it has no architecture. */
  | 'published';

export interface Step {
  readonly name: StepName;
  /** For people: "source built", "amd64 published". */
  readonly title: string;
  readonly state: StepState;
  readonly architecture: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly durationMs: number | null;
  /** `person:HANDLE`, `worker:NAME` or `landfall`. */
  readonly by: string | null;
  readonly code: string | null;
  /** What came of it, or why it waits. */
  readonly sentence: string | null;
  readonly remedy: string | null;
  /** Who must act, where it does not go on by itself. */
  readonly mustAct: string | null;
  readonly url: string | null;
  readonly buildId: number | null;
}

/** `attention`: nothing goes on by itself and a person must act. */
export type SubmissionState =
  'in-flight' | 'attention' | 'published' | 'rejected' | 'failed' | 'cancelled' | 'suspended';

export interface SubmissionTrace {
  readonly id: number;
  readonly origin: SubmissionOrigin;
  readonly archive: string;
  readonly audience: string;
  readonly suite: string | null;
  readonly source: string | null;
  readonly version: string | null;
  readonly person: PersonView | null;
  readonly createdAt: string;
  readonly state: SubmissionState;
  /** Nothing more happens by itself: `state` is the outcome. */
  readonly settled: boolean;
  readonly sentence: string;
  readonly remedy: string | null;
  readonly mustAct: string | null;
  /** The page of its timeline. */
  readonly url: string;
  readonly steps: readonly Step[];
  readonly tag: {
    readonly id: number;
    readonly ref: string;
    readonly objectId: string;
    readonly repository: string;
    readonly commitId: string | null;
    readonly signer: string | null;
    readonly fingerprint: string | null;
    readonly url: string;
  } | null;
  readonly packages: readonly PackageView[];
}

/** A package that came of a submission, and the worker that built it. */
export interface PackageView {
  readonly kind: 'source' | 'binary';
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly worker: string | null;
  readonly workerFingerprint: string | null;
  readonly buildId: number | null;
}

export interface Where {
  /** The name that was asked for. */
  readonly package: string;
  /** Its source: another name when a binary package was asked for. */
  readonly source: string;
  readonly url: string;
  /** What the suites' last publications hold. */
  readonly suites: readonly {
    readonly archive: string;
    readonly suite: string;
    readonly version: string;
    readonly architectures: readonly string[];
  }[];
  /** The newest first. */
  readonly submissions: readonly SubmissionTrace[];
}

// ------------------------------------------------------------------ tags

export interface TagView {
  readonly id: number;
  readonly submissionId: number;
  readonly repository: string;
  readonly archive: string;
  readonly ref: string;
  readonly objectId: string;
  readonly distro: string;
  readonly state: TagState;
  readonly seenAt: string;
  readonly decidedAt: string | null;
  readonly source: string | null;
  readonly version: string | null;
  readonly suite: string | null;
  readonly signer: PersonView | null;
  readonly code: string | null;
  readonly sentence: string | null;
  readonly remedy: string | null;
  readonly url: string;
}

export interface CheckView {
  readonly code: string;
  readonly outcome: 'passed' | 'failed' | 'held' | 'obstructed' | 'not-applicable' | 'not-reached';
  readonly detail: string | null;
}

export interface TagDetail extends TagView {
  /** Of the last decision, or of the last obstacle where there is none. */
  readonly checks: readonly CheckView[];
  readonly fingerprint: string | null;
  readonly commitId: string | null;
  readonly upstreamCommitId: string | null;
  readonly quilt: string | null;
  /** The tag object's text, verbatim; bytes that are not UTF-8 are replaced. */
  readonly text: string | null;
  readonly retryAt: string | null;
  readonly decisions: readonly {
    readonly id: number;
    readonly outcome: 'accepted' | 'rejected';
    readonly code: string;
    readonly sentence: string;
    readonly remedy: string | null;
    readonly decidedBy: string;
    readonly decidedAt: string;
  }[];
  readonly obstacles: readonly { readonly code: string; readonly sentence: string; readonly at: string }[];
  /** By the archive, when uploads arrived; the newest first. */
  readonly verifiedAgain: readonly {
    readonly uploadId: number;
    readonly kind: 'source' | 'binary';
    readonly verified: boolean;
    readonly sentence: string;
    readonly at: string;
  }[];
}

export interface TagFilters extends PageOptions {
  readonly state?: TagState;
  readonly repository?: string;
  readonly source?: string;
}

export interface TagPage {
  readonly tags: readonly TagView[];
  /** The `before` of the next page; null on the last. */
  readonly next: number | null;
}

// ------------------------------------------------------------------ builds

export interface BuildSummary {
  readonly id: number;
  readonly submissionId: number;
  readonly jobId: number;
  readonly kind: 'source' | 'binary';
  readonly architecture: string;
  readonly archive: string;
  readonly suite: string | null;
  readonly source: string | null;
  readonly version: string | null;
  readonly state: JobState;
  readonly createdAt: string;
  readonly changedAt: string;
  readonly sentence: string;
  readonly mustAct: string | null;
  readonly url: string;
}

export interface AttemptView {
  readonly id: number;
  readonly number: number;
  readonly worker: string;
  readonly state: AttemptState;
  readonly phase: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly durationMs: number | null;
  readonly code: string | null;
  readonly reason: string | null;
  /** What the worker said of machine, limits, chroot and inputs. */
  readonly facts: JsonObject;
  readonly phases: readonly {
    readonly name: string;
    readonly startedAt: string;
    readonly endedAt: string | null;
    readonly durationMs: number | null;
    readonly logStart: number;
  }[];
  readonly files: readonly FileView[];
  readonly logSize: number;
  readonly logUrl: string;
}

export interface BuildDetail extends BuildSummary {
  readonly withAll: boolean;
  readonly workerPool: string;
  readonly failureCode: string | null;
  readonly failureReason: string | null;
  /** The lines of the last log that say why it failed. */
  readonly excerpt: readonly string[];
  readonly limits: JsonObject;
  readonly inputs: readonly FileView[];
  /** Command lines that make the same build on one's own machine. */
  readonly reproduce: readonly string[];
  /** The last build of this source and architecture in the archive that succeeded before this one. */
  readonly lastGood: { readonly buildId: number; readonly version: string; readonly url: string } | null;
  /** What the archive said of each delivery. */
  readonly uploads: readonly UploadView[];
  /** The newest first. */
  readonly attempts: readonly AttemptView[];
}

export interface UploadView {
  readonly id: number;
  readonly attemptId: number | null;
  readonly changes: string;
  readonly state: UploadState;
  readonly receivedAt: string;
  readonly decidedAt: string | null;
  readonly code: string | null;
  readonly sentence: string | null;
  readonly remedy: string | null;
  readonly checks: readonly CheckView[];
}

export interface BuildFilters extends PageOptions {
  readonly state?: JobState;
  readonly architecture?: string;
  readonly source?: string;
}

export interface BuildPage {
  readonly builds: readonly BuildSummary[];
  readonly next: number | null;
}

export interface JobView {
  readonly id: number;
  readonly kind: string;
  readonly traceId: number;
  readonly buildId: number | null;
  readonly state: JobState;
  readonly architecture: string | null;
  readonly workerPool: string;
  readonly sizeClass: string;
  readonly priority: number;
  readonly createdAt: string;
  readonly changedAt: string;
  /** Null when it does not wait. */
  readonly waitsBecause: string | null;
  readonly mustAct: string | null;
}

// ------------------------------------------------------------------ suites

export interface PublicationView {
  readonly serial: number;
  readonly date: string;
  readonly validUntil: string | null;
  readonly reason: string;
  readonly publishedAt: string | null;
}

export interface SuiteView {
  readonly archive: string;
  readonly suite: string;
  readonly codename: string;
  readonly aliases: readonly string[];
  readonly description: string;
  readonly components: readonly string[];
  readonly architectures: readonly string[];
  readonly audience: string;
  /** The last publication that apt can read. */
  readonly published: PublicationView | null;
  readonly sources: number;
  readonly binaries: number;
  readonly fingerprint: string | null;
  readonly keyUrl: string;
  /** What to paste into a file below /etc/apt/sources.list.d. */
  readonly aptSource: string;
  readonly url: string;
}

export interface SuiteDetail extends SuiteView {
  /** The newest first. */
  readonly publications: readonly PublicationView[];
}

// ------------------------------------------------------------------ snapshots

/** A moment, which means the publication that was in force then; or a serial. */
export type SnapshotId =
  { readonly kind: 'moment'; readonly at: Date } | { readonly kind: 'serial'; readonly serial: number };

export interface SnapshotSuite {
  readonly archive: string;
  readonly suite: string;
  /** As PostgreSQL writes it: `30 days`. */
  readonly retention: string;
  readonly snapshots: number;
  readonly oldest: string | null;
  readonly newest: string | null;
  readonly url: string;
}

export interface SnapshotView {
  readonly serial: number;
  /** `20260131T120000Z`: its Date. */
  readonly id: string;
  readonly date: string;
  /** When the next one came; null: it is the newest. */
  readonly until: string | null;
  readonly validUntil: string | null;
  readonly reason: string;
  /** False: older than the suite's retention. */
  readonly kept: boolean;
  /** Packages that came and went with it, counted by architecture. */
  readonly added: number;
  readonly removed: number;
  readonly url: string;
  readonly aptSource: string;
}

export interface SnapshotList {
  readonly archive: string;
  readonly suite: string;
  readonly retention: string;
  readonly snapshots: readonly SnapshotView[];
  /** The serial to go on below. */
  readonly next: number | null;
}

/** A package whose version changed, alike on these architectures. */
export interface PackageDifference {
  readonly kind: 'source' | 'binary';
  readonly name: string;
  readonly architectures: readonly string[];
  /** Null: it was not there. */
  readonly before: string | null;
  /** Null: it is gone. */
  readonly after: string | null;
}

export interface SnapshotDetail extends SnapshotView {
  readonly archive: string;
  readonly suite: string;
  /** What it is compared with; null: with nothing. */
  readonly from: { readonly serial: number; readonly id: string } | null;
  readonly differences: readonly PackageDifference[];
  readonly omitted: number;
}

// ------------------------------------------------------------------ workers

export interface WorkerView {
  readonly name: string;
  readonly pool: string;
  readonly architectures: readonly string[];
  /** `silent`: not heard of lately; `new`: never yet. */
  readonly state: 'alive' | 'silent' | 'new' | 'disabled' | 'revoked';
  readonly joinedAt: string;
  readonly lastContactAt: string | null;
  readonly fingerprint: string;
  readonly current: readonly {
    readonly buildId: number | null;
    readonly jobId: number;
    readonly title: string;
    readonly phase: string;
    readonly since: string;
  }[];
  readonly facts: JsonObject;
}

export interface QueueView {
  readonly pool: string;
  /** Null: any architecture. */
  readonly architecture: string | null;
  readonly ready: number;
  readonly running: number;
  /** Workers that were heard of lately and could take its jobs. */
  readonly workers: number;
  readonly oldestReadyAt: string | null;
  /** Why the oldest job waits. */
  readonly sentence: string | null;
}

// ------------------------------------------------------------------ overview

/** The last reading of all that is stored against its hashes. */
export interface ScrubView {
  readonly startedAt: string;
  /** Null while it goes on. */
  readonly finishedAt: string | null;
  readonly files: number;
  readonly bytes: number;
  readonly damaged: number;
}

/** Packages that are there, but not for this architecture, which no worker builds. */
export interface LackedArchitecture {
  readonly pool: string;
  readonly architecture: string;
  readonly packages: number;
  /** Names of the newest sources among them; not all. */
  readonly newest: readonly string[];
  readonly sentence: string;
  readonly mustAct: string | null;
}

/** What a newer version has overtaken is in none of these lists: it is history. */
export interface Overview {
  readonly now: string;
  /** They go on by themselves; the newest first. */
  readonly inFlight: readonly SubmissionTrace[];
  /** They have stopped and a person must act, for another reason than a failed build or a rejected tag. */
  readonly attention: readonly SubmissionTrace[];
  /** Builds that failed and wait for somebody. */
  readonly failures: readonly BuildSummary[];
  /** After which no other tag for the suite was accepted. */
  readonly rejectedTags: readonly TagView[];
  readonly lacked: readonly LackedArchitecture[];
  /** The newest that have arrived. */
  readonly done: readonly SubmissionTrace[];
  readonly suites: readonly SuiteView[];
  readonly workers: readonly WorkerView[];
  readonly queues: readonly QueueView[];
  readonly scrub: ScrubView | null;
  /** What needs somebody, in sentences. */
  readonly alerts: readonly string[];
}

/** I4: where a binary package of an archive came from. */
export interface LeadsBack {
  readonly archive: string;
  readonly binary: {
    readonly name: string;
    readonly version: string;
    readonly architecture: string;
    readonly sha256: string;
  };
  readonly source: { readonly name: string; readonly version: string; readonly dscSha256: string };
  readonly submissionId: number;
  readonly origin: SubmissionOrigin;
  readonly built: BuiltBy | null;
  readonly sourceBuilt: BuiltBy | null;
  /** Of the .changes that brought the binary. */
  readonly uploadSigner: string | null;
  readonly tag: {
    readonly id: number;
    readonly repository: string;
    readonly ref: string;
    readonly objectId: string;
    readonly commitId: string;
    readonly signer: PersonView;
    readonly fingerprint: string;
  } | null;
}

export interface BuiltBy {
  readonly worker: string;
  readonly workerFingerprint: string;
  readonly jobId: number;
  readonly buildId: number | null;
  readonly attemptId: number;
}

// ------------------------------------------------------------------ Git repositories

export interface GitRepositoryView {
  readonly name: string;
  /** Null for a folder of the server's machine. */
  readonly url: string | null;
  readonly namespace: string | null;
  readonly prefixes: readonly { readonly distro: string; readonly archive: string }[];
  readonly enabled: boolean;
  readonly needsSecret: boolean;
  readonly pollEverySeconds: number;
  readonly lastLookAt: string | null;
  readonly nextLookAt: string | null;
  readonly tags: number;
  /** Tags of the first look that a notice named since: they decide nothing until somebody adopts them. */
  readonly passedOver: readonly { readonly name: string; readonly objectId: string; readonly noticedAt: string }[];
  readonly obstacle: {
    readonly code: string;
    readonly sentence: string;
    readonly remedy: string;
    readonly since: string;
    readonly failedLooks: number;
  } | null;
}

export interface GitNamespaceView {
  readonly name: string;
  readonly url: string | null;
  readonly prefixes: readonly { readonly distro: string; readonly archive: string }[];
  readonly enabled: boolean;
  readonly needsSecret: boolean;
  readonly repositories: number;
  readonly maxRepositories: number;
}
