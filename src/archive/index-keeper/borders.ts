/**
 * Where an index is cut into chunks: behind a package name whose hash says so. A border depends on that one name and on
 * nothing around it, so a package that comes or goes moves no border but its own, and every other chunk stays as it is.
 */
import type { IndexEntry } from './keeper.ts';

/** One name in so many ends a chunk. Small chunks cost little to compress again, large ones compress better. */
const NAMES_PER_CHUNK = 128;

/** True when a chunk ends behind the last entry of this name. */
export function endsChunk(name: string): boolean {
  return hash(name) % NAMES_PER_CHUNK === 0;
}

/**
 * Cuts ordered entries at the borders. `rest` is what follows the last border: it is complete only when nothing comes behind.
 */
export function cut(entries: readonly IndexEntry[]): {
  readonly chunks: readonly (readonly IndexEntry[])[];
  readonly rest: readonly IndexEntry[];
} {
  const chunks: IndexEntry[][] = [];
  let current: IndexEntry[] = [];
  for (const [index, entry] of entries.entries()) {
    current.push(entry);
    if (entry.name === entries[index + 1]?.name || !endsChunk(entry.name)) continue;
    chunks.push(current);
    current = [];
  }
  return { chunks, rest: current };
}

/** FNV-1a of 32 bits, its bits mixed once more (the last step of MurmurHash3), since only the remainder is looked at. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
