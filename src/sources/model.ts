/**
 * Names of upstream tarballs, and where a submission's may come from.
 *
 * The order, for one upstream version of one source:
 *   1. the archive's own pool: what was accepted once stays the orig of that version for ever
 *   2. a parent (another archive of ours, or Debian's): so that our package shares Debian's bytes
 *   3. the tarball that a pristine-tar commit gives which the tag's signature covers
 *   4. made from the upstream commit that the tag names
 * Never from a branch that nobody signed.
 *
 * @see deb-src-control(5), dpkg-source(1) "Format: 3.0 (quilt)"
 */

/** Where an orig came from, as it stands in the database. */
export type Provenance = 'archive' | 'parent' | 'pristine-tar' | 'upstream-commit';

const EXTENSION = String.raw`\.tar\.(?:gz|bz2|lzma|xz)(?:\.asc)?`;

/** Whether `name` is an orig tarball, a component's, or a signature of one, of this source and upstream version. */
export function isOrigName(name: string, source: string, upstream: string): boolean {
  const stem = `${source}_${upstream}.orig`;
  return name.startsWith(stem) && new RegExp(`^(?:-[A-Za-z0-9-]+)?${EXTENSION}$`).test(name.slice(stem.length));
}

/** The part of a component's tarball name, empty for the main one. */
export function componentOf(name: string): string {
  return /\.orig-([A-Za-z0-9-]+)\.tar\./.exec(name)?.[1] ?? '';
}

/** Keeps one tarball per component (with its signature): where there are several, the best compressed one. */
export function oneTarballPerComponent<T extends { readonly name: string }>(files: readonly T[]): T[] {
  const preference = ['xz', 'lzma', 'bz2', 'gz'];
  const rank = (name: string): number => preference.indexOf(/\.tar\.([a-z0-9]+)$/.exec(name)?.[1] ?? '');
  const chosen = new Map<string, T>();
  for (const file of files) {
    if (file.name.endsWith('.asc')) continue;
    const held = chosen.get(componentOf(file.name));
    if (held === undefined || rank(file.name) < rank(held.name)) chosen.set(componentOf(file.name), file);
  }
  const names = new Set([...chosen.values()].map(({ name }) => name));
  return files.filter(({ name }) => names.has(name.replace(/\.asc$/, '')));
}
