-- The path from a signed tag to a published suite: one table or group of tables per module, in the order of src/.
--
-- Conventions: `id` is the row's own number; times are the database's; a state machine's legal moves are an argument of its
-- trigger, so that code with a fault cannot take an illegal one; what must never be lost is only added to.

-- ---------------------------------------------------------------- guards shared by all tables

-- Arguments: the column, then every legal move as 'from>to'. A row is born in the state that its column's default names.
CREATE FUNCTION refuse_illegal_transition() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  column_name text := TG_ARGV[0];
  before text := to_jsonb(OLD) ->> column_name;
  after text := to_jsonb(NEW) ->> column_name;
BEGIN
  IF before IS DISTINCT FROM after AND NOT (before || '>' || after) = ANY (TG_ARGV) THEN
    RAISE EXCEPTION 'illegal transition of % %: % to %', TG_TABLE_NAME, to_jsonb(NEW) ->> 'id', before, after
      USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_' || column_name || '_transition';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are only added, never changed or removed', TG_TABLE_NAME
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_only_added';
END $$;

-- ---------------------------------------------------------------- events and the audit

-- A reader's cursor is (xid, id), and it reads only rows whose xid is below the oldest running transaction: so a row that
-- commits late is never skipped, although its id is lower than one that was already read.
CREATE TABLE events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  kind text NOT NULL CHECK (kind ~ '^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$'),
  submission_id bigint,
  audience text NOT NULL DEFAULT 'public',
  actor text NOT NULL,
  data jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX events_cursor ON events (xid, id);
CREATE INDEX events_submission ON events (submission_id, id) WHERE submission_id IS NOT NULL;
CREATE TRIGGER events_only_added BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION announce_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('events', '');
  RETURN NULL;
END $$;
CREATE TRIGGER events_announced AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION announce_event();

