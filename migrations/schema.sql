-- The schema that the migrations make, as PostgreSQL tells it. Written by test/schema.db.test.ts, which also says how.

CREATE FUNCTION public.announce_event() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM pg_notify('events', '');
  RETURN NULL;
END $$;

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are only added, never changed or removed', TG_TABLE_NAME
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_only_added';
END $$;

CREATE FUNCTION public.refuse_change_of_takedown() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF TG_OP = 'DELETE' OR to_jsonb(OLD) - 'removed_at' IS DISTINCT FROM to_jsonb(NEW) - 'removed_at' THEN
    RAISE EXCEPTION 'a takedown is never changed or removed'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'takedowns_only_added';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION public.refuse_collected_package() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
  gone text;
BEGIN
  SELECT f.path INTO gone
  FROM package_files p
    JOIN collected_pool_files c ON c.pool_file_id = p.pool_file_id
    JOIN pool_files f ON f.id = p.pool_file_id
  WHERE CASE TG_TABLE_NAME
    WHEN 'suite_sources' THEN p.source_package_id = (to_jsonb(NEW) ->> 'source_package_id')::bigint
    ELSE p.binary_package_id = (to_jsonb(NEW) ->> 'binary_package_id')::bigint END
  LIMIT 1;
  IF gone IS NOT NULL THEN
    RAISE EXCEPTION 'the bytes of % were removed, since no suite had it for longer than its retention', gone
      USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_not_collected';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION public.refuse_illegal_transition() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.refuse_publication_going_back() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM publications p WHERE p.suite_id = NEW.suite_id AND (p.serial >= NEW.serial OR p.date >= NEW.date)) THEN
    RAISE EXCEPTION 'publication % of suite % does not come after the last one', NEW.serial, NEW.suite_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'publications_only_forward';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION public.refuse_taken_down_bytes() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM taken_down_files t WHERE t.sha256 = NEW.sha256) THEN
    RAISE EXCEPTION 'the bytes of % were taken down', NEW.path
      USING ERRCODE = 'check_violation', CONSTRAINT = 'pool_files_not_taken_down';
  END IF;
  RETURN NEW;
END $$;

CREATE TABLE public.access_tokens (
    id bigint NOT NULL,
    person_id bigint NOT NULL,
    name text NOT NULL,
    secret_sha256 bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT access_tokens_secret_sha256_check CHECK ((length(secret_sha256) = 32))
);

ALTER TABLE public.access_tokens ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.access_tokens_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.alerts (
    id bigint NOT NULL,
    key text NOT NULL,
    audience text DEFAULT 'public'::text NOT NULL,
    sentence text NOT NULL,
    remedy text,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    raised_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    cleared_at timestamp with time zone,
    CONSTRAINT alerts_audience_check CHECK ((audience ~ '^(public|group:[a-z0-9][a-z0-9.-]*)$'::text)),
    CONSTRAINT alerts_key_check CHECK ((key ~ '^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*( .+)?$'::text))
);

ALTER TABLE public.alerts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.alerts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.archives (
    id bigint NOT NULL,
    name text NOT NULL,
    audience text DEFAULT 'public'::text NOT NULL,
    origin text NOT NULL,
    label text NOT NULL,
    description text NOT NULL,
    worker_pool_id bigint NOT NULL,
    accepted_formats text[] DEFAULT '{"3.0 (native)","3.0 (quilt)"}'::text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    quota_bytes bigint,
    package_patterns text[] DEFAULT '{}'::text[] NOT NULL,
    reserved_patterns text[] DEFAULT '{}'::text[] NOT NULL,
    accepted_licences text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT archives_accepted_licences_check CHECK ((array_position(accepted_licences, NULL::text) IS NULL)),
    CONSTRAINT archives_audience_check CHECK ((audience ~ '^(public|group:[a-z0-9][a-z0-9.-]*)$'::text)),
    CONSTRAINT archives_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'::text)),
    CONSTRAINT archives_package_patterns_check CHECK (((array_position(package_patterns, NULL::text) IS NULL) AND (array_to_string(package_patterns, ' '::text) ~ '^[a-z0-9+.*? -]*$'::text))),
    CONSTRAINT archives_quota_bytes_check CHECK ((quota_bytes > 0)),
    CONSTRAINT archives_reserved_patterns_check CHECK (((array_position(reserved_patterns, NULL::text) IS NULL) AND (array_to_string(reserved_patterns, ' '::text) ~ '^[a-z0-9+.*? -]*$'::text)))
);

ALTER TABLE public.archives ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.archives_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.attempt_files (
    attempt_id bigint NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    size bigint NOT NULL,
    CONSTRAINT attempt_files_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);

