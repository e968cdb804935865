/** Stanzas of an index's text as entries, with the key that decides their place. */
import { fieldOf, splitStanzas } from '../../debian/deb822.ts';
import type { IndexEntry } from './keeper.ts';

/** Entries of a text that {@link textOf} made of an index of this stem; undefined when one has no name or version. */
export function entriesOf(text: string, stem: string): IndexEntry[] | undefined {
  const entries: IndexEntry[] = [];
  for (const stanza of splitStanzas(text)) {
    const name = fieldOf(stanza, 'Package');
    const version = fieldOf(stanza, 'Version');
    const qualifier = stem === 'Sources' ? '' : fieldOf(stanza, 'Architecture');
    if (name === undefined || version === undefined || qualifier === undefined) return undefined;
    entries.push({ name, version, qualifier, stanza: `${stanza}\n` });
  }
  return entries;
}

/** The text of ordered entries: each stanza and an empty line. */
export function textOf(entries: readonly IndexEntry[]): Buffer {
  return Buffer.from(entries.map((entry) => `${entry.stanza}\n`).join(''), 'utf8');
}
