/**
 * Which Debian package brings a program, for the remedy of an error and for `doctor`.
 */

const PACKAGE_OF_PROGRAM: ReadonlyMap<string, string> = new Map([
  ['apt-cache', 'apt'],
  ['apt-ftparchive', 'apt-utils'],
  ['apt-get', 'apt'],
  ['bwrap', 'bubblewrap'],
  ['bzip2', 'bzip2'],
  ['createdb', 'postgresql'],
  ['dch', 'devscripts'],
  ['debuild', 'devscripts'],
  ['dpkg', 'dpkg'],
  ['dpkg-buildpackage', 'dpkg-dev'],
  ['dpkg-deb', 'dpkg'],
  ['dpkg-parsechangelog', 'dpkg-dev'],
  ['dpkg-source', 'dpkg-dev'],
  ['dput', 'dput'],
  ['gbp', 'git-buildpackage'],
  ['git', 'git'],
  ['git-debpush', 'git-debpush'],
  ['gpg', 'gnupg'],
  ['gpg-connect-agent', 'gpgconf'],
  ['gpgconf', 'gpgconf'],
  ['gpgv', 'gpgv'],
  ['initdb', 'postgresql'],
  ['mmdebstrap', 'mmdebstrap'],
  ['newgidmap', 'uidmap'],
  ['newuidmap', 'uidmap'],
  ['openssl', 'openssl'],
  ['pg_dump', 'postgresql-client'],
  ['postgres', 'postgresql'],
  ['prlimit', 'util-linux'],
  ['pristine-tar', 'pristine-tar'],
  ['setpriv', 'util-linux'],
  ['sqv', 'sqv'],
  ['ssh', 'openssh-client'],
  ['ssh-keygen', 'openssh-client'],
  ['tar', 'tar'],
  ['unshare', 'util-linux'],
  ['xz', 'xz-utils'],
  ['zstd', 'zstd'],
]);

/** The Debian package that brings `program` (a bare name or a path), when it is one of those that Landfall uses. */
export function debianPackageOf(program: string): string | undefined {
  return PACKAGE_OF_PROGRAM.get(program.slice(program.lastIndexOf('/') + 1));
}