CREATE TABLE audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor text NOT NULL,
  action text NOT NULL,
  subject text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}'
);
CREATE TRIGGER audit_only_added BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Background tasks held by a `serve` whose heartbeat stopped are unlocked by another.
CREATE TABLE task_pools (
  pool_id text PRIMARY KEY,
  worker_ids text[] NOT NULL DEFAULT '{}',
  started_at timestamptz NOT NULL DEFAULT now(),
  heartbeat_at timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------- permissions

CREATE TABLE people (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  handle text NOT NULL UNIQUE CHECK (handle ~ '^[a-z0-9][a-z0-9.-]{0,63}$'),
  name text NOT NULL,
  email text NOT NULL,
  active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE groups (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'),
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE group_members (
  group_id bigint NOT NULL REFERENCES groups,
  person_id bigint NOT NULL REFERENCES people,
  PRIMARY KEY (group_id, person_id)
);

-- A key belongs to one person for ever: what it signed must lead to the same person in ten years.
CREATE TABLE keys (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  person_id bigint NOT NULL REFERENCES people,
  kind text NOT NULL CHECK (kind IN ('openpgp', 'ssh')),
  fingerprint text NOT NULL UNIQUE,
  material bytea NOT NULL,
  valid_from timestamptz NOT NULL DEFAULT now(),
  valid_until timestamptz,
  revoked_at timestamptz,
  revocation_reason text,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((revoked_at IS NULL) = (revocation_reason IS NULL))
);

CREATE TABLE grants (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  person_id bigint REFERENCES people,
  group_id bigint REFERENCES groups,
  action text NOT NULL CHECK (action IN
    ('release', 'upload-binary', 'rebuild', 'review-new', 'hint', 'grant', 'operate', 'administer')),
  archive text NOT NULL DEFAULT '*',
  suite_pattern text NOT NULL DEFAULT '*',
  package_pattern text NOT NULL DEFAULT '*',
  valid_until timestamptz,
  granted_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  withdrawn_at timestamptz,
  CHECK (num_nonnulls(person_id, group_id) = 1)
);
CREATE UNIQUE INDEX grants_once ON grants (coalesce(person_id, 0), coalesce(group_id, 0), action, archive, suite_pattern, package_pattern)
  WHERE withdrawn_at IS NULL;

CREATE TABLE access_tokens (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  person_id bigint NOT NULL REFERENCES people,
  name text NOT NULL,
  secret_sha256 bytea NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz
);

-- ---------------------------------------------------------------- lighthouse: pools (referred to by archives)

CREATE TABLE worker_pools (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'),
  created_at timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------- registry

CREATE TABLE archives (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'),
  audience text NOT NULL DEFAULT 'public' CHECK (audience ~ '^(public|group:[a-z0-9][a-z0-9.-]*)$'),
  origin text NOT NULL,
  label text NOT NULL,
  description text NOT NULL,
  worker_pool_id bigint NOT NULL REFERENCES worker_pools,
  accepted_formats text[] NOT NULL DEFAULT '{3.0 (native),3.0 (quilt)}',
  created_at timestamptz NOT NULL DEFAULT now()
);

-- An apt repository that is not ours and that ours build against, for example Debian's stable suite on a mirror.
CREATE TABLE external_suites (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'),
  uri text NOT NULL,
  suite text NOT NULL,
  components text[] NOT NULL CHECK (cardinality(components) > 0),
  keyring bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE suites (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  archive_id bigint NOT NULL REFERENCES archives,
  name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9+.-]{0,63}$'),
  codename text NOT NULL CHECK (codename ~ '^[a-z0-9][a-z0-9+.-]{0,63}$'),
  aliases text[] NOT NULL DEFAULT '{}',
  description text NOT NULL DEFAULT '',
  accepts text[] NOT NULL DEFAULT '{}' CHECK (accepts <@ '{tags,dput,sync,copies}'),
  components text[] NOT NULL CHECK (cardinality(components) > 0),
  architectures text[] NOT NULL CHECK (cardinality(architectures) > 0),
  architecture_for_all text NOT NULL,
  not_automatic boolean NOT NULL DEFAULT false,
  but_automatic_upgrades boolean NOT NULL DEFAULT false,
  debug_suite_id bigint REFERENCES suites,
  new_policy text NOT NULL DEFAULT 'hold' CHECK (new_policy IN ('hold', 'accept')),
  build_in_new boolean NOT NULL DEFAULT false,
  valid_for interval NOT NULL DEFAULT '7 days',
  retention interval NOT NULL DEFAULT '30 days',
  audience text NOT NULL DEFAULT 'public' CHECK (audience ~ '^(public|group:[a-z0-9][a-z0-9.-]*)$'),
  -- The serial that the next publication will have: what changes the suite is stamped with it.
  open_serial bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (archive_id, name),
  CHECK (architecture_for_all = ANY (architectures)),
  CHECK (NOT but_automatic_upgrades OR not_automatic)
);

-- Where build-dependencies also come from, in order.
CREATE TABLE suite_parents (
  suite_id bigint NOT NULL REFERENCES suites,
  position integer NOT NULL,
  parent_suite_id bigint REFERENCES suites,
  external_suite_id bigint REFERENCES external_suites,
  PRIMARY KEY (suite_id, position),
  CHECK (num_nonnulls(parent_suite_id, external_suite_id) = 1)
);

-- A source's version in `newer_suite_id` must never be older than its version in `older_suite_id`.
CREATE TABLE suite_order (
  newer_suite_id bigint NOT NULL REFERENCES suites,
  older_suite_id bigint NOT NULL REFERENCES suites,
  PRIMARY KEY (newer_suite_id, older_suite_id),
  CHECK (newer_suite_id <> older_suite_id)
);

CREATE TABLE git_repositories (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9+./_-]{0,199}$'),
  url text NOT NULL UNIQUE,
  allow_file boolean NOT NULL DEFAULT false,
  plain_tags boolean NOT NULL DEFAULT false,
  plain_source text,
  plain_quilt text CHECK (plain_quilt IN ('gbp', 'unapplied', 'linear', 'baredebian', 'native')),
  max_pack_bytes bigint NOT NULL DEFAULT 4294967296,
  fetch_deadline interval NOT NULL DEFAULT '10 minutes',
  poll_every interval NOT NULL DEFAULT '5 minutes',
  last_scan_at timestamptz,
  baseline_at timestamptz,
  enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (NOT plain_tags OR (plain_source IS NOT NULL AND plain_quilt IS NOT NULL))
);

-- The prefix of a release tag (DISTRO/VERSION) names the archive that it asks to enter.
CREATE TABLE git_repository_archives (
  git_repository_id bigint NOT NULL REFERENCES git_repositories,
  distro text NOT NULL CHECK (distro ~ '^[a-z0-9][a-z0-9.-]{0,63}$'),
  archive_id bigint NOT NULL REFERENCES archives,
  PRIMARY KEY (git_repository_id, distro)
);

-- Whatever asks to enter an archive. The id is the trace id of all that follows.
CREATE TABLE submissions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  origin text NOT NULL CHECK (origin IN ('tag', 'dput', 'sync', 'import', 'rebuild')),
  archive_id bigint NOT NULL REFERENCES archives,
  audience text NOT NULL CHECK (audience ~ '^(public|group:[a-z0-9][a-z0-9.-]*)$'),
  -- Known once the request was read and let in.
  suite_id bigint REFERENCES suites,
  source text,
  version text,
  person_id bigint REFERENCES people,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX submissions_source ON submissions (source, id);

-- A version is reserved by the decision that lets it in, freed when nothing came of it, and taken for ever by acceptance.
CREATE TABLE versions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  archive_id bigint NOT NULL REFERENCES archives,
  source text NOT NULL,
  version text NOT NULL,
  submission_id bigint NOT NULL REFERENCES submissions,
  state text NOT NULL DEFAULT 'reserved' CHECK (state IN ('reserved', 'freed', 'accepted')),
  freed_because text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX versions_one_holder ON versions (archive_id, source, version) WHERE state <> 'freed';
CREATE INDEX versions_submission ON versions (submission_id);
CREATE TRIGGER versions_transition BEFORE UPDATE ON versions FOR EACH ROW
  EXECUTE FUNCTION refuse_illegal_transition('state', 'reserved>freed', 'reserved>accepted');

-- The newest row per suite and source counts; an administrator lowers a mark by adding one.
CREATE TABLE high_water_marks (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  suite_id bigint NOT NULL REFERENCES suites,
  source text NOT NULL,
  version text NOT NULL,
  actor text NOT NULL,
  reason text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX high_water_marks_newest ON high_water_marks (suite_id, source, id DESC);
CREATE TRIGGER high_water_marks_only_added BEFORE UPDATE OR DELETE ON high_water_marks FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Every file name that an archive ever had below pool/, with the bytes that it stands for: neither changes again.
CREATE TABLE pool_files (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  archive_id bigint NOT NULL REFERENCES archives,
  path text NOT NULL CHECK (path ~ '^pool/' AND path !~ '(^|/)\.\.?(/|$)'),
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size bigint NOT NULL CHECK (size >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (archive_id, path)
);
CREATE INDEX pool_files_sha256 ON pool_files (sha256);
CREATE TRIGGER pool_files_only_added BEFORE UPDATE OR DELETE ON pool_files FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- tags

-- Hints that a Git repository has something new. Nothing in them is believed.
CREATE TABLE notices (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  git_repository_id bigint NOT NULL REFERENCES git_repositories,
  ref text,
  via text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notices_repository ON notices (git_repository_id, id DESC);

-- The tags that a Git repository had when it was looked at first: they decide nothing, unless a notice names one.
CREATE TABLE tag_baselines (
  git_repository_id bigint NOT NULL REFERENCES git_repositories,
  ref text NOT NULL,
  object_id text NOT NULL,
  PRIMARY KEY (git_repository_id, ref, object_id)
);

-- One row per tag object that was seen under a name. See src/tags/model.ts for the states.
CREATE TABLE tags (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  git_repository_id bigint NOT NULL REFERENCES git_repositories,
  submission_id bigint NOT NULL UNIQUE REFERENCES submissions,
  ref text NOT NULL,
  object_id text NOT NULL CHECK (object_id ~ '^[0-9a-f]{40}([0-9a-f]{24})?$'),
  distro text NOT NULL,
  state text NOT NULL DEFAULT 'seen' CHECK (state IN ('seen', 'obstructed', 'accepted', 'rejected')),
  seen_at timestamptz NOT NULL DEFAULT now(),
  decided_at timestamptz,
  retry_at timestamptz,
  UNIQUE (git_repository_id, ref, object_id),
  CHECK ((state IN ('accepted', 'rejected')) = (decided_at IS NOT NULL))
);
CREATE INDEX tags_state ON tags (state, id);
CREATE TRIGGER tags_transition BEFORE UPDATE ON tags FOR EACH ROW EXECUTE FUNCTION refuse_illegal_transition('state',
  'seen>accepted', 'seen>rejected', 'seen>obstructed',
  'obstructed>accepted', 'obstructed>rejected',
  'rejected>accepted');

-- A decision with all that it was decided by, so that it can be verified again years later without us.
CREATE TABLE tag_decisions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tag_id bigint NOT NULL REFERENCES tags,
  outcome text NOT NULL CHECK (outcome IN ('accepted', 'rejected')),
  code text NOT NULL,
  sentence text NOT NULL,
  remedy text,
  checks jsonb NOT NULL,
  tag_object bytea,
  signature_kind text CHECK (signature_kind IN ('openpgp', 'ssh')),
  key_fingerprint text,
  key_material bytea,
  person_id bigint REFERENCES people,
  commit_id text,
  upstream_commit_id text,
  source text,
  version text,
  suite_id bigint REFERENCES suites,
  quilt text,
  grant_id bigint REFERENCES grants,
  decided_by text NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (outcome = 'rejected' OR num_nulls(tag_object, key_fingerprint, key_material, person_id, commit_id, source, version, suite_id, quilt, grant_id) = 0)
);
CREATE INDEX tag_decisions_tag ON tag_decisions (tag_id, id);
CREATE UNIQUE INDEX tag_decisions_accepted_once ON tag_decisions (tag_id) WHERE outcome = 'accepted';
CREATE INDEX tag_decisions_source ON tag_decisions (source);
CREATE INDEX tag_decisions_key ON tag_decisions (key_fingerprint);
CREATE TRIGGER tag_decisions_only_added BEFORE UPDATE OR DELETE ON tag_decisions FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What stopped a decision without being one: the forge was away, the disk was full.
CREATE TABLE tag_obstacles (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tag_id bigint NOT NULL REFERENCES tags,
  code text NOT NULL,
  sentence text NOT NULL,
  remedy text,
  checks jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX tag_obstacles_tag ON tag_obstacles (tag_id, id);
CREATE TRIGGER tag_obstacles_only_added BEFORE UPDATE OR DELETE ON tag_obstacles FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The pack of what was verified: tag, commits, trees and blobs, without history.
CREATE TABLE frozen_inputs (
  submission_id bigint PRIMARY KEY REFERENCES submissions,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size bigint NOT NULL,
  object_format text NOT NULL CHECK (object_format IN ('sha1', 'sha256')),
  tag_object_id text NOT NULL,
  commit_id text NOT NULL,
  upstream_commit_id text,
  pristine_tar_commit_id text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER frozen_inputs_only_added BEFORE UPDATE OR DELETE ON frozen_inputs FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- sources

-- The upstream tarballs (and their signatures) of a submission, and where each came from.
CREATE TABLE origs (
  submission_id bigint NOT NULL REFERENCES submissions,
  name text NOT NULL,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size bigint NOT NULL,
  provenance text NOT NULL CHECK (provenance IN ('archive', 'parent', 'pristine-tar', 'upstream-commit')),
  detail text NOT NULL,
  PRIMARY KEY (submission_id, name)
);
CREATE TRIGGER origs_only_added BEFORE UPDATE OR DELETE ON origs FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- lighthouse

CREATE TABLE workers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'),
  worker_pool_id bigint NOT NULL REFERENCES worker_pools,
  architectures text[] NOT NULL CHECK (cardinality(architectures) > 0),
  secret_sha256 bytea NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
  openpgp_fingerprint text NOT NULL UNIQUE,
  openpgp_key bytea NOT NULL,
  enabled boolean NOT NULL DEFAULT true,
  revoked_at timestamptz,
  last_contact_at timestamptz,
  facts jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (revoked_at IS NULL OR NOT enabled)
);
-- A revoked worker keeps its row, with the key that its results were signed by; its name may be given to a new one.
CREATE UNIQUE INDEX workers_one_of_a_name ON workers (name) WHERE revoked_at IS NULL;
CREATE INDEX workers_pool ON workers (worker_pool_id);

CREATE TABLE join_tokens (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  secret_sha256 bytea NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
  worker_name text NOT NULL,
  worker_pool_id bigint NOT NULL REFERENCES worker_pools,
  architectures text[] NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  used_by_worker_id bigint REFERENCES workers
);

-- See src/lighthouse/model.ts for the states of jobs and attempts.
CREATE TABLE jobs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  trace_id bigint NOT NULL,
  audience text NOT NULL DEFAULT 'public',
  kind text NOT NULL,
  -- One job per key, whoever asks how often.
  key text NOT NULL UNIQUE,
  -- Jobs of one group (a package) share their pool's workers fairly with other groups.
  fair_group text NOT NULL,
  worker_pool_id bigint NOT NULL REFERENCES worker_pools,
  -- NULL: any worker of the pool can run it.
  architecture text,
  size_class text NOT NULL DEFAULT 'medium' CHECK (size_class IN ('small', 'medium', 'large')),
  limits jsonb NOT NULL DEFAULT '{}',
  priority integer NOT NULL DEFAULT 0,
  -- Place in the queue: the jobs of one group take every next place, so that groups take turns. See src/lighthouse/jobs.ts.
  fair_position bigint NOT NULL DEFAULT 0,
  payload jsonb NOT NULL,
  state text NOT NULL DEFAULT 'ready' CHECK (state IN
    ('blocked', 'ready', 'leased', 'delivered', 'succeeded', 'failed', 'quarantined', 'cancelled')),
  blocked_because text,
  not_before timestamptz NOT NULL DEFAULT now(),
  infrastructure_failures integer NOT NULL DEFAULT 0,
  failure_code text,
  failure_reason text,
  -- The background task that is enqueued with { jobId, state } when the job ends.
  ended_task text,
  created_at timestamptz NOT NULL DEFAULT now(),
  changed_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((state = 'blocked') = (blocked_because IS NOT NULL)),
  CHECK (state NOT IN ('failed', 'quarantined') OR num_nulls(failure_code, failure_reason) = 0)
);
CREATE INDEX jobs_queue ON jobs (worker_pool_id, coalesce(architecture, ''), priority DESC, fair_position, id) WHERE state = 'ready';
CREATE INDEX jobs_group ON jobs (worker_pool_id, coalesce(architecture, ''), priority, fair_group, fair_position)
  WHERE state IN ('ready', 'leased');
CREATE INDEX jobs_trace ON jobs (trace_id);
CREATE INDEX jobs_state ON jobs (state, changed_at);
CREATE TRIGGER jobs_transition BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION refuse_illegal_transition('state',
  'blocked>ready', 'blocked>cancelled',
  'ready>blocked', 'ready>leased', 'ready>cancelled',
  'leased>ready', 'leased>delivered', 'leased>failed', 'leased>quarantined', 'leased>cancelled',
  'delivered>succeeded', 'delivered>failed', 'delivered>ready', 'delivered>cancelled',
  'failed>ready', 'failed>cancelled', 'quarantined>ready', 'quarantined>cancelled');

-- The fencing token of an attempt: greater than that of every attempt before it.
CREATE SEQUENCE fencing_tokens;

CREATE TABLE attempts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id bigint NOT NULL REFERENCES jobs,
  number integer NOT NULL,
  worker_id bigint NOT NULL REFERENCES workers,
  token bigint NOT NULL UNIQUE DEFAULT nextval('fencing_tokens'),
  state text NOT NULL DEFAULT 'running' CHECK (state IN
    ('running', 'delivered', 'succeeded', 'failed', 'lost', 'infrastructure-failed', 'cancelled')),
  lease_expires_at timestamptz NOT NULL,
  phase text NOT NULL DEFAULT 'starting',
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  delivered_at timestamptz,
  ended_at timestamptz,
  result_code text,
  result_reason text,
  -- What the worker says of the run: machine, limits, chroot, inputs, excerpt of the error.
  facts jsonb NOT NULL DEFAULT '{}',
  UNIQUE (job_id, number),
  CHECK ((state IN ('running', 'delivered')) = (ended_at IS NULL)),
  CHECK (state NOT IN ('delivered', 'succeeded') OR delivered_at IS NOT NULL)
);
CREATE UNIQUE INDEX attempts_one_alive ON attempts (job_id) WHERE state IN ('running', 'delivered');
CREATE INDEX attempts_leases ON attempts (lease_expires_at) WHERE state = 'running';
CREATE INDEX attempts_worker ON attempts (worker_id, id DESC);
CREATE TRIGGER attempts_transition BEFORE UPDATE ON attempts FOR EACH ROW EXECUTE FUNCTION refuse_illegal_transition('state',
  'running>delivered', 'running>failed', 'running>lost', 'running>infrastructure-failed', 'running>cancelled',
  'delivered>succeeded', 'delivered>failed', 'delivered>cancelled');

CREATE TABLE attempt_phases (
  attempt_id bigint NOT NULL REFERENCES attempts,
  position integer NOT NULL,
  name text NOT NULL,
  log_start bigint NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (attempt_id, position)
);

-- The log of an attempt: bytes [start, start + length(bytes)).
CREATE TABLE log_chunks (
  attempt_id bigint NOT NULL REFERENCES attempts,
  start bigint NOT NULL CHECK (start >= 0),
  bytes bytea NOT NULL CHECK (length(bytes) > 0),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (attempt_id, start)
);
ALTER TABLE log_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- What an attempt delivered, by content; the bytes lie in the blob store before the row exists.
CREATE TABLE attempt_files (
  attempt_id bigint NOT NULL REFERENCES attempts,
  name text NOT NULL,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size bigint NOT NULL,
  PRIMARY KEY (attempt_id, name)
);

-- ---------------------------------------------------------------- builds

CREATE TABLE builds (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  submission_id bigint NOT NULL REFERENCES submissions,
  kind text NOT NULL CHECK (kind IN ('source', 'binary')),
  -- 'source', or the architecture of the machine that builds.
  architecture text NOT NULL,
  -- Also makes the architecture-independent packages.
  with_all boolean NOT NULL DEFAULT false,
  job_id bigint NOT NULL UNIQUE REFERENCES jobs,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (submission_id, kind, architecture),
  CHECK ((kind = 'source') = (architecture = 'source'))
);

-- ---------------------------------------------------------------- archive

-- See src/archive/model.ts for the states of uploads and publications.
CREATE TABLE uploads (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  submission_id bigint NOT NULL REFERENCES submissions,
  -- The attempt that delivered it; NULL where a person uploaded.
  attempt_id bigint UNIQUE REFERENCES attempts,
  archive_id bigint NOT NULL REFERENCES archives,
  suite_id bigint NOT NULL REFERENCES suites,
  kind text NOT NULL CHECK (kind IN ('source', 'binary')),
  changes_name text NOT NULL,
  state text NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'held', 'accepted', 'rejected')),
  signer_fingerprint text,
  code text,
  sentence text,
  remedy text,
  received_at timestamptz NOT NULL DEFAULT now(),
  decided_at timestamptz,
  CHECK ((state IN ('accepted', 'rejected')) = (decided_at IS NOT NULL)),
  CHECK (state <> 'rejected' OR num_nulls(code, sentence) = 0)
);
CREATE INDEX uploads_submission ON uploads (submission_id, id);
CREATE INDEX uploads_state ON uploads (state, id);
CREATE TRIGGER uploads_transition BEFORE UPDATE ON uploads FOR EACH ROW EXECUTE FUNCTION refuse_illegal_transition('state',
  'received>held', 'received>accepted', 'received>rejected', 'held>accepted', 'held>rejected');

CREATE TABLE upload_files (
  upload_id bigint NOT NULL REFERENCES uploads,
  name text NOT NULL,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size bigint NOT NULL,
  PRIMARY KEY (upload_id, name)
);

CREATE TABLE upload_checks (
  upload_id bigint NOT NULL REFERENCES uploads,
  position integer NOT NULL,
  code text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('passed', 'failed', 'held', 'not-applicable')),
  detail text,
  PRIMARY KEY (upload_id, position)
);
CREATE TRIGGER upload_checks_only_added BEFORE UPDATE OR DELETE ON upload_checks FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE overrides (
  archive_id bigint NOT NULL REFERENCES archives,
  kind text NOT NULL CHECK (kind IN ('source', 'deb', 'udeb')),
  package text NOT NULL,
  component text NOT NULL,
  section text NOT NULL,
  priority text NOT NULL,
  -- The source package that may build this binary package; itself for a source.
  source text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (archive_id, kind, package)
);

CREATE TABLE source_packages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  archive_id bigint NOT NULL REFERENCES archives,
  upload_id bigint NOT NULL REFERENCES uploads,
  submission_id bigint NOT NULL REFERENCES submissions,
  name text NOT NULL,
  version text NOT NULL,
  component text NOT NULL,
  -- The stanza as it stands in Sources.
  stanza text NOT NULL,
  dsc_sha256 text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (archive_id, name, version)
);
CREATE INDEX source_packages_name ON source_packages (name);
CREATE INDEX source_packages_upload ON source_packages (upload_id);
CREATE INDEX source_packages_submission ON source_packages (submission_id);

