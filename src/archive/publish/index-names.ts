/**
 * Which indices a suite has, and what their files are called below `dists/SUITE`, as in Debian's own archive:
 *
 *     COMPONENT/binary-ARCH/Packages                       binary packages; those for all architectures stand in each
 *     COMPONENT/debian-installer/binary-ARCH/Packages      udebs, where the component has any
 *     COMPONENT/source/Sources
 *     COMPONENT/Contents-ARCH, Contents-udeb-ARCH, Contents-source
 *     COMPONENT/i18n/Translation-en                        what Packages leaves out of the descriptions
 */

export type PackageType = 'deb' | 'udeb';

export type IndexName =
  | { readonly kind: 'packages'; readonly component: string; readonly architecture: string; readonly type: PackageType }
  | { readonly kind: 'sources'; readonly component: string }
  | {
      readonly kind: 'contents';
      readonly component: string;
      /** Or `source`. */
      readonly architecture: string;
      readonly type: PackageType;
    }
  | { readonly kind: 'translation'; readonly component: string };

/** All indices of a suite; `udebs` are the components that have udebs. */
export function indicesOf(
  components: readonly string[],
  architectures: readonly string[],
  udebs: ReadonlySet<string>,
): IndexName[] {
  return components.flatMap((component): IndexName[] => [
    ...architectures.flatMap((architecture): IndexName[] =>
      (udebs.has(component) ? (['deb', 'udeb'] as const) : (['deb'] as const)).flatMap((type) => [
        { kind: 'packages', component, architecture, type },
        { kind: 'contents', component, architecture, type },
      ]),
    ),
    { kind: 'sources', component },
    { kind: 'contents', component, architecture: 'source', type: 'deb' },
    { kind: 'translation', component },
  ]);
}

/** Folder of an index below `dists/SUITE`. */
export function indexFolder(index: IndexName): string {
  switch (index.kind) {
    case 'packages':
      return `${index.component}/${index.type === 'udeb' ? 'debian-installer/' : ''}binary-${index.architecture}`;
    case 'sources':
      return `${index.component}/source`;
    case 'contents':
      return index.component;
    case 'translation':
      return `${index.component}/i18n`;
  }
}

/** Name of its file, without the suffix of a compression. */
export function indexStem(index: IndexName): string {
  switch (index.kind) {
    case 'packages':
      return 'Packages';
    case 'sources':
      return 'Sources';
    case 'contents':
      return `Contents-${index.type === 'udeb' ? 'udeb-' : ''}${index.architecture}`;
    case 'translation':
      return 'Translation-en';
  }
}

/** What the small Release beside an index says of it; undefined where there is none. */
export function releaseArchitecture(index: IndexName): string | undefined {
  if (index.kind === 'packages') return index.architecture;
  return index.kind === 'sources' ? 'source' : undefined;
}

/** Whether Release names the file and nobody stores it: the plain text of an index, which clients make from a packed one. */
export function liesNowhere(path: string): boolean {
  return /\/(?:Packages|Sources|Translation-[^/.]+|Contents-[^/.]+)$/.test(path);
}
