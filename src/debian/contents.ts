/**
 * Lines of Contents indices: the path of a file and the packages that have it.
 *
 *     usr/bin/hello                                               utils/hello,utils/hello-traditional
 *
 * Paths are byte strings here (one character a byte), since that is what file systems have and what the order of lines goes by.
 *
 * @see the repository format of Debian's wiki, "Contents" indices. Tested against `apt-ftparchive generate`.
 */

/** Where the second column begins, with tabs up to {@link TABS_END}. */
const COLUMN = 60;
const TABS_END = 56;
const TAB = 8;

/** A path of UTF-8 text as a byte string. */
export function pathBytes(path: string): string {
  return Buffer.from(path, 'utf8').toString('latin1');
}

/** Whether Contents can tell of a path: a line cannot hold one that ends in a blank, or that breaks the line. */
export function fitsContents(path: string): boolean {
  return path !== '' && !/[\n\r\t]/.test(path) && !path.endsWith(' ');
}

/** How Contents names a binary package: with its section. */
export function packageLocation(name: string, section: string | undefined): string {
  return section === undefined || section === '' ? name : `${section}/${name}`;
}

/** One line with its newline, filled up as apt-ftparchive does. `locations` in byte order, without doubles. */
export function formatContentsLine(path: string, locations: readonly string[]): string {
  const tabs = Math.max(0, Math.ceil((TABS_END - path.length) / TAB));
  const column = tabs === 0 ? path.length : TABS_END;
  return `${path}${'\t'.repeat(tabs)}${' '.repeat(Math.max(1, COLUMN - column))}${locations.join(',')}\n`;
}

export interface ContentsLine {
  readonly path: string;
  readonly locations: readonly string[];
}

/** Reads {@link formatContentsLine}'s form, without the newline; undefined for what is no such line. */
export function parseContentsLine(line: string): ContentsLine | undefined {
  const match = /^(.*[^ \t])[ \t]+([^ \t]+)$/.exec(line);
  const [, path, locations] = match ?? [];
  return path === undefined || locations === undefined ? undefined : { path, locations: locations.split(',') };
}