CREATE TABLE binary_packages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  archive_id bigint NOT NULL REFERENCES archives,
  upload_id bigint NOT NULL REFERENCES uploads,
  source_package_id bigint NOT NULL REFERENCES source_packages,
  name text NOT NULL,
  version text NOT NULL,
  architecture text NOT NULL,
  type text NOT NULL DEFAULT 'deb' CHECK (type IN ('deb', 'udeb')),
  component text NOT NULL,
  -- The stanza as it stands in Packages.
  stanza text NOT NULL,
  sha256 text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (archive_id, name, version, architecture)
);
CREATE INDEX binary_packages_name ON binary_packages (name);
CREATE INDEX binary_packages_upload ON binary_packages (upload_id);
CREATE INDEX binary_packages_source ON binary_packages (source_package_id);

CREATE TABLE package_files (
  source_package_id bigint REFERENCES source_packages,
  binary_package_id bigint REFERENCES binary_packages,
  pool_file_id bigint NOT NULL REFERENCES pool_files,
  CHECK (num_nonnulls(source_package_id, binary_package_id) = 1)
);
CREATE INDEX package_files_source ON package_files (source_package_id);
CREATE INDEX package_files_binary ON package_files (binary_package_id);
CREATE INDEX package_files_file ON package_files (pool_file_id);

