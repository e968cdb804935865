-- Keeping what is stored sound: alerts, the reading of everything that is stored, quotas, and names in the pool whose bytes were
-- removed because no suite has had them for longer than its retention.

-- What is wrong and needs somebody, from the moment that it is noticed until it is over. One open row for a key.
CREATE TABLE alerts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- What is wrong, and of what: 'storage.low', 'suite.not-renewed main/landing'.
  key text NOT NULL CHECK (key ~ '^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*( .+)?$'),
  audience text NOT NULL DEFAULT 'public' CHECK (audience ~ '^(public|group:[a-z0-9][a-z0-9.-]*)$'),
  sentence text NOT NULL,
  remedy text,
  data jsonb NOT NULL DEFAULT '{}',
  raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  cleared_at timestamptz
);
CREATE UNIQUE INDEX alerts_open ON alerts (key) WHERE cleared_at IS NULL;

-- One reading of everything that is stored, against its hashes. It goes on where it was cut off.
CREATE TABLE scrubs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  -- The last hash that was read.
  position text NOT NULL DEFAULT '',
  files bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0,
  damaged bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX scrubs_one_open ON scrubs ((true)) WHERE finished_at IS NULL;

-- Bytes that the files of an archive's suites may have; NULL: as many as there is room for.
ALTER TABLE archives ADD COLUMN quota_bytes bigint CHECK (quota_bytes > 0);

-- The name keeps its hash for ever; the bytes are gone, until the same bytes are accepted again.
CREATE TABLE collected_pool_files (
  pool_file_id bigint PRIMARY KEY REFERENCES pool_files,
  collected_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A package whose bytes are gone comes into no suite.
CREATE FUNCTION refuse_collected_package() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER suite_sources_not_collected BEFORE INSERT ON suite_sources FOR EACH ROW EXECUTE FUNCTION refuse_collected_package();
CREATE TRIGGER suite_binaries_not_collected BEFORE INSERT ON suite_binaries FOR EACH ROW EXECUTE FUNCTION refuse_collected_package();
