/**
 * The keeper of indices: told what an index holds, or how it differs from one that it wrote before, it writes the files that
 * a Release names. How it keeps what it wrote before is its own business; that the same content gives the same files, and
 * that files are written by the batch that it is given, is the contract.
 */
import type { ObjectBatch } from '../../platform/objects.ts';

/** One stanza, or one part of a line (format.ts), with what decides its place: name, then version, then `qualifier` (architecture or type) where those agree. */
export interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly qualifier: string;
  /** Ended by one newline, without the empty line behind it. */
  readonly stanza: string;
}

/** All of an index: in any order, or one by one and then in order (order.ts). */
export type IndexEntries = readonly IndexEntry[] | AsyncIterable<IndexEntry>;

/** How an index differs from an earlier one. To put an entry whose place is taken is to replace it. */
export type IndexChange =
  | { readonly kind: 'put'; readonly entry: IndexEntry }
  | { readonly kind: 'drop'; readonly name: string; readonly version: string; readonly qualifier: string };

/** Where files go: `STEM.gz`, and `STEM.xz` where the format has it, below `prefix`, which has none of them. */
export interface IndexTarget {
  /** Whose `settle` makes the files durable. */
  readonly batch: ObjectBatch;
  readonly prefix: string;
  readonly stem: string;
}

export interface IndexFile {
  /** `Packages`, `Packages.gz`, `Packages.xz`. */
  readonly name: string;
  readonly sha256: string;
  readonly size: number;
  /** False for the plain text, which Release names and which lies nowhere. */
  readonly stored: boolean;
}

export interface WrittenIndex {
  /** Names what was written, for {@link IndexKeeper.change}; absent where nothing is kept. */
  readonly id?: string;
  readonly entries: number;
  readonly files: readonly IndexFile[];
}

export interface IndexKeeper {
  /** Writes the index that holds exactly `entries`. */
  build(entries: IndexEntries, target: IndexTarget): Promise<WrittenIndex>;
  /**
   * Writes the index that differs from `base` by `changes`, at the cost of the changes. Undefined when `base` is not kept any
   * more: the caller then builds it.
   */
  change(base: string, changes: readonly IndexChange[], target: IndexTarget): Promise<WrittenIndex | undefined>;
}