-- A package is in a suite's publications [added_serial, removed_serial).
CREATE TABLE suite_sources (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  suite_id bigint NOT NULL REFERENCES suites,
  source_package_id bigint NOT NULL REFERENCES source_packages,
  added_serial bigint NOT NULL,
  removed_serial bigint,
  CHECK (removed_serial IS NULL OR removed_serial >= added_serial)
);
CREATE INDEX suite_sources_added ON suite_sources (suite_id, added_serial);
CREATE INDEX suite_sources_removed ON suite_sources (suite_id, removed_serial) WHERE removed_serial IS NOT NULL;
CREATE INDEX suite_sources_package ON suite_sources (source_package_id);
CREATE UNIQUE INDEX suite_sources_current ON suite_sources (suite_id, source_package_id) WHERE removed_serial IS NULL;

CREATE TABLE suite_binaries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  suite_id bigint NOT NULL REFERENCES suites,
  -- The index that lists it: an arch:all package has a row for each architecture, which may move to a new version apart.
  architecture text NOT NULL,
  binary_package_id bigint NOT NULL REFERENCES binary_packages,
  added_serial bigint NOT NULL,
  removed_serial bigint,
  CHECK (removed_serial IS NULL OR removed_serial >= added_serial)
);
CREATE INDEX suite_binaries_added ON suite_binaries (suite_id, added_serial);
CREATE INDEX suite_binaries_removed ON suite_binaries (suite_id, removed_serial) WHERE removed_serial IS NOT NULL;
CREATE INDEX suite_binaries_package ON suite_binaries (binary_package_id);
CREATE UNIQUE INDEX suite_binaries_current ON suite_binaries (suite_id, architecture, binary_package_id) WHERE removed_serial IS NULL;

