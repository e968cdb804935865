/**
 * Memory that is lent for as long as an index is written and then given back. Were it taken anew for each, megabytes of every
 * publication would wait for the collector, which does not hurry for bytes outside of its heap.
 */

/** Of one piece. */
export const PIECE_BYTES = 1024 * 1024;
/** What two indices that are written at the same time need. */
const MOST_SPARE = 6;

const spare: Buffer[] = [];

/** A piece of memory with anything in it. */
export function borrowPiece(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
}

/** Nobody may look at the piece any more. */
export function returnPiece(piece: Buffer): void {
  if (spare.length < MOST_SPARE) spare.push(piece);
}