CREATE TABLE public.attempt_phases (
    attempt_id bigint NOT NULL,
    "position" integer NOT NULL,
    name text NOT NULL,
    log_start bigint NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE SEQUENCE public.fencing_tokens
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.attempts (
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    number integer NOT NULL,
    worker_id bigint NOT NULL,
    token bigint DEFAULT nextval('public.fencing_tokens'::regclass) NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    lease_expires_at timestamp with time zone NOT NULL,
    phase text DEFAULT 'starting'::text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    delivered_at timestamp with time zone,
    ended_at timestamp with time zone,
    result_code text,
    result_reason text,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT attempts_check CHECK (((state = ANY (ARRAY['running'::text, 'delivered'::text])) = (ended_at IS NULL))),
    CONSTRAINT attempts_check1 CHECK (((state <> ALL (ARRAY['delivered'::text, 'succeeded'::text])) OR (delivered_at IS NOT NULL))),
    CONSTRAINT attempts_state_check CHECK ((state = ANY (ARRAY['running'::text, 'delivered'::text, 'succeeded'::text, 'failed'::text, 'lost'::text, 'infrastructure-failed'::text, 'cancelled'::text])))
);

ALTER TABLE public.attempts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.attempts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.audit (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL
);

ALTER TABLE public.audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.binary_packages (
    id bigint NOT NULL,
    archive_id bigint NOT NULL,
    upload_id bigint NOT NULL,
    source_package_id bigint NOT NULL,
    name text NOT NULL,
    version text NOT NULL,
    architecture text NOT NULL,
    type text DEFAULT 'deb'::text NOT NULL,
    component text NOT NULL,
    stanza text NOT NULL,
    sha256 text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    translation text,
    CONSTRAINT binary_packages_type_check CHECK ((type = ANY (ARRAY['deb'::text, 'udeb'::text])))
);

ALTER TABLE public.binary_packages ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.binary_packages_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.builds (
    id bigint NOT NULL,
    submission_id bigint NOT NULL,
    kind text NOT NULL,
    architecture text NOT NULL,
    with_all boolean DEFAULT false NOT NULL,
    job_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT builds_check CHECK (((kind = 'source'::text) = (architecture = 'source'::text))),
    CONSTRAINT builds_kind_check CHECK ((kind = ANY (ARRAY['source'::text, 'binary'::text])))
);

ALTER TABLE public.builds ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.builds_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.collected_pool_files (
    pool_file_id bigint NOT NULL,
    collected_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.enrolment_codes (
    id bigint NOT NULL,
    person_id bigint NOT NULL,
    secret_sha256 bytea NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    used_by_token_id bigint,
    CONSTRAINT enrolment_codes_check CHECK (((used_at IS NULL) = (used_by_token_id IS NULL))),
    CONSTRAINT enrolment_codes_secret_sha256_check CHECK ((length(secret_sha256) = 32))
);

ALTER TABLE public.enrolment_codes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.enrolment_codes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.events (
    id bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    kind text NOT NULL,
    submission_id bigint,
    audience text DEFAULT 'public'::text NOT NULL,
    actor text NOT NULL,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT events_kind_check CHECK ((kind ~ '^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$'::text))
);

ALTER TABLE public.events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.external_suites (
    id bigint NOT NULL,
    name text NOT NULL,
    uri text NOT NULL,
    suite text NOT NULL,
    components text[] NOT NULL,
    keyring bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT external_suites_components_check CHECK ((cardinality(components) > 0)),
    CONSTRAINT external_suites_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'::text))
);

ALTER TABLE public.external_suites ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.external_suites_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.frozen_inputs (
    submission_id bigint NOT NULL,
    sha256 text NOT NULL,
    size bigint NOT NULL,
    object_format text NOT NULL,
    tag_object_id text NOT NULL,
    commit_id text NOT NULL,
    upstream_commit_id text,
    pristine_tar_commit_id text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT frozen_inputs_object_format_check CHECK ((object_format = ANY (ARRAY['sha1'::text, 'sha256'::text]))),
    CONSTRAINT frozen_inputs_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);

CREATE TABLE public.git_namespace_archives (
    git_namespace_id bigint NOT NULL,
    distro text NOT NULL,
    archive_id bigint NOT NULL,
    CONSTRAINT git_namespace_archives_distro_check CHECK ((distro ~ '^[a-z0-9][a-z0-9.-]{0,63}$'::text))
);

CREATE TABLE public.git_namespaces (
    id bigint NOT NULL,
    name text NOT NULL,
    url text NOT NULL,
    max_depth integer DEFAULT 1 NOT NULL,
    max_repositories integer DEFAULT 1000 NOT NULL,
    allow_file boolean DEFAULT false NOT NULL,
    plain_tags boolean DEFAULT false NOT NULL,
    plain_quilt text,
    max_pack_bytes bigint DEFAULT '4294967296'::bigint NOT NULL,
    fetch_deadline interval DEFAULT '00:10:00'::interval NOT NULL,
    poll_every interval DEFAULT '00:05:00'::interval NOT NULL,
    notices_per_minute integer DEFAULT 60 NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT git_namespaces_check CHECK (((NOT plain_tags) OR (plain_quilt IS NOT NULL))),
    CONSTRAINT git_namespaces_max_depth_check CHECK (((max_depth >= 1) AND (max_depth <= 8))),
    CONSTRAINT git_namespaces_max_repositories_check CHECK (((max_repositories >= 1) AND (max_repositories <= 100000))),
    CONSTRAINT git_namespaces_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9+._-]{0,63}$'::text)),
    CONSTRAINT git_namespaces_notices_per_minute_check CHECK (((notices_per_minute >= 1) AND (notices_per_minute <= 6000))),
    CONSTRAINT git_namespaces_plain_quilt_check CHECK ((plain_quilt = ANY (ARRAY['gbp'::text, 'unapplied'::text, 'linear'::text, 'baredebian'::text, 'native'::text]))),
    CONSTRAINT git_namespaces_url_check CHECK ((url ~ '^[^*]+/[*](\.git)?$'::text))
);

ALTER TABLE public.git_namespaces ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.git_namespaces_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.git_repositories (
    id bigint NOT NULL,
    name text NOT NULL,
    url text NOT NULL,
    allow_file boolean DEFAULT false NOT NULL,
    plain_tags boolean DEFAULT false NOT NULL,
    plain_source text,
    plain_quilt text,
    max_pack_bytes bigint DEFAULT '4294967296'::bigint NOT NULL,
    fetch_deadline interval DEFAULT '00:10:00'::interval NOT NULL,
    poll_every interval DEFAULT '00:05:00'::interval NOT NULL,
    last_scan_at timestamp with time zone,
    baseline_at timestamp with time zone,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    namespace_id bigint,
    namespace_path text,
    place text,
    notices_per_minute integer DEFAULT 60 NOT NULL,
    next_look_at timestamp with time zone,
    failed_looks integer DEFAULT 0 NOT NULL,
    obstacle_code text,
    obstacle_sentence text,
    obstacle_remedy text,
    obstacle_since timestamp with time zone,
    CONSTRAINT git_repositories_check CHECK (((NOT plain_tags) OR ((plain_source IS NOT NULL) AND (plain_quilt IS NOT NULL)))),
    CONSTRAINT git_repositories_check1 CHECK (((namespace_id IS NULL) = (namespace_path IS NULL))),
    CONSTRAINT git_repositories_check2 CHECK ((num_nulls(obstacle_code, obstacle_sentence, obstacle_remedy, obstacle_since) = ANY (ARRAY[0, 4]))),
    CONSTRAINT git_repositories_check3 CHECK (((failed_looks = 0) = (obstacle_code IS NULL))),
    CONSTRAINT git_repositories_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9+./_-]{0,199}$'::text)),
    CONSTRAINT git_repositories_notices_per_minute_check CHECK (((notices_per_minute >= 1) AND (notices_per_minute <= 6000))),
    CONSTRAINT git_repositories_plain_quilt_check CHECK ((plain_quilt = ANY (ARRAY['gbp'::text, 'unapplied'::text, 'linear'::text, 'baredebian'::text, 'native'::text])))
);

ALTER TABLE public.git_repositories ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.git_repositories_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.git_repository_archives (
    git_repository_id bigint NOT NULL,
    distro text NOT NULL,
    archive_id bigint NOT NULL,
    CONSTRAINT git_repository_archives_distro_check CHECK ((distro ~ '^[a-z0-9][a-z0-9.-]{0,63}$'::text))
);

CREATE TABLE public.grants (
    id bigint NOT NULL,
    person_id bigint,
    group_id bigint,
    action text NOT NULL,
    archive text DEFAULT '*'::text NOT NULL,
    suite_pattern text DEFAULT '*'::text NOT NULL,
    package_pattern text DEFAULT '*'::text NOT NULL,
    valid_until timestamp with time zone,
    granted_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    withdrawn_at timestamp with time zone,
    CONSTRAINT grants_action_check CHECK ((action = ANY (ARRAY['release'::text, 'upload-binary'::text, 'rebuild'::text, 'review-new'::text, 'hint'::text, 'grant'::text, 'operate'::text, 'administer'::text]))),
    CONSTRAINT grants_check CHECK ((num_nonnulls(person_id, group_id) = 1))
);

ALTER TABLE public.grants ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.grants_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.group_members (
    group_id bigint NOT NULL,
    person_id bigint NOT NULL
);

CREATE TABLE public.groups (
    id bigint NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT groups_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'::text))
);

