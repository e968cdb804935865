/**
 * The tables of migrations/, as Kysely sees them. Held against the migrated database by schema.db.test.ts.
 *
 * int8 is a number, timestamptz a Date, bytea a Buffer, interval its text (`7 days`); jsonb is read as a value and written as
 * JSON text, see `jsonText` in database.ts.
 */
import type { ColumnType, Generated, GeneratedAlways } from 'kysely';

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

type Id = GeneratedAlways<number>;
/** Set by the database unless given. */
type Time = ColumnType<Date, Date | undefined, Date>;
type JsonColumn<T = JsonObject> = ColumnType<T, string | undefined, string>;
type Interval = ColumnType<string, string | undefined, string>;

export interface EventsTable {
  id: Id;
  xid: GeneratedAlways<string>;
  at: Time;
  kind: string;
  submission_id: number | null;
  audience: Generated<string>;
  actor: string;
  data: JsonColumn;
}

export interface AuditTable {
  id: Id;
  at: Time;
  actor: string;
  action: string;
  subject: string;
  detail: JsonColumn;
}

export interface TaskPoolsTable {
  pool_id: string;
  started_at: Time;
  heartbeat_at: Time;
}

export interface PeopleTable {
  id: Id;
  handle: string;
  name: string;
  email: string;
  active: Generated<boolean>;
  created_at: Time;
}

export interface GroupsTable {
  id: Id;
  name: string;
  created_at: Time;
}

export interface GroupMembersTable {
  group_id: number;
  person_id: number;
}

export interface KeysTable {
  id: Id;
  person_id: number;
  kind: 'openpgp' | 'ssh';
  fingerprint: string;
  material: Buffer;
  valid_from: Time;
  valid_until: Date | null;
  revoked_at: Date | null;
  revocation_reason: string | null;
  created_at: Time;
}

export type GrantAction =
  'release' | 'upload-binary' | 'rebuild' | 'review-new' | 'hint' | 'grant' | 'operate' | 'administer';

export interface GrantsTable {
  id: Id;
  person_id: number | null;
  group_id: number | null;
  action: GrantAction;
  archive: Generated<string>;
  suite_pattern: Generated<string>;
  package_pattern: Generated<string>;
  valid_until: Date | null;
  granted_by: string;
  created_at: Time;
  withdrawn_at: Date | null;
}

export interface AccessTokensTable {
  id: Id;
  person_id: number;
  name: string;
  secret_sha256: Buffer;
  created_at: Time;
  expires_at: Date | null;
  revoked_at: Date | null;
}

export interface WorkerPoolsTable {
  id: Id;
  name: string;
  created_at: Time;
}

export interface ArchivesTable {
  id: Id;
  name: string;
  audience: Generated<string>;
  origin: string;
  label: string;
  description: string;
  worker_pool_id: number;
  accepted_formats: Generated<string[]>;
  package_patterns: Generated<string[]>;
  reserved_patterns: Generated<string[]>;
  accepted_licences: Generated<string[]>;
  created_at: Time;
  quota_bytes: number | null;
}

export interface ExternalSuitesTable {
  id: Id;
  name: string;
  uri: string;
  suite: string;
  components: string[];
  keyring: Buffer;
  created_at: Time;
}

export interface SuitesTable {
  id: Id;
  archive_id: number;
  name: string;
  codename: string;
  aliases: Generated<string[]>;
  description: Generated<string>;
  accepts: Generated<string[]>;
  components: string[];
  architectures: string[];
  architecture_for_all: string;
  not_automatic: Generated<boolean>;
  but_automatic_upgrades: Generated<boolean>;
  debug_suite_id: number | null;
  new_policy: Generated<'hold' | 'accept'>;
  build_in_new: Generated<boolean>;
  valid_for: Interval;
  retention: Interval;
  audience: Generated<string>;
  open_serial: Generated<number>;
  created_at: Time;
}

export interface SuiteParentsTable {
  suite_id: number;
  position: number;
  parent_suite_id: number | null;
  external_suite_id: number | null;
}

export interface SuiteOrderTable {
  newer_suite_id: number;
  older_suite_id: number;
}

export type QuiltMode = 'gbp' | 'unapplied' | 'linear' | 'baredebian' | 'native';

