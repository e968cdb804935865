-- What Contents, Translation and the changelogs are made of, taken from a package once, when it is accepted.

-- The stanza in Translation-en, where the description's rest stands; NULL: the stanza in Packages has the description whole.
ALTER TABLE binary_packages ADD COLUMN translation text;

-- debian/changelog as the source package has it, kept by its hash; NULL where none could be read.
ALTER TABLE source_packages
  ADD COLUMN changelog_sha256 text CHECK (changelog_sha256 ~ '^[0-9a-f]{64}$'),
  ADD COLUMN changelog_size bigint CHECK (changelog_size >= 0),
  ADD CONSTRAINT source_packages_changelog CHECK ((changelog_sha256 IS NULL) = (changelog_size IS NULL));

-- The paths of a package's files.
CREATE TABLE package_contents (
  source_package_id bigint UNIQUE REFERENCES source_packages,
  binary_package_id bigint UNIQUE REFERENCES binary_packages,
  -- How Contents names the package: 'utils/hello' for a binary package, 'hello' for a source.
  location text NOT NULL CHECK (location ~ '^[^[:space:],]+$'),
  -- One a line, without a leading slash; folders are left out.
  paths text NOT NULL,
  CHECK (num_nonnulls(source_package_id, binary_package_id) = 1)
);
CREATE TRIGGER package_contents_only_added BEFORE UPDATE OR DELETE ON package_contents FOR EACH ROW EXECUTE FUNCTION refuse_change();