ALTER TABLE public.groups ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.groups_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.high_water_marks (
    id bigint NOT NULL,
    suite_id bigint NOT NULL,
    source text NOT NULL,
    version text NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.high_water_marks ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.high_water_marks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.hook_secrets (
    id bigint NOT NULL,
    git_repository_id bigint,
    git_namespace_id bigint,
    secret bytea NOT NULL,
    set_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT hook_secrets_check CHECK ((num_nonnulls(git_repository_id, git_namespace_id) = 1)),
    CONSTRAINT hook_secrets_secret_check CHECK (((length(secret) >= 16) AND (length(secret) <= 512)))
);

ALTER TABLE public.hook_secrets ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.hook_secrets_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.jobs (
    id bigint NOT NULL,
    trace_id bigint NOT NULL,
    audience text DEFAULT 'public'::text NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    fair_group text NOT NULL,
    worker_pool_id bigint NOT NULL,
    architecture text,
    size_class text DEFAULT 'medium'::text NOT NULL,
    limits jsonb DEFAULT '{}'::jsonb NOT NULL,
    priority integer DEFAULT 0 NOT NULL,
    fair_position bigint DEFAULT 0 NOT NULL,
    payload jsonb NOT NULL,
    state text DEFAULT 'ready'::text NOT NULL,
    blocked_because text,
    not_before timestamp with time zone DEFAULT now() NOT NULL,
    infrastructure_failures integer DEFAULT 0 NOT NULL,
    failure_code text,
    failure_reason text,
    ended_task text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT jobs_check CHECK (((state = 'blocked'::text) = (blocked_because IS NOT NULL))),
    CONSTRAINT jobs_check1 CHECK (((state <> ALL (ARRAY['failed'::text, 'quarantined'::text])) OR (num_nulls(failure_code, failure_reason) = 0))),
    CONSTRAINT jobs_size_class_check CHECK ((size_class = ANY (ARRAY['small'::text, 'medium'::text, 'large'::text]))),
    CONSTRAINT jobs_state_check CHECK ((state = ANY (ARRAY['blocked'::text, 'ready'::text, 'leased'::text, 'delivered'::text, 'succeeded'::text, 'failed'::text, 'quarantined'::text, 'cancelled'::text])))
);

ALTER TABLE public.jobs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.join_tokens (
    id bigint NOT NULL,
    secret_sha256 bytea NOT NULL,
    worker_name text NOT NULL,
    worker_pool_id bigint NOT NULL,
    architectures text[] NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    used_by_worker_id bigint,
    CONSTRAINT join_tokens_secret_sha256_check CHECK ((length(secret_sha256) = 32))
);

ALTER TABLE public.join_tokens ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.join_tokens_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.keys (
    id bigint NOT NULL,
    person_id bigint NOT NULL,
    kind text NOT NULL,
    fingerprint text NOT NULL,
    material bytea NOT NULL,
    valid_from timestamp with time zone DEFAULT now() NOT NULL,
    valid_until timestamp with time zone,
    revoked_at timestamp with time zone,
    revocation_reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT keys_check CHECK (((revoked_at IS NULL) = (revocation_reason IS NULL))),
    CONSTRAINT keys_kind_check CHECK ((kind = ANY (ARRAY['openpgp'::text, 'ssh'::text])))
);

ALTER TABLE public.keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.log_chunks (
    attempt_id bigint NOT NULL,
    start bigint NOT NULL,
    bytes bytea NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT log_chunks_bytes_check CHECK ((length(bytes) > 0)),
    CONSTRAINT log_chunks_start_check CHECK ((start >= 0))
);
ALTER TABLE ONLY public.log_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE public.notices (
    id bigint NOT NULL,
    git_repository_id bigint NOT NULL,
    ref text,
    via text NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.notices ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.notices_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.origs (
    submission_id bigint NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    size bigint NOT NULL,
    provenance text NOT NULL,
    detail text NOT NULL,
    CONSTRAINT origs_provenance_check CHECK ((provenance = ANY (ARRAY['archive'::text, 'parent'::text, 'pristine-tar'::text, 'upstream-commit'::text]))),
    CONSTRAINT origs_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);

CREATE TABLE public.overrides (
    archive_id bigint NOT NULL,
    kind text NOT NULL,
    package text NOT NULL,
    component text NOT NULL,
    section text NOT NULL,
    priority text NOT NULL,
    source text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT overrides_kind_check CHECK ((kind = ANY (ARRAY['source'::text, 'deb'::text, 'udeb'::text])))
);

CREATE TABLE public.package_contents (
    source_package_id bigint,
    binary_package_id bigint,
    location text NOT NULL,
    paths text NOT NULL,
    CONSTRAINT package_contents_check CHECK ((num_nonnulls(source_package_id, binary_package_id) = 1)),
    CONSTRAINT package_contents_location_check CHECK ((location ~ '^[^[:space:],]+$'::text))
);

CREATE TABLE public.package_files (
    source_package_id bigint,
    binary_package_id bigint,
    pool_file_id bigint NOT NULL,
    CONSTRAINT package_files_check CHECK ((num_nonnulls(source_package_id, binary_package_id) = 1))
);

CREATE TABLE public.people (
    id bigint NOT NULL,
    handle text NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT people_handle_check CHECK ((handle ~ '^[a-z0-9][a-z0-9.-]{0,63}$'::text))
);

ALTER TABLE public.people ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.people_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.pool_files (
    id bigint NOT NULL,
    archive_id bigint NOT NULL,
    path text NOT NULL,
    sha256 text NOT NULL,
    size bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pool_files_path_check CHECK (((path ~ '^pool/'::text) AND (path !~ '(^|/)\.\.?(/|$)'::text))),
    CONSTRAINT pool_files_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT pool_files_size_check CHECK ((size >= 0))
);

ALTER TABLE public.pool_files ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.pool_files_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.publications (
    id bigint NOT NULL,
    suite_id bigint NOT NULL,
    serial bigint NOT NULL,
    state text DEFAULT 'writing'::text NOT NULL,
    date timestamp with time zone NOT NULL,
    valid_until timestamp with time zone,
    reason text NOT NULL,
    release text,
    in_release bytea,
    release_gpg bytea,
    key_fingerprint text,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    published_at timestamp with time zone,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT publications_check CHECK (((state = 'writing'::text) OR (release IS NOT NULL))),
    CONSTRAINT publications_check1 CHECK (((state <> ALL (ARRAY['signed'::text, 'published'::text])) OR (num_nulls(in_release, release_gpg, key_fingerprint) = 0))),
    CONSTRAINT publications_check2 CHECK (((state = 'published'::text) = (published_at IS NOT NULL))),
    CONSTRAINT publications_date_check CHECK ((date = date_trunc('second'::text, date))),
    CONSTRAINT publications_state_check CHECK ((state = ANY (ARRAY['writing'::text, 'written'::text, 'signed'::text, 'published'::text])))
);

ALTER TABLE public.publications ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.publications_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.schema_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.scrubs (
    id bigint NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    "position" text DEFAULT ''::text NOT NULL,
    files bigint DEFAULT 0 NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    damaged bigint DEFAULT 0 NOT NULL
);

ALTER TABLE public.scrubs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.scrubs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.source_packages (
    id bigint NOT NULL,
    archive_id bigint NOT NULL,
    upload_id bigint NOT NULL,
    submission_id bigint NOT NULL,
    name text NOT NULL,
    version text NOT NULL,
    component text NOT NULL,
    stanza text NOT NULL,
    dsc_sha256 text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    changelog_sha256 text,
    changelog_size bigint,
    CONSTRAINT source_packages_changelog CHECK (((changelog_sha256 IS NULL) = (changelog_size IS NULL))),
    CONSTRAINT source_packages_changelog_sha256_check CHECK ((changelog_sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT source_packages_changelog_size_check CHECK ((changelog_size >= 0))
);

ALTER TABLE public.source_packages ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.source_packages_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.submissions (
    id bigint NOT NULL,
    origin text NOT NULL,
    archive_id bigint NOT NULL,
    audience text NOT NULL,
    suite_id bigint,
    source text,
    version text,
    person_id bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT submissions_audience_check CHECK ((audience ~ '^(public|group:[a-z0-9][a-z0-9.-]*)$'::text)),
    CONSTRAINT submissions_origin_check CHECK ((origin = ANY (ARRAY['tag'::text, 'dput'::text, 'sync'::text, 'import'::text, 'rebuild'::text])))
);

ALTER TABLE public.submissions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.submissions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.suite_binaries (
    id bigint NOT NULL,
    suite_id bigint NOT NULL,
    architecture text NOT NULL,
    binary_package_id bigint NOT NULL,
    added_serial bigint NOT NULL,
    removed_serial bigint,
    CONSTRAINT suite_binaries_check CHECK (((removed_serial IS NULL) OR (removed_serial >= added_serial)))
);

ALTER TABLE public.suite_binaries ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.suite_binaries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.suite_order (
    newer_suite_id bigint NOT NULL,
    older_suite_id bigint NOT NULL,
    CONSTRAINT suite_order_check CHECK ((newer_suite_id <> older_suite_id))
);

CREATE TABLE public.suite_parents (
    suite_id bigint NOT NULL,
    "position" integer NOT NULL,
    parent_suite_id bigint,
    external_suite_id bigint,
    CONSTRAINT suite_parents_check CHECK ((num_nonnulls(parent_suite_id, external_suite_id) = 1))
);

CREATE TABLE public.suite_sources (
    id bigint NOT NULL,
    suite_id bigint NOT NULL,
    source_package_id bigint NOT NULL,
    added_serial bigint NOT NULL,
    removed_serial bigint,
    CONSTRAINT suite_sources_check CHECK (((removed_serial IS NULL) OR (removed_serial >= added_serial)))
);

ALTER TABLE public.suite_sources ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.suite_sources_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.suites (
    id bigint NOT NULL,
    archive_id bigint NOT NULL,
    name text NOT NULL,
    codename text NOT NULL,
    aliases text[] DEFAULT '{}'::text[] NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    accepts text[] DEFAULT '{}'::text[] NOT NULL,
    components text[] NOT NULL,
    architectures text[] NOT NULL,
    architecture_for_all text NOT NULL,
    not_automatic boolean DEFAULT false NOT NULL,
    but_automatic_upgrades boolean DEFAULT false NOT NULL,
    debug_suite_id bigint,
    new_policy text DEFAULT 'hold'::text NOT NULL,
    build_in_new boolean DEFAULT false NOT NULL,
    valid_for interval DEFAULT '7 days'::interval NOT NULL,
    retention interval DEFAULT '30 days'::interval NOT NULL,
    audience text DEFAULT 'public'::text NOT NULL,
    open_serial bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT suites_accepts_check CHECK ((accepts <@ '{tags,dput,sync,copies}'::text[])),
    CONSTRAINT suites_architectures_check CHECK ((cardinality(architectures) > 0)),
    CONSTRAINT suites_audience_check CHECK ((audience ~ '^(public|group:[a-z0-9][a-z0-9.-]*)$'::text)),
    CONSTRAINT suites_check CHECK ((architecture_for_all = ANY (architectures))),
    CONSTRAINT suites_check1 CHECK (((NOT but_automatic_upgrades) OR not_automatic)),
    CONSTRAINT suites_codename_check CHECK ((codename ~ '^[a-z0-9][a-z0-9+.-]{0,63}$'::text)),
    CONSTRAINT suites_components_check CHECK ((cardinality(components) > 0)),
    CONSTRAINT suites_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9+.-]{0,63}$'::text)),
    CONSTRAINT suites_new_policy_check CHECK ((new_policy = ANY (ARRAY['hold'::text, 'accept'::text])))
);

ALTER TABLE public.suites ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.suites_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.suspensions (
    id bigint NOT NULL,
    submission_id bigint NOT NULL,
    key_id bigint,
    reason text NOT NULL,
    actor text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE public.suspensions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.suspensions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.tag_baselines (
    git_repository_id bigint NOT NULL,
    ref text NOT NULL,
    object_id text NOT NULL,
    noticed_at timestamp with time zone,
    adopted_at timestamp with time zone,
    adopted_by text,
    CONSTRAINT tag_baselines_check CHECK (((adopted_at IS NULL) = (adopted_by IS NULL)))
);

CREATE TABLE public.tag_decisions (
    id bigint NOT NULL,
    tag_id bigint NOT NULL,
    outcome text NOT NULL,
    code text NOT NULL,
    sentence text NOT NULL,
    remedy text,
    checks jsonb NOT NULL,
    tag_object bytea,
    signature_kind text,
    key_fingerprint text,
    key_material bytea,
    person_id bigint,
    commit_id text,
    upstream_commit_id text,
    source text,
    version text,
    suite_id bigint,
    quilt text,
    grant_id bigint,
    decided_by text NOT NULL,
    decided_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT tag_decisions_check CHECK (((outcome = 'rejected'::text) OR (num_nulls(tag_object, key_fingerprint, key_material, person_id, commit_id, source, version, suite_id, quilt, grant_id) = 0))),
    CONSTRAINT tag_decisions_outcome_check CHECK ((outcome = ANY (ARRAY['accepted'::text, 'rejected'::text]))),
    CONSTRAINT tag_decisions_signature_kind_check CHECK ((signature_kind = ANY (ARRAY['openpgp'::text, 'ssh'::text])))
);

ALTER TABLE public.tag_decisions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.tag_decisions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.tag_obstacles (
    id bigint NOT NULL,
    tag_id bigint NOT NULL,
    code text NOT NULL,
    sentence text NOT NULL,
    remedy text,
    checks jsonb NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE public.tag_obstacles ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.tag_obstacles_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.tags (
    id bigint NOT NULL,
    git_repository_id bigint NOT NULL,
    submission_id bigint NOT NULL,
    ref text NOT NULL,
    object_id text NOT NULL,
    distro text NOT NULL,
    state text DEFAULT 'seen'::text NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    decided_at timestamp with time zone,
    retry_at timestamp with time zone,
    CONSTRAINT tags_check CHECK (((state = ANY (ARRAY['accepted'::text, 'rejected'::text])) = (decided_at IS NOT NULL))),
    CONSTRAINT tags_object_id_check CHECK ((object_id ~ '^[0-9a-f]{40}([0-9a-f]{24})?$'::text)),
    CONSTRAINT tags_state_check CHECK ((state = ANY (ARRAY['seen'::text, 'obstructed'::text, 'accepted'::text, 'rejected'::text])))
);

ALTER TABLE public.tags ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.tags_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.takedowns (
    id bigint NOT NULL,
    archive_id bigint NOT NULL,
    source text NOT NULL,
    version text NOT NULL,
    legal boolean NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    removed_at timestamp with time zone
);

ALTER TABLE public.takedowns ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.takedowns_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.taken_down_files (
    takedown_id bigint NOT NULL,
    path text NOT NULL,
    sha256 text NOT NULL,
    size bigint NOT NULL,
    CONSTRAINT taken_down_files_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT taken_down_files_size_check CHECK ((size >= 0))
);

CREATE TABLE public.task_pools (
    pool_id text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.upload_checks (
    upload_id bigint NOT NULL,
    "position" integer NOT NULL,
    code text NOT NULL,
    outcome text NOT NULL,
    detail text,
    CONSTRAINT upload_checks_outcome_check CHECK ((outcome = ANY (ARRAY['passed'::text, 'failed'::text, 'held'::text, 'not-applicable'::text])))
);

CREATE TABLE public.upload_files (
    upload_id bigint NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    size bigint NOT NULL,
    CONSTRAINT upload_files_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);

CREATE TABLE public.uploads (
    id bigint NOT NULL,
    submission_id bigint NOT NULL,
    attempt_id bigint,
    archive_id bigint NOT NULL,
    suite_id bigint NOT NULL,
    kind text NOT NULL,
    changes_name text NOT NULL,
    state text DEFAULT 'received'::text NOT NULL,
    signer_fingerprint text,
    code text,
    sentence text,
    remedy text,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    decided_at timestamp with time zone,
    CONSTRAINT uploads_check CHECK (((state = ANY (ARRAY['accepted'::text, 'rejected'::text])) = (decided_at IS NOT NULL))),
    CONSTRAINT uploads_check1 CHECK (((state <> 'rejected'::text) OR (num_nulls(code, sentence) = 0))),
    CONSTRAINT uploads_kind_check CHECK ((kind = ANY (ARRAY['source'::text, 'binary'::text]))),
    CONSTRAINT uploads_state_check CHECK ((state = ANY (ARRAY['received'::text, 'held'::text, 'accepted'::text, 'rejected'::text])))
);

ALTER TABLE public.uploads ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.uploads_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.versions (
    id bigint NOT NULL,
    archive_id bigint NOT NULL,
    source text NOT NULL,
    version text NOT NULL,
    submission_id bigint NOT NULL,
    state text DEFAULT 'reserved'::text NOT NULL,
    freed_because text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT versions_state_check CHECK ((state = ANY (ARRAY['reserved'::text, 'freed'::text, 'accepted'::text])))
);

ALTER TABLE public.versions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.versions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.worker_pools (
    id bigint NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT worker_pools_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'::text))
);

ALTER TABLE public.worker_pools ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.worker_pools_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.workers (
    id bigint NOT NULL,
    name text NOT NULL,
    worker_pool_id bigint NOT NULL,
    architectures text[] NOT NULL,
    secret_sha256 bytea NOT NULL,
    openpgp_fingerprint text NOT NULL,
    openpgp_key bytea NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    revoked_at timestamp with time zone,
    last_contact_at timestamp with time zone,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT workers_architectures_check CHECK ((cardinality(architectures) > 0)),
    CONSTRAINT workers_check CHECK (((revoked_at IS NULL) OR (NOT enabled))),
    CONSTRAINT workers_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'::text)),
    CONSTRAINT workers_secret_sha256_check CHECK ((length(secret_sha256) = 32))
);

ALTER TABLE public.workers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.workers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY public.access_tokens
    ADD CONSTRAINT access_tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.access_tokens
    ADD CONSTRAINT access_tokens_secret_sha256_key UNIQUE (secret_sha256);

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.archives
    ADD CONSTRAINT archives_name_key UNIQUE (name);

ALTER TABLE ONLY public.archives
    ADD CONSTRAINT archives_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.attempt_files
    ADD CONSTRAINT attempt_files_pkey PRIMARY KEY (attempt_id, name);

ALTER TABLE ONLY public.attempt_phases
    ADD CONSTRAINT attempt_phases_pkey PRIMARY KEY (attempt_id, "position");

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_job_id_number_key UNIQUE (job_id, number);

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_token_key UNIQUE (token);

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.binary_packages
    ADD CONSTRAINT binary_packages_archive_id_name_version_architecture_key UNIQUE (archive_id, name, version, architecture);

ALTER TABLE ONLY public.binary_packages
    ADD CONSTRAINT binary_packages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.builds
    ADD CONSTRAINT builds_job_id_key UNIQUE (job_id);

ALTER TABLE ONLY public.builds
    ADD CONSTRAINT builds_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.builds
    ADD CONSTRAINT builds_submission_id_kind_architecture_key UNIQUE (submission_id, kind, architecture);

ALTER TABLE ONLY public.collected_pool_files
    ADD CONSTRAINT collected_pool_files_pkey PRIMARY KEY (pool_file_id);

ALTER TABLE ONLY public.enrolment_codes
    ADD CONSTRAINT enrolment_codes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.enrolment_codes
    ADD CONSTRAINT enrolment_codes_secret_sha256_key UNIQUE (secret_sha256);

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.external_suites
    ADD CONSTRAINT external_suites_name_key UNIQUE (name);

ALTER TABLE ONLY public.external_suites
    ADD CONSTRAINT external_suites_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.frozen_inputs
    ADD CONSTRAINT frozen_inputs_pkey PRIMARY KEY (submission_id);

ALTER TABLE ONLY public.git_namespace_archives
    ADD CONSTRAINT git_namespace_archives_pkey PRIMARY KEY (git_namespace_id, distro);

ALTER TABLE ONLY public.git_namespaces
    ADD CONSTRAINT git_namespaces_name_key UNIQUE (name);

ALTER TABLE ONLY public.git_namespaces
    ADD CONSTRAINT git_namespaces_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.git_namespaces
    ADD CONSTRAINT git_namespaces_url_key UNIQUE (url);

ALTER TABLE ONLY public.git_repositories
    ADD CONSTRAINT git_repositories_name_key UNIQUE (name);

ALTER TABLE ONLY public.git_repositories
    ADD CONSTRAINT git_repositories_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.git_repositories
    ADD CONSTRAINT git_repositories_url_key UNIQUE (url);

ALTER TABLE ONLY public.git_repository_archives
    ADD CONSTRAINT git_repository_archives_pkey PRIMARY KEY (git_repository_id, distro);

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.group_members
    ADD CONSTRAINT group_members_pkey PRIMARY KEY (group_id, person_id);

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_name_key UNIQUE (name);

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.high_water_marks
    ADD CONSTRAINT high_water_marks_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.hook_secrets
    ADD CONSTRAINT hook_secrets_git_namespace_id_key UNIQUE (git_namespace_id);

ALTER TABLE ONLY public.hook_secrets
    ADD CONSTRAINT hook_secrets_git_repository_id_key UNIQUE (git_repository_id);

ALTER TABLE ONLY public.hook_secrets
    ADD CONSTRAINT hook_secrets_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_key_key UNIQUE (key);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.join_tokens
    ADD CONSTRAINT join_tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.join_tokens
    ADD CONSTRAINT join_tokens_secret_sha256_key UNIQUE (secret_sha256);

ALTER TABLE ONLY public.keys
    ADD CONSTRAINT keys_fingerprint_key UNIQUE (fingerprint);

ALTER TABLE ONLY public.keys
    ADD CONSTRAINT keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.log_chunks
    ADD CONSTRAINT log_chunks_pkey PRIMARY KEY (attempt_id, start);

ALTER TABLE ONLY public.notices
    ADD CONSTRAINT notices_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.origs
    ADD CONSTRAINT origs_pkey PRIMARY KEY (submission_id, name);

ALTER TABLE ONLY public.overrides
    ADD CONSTRAINT overrides_pkey PRIMARY KEY (archive_id, kind, package);

ALTER TABLE ONLY public.package_contents
    ADD CONSTRAINT package_contents_binary_package_id_key UNIQUE (binary_package_id);

ALTER TABLE ONLY public.package_contents
    ADD CONSTRAINT package_contents_source_package_id_key UNIQUE (source_package_id);

ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_handle_key UNIQUE (handle);

ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pool_files
    ADD CONSTRAINT pool_files_archive_id_path_key UNIQUE (archive_id, path);

ALTER TABLE ONLY public.pool_files
    ADD CONSTRAINT pool_files_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.publications
    ADD CONSTRAINT publications_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.publications
    ADD CONSTRAINT publications_suite_id_date_key UNIQUE (suite_id, date);

ALTER TABLE ONLY public.publications
    ADD CONSTRAINT publications_suite_id_serial_key UNIQUE (suite_id, serial);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.scrubs
    ADD CONSTRAINT scrubs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.source_packages
    ADD CONSTRAINT source_packages_archive_id_name_version_key UNIQUE (archive_id, name, version);

ALTER TABLE ONLY public.source_packages
    ADD CONSTRAINT source_packages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.submissions
    ADD CONSTRAINT submissions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.suite_binaries
    ADD CONSTRAINT suite_binaries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.suite_order
    ADD CONSTRAINT suite_order_pkey PRIMARY KEY (newer_suite_id, older_suite_id);

ALTER TABLE ONLY public.suite_parents
    ADD CONSTRAINT suite_parents_pkey PRIMARY KEY (suite_id, "position");

ALTER TABLE ONLY public.suite_sources
    ADD CONSTRAINT suite_sources_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.suites
    ADD CONSTRAINT suites_archive_id_name_key UNIQUE (archive_id, name);

ALTER TABLE ONLY public.suites
    ADD CONSTRAINT suites_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.suspensions
    ADD CONSTRAINT suspensions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.suspensions
    ADD CONSTRAINT suspensions_submission_id_key UNIQUE (submission_id);

ALTER TABLE ONLY public.tag_baselines
    ADD CONSTRAINT tag_baselines_pkey PRIMARY KEY (git_repository_id, ref, object_id);

ALTER TABLE ONLY public.tag_decisions
    ADD CONSTRAINT tag_decisions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.tag_obstacles
    ADD CONSTRAINT tag_obstacles_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.tags
    ADD CONSTRAINT tags_git_repository_id_ref_object_id_key UNIQUE (git_repository_id, ref, object_id);

ALTER TABLE ONLY public.tags
    ADD CONSTRAINT tags_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.tags
    ADD CONSTRAINT tags_submission_id_key UNIQUE (submission_id);

ALTER TABLE ONLY public.takedowns
    ADD CONSTRAINT takedowns_archive_id_source_version_key UNIQUE (archive_id, source, version);

ALTER TABLE ONLY public.takedowns
    ADD CONSTRAINT takedowns_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.taken_down_files
    ADD CONSTRAINT taken_down_files_pkey PRIMARY KEY (takedown_id, path);

ALTER TABLE ONLY public.task_pools
    ADD CONSTRAINT task_pools_pkey PRIMARY KEY (pool_id);

ALTER TABLE ONLY public.upload_checks
    ADD CONSTRAINT upload_checks_pkey PRIMARY KEY (upload_id, "position");

ALTER TABLE ONLY public.upload_files
    ADD CONSTRAINT upload_files_pkey PRIMARY KEY (upload_id, name);

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_attempt_id_key UNIQUE (attempt_id);

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.versions
    ADD CONSTRAINT versions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.worker_pools
    ADD CONSTRAINT worker_pools_name_key UNIQUE (name);

ALTER TABLE ONLY public.worker_pools
    ADD CONSTRAINT worker_pools_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_openpgp_fingerprint_key UNIQUE (openpgp_fingerprint);

ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_secret_sha256_key UNIQUE (secret_sha256);

CREATE UNIQUE INDEX alerts_open ON public.alerts USING btree (key) WHERE (cleared_at IS NULL);

CREATE INDEX attempts_leases ON public.attempts USING btree (lease_expires_at) WHERE (state = 'running'::text);

CREATE UNIQUE INDEX attempts_one_alive ON public.attempts USING btree (job_id) WHERE (state = ANY (ARRAY['running'::text, 'delivered'::text]));

CREATE INDEX attempts_worker ON public.attempts USING btree (worker_id, id DESC);

CREATE INDEX binary_packages_name ON public.binary_packages USING btree (name);

CREATE INDEX binary_packages_source ON public.binary_packages USING btree (source_package_id);

CREATE INDEX binary_packages_upload ON public.binary_packages USING btree (upload_id);

CREATE INDEX enrolment_codes_person ON public.enrolment_codes USING btree (person_id, id);

CREATE INDEX events_cursor ON public.events USING btree (xid, id);

CREATE INDEX events_submission ON public.events USING btree (submission_id, id) WHERE (submission_id IS NOT NULL);

CREATE INDEX git_repositories_due ON public.git_repositories USING btree (next_look_at) WHERE enabled;

CREATE UNIQUE INDEX git_repositories_member ON public.git_repositories USING btree (namespace_id, namespace_path);

CREATE INDEX git_repositories_place ON public.git_repositories USING btree (place);

CREATE UNIQUE INDEX grants_once ON public.grants USING btree (COALESCE(person_id, (0)::bigint), COALESCE(group_id, (0)::bigint), action, archive, suite_pattern, package_pattern) WHERE (withdrawn_at IS NULL);

CREATE INDEX high_water_marks_newest ON public.high_water_marks USING btree (suite_id, source, id DESC);

CREATE INDEX jobs_group ON public.jobs USING btree (worker_pool_id, COALESCE(architecture, ''::text), priority, fair_group, fair_position) WHERE (state = ANY (ARRAY['ready'::text, 'leased'::text]));

CREATE INDEX jobs_queue ON public.jobs USING btree (worker_pool_id, COALESCE(architecture, ''::text), priority DESC, fair_position, id) WHERE (state = 'ready'::text);

CREATE INDEX jobs_state ON public.jobs USING btree (state, changed_at);

CREATE INDEX jobs_trace ON public.jobs USING btree (trace_id);

CREATE INDEX notices_repository ON public.notices USING btree (git_repository_id, id DESC);

CREATE INDEX package_files_binary ON public.package_files USING btree (binary_package_id);

CREATE INDEX package_files_file ON public.package_files USING btree (pool_file_id);

CREATE INDEX package_files_source ON public.package_files USING btree (source_package_id);

CREATE INDEX pool_files_sha256 ON public.pool_files USING btree (sha256);

CREATE UNIQUE INDEX publications_one_open ON public.publications USING btree (suite_id) WHERE (state <> 'published'::text);

CREATE UNIQUE INDEX scrubs_one_open ON public.scrubs USING btree ((true)) WHERE (finished_at IS NULL);

CREATE INDEX source_packages_name ON public.source_packages USING btree (name);

CREATE INDEX source_packages_submission ON public.source_packages USING btree (submission_id);

CREATE INDEX source_packages_upload ON public.source_packages USING btree (upload_id);

CREATE INDEX submissions_source ON public.submissions USING btree (source, id);

CREATE INDEX suite_binaries_added ON public.suite_binaries USING btree (suite_id, added_serial);

CREATE UNIQUE INDEX suite_binaries_current ON public.suite_binaries USING btree (suite_id, architecture, binary_package_id) WHERE (removed_serial IS NULL);

CREATE INDEX suite_binaries_package ON public.suite_binaries USING btree (binary_package_id);

CREATE INDEX suite_binaries_removed ON public.suite_binaries USING btree (suite_id, removed_serial) WHERE (removed_serial IS NOT NULL);

CREATE INDEX suite_sources_added ON public.suite_sources USING btree (suite_id, added_serial);

CREATE UNIQUE INDEX suite_sources_current ON public.suite_sources USING btree (suite_id, source_package_id) WHERE (removed_serial IS NULL);

CREATE INDEX suite_sources_package ON public.suite_sources USING btree (source_package_id);

CREATE INDEX suite_sources_removed ON public.suite_sources USING btree (suite_id, removed_serial) WHERE (removed_serial IS NOT NULL);

CREATE UNIQUE INDEX tag_decisions_accepted_once ON public.tag_decisions USING btree (tag_id) WHERE (outcome = 'accepted'::text);

CREATE INDEX tag_decisions_key ON public.tag_decisions USING btree (key_fingerprint);

CREATE INDEX tag_decisions_source ON public.tag_decisions USING btree (source);

CREATE INDEX tag_decisions_tag ON public.tag_decisions USING btree (tag_id, id);

CREATE INDEX tag_obstacles_tag ON public.tag_obstacles USING btree (tag_id, id);

CREATE INDEX tags_state ON public.tags USING btree (state, id);

CREATE INDEX taken_down_files_sha256 ON public.taken_down_files USING btree (sha256);

CREATE INDEX uploads_state ON public.uploads USING btree (state, id);

CREATE INDEX uploads_submission ON public.uploads USING btree (submission_id, id);

CREATE UNIQUE INDEX versions_one_holder ON public.versions USING btree (archive_id, source, version) WHERE (state <> 'freed'::text);

CREATE INDEX versions_submission ON public.versions USING btree (submission_id);

CREATE UNIQUE INDEX workers_one_of_a_name ON public.workers USING btree (name) WHERE (revoked_at IS NULL);

CREATE INDEX workers_pool ON public.workers USING btree (worker_pool_id);

CREATE TRIGGER attempts_transition BEFORE UPDATE ON public.attempts FOR EACH ROW EXECUTE FUNCTION public.refuse_illegal_transition('state', 'running>delivered', 'running>failed', 'running>lost', 'running>infrastructure-failed', 'running>cancelled', 'delivered>succeeded', 'delivered>failed', 'delivered>cancelled');

CREATE TRIGGER audit_only_added BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER events_announced AFTER INSERT ON public.events FOR EACH STATEMENT EXECUTE FUNCTION public.announce_event();

CREATE TRIGGER events_only_added BEFORE DELETE OR UPDATE ON public.events FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER frozen_inputs_only_added BEFORE DELETE OR UPDATE ON public.frozen_inputs FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER high_water_marks_only_added BEFORE DELETE OR UPDATE ON public.high_water_marks FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER jobs_transition BEFORE UPDATE ON public.jobs FOR EACH ROW EXECUTE FUNCTION public.refuse_illegal_transition('state', 'blocked>ready', 'blocked>cancelled', 'ready>blocked', 'ready>leased', 'ready>cancelled', 'leased>ready', 'leased>delivered', 'leased>failed', 'leased>quarantined', 'leased>cancelled', 'delivered>succeeded', 'delivered>failed', 'delivered>ready', 'delivered>cancelled', 'failed>ready', 'failed>cancelled', 'quarantined>ready', 'quarantined>cancelled');

CREATE TRIGGER origs_only_added BEFORE DELETE OR UPDATE ON public.origs FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER package_contents_only_added BEFORE DELETE OR UPDATE ON public.package_contents FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER pool_files_not_taken_down BEFORE INSERT ON public.pool_files FOR EACH ROW EXECUTE FUNCTION public.refuse_taken_down_bytes();

CREATE TRIGGER pool_files_only_added BEFORE DELETE OR UPDATE ON public.pool_files FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER publications_only_forward BEFORE INSERT ON public.publications FOR EACH ROW EXECUTE FUNCTION public.refuse_publication_going_back();

CREATE TRIGGER publications_transition BEFORE UPDATE ON public.publications FOR EACH ROW EXECUTE FUNCTION public.refuse_illegal_transition('state', 'writing>written', 'written>signed', 'signed>published');

CREATE TRIGGER suite_binaries_not_collected BEFORE INSERT ON public.suite_binaries FOR EACH ROW EXECUTE FUNCTION public.refuse_collected_package();

CREATE TRIGGER suite_sources_not_collected BEFORE INSERT ON public.suite_sources FOR EACH ROW EXECUTE FUNCTION public.refuse_collected_package();

CREATE TRIGGER suspensions_only_added BEFORE DELETE OR UPDATE ON public.suspensions FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER tag_decisions_only_added BEFORE DELETE OR UPDATE ON public.tag_decisions FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER tag_obstacles_only_added BEFORE DELETE OR UPDATE ON public.tag_obstacles FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER tags_transition BEFORE UPDATE ON public.tags FOR EACH ROW EXECUTE FUNCTION public.refuse_illegal_transition('state', 'seen>accepted', 'seen>rejected', 'seen>obstructed', 'obstructed>accepted', 'obstructed>rejected', 'rejected>accepted');

CREATE TRIGGER takedowns_only_added BEFORE DELETE OR UPDATE ON public.takedowns FOR EACH ROW EXECUTE FUNCTION public.refuse_change_of_takedown();

CREATE TRIGGER taken_down_files_only_added BEFORE DELETE OR UPDATE ON public.taken_down_files FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER upload_checks_only_added BEFORE DELETE OR UPDATE ON public.upload_checks FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER uploads_transition BEFORE UPDATE ON public.uploads FOR EACH ROW EXECUTE FUNCTION public.refuse_illegal_transition('state', 'received>held', 'received>accepted', 'received>rejected', 'held>accepted', 'held>rejected');

CREATE TRIGGER versions_transition BEFORE UPDATE ON public.versions FOR EACH ROW EXECUTE FUNCTION public.refuse_illegal_transition('state', 'reserved>freed', 'reserved>accepted');

ALTER TABLE ONLY public.access_tokens
    ADD CONSTRAINT access_tokens_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);

ALTER TABLE ONLY public.archives
    ADD CONSTRAINT archives_worker_pool_id_fkey FOREIGN KEY (worker_pool_id) REFERENCES public.worker_pools(id);

ALTER TABLE ONLY public.attempt_files
    ADD CONSTRAINT attempt_files_attempt_id_fkey FOREIGN KEY (attempt_id) REFERENCES public.attempts(id);

ALTER TABLE ONLY public.attempt_phases
    ADD CONSTRAINT attempt_phases_attempt_id_fkey FOREIGN KEY (attempt_id) REFERENCES public.attempts(id);

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.jobs(id);

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES public.workers(id);

ALTER TABLE ONLY public.binary_packages
    ADD CONSTRAINT binary_packages_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES public.archives(id);

ALTER TABLE ONLY public.binary_packages
    ADD CONSTRAINT binary_packages_source_package_id_fkey FOREIGN KEY (source_package_id) REFERENCES public.source_packages(id);

ALTER TABLE ONLY public.binary_packages
    ADD CONSTRAINT binary_packages_upload_id_fkey FOREIGN KEY (upload_id) REFERENCES public.uploads(id);

ALTER TABLE ONLY public.builds
    ADD CONSTRAINT builds_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.jobs(id);

ALTER TABLE ONLY public.builds
    ADD CONSTRAINT builds_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submissions(id);

ALTER TABLE ONLY public.collected_pool_files
    ADD CONSTRAINT collected_pool_files_pool_file_id_fkey FOREIGN KEY (pool_file_id) REFERENCES public.pool_files(id);

ALTER TABLE ONLY public.enrolment_codes
    ADD CONSTRAINT enrolment_codes_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);

ALTER TABLE ONLY public.enrolment_codes
    ADD CONSTRAINT enrolment_codes_used_by_token_id_fkey FOREIGN KEY (used_by_token_id) REFERENCES public.access_tokens(id);

ALTER TABLE ONLY public.frozen_inputs
    ADD CONSTRAINT frozen_inputs_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submissions(id);

ALTER TABLE ONLY public.git_namespace_archives
    ADD CONSTRAINT git_namespace_archives_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES public.archives(id);

ALTER TABLE ONLY public.git_namespace_archives
    ADD CONSTRAINT git_namespace_archives_git_namespace_id_fkey FOREIGN KEY (git_namespace_id) REFERENCES public.git_namespaces(id);

ALTER TABLE ONLY public.git_repositories
    ADD CONSTRAINT git_repositories_namespace_id_fkey FOREIGN KEY (namespace_id) REFERENCES public.git_namespaces(id);

ALTER TABLE ONLY public.git_repository_archives
    ADD CONSTRAINT git_repository_archives_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES public.archives(id);

ALTER TABLE ONLY public.git_repository_archives
    ADD CONSTRAINT git_repository_archives_git_repository_id_fkey FOREIGN KEY (git_repository_id) REFERENCES public.git_repositories(id);

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_group_id_fkey FOREIGN KEY (group_id) REFERENCES public.groups(id);

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);

ALTER TABLE ONLY public.group_members
    ADD CONSTRAINT group_members_group_id_fkey FOREIGN KEY (group_id) REFERENCES public.groups(id);

ALTER TABLE ONLY public.group_members
    ADD CONSTRAINT group_members_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);

ALTER TABLE ONLY public.high_water_marks
    ADD CONSTRAINT high_water_marks_suite_id_fkey FOREIGN KEY (suite_id) REFERENCES public.suites(id);

ALTER TABLE ONLY public.hook_secrets
    ADD CONSTRAINT hook_secrets_git_namespace_id_fkey FOREIGN KEY (git_namespace_id) REFERENCES public.git_namespaces(id);

ALTER TABLE ONLY public.hook_secrets
    ADD CONSTRAINT hook_secrets_git_repository_id_fkey FOREIGN KEY (git_repository_id) REFERENCES public.git_repositories(id);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_worker_pool_id_fkey FOREIGN KEY (worker_pool_id) REFERENCES public.worker_pools(id);

ALTER TABLE ONLY public.join_tokens
    ADD CONSTRAINT join_tokens_used_by_worker_id_fkey FOREIGN KEY (used_by_worker_id) REFERENCES public.workers(id);

ALTER TABLE ONLY public.join_tokens
    ADD CONSTRAINT join_tokens_worker_pool_id_fkey FOREIGN KEY (worker_pool_id) REFERENCES public.worker_pools(id);

ALTER TABLE ONLY public.keys
    ADD CONSTRAINT keys_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);

ALTER TABLE ONLY public.log_chunks
    ADD CONSTRAINT log_chunks_attempt_id_fkey FOREIGN KEY (attempt_id) REFERENCES public.attempts(id);

ALTER TABLE ONLY public.notices
    ADD CONSTRAINT notices_git_repository_id_fkey FOREIGN KEY (git_repository_id) REFERENCES public.git_repositories(id);

ALTER TABLE ONLY public.origs
    ADD CONSTRAINT origs_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submissions(id);

ALTER TABLE ONLY public.overrides
    ADD CONSTRAINT overrides_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES public.archives(id);

ALTER TABLE ONLY public.package_contents
    ADD CONSTRAINT package_contents_binary_package_id_fkey FOREIGN KEY (binary_package_id) REFERENCES public.binary_packages(id);

ALTER TABLE ONLY public.package_contents
    ADD CONSTRAINT package_contents_source_package_id_fkey FOREIGN KEY (source_package_id) REFERENCES public.source_packages(id);

ALTER TABLE ONLY public.package_files
    ADD CONSTRAINT package_files_binary_package_id_fkey FOREIGN KEY (binary_package_id) REFERENCES public.binary_packages(id);

ALTER TABLE ONLY public.package_files
    ADD CONSTRAINT package_files_pool_file_id_fkey FOREIGN KEY (pool_file_id) REFERENCES public.pool_files(id);

ALTER TABLE ONLY public.package_files
    ADD CONSTRAINT package_files_source_package_id_fkey FOREIGN KEY (source_package_id) REFERENCES public.source_packages(id);

ALTER TABLE ONLY public.pool_files
    ADD CONSTRAINT pool_files_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES public.archives(id);

ALTER TABLE ONLY public.publications
    ADD CONSTRAINT publications_suite_id_fkey FOREIGN KEY (suite_id) REFERENCES public.suites(id);

ALTER TABLE ONLY public.source_packages
    ADD CONSTRAINT source_packages_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES public.archives(id);

ALTER TABLE ONLY public.source_packages
    ADD CONSTRAINT source_packages_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submissions(id);

ALTER TABLE ONLY public.source_packages
    ADD CONSTRAINT source_packages_upload_id_fkey FOREIGN KEY (upload_id) REFERENCES public.uploads(id);

ALTER TABLE ONLY public.submissions
    ADD CONSTRAINT submissions_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES public.archives(id);

ALTER TABLE ONLY public.submissions
    ADD CONSTRAINT submissions_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);

