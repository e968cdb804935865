-- Versions whose bytes must not be handed out any more: the record stays, the bytes go, and never come back.

CREATE TABLE takedowns (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  archive_id bigint NOT NULL REFERENCES archives,
  source text NOT NULL,
  version text NOT NULL,
  -- The law demands it: what was there is answered with 451 and not with 410.
  legal boolean NOT NULL,
  -- Told to whoever asks for a file.
  reason text NOT NULL,
  actor text NOT NULL,
  -- Suites that had it, files that other versions share and that stay.
  detail jsonb NOT NULL DEFAULT '{}',
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- When the bytes were gone from every store.
  removed_at timestamptz,
  UNIQUE (archive_id, source, version)
);

CREATE FUNCTION refuse_change_of_takedown() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR to_jsonb(OLD) - 'removed_at' IS DISTINCT FROM to_jsonb(NEW) - 'removed_at' THEN
    RAISE EXCEPTION 'a takedown is never changed or removed'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'takedowns_only_added';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER takedowns_only_added BEFORE UPDATE OR DELETE ON takedowns FOR EACH ROW EXECUTE FUNCTION refuse_change_of_takedown();

CREATE TABLE taken_down_files (
  takedown_id bigint NOT NULL REFERENCES takedowns,
  -- A name in the pool, or what else it was: 'upload:hello_2.10-3_amd64.changes', 'input:…', 'changelog'.
  path text NOT NULL,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size bigint NOT NULL CHECK (size >= 0),
  PRIMARY KEY (takedown_id, path)
);
CREATE INDEX taken_down_files_sha256 ON taken_down_files (sha256);
CREATE TRIGGER taken_down_files_only_added BEFORE UPDATE OR DELETE ON taken_down_files FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Bytes that were taken down get no name in any pool, by whatever way they come.
CREATE FUNCTION refuse_taken_down_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM taken_down_files t WHERE t.sha256 = NEW.sha256) THEN
    RAISE EXCEPTION 'the bytes of % were taken down', NEW.path
      USING ERRCODE = 'check_violation', CONSTRAINT = 'pool_files_not_taken_down';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER pool_files_not_taken_down BEFORE INSERT ON pool_files FOR EACH ROW EXECUTE FUNCTION refuse_taken_down_bytes();
