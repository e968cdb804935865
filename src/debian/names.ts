/**
 * Names that become parts of paths, refs and fields: packages, architectures, components, suites, files; and DEP-14's mangling
 * of versions into Git tag names. All are plain ASCII, so no homoglyph, direction mark or control character passes.
 *
 * @see Debian Policy 5.6.1 and 5.6.7, DEP-14 ("version mangling"), tag2upload(5), git-check-ref-format(1)
 */
import { isVersion } from './version.ts';

const PACKAGE = /^[a-z0-9][a-z0-9+.-]+$/;
const ARCHITECTURE = /^[a-z0-9]+(?:-[a-z0-9]+){0,3}$/;
const COMPONENT = /^[a-z0-9][a-z0-9+.-]*$/;
const SUITE = /^[a-z0-9][a-z0-9+.-]*$/;
const FILE = /^[A-Za-z0-9][A-Za-z0-9+._~-]*$/;
const SECTION = /^[a-z0-9][a-z0-9+.-]*(?:\/[a-z0-9][a-z0-9+.-]*)?$/;

/** Policy's priorities; `extra` still stands in older packages. `source` is what Debian's Sources give to .dsc files. */
const PRIORITIES: ReadonlySet<string> = new Set(['required', 'important', 'standard', 'optional', 'extra', 'source']);

/** Longest package name; a pool file adds a version of up to 200 and an architecture and must stay below 255 bytes. */
export const MAX_PACKAGE_NAME_LENGTH = 128;

/** Longest file name that file systems hold. */
export const MAX_FILE_NAME_LENGTH = 255;

/** True for a name of a source package. */
export function isSourceName(name: string): boolean {
  return name.length <= MAX_PACKAGE_NAME_LENGTH && PACKAGE.test(name);
}

/** True for a name of a binary package. */
export function isBinaryName(name: string): boolean {
  return isSourceName(name);
}

/** True for an architecture's name in form (`amd64`, `all`, `kfreebsd-i386`, `linux-any`); whether it exists is for `architectures.ts`. */
export function isArchitectureName(name: string): boolean {
  return name.length <= 64 && ARCHITECTURE.test(name);
}

/** True for a component's name (`main`, `non-free-firmware`). */
export function isComponentName(name: string): boolean {
  return name.length <= 64 && COMPONENT.test(name) && !name.includes('..');
}

/** True for a suite's or codename's name. */
export function isSuiteName(name: string): boolean {
  return name.length <= 64 && SUITE.test(name) && !name.includes('..');
}

/** True for a section, with or without its component (`utils`, `contrib/net`). */
export function isSectionName(name: string): boolean {
  return name.length <= 128 && SECTION.test(name) && !name.includes('..');
}

/** True for one of Debian's priorities. */
export function isPriority(name: string): boolean {
  return PRIORITIES.has(name);
}

/** True for a file name that is safe as one part of a path, on a terminal and in a URL. */
export function isSafeFileName(name: string): boolean {
  return name.length <= MAX_FILE_NAME_LENGTH && FILE.test(name);
}

/** DEP-14's mangled form of a version, as it stands in a Git tag's name after `DISTRO/`. */
export function versionToTag(version: string): string {
  return version
    .replaceAll(':', '%')
    .replaceAll('~', '_')
    .replace(/\.(?=\.|$|lock$)/g, '.#');
}

/**
 * The version behind a mangled name. Undefined when it is no version, or when the name is not exactly what
 * {@link versionToTag} makes of it: two names for one version would let a tag be seen twice.
 */
export function tagToVersion(name: string): string | undefined {
  const version = name.replaceAll('#', '').replaceAll('%', ':').replaceAll('_', '~');
  return isVersion(version) && versionToTag(version) === name ? version : undefined;
}