ALTER TABLE ONLY public.submissions
    ADD CONSTRAINT submissions_suite_id_fkey FOREIGN KEY (suite_id) REFERENCES public.suites(id);

ALTER TABLE ONLY public.suite_binaries
    ADD CONSTRAINT suite_binaries_binary_package_id_fkey FOREIGN KEY (binary_package_id) REFERENCES public.binary_packages(id);

ALTER TABLE ONLY public.suite_binaries
    ADD CONSTRAINT suite_binaries_suite_id_fkey FOREIGN KEY (suite_id) REFERENCES public.suites(id);

ALTER TABLE ONLY public.suite_order
    ADD CONSTRAINT suite_order_newer_suite_id_fkey FOREIGN KEY (newer_suite_id) REFERENCES public.suites(id);

ALTER TABLE ONLY public.suite_order
    ADD CONSTRAINT suite_order_older_suite_id_fkey FOREIGN KEY (older_suite_id) REFERENCES public.suites(id);

ALTER TABLE ONLY public.suite_parents
    ADD CONSTRAINT suite_parents_external_suite_id_fkey FOREIGN KEY (external_suite_id) REFERENCES public.external_suites(id);

ALTER TABLE ONLY public.suite_parents
    ADD CONSTRAINT suite_parents_parent_suite_id_fkey FOREIGN KEY (parent_suite_id) REFERENCES public.suites(id);

