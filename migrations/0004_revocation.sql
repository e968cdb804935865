-- What follows when a key is revoked, and how a person gets his first token by himself.

-- A submission that a person has stopped: nothing of it goes any further. Never lifted; the way on is another release.
CREATE TABLE suspensions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  submission_id bigint NOT NULL UNIQUE REFERENCES submissions,
  -- The revoked key that is the reason, where it is one.
  key_id bigint REFERENCES keys,
  reason text NOT NULL,
  actor text NOT NULL,
  -- What had to be undone, for those who read it later.
  detail jsonb NOT NULL DEFAULT '{}',
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TRIGGER suspensions_only_added BEFORE UPDATE OR DELETE ON suspensions FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A one-time code, made by an administrator, that its person turns into a token: nobody else ever holds that token.
CREATE TABLE enrolment_codes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  person_id bigint NOT NULL REFERENCES people,
  secret_sha256 bytea NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  used_by_token_id bigint REFERENCES access_tokens,
  CHECK ((used_at IS NULL) = (used_by_token_id IS NULL))
);
CREATE INDEX enrolment_codes_person ON enrolment_codes (person_id, id);
