/**
 * Where an index is cut into chunks: behind a package name whose hash says so. A border depends on that one name and on
 * nothing around it, so a package that comes or goes moves no border but its own, and every other chunk stays as it is.
 */
import type { IndexEntry } from './keeper.ts';

/** True when a chunk ends behind the last entry of this name, of which one in `namesPerChunk` is such. */
export function endsChunk(name: string, namesPerChunk: number): boolean {
  return hash(name) % namesPerChunk === 0;
}

/**
 * Cuts ordered entries at the borders. `rest` is what follows the last border: it is complete only when nothing comes behind.
 */
export function cut(
  entries: readonly IndexEntry[],
  namesPerChunk: number,
): {
  readonly chunks: readonly (readonly IndexEntry[])[];
  readonly rest: readonly IndexEntry[];
} {
  const chunks: IndexEntry[][] = [];
  let current: IndexEntry[] = [];
  for (const [index, entry] of entries.entries()) {
    current.push(entry);
    if (entry.name === entries[index + 1]?.name || !endsChunk(entry.name, namesPerChunk)) continue;
    chunks.push(current);
    current = [];
  }
  return { chunks, rest: current };
}

/** As {@link cut}, for ordered entries that come one by one; the last chunk is what follows the last border. */
export async function* cutStream(
  entries: AsyncIterable<IndexEntry> | Iterable<IndexEntry>,
  namesPerChunk: number,
): AsyncGenerator<readonly IndexEntry[]> {
  let current: IndexEntry[] = [];
  for await (const entry of entries) {
    const last = current.at(-1)?.name;
    if (last !== undefined && last !== entry.name && endsChunk(last, namesPerChunk)) {
      yield current;
      current = [];
    }
    current.push(entry);
  }
  if (current.length > 0) yield current;
}

/** FNV-1a of 32 bits, its bits mixed once more (the last step of MurmurHash3), since only the remainder is looked at. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