ALTER TABLE ONLY public.suite_parents
    ADD CONSTRAINT suite_parents_suite_id_fkey FOREIGN KEY (suite_id) REFERENCES public.suites(id);

ALTER TABLE ONLY public.suite_sources
    ADD CONSTRAINT suite_sources_source_package_id_fkey FOREIGN KEY (source_package_id) REFERENCES public.source_packages(id);

ALTER TABLE ONLY public.suite_sources
    ADD CONSTRAINT suite_sources_suite_id_fkey FOREIGN KEY (suite_id) REFERENCES public.suites(id);

ALTER TABLE ONLY public.suites
    ADD CONSTRAINT suites_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES public.archives(id);

ALTER TABLE ONLY public.suites
    ADD CONSTRAINT suites_debug_suite_id_fkey FOREIGN KEY (debug_suite_id) REFERENCES public.suites(id);

ALTER TABLE ONLY public.suspensions
    ADD CONSTRAINT suspensions_key_id_fkey FOREIGN KEY (key_id) REFERENCES public.keys(id);

ALTER TABLE ONLY public.suspensions
    ADD CONSTRAINT suspensions_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submissions(id);

ALTER TABLE ONLY public.tag_baselines
    ADD CONSTRAINT tag_baselines_git_repository_id_fkey FOREIGN KEY (git_repository_id) REFERENCES public.git_repositories(id);

