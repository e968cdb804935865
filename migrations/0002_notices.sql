-- Notices of every forge, and namespaces: whole groups of Git repositories registered by the prefix of their address.

-- `https://forge.example.org/group/*`: what lies below it and tells us of a tag becomes a row of git_repositories by itself.
CREATE TABLE git_namespaces (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9+._-]{0,63}$'),
  -- The address with a `*` where the path of a Git repository goes, perhaps with `.git` behind it.
  url text NOT NULL UNIQUE CHECK (url ~ '^[^*]+/[*](\.git)?$'),
  max_depth integer NOT NULL DEFAULT 1 CHECK (max_depth BETWEEN 1 AND 8),
  max_repositories integer NOT NULL DEFAULT 1000 CHECK (max_repositories BETWEEN 1 AND 100000),
  allow_file boolean NOT NULL DEFAULT false,
  plain_tags boolean NOT NULL DEFAULT false,
  plain_quilt text CHECK (plain_quilt IN ('gbp', 'unapplied', 'linear', 'baredebian', 'native')),
  max_pack_bytes bigint NOT NULL DEFAULT 4294967296,
  fetch_deadline interval NOT NULL DEFAULT '10 minutes',
  poll_every interval NOT NULL DEFAULT '5 minutes',
  notices_per_minute integer NOT NULL DEFAULT 60 CHECK (notices_per_minute BETWEEN 1 AND 6000),
  enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (NOT plain_tags OR plain_quilt IS NOT NULL)
);

CREATE TABLE git_namespace_archives (
  git_namespace_id bigint NOT NULL REFERENCES git_namespaces,
  distro text NOT NULL CHECK (distro ~ '^[a-z0-9][a-z0-9.-]{0,63}$'),
  archive_id bigint NOT NULL REFERENCES archives,
  PRIMARY KEY (git_namespace_id, distro)
);

ALTER TABLE git_repositories
  -- The namespace that it came by, with its path there; NULL where it was registered alone.
  ADD COLUMN namespace_id bigint REFERENCES git_namespaces,
  ADD COLUMN namespace_path text,
  -- `host/path` in lower case, however the address spells it: what a notice's addresses are compared with, and nothing else.
  ADD COLUMN place text,
  ADD COLUMN notices_per_minute integer NOT NULL DEFAULT 60 CHECK (notices_per_minute BETWEEN 1 AND 6000),
  ADD COLUMN next_look_at timestamptz,
  -- What kept the last looks from their end; cleared by one that succeeds.
  ADD COLUMN failed_looks integer NOT NULL DEFAULT 0,
  ADD COLUMN obstacle_code text,
  ADD COLUMN obstacle_sentence text,
  ADD COLUMN obstacle_remedy text,
  ADD COLUMN obstacle_since timestamptz,
  ADD CHECK ((namespace_id IS NULL) = (namespace_path IS NULL)),
  ADD CHECK (num_nulls(obstacle_code, obstacle_sentence, obstacle_remedy, obstacle_since) IN (0, 4)),
  ADD CHECK ((failed_looks = 0) = (obstacle_code IS NULL));
CREATE UNIQUE INDEX git_repositories_member ON git_repositories (namespace_id, namespace_path);
CREATE INDEX git_repositories_place ON git_repositories (place);
CREATE INDEX git_repositories_due ON git_repositories (next_look_at) WHERE enabled;

UPDATE git_repositories SET place = CASE
  WHEN url LIKE 'file://%' THEN regexp_replace(url, '^file://(.*?)(\.git)?/*$', 'file:\1')
  ELSE lower(regexp_replace(url, '^[a-z]+://([^/@]*@)?([^/:]+)(:\d+)?/(.*?)(\.git)?/*$', '\2/\4')) END;

-- What forges prove their notices with. HMAC needs the secret itself, so it cannot be kept as a hash. It stands in a table of
-- its own that one function reads, and guards hints only: who knows it can make Landfall look, and nothing else.
CREATE TABLE hook_secrets (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  git_repository_id bigint UNIQUE REFERENCES git_repositories,
  git_namespace_id bigint UNIQUE REFERENCES git_namespaces,
  secret bytea NOT NULL CHECK (length(secret) BETWEEN 16 AND 512),
  set_at timestamptz NOT NULL DEFAULT now(),
  CHECK (num_nonnulls(git_repository_id, git_namespace_id) = 1)
);

-- A tag of the baseline decides nothing, whoever names it in a notice, until somebody with the right adopts it.
ALTER TABLE tag_baselines
  ADD COLUMN noticed_at timestamptz,
  ADD COLUMN adopted_at timestamptz,
  ADD COLUMN adopted_by text,
  ADD CHECK ((adopted_at IS NULL) = (adopted_by IS NULL));
