/**
 * The order of an index: by name in byte order, then by version as dpkg compares, then by qualifier. Debian's own indices
 * are ordered so, and what is near in name lies near in the file, which is what chunks and compression live on.
 */
import { compareVersionTexts } from '../../debian/version.ts';

/** What decides a stanza's place. */
export interface IndexKey {
  readonly name: string;
  readonly version: string;
  readonly qualifier: string;
}

/** Negative when `a` stands before `b`; 0 when they take the same place. */
export function compareKeys(a: IndexKey, b: IndexKey): number {
  return (
    compareBytes(a.name, b.name) ||
    (a.version === b.version ? 0 : compareVersionTexts(a.version, b.version) || compareBytes(a.version, b.version)) ||
    compareBytes(a.qualifier, b.qualifier)
  );
}

/** Names, versions and architectures are ASCII, so code units are bytes. */
function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