export interface GitRepositoriesTable {
  id: Id;
  name: string;
  url: string;
  allow_file: Generated<boolean>;
  plain_tags: Generated<boolean>;
  plain_source: string | null;
  plain_quilt: QuiltMode | null;
  max_pack_bytes: Generated<number>;
  fetch_deadline: Interval;
  poll_every: Interval;
  last_scan_at: Date | null;
  baseline_at: Date | null;
  enabled: Generated<boolean>;
  created_at: Time;
  namespace_id: number | null;
  namespace_path: string | null;
  place: string | null;
  notices_per_minute: Generated<number>;
  next_look_at: Date | null;
  failed_looks: Generated<number>;
  obstacle_code: string | null;
  obstacle_sentence: string | null;
  obstacle_remedy: string | null;
  obstacle_since: Date | null;
}

export interface GitNamespacesTable {
  id: Id;
  name: string;
  url: string;
  max_depth: Generated<number>;
  max_repositories: Generated<number>;
  allow_file: Generated<boolean>;
  plain_tags: Generated<boolean>;
  plain_quilt: QuiltMode | null;
  max_pack_bytes: Generated<number>;
  fetch_deadline: Interval;
  poll_every: Interval;
  notices_per_minute: Generated<number>;
  enabled: Generated<boolean>;
  created_at: Time;
}

export interface GitNamespaceArchivesTable {
  git_namespace_id: number;
  distro: string;
  archive_id: number;
}

export interface HookSecretsTable {
  id: Id;
  git_repository_id: number | null;
  git_namespace_id: number | null;
  secret: Buffer;
  set_at: Time;
}

export interface GitRepositoryArchivesTable {
  git_repository_id: number;
  distro: string;
  archive_id: number;
}

export type SubmissionOrigin = 'tag' | 'dput' | 'sync' | 'import' | 'rebuild';

export interface SubmissionsTable {
  id: Id;
  origin: SubmissionOrigin;
  archive_id: number;
  audience: string;
  suite_id: number | null;
  source: string | null;
  version: string | null;
  person_id: number | null;
  created_at: Time;
}

export interface VersionsTable {
  id: Id;
  archive_id: number;
  source: string;
  version: string;
  submission_id: number;
  state: Generated<'reserved' | 'freed' | 'accepted'>;
  freed_because: string | null;
  created_at: Time;
}

export interface HighWaterMarksTable {
  id: Id;
  suite_id: number;
  source: string;
  version: string;
  actor: string;
  reason: string;
  created_at: Time;
}

export interface PoolFilesTable {
  id: Id;
  archive_id: number;
  path: string;
  sha256: string;
  size: number;
  created_at: Time;
}

export interface NoticesTable {
  id: Id;
  git_repository_id: number;
  ref: string | null;
  via: string;
  received_at: Time;
}

export type TagState = 'seen' | 'obstructed' | 'accepted' | 'rejected';

export interface TagBaselinesTable {
  git_repository_id: number;
  ref: string;
  object_id: string;
  noticed_at: Date | null;
  adopted_at: Date | null;
  adopted_by: string | null;
}

export interface TagsTable {
  id: Id;
  git_repository_id: number;
  submission_id: number;
  ref: string;
  object_id: string;
  distro: string;
  state: Generated<TagState>;
  seen_at: Time;
  decided_at: Date | null;
  retry_at: Date | null;
}

export interface TagDecisionsTable {
  id: Id;
  tag_id: number;
  outcome: 'accepted' | 'rejected';
  code: string;
  sentence: string;
  remedy: string | null;
  checks: ColumnType<JsonValue, string, string>;
  tag_object: Buffer | null;
  signature_kind: 'openpgp' | 'ssh' | null;
  key_fingerprint: string | null;
  key_material: Buffer | null;
  person_id: number | null;
  commit_id: string | null;
  upstream_commit_id: string | null;
  source: string | null;
  version: string | null;
  suite_id: number | null;
  quilt: string | null;
  grant_id: number | null;
  decided_by: string;
  decided_at: Time;
}

export interface TagObstaclesTable {
  id: Id;
  tag_id: number;
  code: string;
  sentence: string;
  remedy: string | null;
  checks: ColumnType<JsonValue, string, string>;
  at: Time;
}

export interface FrozenInputsTable {
  submission_id: number;
  sha256: string;
  size: number;
  object_format: 'sha1' | 'sha256';
  tag_object_id: string;
  commit_id: string;
  upstream_commit_id: string | null;
  pristine_tar_commit_id: string | null;
  created_at: Time;
}

export interface OrigsTable {
  submission_id: number;
  name: string;
  sha256: string;
  size: number;
  provenance: 'archive' | 'parent' | 'pristine-tar' | 'upstream-commit';
  detail: string;
}

