/**
 * Where files lie in an archive's `pool/`, and how they are called there.
 *
 * @see Debian's own archive layout (dak): one folder per initial, `lib` packages by four letters
 */
import { isArchitectureName, isBinaryName, isComponentName, isSafeFileName, isSourceName } from './names.ts';
import { parseVersion, withoutEpoch } from './version.ts';

/** `h` for `hello`, `libh` for `libhello`. */
export function poolPrefix(source: string): string {
  return source.startsWith('lib') && source.length > 3 ? source.slice(0, 4) : source.slice(0, 1);
}

/** Folder of a source package's files, relative to the archive's root: `pool/main/h/hello`. Throws a RangeError on unsafe names. */
export function poolDirectory(component: string, source: string): string {
  if (!isComponentName(component)) throw new RangeError('the component is not a valid name');
  if (!isSourceName(source)) throw new RangeError('the source package is not a valid name');
  return `pool/${component}/${poolPrefix(source)}/${source}`;
}

/** Path of a file in the pool, relative to the archive's root. */
export function poolPath(component: string, source: string, file: string): string {
  if (!isSafeFileName(file)) throw new RangeError('the file name is not safe');
  return `${poolDirectory(component, source)}/${file}`;
}

/** Name of a binary package's file: `hello_2.10-3_amd64.deb`, without the epoch. Throws a RangeError on malformed parts. */
export function poolFileName(
  name: string,
  version: string,
  architecture: string,
  type: 'deb' | 'udeb' = 'deb',
): string {
  if (!isArchitectureName(architecture)) throw new RangeError('not an architecture');
  return `${stem(name, version)}_${architecture}.${type}`;
}

/** Name of a source package's control file: `hello_2.10-3.dsc`. */
export function dscFileName(source: string, version: string): string {
  return `${stem(source, version)}.dsc`;
}

/** What `@CHANGEPATH@` of a Release's Changelogs stands for: `main/h/hello/hello_2.10-3`. @see apt_preferences(5), apt-get(8) changelog */
export function changelogPath(component: string, source: string, version: string): string {
  return `${poolDirectory(component, source).slice('pool/'.length)}/${stem(source, version)}`;
}

function stem(name: string, version: string): string {
  const parsed = parseVersion(version);
  if ('kind' in parsed) throw new RangeError(`not a Debian version: ${parsed.reason}`);
  if (!isBinaryName(name)) throw new RangeError('not a package name');
  return `${name}_${withoutEpoch(parsed)}`;
}