ALTER TABLE ONLY public.tag_decisions
    ADD CONSTRAINT tag_decisions_grant_id_fkey FOREIGN KEY (grant_id) REFERENCES public.grants(id);

ALTER TABLE ONLY public.tag_decisions
    ADD CONSTRAINT tag_decisions_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);

ALTER TABLE ONLY public.tag_decisions
    ADD CONSTRAINT tag_decisions_suite_id_fkey FOREIGN KEY (suite_id) REFERENCES public.suites(id);

ALTER TABLE ONLY public.tag_decisions
    ADD CONSTRAINT tag_decisions_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES public.tags(id);

ALTER TABLE ONLY public.tag_obstacles
    ADD CONSTRAINT tag_obstacles_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES public.tags(id);

ALTER TABLE ONLY public.tags
    ADD CONSTRAINT tags_git_repository_id_fkey FOREIGN KEY (git_repository_id) REFERENCES public.git_repositories(id);

ALTER TABLE ONLY public.tags
    ADD CONSTRAINT tags_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submissions(id);

ALTER TABLE ONLY public.takedowns
    ADD CONSTRAINT takedowns_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES public.archives(id);

ALTER TABLE ONLY public.taken_down_files
    ADD CONSTRAINT taken_down_files_takedown_id_fkey FOREIGN KEY (takedown_id) REFERENCES public.takedowns(id);

ALTER TABLE ONLY public.upload_checks
    ADD CONSTRAINT upload_checks_upload_id_fkey FOREIGN KEY (upload_id) REFERENCES public.uploads(id);

ALTER TABLE ONLY public.upload_files
    ADD CONSTRAINT upload_files_upload_id_fkey FOREIGN KEY (upload_id) REFERENCES public.uploads(id);

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES public.archives(id);

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_attempt_id_fkey FOREIGN KEY (attempt_id) REFERENCES public.attempts(id);

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submissions(id);

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_suite_id_fkey FOREIGN KEY (suite_id) REFERENCES public.suites(id);

ALTER TABLE ONLY public.versions
    ADD CONSTRAINT versions_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES public.archives(id);

ALTER TABLE ONLY public.versions
    ADD CONSTRAINT versions_submission_id_fkey FOREIGN KEY (submission_id) REFERENCES public.submissions(id);

ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_worker_pool_id_fkey FOREIGN KEY (worker_pool_id) REFERENCES public.worker_pools(id);