export interface WorkersTable {
  id: Id;
  name: string;
  worker_pool_id: number;
  architectures: string[];
  secret_sha256: Buffer;
  openpgp_fingerprint: string;
  openpgp_key: Buffer;
  enabled: Generated<boolean>;
  revoked_at: Date | null;
  last_contact_at: Date | null;
  facts: JsonColumn;
  created_at: Time;
}

export interface JoinTokensTable {
  id: Id;
  secret_sha256: Buffer;
  worker_name: string;
  worker_pool_id: number;
  architectures: string[];
  created_by: string;
  created_at: Time;
  expires_at: Date;
  used_at: Date | null;
  used_by_worker_id: number | null;
}

export type JobState =
  'blocked' | 'ready' | 'leased' | 'delivered' | 'succeeded' | 'failed' | 'quarantined' | 'cancelled';

export interface JobsTable {
  id: Id;
  trace_id: number;
  audience: Generated<string>;
  kind: string;
  key: string;
  fair_group: string;
  worker_pool_id: number;
  architecture: string | null;
  size_class: Generated<'small' | 'medium' | 'large'>;
  limits: JsonColumn;
  priority: Generated<number>;
  fair_position: Generated<number>;
  payload: ColumnType<JsonValue, string, string>;
  state: Generated<JobState>;
  blocked_because: string | null;
  not_before: Time;
  infrastructure_failures: Generated<number>;
  failure_code: string | null;
  failure_reason: string | null;
  ended_task: string | null;
  created_at: Time;
  changed_at: Time;
}

export type AttemptState =
  'running' | 'delivered' | 'succeeded' | 'failed' | 'lost' | 'infrastructure-failed' | 'cancelled';

export interface AttemptsTable {
  id: Id;
  job_id: number;
  number: number;
  worker_id: number;
  token: Generated<number>;
  state: Generated<AttemptState>;
  lease_expires_at: Date;
  phase: Generated<string>;
  started_at: Time;
  delivered_at: Date | null;
  ended_at: Date | null;
  result_code: string | null;
  result_reason: string | null;
  facts: JsonColumn;
}

export interface AttemptPhasesTable {
  attempt_id: number;
  position: number;
  name: string;
  log_start: number;
  started_at: Time;
}

export interface LogChunksTable {
  attempt_id: number;
  start: number;
  bytes: Buffer;
  at: Time;
}

export interface AttemptFilesTable {
  attempt_id: number;
  name: string;
  sha256: string;
  size: number;
}

export interface BuildsTable {
  id: Id;
  submission_id: number;
  kind: 'source' | 'binary';
  architecture: string;
  with_all: Generated<boolean>;
  job_id: number;
  created_at: Time;
}

export type UploadState = 'received' | 'held' | 'accepted' | 'rejected';

export interface UploadsTable {
  id: Id;
  submission_id: number;
  attempt_id: number | null;
  archive_id: number;
  suite_id: number;
  kind: 'source' | 'binary';
  changes_name: string;
  state: Generated<UploadState>;
  signer_fingerprint: string | null;
  code: string | null;
  sentence: string | null;
  remedy: string | null;
  received_at: Time;
  decided_at: Date | null;
}

export interface UploadFilesTable {
  upload_id: number;
  name: string;
  sha256: string;
  size: number;
}

export interface UploadChecksTable {
  upload_id: number;
  position: number;
  code: string;
  outcome: 'passed' | 'failed' | 'held' | 'not-applicable';
  detail: string | null;
}

export interface OverridesTable {
  archive_id: number;
  kind: 'source' | 'deb' | 'udeb';
  package: string;
  component: string;
  section: string;
  priority: string;
  source: string;
  created_at: Time;
}

export interface SourcePackagesTable {
  id: Id;
  archive_id: number;
  upload_id: number;
  submission_id: number;
  name: string;
  version: string;
  component: string;
  stanza: string;
  dsc_sha256: string;
  created_at: Time;
  changelog_sha256: string | null;
  changelog_size: number | null;
}

export interface BinaryPackagesTable {
  id: Id;
  archive_id: number;
  upload_id: number;
  source_package_id: number;
  name: string;
  version: string;
  architecture: string;
  type: Generated<'deb' | 'udeb'>;
  component: string;
  stanza: string;
  sha256: string;
  created_at: Time;
  translation: string | null;
}

export interface PackageContentsTable {
  source_package_id: number | null;
  binary_package_id: number | null;
  location: string;
  paths: string;
}

export interface PackageFilesTable {
  source_package_id: number | null;
  binary_package_id: number | null;
  pool_file_id: number;
}

