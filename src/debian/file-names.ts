/**
 * What the names of files in an upload say: `hello_2.10-3_amd64.deb`, `hello_2.10.orig.tar.gz`, …
 *
 * Versions in file names have no epoch.
 *
 * @see deb-changes(5), dsc(5), dpkg-source(1), Debian Policy 5.6.12
 */
import { isArchitectureName, isBinaryName, isSafeFileName, isSourceName } from './names.ts';
import { isVersion, parseVersion, upstreamOf, withoutEpoch } from './version.ts';

/** A binary package's file name, taken apart. */
export interface BinaryFileName {
  readonly name: string;
  /** Without the epoch. */
  readonly version: string;
  readonly architecture: string;
  readonly type: 'deb' | 'udeb' | 'ddeb';
}

/** The part that a file plays in a source package. */
export type SourceFileRole = 'orig' | 'orig-component' | 'orig-signature' | 'debian' | 'native' | 'diff';

const BINARY = /^([^_]+)_([^_]+)_([^_.]+)\.(deb|udeb|ddeb)$/;
const TAR = 'tar\\.(?:gz|bz2|xz|lzma)';
const ORIG = new RegExp(`^\\.orig(-[A-Za-z0-9][A-Za-z0-9-]*)?\\.${TAR}(\\.asc)?$`);

/** Reads `name_version_architecture.deb`; undefined when it is not of that form. */
export function parseBinaryFileName(file: string): BinaryFileName | undefined {
  const match = BINARY.exec(file);
  const [, name, version, architecture, suffix] = match ?? [];
  if (name === undefined || version === undefined || architecture === undefined || !isSafeFileName(file))
    return undefined;
  if (!isBinaryName(name) || !isVersion(version) || !isArchitectureName(architecture)) return undefined;
  const type = suffix === 'udeb' ? 'udeb' : suffix === 'ddeb' ? 'ddeb' : 'deb';
  return { name, version, architecture, type };
}

/** Reads `source_version.dsc`; undefined when it is not of that form. */
export function parseDscFileName(file: string): { source: string; version: string } | undefined {
  const [, source, version] = /^([^_]+)_([^_]+)\.dsc$/.exec(file) ?? [];
  if (source === undefined || version === undefined) return undefined;
  return isSourceName(source) && isVersion(version) ? { source, version } : undefined;
}

/**
 * The part that `file` plays in the source package of this name and version; undefined when it does not belong to it. Only
 * names that dpkg-source makes are known, so that a .dsc cannot name another package's files.
 */
export function sourceFileRole(file: string, source: string, version: string): SourceFileRole | undefined {
  const parsed = parseVersion(version);
  if ('kind' in parsed || !isSafeFileName(file)) return undefined;
  const upstream = `${source}_${upstreamOf(parsed)}`;
  if (file.startsWith(upstream)) {
    const orig = ORIG.exec(file.slice(upstream.length));
    if (orig !== null) {
      if (orig[2] !== undefined) return 'orig-signature';
      return orig[1] === undefined ? 'orig' : 'orig-component';
    }
  }
  const full = `${source}_${withoutEpoch(parsed)}`;
  if (!file.startsWith(full)) return undefined;
  const rest = file.slice(full.length);
  if (new RegExp(`^\\.debian\\.${TAR}$`).test(rest)) return 'debian';
  if (new RegExp(`^\\.${TAR}$`).test(rest)) return 'native';
  return rest === '.diff.gz' ? 'diff' : undefined;
}
