/** The paths that a package's Contents are made of, gathered within bounds while its archives are read. */
import { fitsContents, pathBytes } from '../debian/contents.ts';
import type { TarEntry } from '../debian/tar.ts';

/** Characters of all paths together; the largest of Debian's packages have some 10 MB of them. */
const MAX_CHARACTERS = 64 * 1024 * 1024;

export interface FileList {
  add(path: string): void;
  addMember(entry: TarEntry): void;
  /** In byte order, without doubles; undefined when there are more than can be kept. */
  paths(): readonly string[] | undefined;
}

export function createFileList(): FileList {
  const paths = new Set<string>();
  let characters = 0;
  const add = (path: string): void => {
    if (!fitsContents(path) || characters > MAX_CHARACTERS || paths.has(path)) return;
    paths.add(path);
    characters += path.length;
  };
  return {
    add,
    addMember: ({ type, name }) => {
      if (type !== 'directory') add(name);
    },
    paths: () => (characters > MAX_CHARACTERS ? undefined : sortPaths([...paths])),
  };
}

function sortPaths(paths: readonly string[]): string[] {
  return paths
    .map((path) => [pathBytes(path), path] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, path]) => path);
}
