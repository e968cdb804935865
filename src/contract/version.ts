/**
 * The number of this wire contract, and the handshake: both sides say theirs in every message, and refuse what speaks
 * another major number with words that say which side must be renewed. A minor number only adds.
 */

export const CONTRACT_VERSION = '1.0';
export const VERSION_HEADER = 'Landfall-Version';

export type VersionVerdict =
  | { readonly kind: 'compatible' }
  | { readonly kind: 'incompatible'; readonly ours: string; readonly theirs: string; readonly reason: string };

/** Judges the other side's number; `undefined` (a browser, curl) is compatible. */
export function judgeVersion(theirs: string | undefined, ours: string = CONTRACT_VERSION): VersionVerdict {
  if (theirs === undefined) return { kind: 'compatible' };
  const other = majorOf(theirs);
  if (other === undefined) {
    return { kind: 'incompatible', ours, theirs: '?', reason: `${VERSION_HEADER} is not a number such as ${ours}` };
  }
  if (other === majorOf(ours)) return { kind: 'compatible' };
  return { kind: 'incompatible', ours, theirs, reason: `this side speaks contract ${ours}, the other side ${theirs}` };
}

function majorOf(version: string): number | undefined {
  const match = /^(\d{1,6})\.\d{1,6}$/.exec(version);
  return match === null ? undefined : Number(match[1]);
}
