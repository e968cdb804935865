/**
 * The kinds of indices that are kept: how their entries are written and read back, how they are compressed, and how large their
 * chunks are. The name of an index's file says its kind.
 */
import { formatContentsLine, parseContentsLine } from '../../debian/contents.ts';
import { fieldOf, splitStanzas } from '../../debian/deb822.ts';
import type { IndexEntry } from './keeper.ts';

export interface IndexFormat {
  /** Besides gzip, which every index has. */
  readonly xz: boolean;
  /** One name in so many ends a chunk. Small chunks cost little to compress again, large ones compress better. */
  readonly namesPerChunk: number;
  /** The text of ordered entries. */
  textOf(entries: readonly IndexEntry[]): Buffer;
  /** Entries of a text that {@link textOf} made; undefined when it is no such text. */
  entriesOf(text: Buffer): IndexEntry[] | undefined;
}

/** The format of the index whose file has this name: `Packages`, `Sources`, `Translation-en`, `Contents-amd64`. */
export function formatOf(stem: string): IndexFormat {
  if (stem.startsWith('Contents-')) return CONTENTS;
  if (stem.startsWith('Translation-')) return stanzas(translationKey);
  return stanzas(stem === 'Sources' ? sourceKey : packageKey);
}

type KeyOf = (stanza: string) => (string | undefined)[];

const packageKey: KeyOf = (stanza) => ['Package', 'Version', 'Architecture'].map((name) => fieldOf(stanza, name));
const sourceKey: KeyOf = (stanza) => [fieldOf(stanza, 'Package'), fieldOf(stanza, 'Version'), ''];
const translationKey: KeyOf = (stanza) => [fieldOf(stanza, 'Package'), '', fieldOf(stanza, 'Description-md5')];

/** Each stanza and an empty line. */
function stanzas(keyOf: KeyOf): IndexFormat {
  return {
    xz: true,
    namesPerChunk: 128,
    textOf: (entries) => Buffer.from(entries.map((entry) => `${entry.stanza}\n`).join(''), 'utf8'),
    entriesOf: (text) => {
      const entries: IndexEntry[] = [];
      for (const stanza of splitStanzas(text.toString('utf8'))) {
        const [name, version, qualifier] = keyOf(stanza);
        if (name === undefined || version === undefined || qualifier === undefined) return undefined;
        entries.push({ name, version, qualifier, stanza: `${stanza}\n` });
      }
      return entries;
    },
  };
}

/**
 * A line for each path, with all packages that have it. An entry is one path of one package: `name` is the path as a byte string,
 * `qualifier` the package's place in the second column; version and stanza are empty. Only gzip, as Debian has it: xz would cost
 * more time than all other indices together.
 */
const CONTENTS: IndexFormat = {
  xz: false,
  namesPerChunk: 1024,
  textOf: (entries) => {
    const lines: string[] = [];
    for (let at = 0; at < entries.length;) {
      const path = entries[at]?.name ?? '';
      const locations: string[] = [];
      for (; entries[at]?.name === path; at += 1) locations.push(entries[at]?.qualifier ?? '');
      lines.push(formatContentsLine(path, locations));
    }
    return Buffer.from(lines.join(''), 'latin1');
  },
  entriesOf: (text) => {
    const entries: IndexEntry[] = [];
    for (const line of text.toString('latin1').split('\n').slice(0, -1)) {
      const parsed = parseContentsLine(line);
      if (parsed === undefined) return undefined;
      for (const location of parsed.locations) {
        entries.push({ name: parsed.path, version: '', qualifier: location, stanza: '' });
      }
    }
    return entries;
  },
};