CREATE TABLE publications (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  suite_id bigint NOT NULL REFERENCES suites,
  serial bigint NOT NULL,
  state text NOT NULL DEFAULT 'writing' CHECK (state IN ('writing', 'written', 'signed', 'published')),
  -- The Date of Release, in whole seconds: apt compares no finer.
  date timestamptz NOT NULL CHECK (date = date_trunc('second', date)),
  valid_until timestamptz,
  reason text NOT NULL,
  release text,
  in_release bytea,
  release_gpg bytea,
  key_fingerprint text,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  published_at timestamptz,
  facts jsonb NOT NULL DEFAULT '{}',
  UNIQUE (suite_id, serial),
  UNIQUE (suite_id, date),
  CHECK (state = 'writing' OR release IS NOT NULL),
  CHECK (state NOT IN ('signed', 'published') OR num_nulls(in_release, release_gpg, key_fingerprint) = 0),
  CHECK ((state = 'published') = (published_at IS NOT NULL))
);
CREATE UNIQUE INDEX publications_one_open ON publications (suite_id) WHERE state <> 'published';
CREATE TRIGGER publications_transition BEFORE UPDATE ON publications FOR EACH ROW EXECUTE FUNCTION refuse_illegal_transition('state',
  'writing>written', 'written>signed', 'signed>published');

-- Serial and Date only grow: also after a fault in the code that chooses them.
CREATE FUNCTION refuse_publication_going_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM publications p WHERE p.suite_id = NEW.suite_id AND (p.serial >= NEW.serial OR p.date >= NEW.date)) THEN
    RAISE EXCEPTION 'publication % of suite % does not come after the last one', NEW.serial, NEW.suite_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'publications_only_forward';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER publications_only_forward BEFORE INSERT ON publications FOR EACH ROW EXECUTE FUNCTION refuse_publication_going_back();
