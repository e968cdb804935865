/**
 * Versions of Debian packages: `[epoch:]upstream[-revision]`.
 *
 * Stricter than dpkg where file names and Git refs are made from a version: an upstream version begins with a digit and
 * holds no colon, and a version has at most 200 characters. `0:1.0` is read as `1.0`, as dpkg compares them.
 *
 * @see deb-version(7). Tested against Dpkg::Version and `dpkg --compare-versions`.
 */
import { quote } from './problem.ts';

/** A version that has been checked; make one with {@link parseVersion}. */
export interface Version {
  readonly epoch: number;
  readonly upstream: string;
  /** Empty for a native version. */
  readonly revision: string;
}

export interface VersionProblem {
  readonly kind: 'invalid-version';
  readonly text: string;
  readonly reason: string;
}

/** Longest version that is accepted, epoch and revision included. */
export const MAX_VERSION_LENGTH = 200;

/** dpkg keeps an epoch in a C int. */
const MAX_EPOCH = 2_147_483_647;

/** Reads `text`; a malformed version is an expected outcome, so it is returned and not thrown. */
export function parseVersion(text: string): Version | VersionProblem {
  const reason = faultOf(text);
  if (reason !== undefined) return { kind: 'invalid-version', text: text.slice(0, 256), reason };
  const colon = text.indexOf(':');
  const hyphen = text.lastIndexOf('-');
  return {
    epoch: colon < 0 ? 0 : Number(text.slice(0, colon)),
    upstream: text.slice(colon + 1, hyphen < 0 ? undefined : hyphen),
    revision: hyphen < 0 ? '' : text.slice(hyphen + 1),
  };
}

/** True when `text` is a version that {@link parseVersion} accepts. */
export function isVersion(text: string): boolean {
  return !('kind' in parseVersion(text));
}

/** Negative when `a` is older than `b`, positive when newer, 0 when dpkg holds them equal. */
export function compareVersions(a: Version, b: Version): number {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1;
  return comparePart(a.upstream, b.upstream) || comparePart(a.revision, b.revision);
}

/** {@link compareVersions} for texts that are known to be versions; throws a RangeError on a malformed one. */
export function compareVersionTexts(a: string, b: string): number {
  return compareVersions(demand(a), demand(b));
}

/** The version as dpkg writes it; an epoch of 0 is left out. */
export function formatVersion(version: Version): string {
  return version.epoch === 0 ? withoutEpoch(version) : `${version.epoch}:${withoutEpoch(version)}`;
}

/** `upstream[-revision]`, as it stands in file names. */
export function withoutEpoch(version: Version): string {
  return version.revision === '' ? version.upstream : `${version.upstream}-${version.revision}`;
}

/** The upstream part, as it stands in the name of an orig tarball. */
export function upstreamOf(version: Version): string {
  return version.upstream;
}

/** True for a version without a revision. */
export function isNative(version: Version): boolean {
  return version.revision === '';
}

/**
 * The source version that a binary version was rebuilt from: `1.0-2+b3` → `1.0-2`, number 3; undefined when it is no binNMU.
 * @see Debian Developer's Reference 5.10.2.1
 */
export function binNmuOf(text: string): { source: string; number: number } | undefined {
  const match = /^(.+)\+b([1-9][0-9]{0,8})$/.exec(text);
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : { source: match[1], number: Number(match[2]) };
}

// One pass over the whole for what is nearly always so; the words are looked for only when it fails.
const WELL_FORMED = /^(?:[0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]*$/;

function faultOf(text: string): string | undefined {
  if (text.length > MAX_VERSION_LENGTH) return `a version has at most ${MAX_VERSION_LENGTH} characters`;
  if (WELL_FORMED.test(text) && !text.endsWith('-')) return undefined;
  if (text === '') return 'a version cannot be empty';
  const colon = text.indexOf(':');
  if (colon >= 0) {
    const digits = text.slice(0, colon);
    if (!/^[0-9]+$/.test(digits)) return 'the epoch (before the colon) is not a number';
    if (Number(digits) > MAX_EPOCH) return 'the epoch is too big';
  }
  const hyphen = text.lastIndexOf('-');
  const upstream = text.slice(colon + 1, hyphen < 0 ? undefined : hyphen);
  if (upstream === '') return 'the upstream version is empty';
  if (hyphen >= 0 && hyphen === text.length - 1) return 'the revision (after the last hyphen) is empty';
  if (!/^[0-9]/.test(upstream)) return 'the upstream version does not begin with a digit';
  if (!/^[A-Za-z0-9.+~-]+$/.test(upstream))
    return 'the upstream version holds a character other than A-Z a-z 0-9 . + - ~';
  if (hyphen >= 0 && !/^[A-Za-z0-9.+~]+$/.test(text.slice(hyphen + 1))) {
    return 'the revision holds a character other than A-Z a-z 0-9 . + ~';
  }
  return undefined;
}

function demand(text: string): Version {
  const version = parseVersion(text);
  if ('kind' in version) throw new RangeError(`not a Debian version: ${quote(text)}: ${version.reason}`);
  return version;
}

const TILDE = 126;

/** Weight of a character outside a run of digits: `~` sorts before the end, the end before letters, letters before the rest. */
function weight(code: number): number {
  if (code >= 48 && code <= 57) return 0;
  if ((code >= 65 && code <= 90) || (code >= 97 && code <= 122)) return code;
  return code === TILDE ? -1 : code + 256;
}

/**
 * Compares two upstream versions or two revisions, as dpkg's `verrevcmp`: by turns a run of non-digits by weight and a run of
 * digits by value. Runs over character codes without making strings, since migration compares millions.
 */
function comparePart(a: string, b: string): number {
  if (a === b) return 0;
  const endA = a.length;
  const endB = b.length;
  let i = 0;
  let j = 0;
  while (i < endA || j < endB) {
    for (;;) {
      const codeA = i < endA ? a.charCodeAt(i) : 48;
      const codeB = j < endB ? b.charCodeAt(j) : 48;
      const digitA = codeA >= 48 && codeA <= 57;
      const digitB = codeB >= 48 && codeB <= 57;
      if (digitA && digitB) break;
      const order = weight(codeA) - weight(codeB);
      if (order !== 0) return order;
      i++;
      j++;
    }
    while (i < endA && a.charCodeAt(i) === 48) i++;
    while (j < endB && b.charCodeAt(j) === 48) j++;
    let difference = 0;
    for (;;) {
      const codeA = i < endA ? a.charCodeAt(i) : 0;
      const codeB = j < endB ? b.charCodeAt(j) : 0;
      const digitA = codeA >= 48 && codeA <= 57;
      const digitB = codeB >= 48 && codeB <= 57;
      if (digitA && digitB) {
        if (difference === 0) difference = codeA - codeB;
        i++;
        j++;
      } else if (digitA) {
        return 1;
      } else if (digitB) {
        return -1;
      } else {
        break;
      }
    }
    if (difference !== 0) return difference;
  }
  return 0;
}