export interface SuiteSourcesTable {
  id: Id;
  suite_id: number;
  source_package_id: number;
  added_serial: number;
  removed_serial: number | null;
}

export interface SuiteBinariesTable {
  id: Id;
  suite_id: number;
  architecture: string;
  binary_package_id: number;
  added_serial: number;
  removed_serial: number | null;
}

export type PublicationState = 'writing' | 'written' | 'signed' | 'published';

export interface PublicationsTable {
  id: Id;
  suite_id: number;
  serial: number;
  state: Generated<PublicationState>;
  date: Date;
  valid_until: Date | null;
  reason: string;
  release: string | null;
  in_release: Buffer | null;
  release_gpg: Buffer | null;
  key_fingerprint: string | null;
  started_at: Time;
  published_at: Date | null;
  facts: JsonColumn;
}

export interface AlertsTable {
  id: Id;
  key: string;
  audience: Generated<string>;
  sentence: string;
  remedy: string | null;
  data: JsonColumn;
  raised_at: Time;
  cleared_at: Date | null;
}

export interface ScrubsTable {
  id: Id;
  started_at: Time;
  finished_at: Date | null;
  position: Generated<string>;
  files: Generated<number>;
  bytes: Generated<number>;
  damaged: Generated<number>;
}

export interface CollectedPoolFilesTable {
  pool_file_id: number;
  collected_at: Time;
}

export interface TakedownsTable {
  id: Id;
  archive_id: number;
  source: string;
  version: string;
  legal: boolean;
  reason: string;
  actor: string;
  detail: JsonColumn;
  at: Time;
  removed_at: Date | null;
}

export interface TakenDownFilesTable {
  takedown_id: number;
  path: string;
  sha256: string;
  size: number;
}

export interface SuspensionsTable {
  id: Id;
  submission_id: number;
  key_id: number | null;
  reason: string;
  actor: string;
  detail: JsonColumn;
  at: Time;
}

export interface EnrolmentCodesTable {
  id: Id;
  person_id: number;
  secret_sha256: Buffer;
  created_by: string;
  created_at: Time;
  expires_at: Date;
  used_at: Date | null;
  used_by_token_id: number | null;
}

export interface Database {
  events: EventsTable;
  audit: AuditTable;
  task_pools: TaskPoolsTable;
  people: PeopleTable;
  groups: GroupsTable;
  group_members: GroupMembersTable;
  keys: KeysTable;
  grants: GrantsTable;
  access_tokens: AccessTokensTable;
  worker_pools: WorkerPoolsTable;
  archives: ArchivesTable;
  external_suites: ExternalSuitesTable;
  suites: SuitesTable;
  suite_parents: SuiteParentsTable;
  suite_order: SuiteOrderTable;
  git_repositories: GitRepositoriesTable;
  git_repository_archives: GitRepositoryArchivesTable;
  git_namespaces: GitNamespacesTable;
  git_namespace_archives: GitNamespaceArchivesTable;
  hook_secrets: HookSecretsTable;
  submissions: SubmissionsTable;
  versions: VersionsTable;
  high_water_marks: HighWaterMarksTable;
  pool_files: PoolFilesTable;
  notices: NoticesTable;
  tag_baselines: TagBaselinesTable;
  tags: TagsTable;
  tag_decisions: TagDecisionsTable;
  tag_obstacles: TagObstaclesTable;
  frozen_inputs: FrozenInputsTable;
  origs: OrigsTable;
  workers: WorkersTable;
  join_tokens: JoinTokensTable;
  jobs: JobsTable;
  attempts: AttemptsTable;
  attempt_phases: AttemptPhasesTable;
  log_chunks: LogChunksTable;
  attempt_files: AttemptFilesTable;
  builds: BuildsTable;
  uploads: UploadsTable;
  upload_files: UploadFilesTable;
  upload_checks: UploadChecksTable;
  overrides: OverridesTable;
  source_packages: SourcePackagesTable;
  binary_packages: BinaryPackagesTable;
  package_files: PackageFilesTable;
  package_contents: PackageContentsTable;
  suite_sources: SuiteSourcesTable;
  suite_binaries: SuiteBinariesTable;
  publications: PublicationsTable;
  alerts: AlertsTable;
  scrubs: ScrubsTable;
  collected_pool_files: CollectedPoolFilesTable;
  suspensions: SuspensionsTable;
  takedowns: TakedownsTable;
  taken_down_files: TakenDownFilesTable;
  enrolment_codes: EnrolmentCodesTable;
}
