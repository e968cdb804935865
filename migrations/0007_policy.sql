-- What an archive lets in by name and by licence. An empty list is no rule.

ALTER TABLE archives
  -- Patterns of packages, as grants have them: of the source and of every binary package. Nothing else is taken.
  ADD COLUMN package_patterns text[] NOT NULL DEFAULT '{}'
    CHECK (array_position(package_patterns, NULL) IS NULL AND array_to_string(package_patterns, ' ') ~ '^[a-z0-9+.*? -]*$'),
  -- Patterns of packages that are not taken, whatever else is said.
  ADD COLUMN reserved_patterns text[] NOT NULL DEFAULT '{}'
    CHECK (array_position(reserved_patterns, NULL) IS NULL AND array_to_string(reserved_patterns, ' ') ~ '^[a-z0-9+.*? -]*$'),
  -- Short names of licences, see src/debian/copyright.ts: debian/copyright must be machine-readable and name no other.
  ADD COLUMN accepted_licences text[] NOT NULL DEFAULT '{}'
    CHECK (array_position(accepted_licences, NULL) IS NULL);
