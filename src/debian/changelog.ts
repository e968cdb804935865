/**
 * debian/changelog: who changed what in which version, for which suite.
 *
 * Read from untrusted bytes, and more strictly than dpkg-parsechangelog does, which skips what it does not understand with a
 * warning: here the first entry is well formed or the file is refused, so that no other reader sees another version or
 * another suite in it. Older entries may be in any encoding and are looked at only by {@link parseChangelog}.
 *
 * @see deb-changelog(5). Tested against dpkg-parsechangelog.
 */
import { isSourceName, isSuiteName } from './names.ts';
import { problem, quote, type Problem } from './problem.ts';
import { decodeText } from './text.ts';
import { parseVersion } from './version.ts';

export type ChangelogProblem = Problem<'changelog-problem'>;

export interface ChangelogEntry {
  readonly source: string;
  /** As written; a valid version. */
  readonly version: string;
  /** Usually one; `UNRELEASED` stays as it is written. */
  readonly distributions: readonly string[];
  /** Lower case, without what stands in brackets behind it; `unknown` when none is given. */
  readonly urgency: string;
  /** All `key=value` of the first line, keys in lower case, `urgency` among them. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The lines between first and last, without empty ones at both ends and without blanks at the ends of lines. */
  readonly changes: string;
  readonly maintainer: { readonly name: string; readonly email: string };
  /** As written. */
  readonly date: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  /** Bugs that the entry closes, ascending. */
  readonly closes: readonly number[];
  /** First line of the entry, from 1. */
  readonly line: number;
}

/** Debian's largest changelogs have some 2 MB. */
const MAX_BYTES = 16 * 1024 * 1024;
const MAX_ENTRY_BYTES = 1024 * 1024;

const HEADER = /^([^\s()]+) \(([^()\s]+)\)((?: +[^\s;,=()]+)+);(.*)$/;
const TRAILER =
  /^ -- (.*) <([^<>]*)> {1,2}((?:[A-Za-z]{3}, +)?[0-9]{1,2} +[A-Za-z]{3,9} +[0-9]{4} +[0-9]{1,2}:[0-9]{2}:[0-9]{2} +[+-][0-9]{4})(?: +\([A-Za-z0-9 +-]*\))?$/;
const TAIL = /^(?:(?:;;\s*)?Local variables:|vim:)/i;
const IGNORED = /^(?:\$\w+:.*\$|# |\/\*.*\*\/)/;
const CLOSES = /closes:\s*(?:bug)?#?\s?\d+(?:,\s*(?:bug)?#?\s?\d+)*/gi;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** The first entry; what follows it is not looked at. */
export function parseTopEntry(input: string | Uint8Array): ChangelogEntry | ChangelogProblem {
  const bytes = bounded(input);
  if ('kind' in bytes) return bytes;
  let start = 0;
  let line = 1;
  while (start < bytes.length && bytes[start] === 10) {
    start++;
    line++;
  }
  return readEntry(bytes, start, line)[0];
}

/** All entries up to the end of the file or to an editor's variables; one malformed entry is a problem. */
export function parseChangelog(input: string | Uint8Array): readonly ChangelogEntry[] | ChangelogProblem {
  const bytes = bounded(input);
  if ('kind' in bytes) return bytes;
  const entries: ChangelogEntry[] = [];
  let at = 0;
  let line = 1;
  while (at < bytes.length) {
    const newline = bytes.indexOf(10, at);
    const end = newline < 0 ? bytes.length : newline;
    const text = bytes.toString('latin1', at, Math.min(end, at + 200));
    if (TAIL.test(text)) break;
    if (text.trim() === '' || IGNORED.test(text)) {
      at = end + 1;
      line++;
      continue;
    }
    const [entry, next, nextLine] = readEntry(bytes, at, line);
    if ('kind' in entry) return entry;
    entries.push(entry);
    at = next;
    line = nextLine;
  }
  return entries.length === 0 ? problem('changelog-problem', 'there is no entry in it') : entries;
}

function bounded(input: string | Uint8Array): Buffer | ChangelogProblem {
  if (input.length > MAX_BYTES) return problem('changelog-problem', `it is larger than ${MAX_BYTES} bytes`);
  if (typeof input === 'string') return Buffer.from(input, 'utf8');
  return Buffer.from(input.buffer, input.byteOffset, input.byteLength);
}

/** Reads the entry that begins at `start`; gives also where the next line begins, and its number. */
function readEntry(
  bytes: Buffer,
  start: number,
  firstLine: number,
): [ChangelogEntry | ChangelogProblem, number, number] {
  let line = firstLine;
  const fail = (reason: string): [ChangelogProblem, number, number] => [
    problem('changelog-problem', reason, { line }),
    0,
    0,
  ];
  if (start >= bytes.length) return fail('there is no entry in it');

  // The entry ends with its trailer: only these bytes are decoded.
  let end = -1;
  for (let at = start; at < bytes.length;) {
    const newline = bytes.indexOf(10, at);
    const stop = newline < 0 ? bytes.length : newline;
    if (bytes.toString('latin1', at, Math.min(stop, at + 4)) === ' -- ') {
      end = stop;
      break;
    }
    at = stop + 1;
    if (at - start > MAX_ENTRY_BYTES) return fail(`the entry is larger than ${MAX_ENTRY_BYTES} bytes`);
  }
  const decoded = decodeText(bytes.subarray(start, end < 0 ? bytes.length : end), MAX_ENTRY_BYTES);
  if (typeof decoded !== 'string') {
    line = firstLine + (decoded.line ?? 1) - 1;
    return fail(decoded.reason);
  }
  const [headerLine = '', ...rest] = decoded.split('\n').map((text) => text.replace(/[ \t]+$/, ''));
  const header = HEADER.exec(headerLine);
  const [, source, version, distributionText, metadataText] = header ?? [];
  if (source === undefined || version === undefined || distributionText === undefined || metadataText === undefined) {
    return fail(
      `${quote(headerLine)} is not the first line of an entry: SOURCE (VERSION) DISTRIBUTION; urgency=URGENCY`,
    );
  }
  if (!isSourceName(source)) return fail(`${quote(source)} is not a name of a source package`);
  const parsed = parseVersion(version);
  if ('kind' in parsed) return fail(`${quote(version)} is not a version: ${parsed.reason}`);
  const distributions = distributionText.split(' ').filter((word) => word !== '');
  const strange = distributions.find((name) => !isSuiteName(name.toLowerCase()));
  if (strange !== undefined) return fail(`${quote(strange)} is not a name of a suite`);

  const metadata = new Map<string, string>();
  for (const item of metadataText.split(',')) {
    if (item.trim() === '') continue;
    const pair = /^\s*([A-Za-z0-9][A-Za-z0-9-]*)\s*=\s*(\S.*?)\s*$/.exec(item);
    if (pair?.[1] === undefined || pair[2] === undefined)
      return fail(`${quote(item.trim())} is not of the form key=value`);
    const key = pair[1].toLowerCase();
    if (metadata.has(key)) return fail(`${quote(key)} stands twice in the first line`);
    metadata.set(key, pair[2]);
  }

  if (end < 0) {
    line = firstLine + rest.length;
    return fail('the entry has no last line " -- NAME <EMAIL>  DATE"');
  }
  const trailerLine = rest.pop() ?? '';
  for (const [index, text] of rest.entries()) {
    line = firstLine + 1 + index;
    if (text !== '' && !/^(?: {2,}| ?\t\s*)\S/.test(text)) return fail(`${quote(text)} is not indented by two blanks`);
  }
  line = firstLine + 1 + rest.length;
  const trailer = TRAILER.exec(trailerLine);
  const [, name, email, date] = trailer ?? [];
  if (name === undefined || email === undefined || date === undefined) {
    return fail(`${quote(trailerLine)} is not the last line of an entry: " -- NAME <EMAIL>  DATE"`);
  }
  const timestamp = readDate(date);
  if (timestamp === undefined) return fail(`${quote(date)} is not a date`);

  let from = 0;
  let to = rest.length;
  while (from < to && rest[from] === '') from++;
  while (to > from && rest[to - 1] === '') to--;
  const changes = rest.slice(from, to).join('\n');
  const entry: ChangelogEntry = {
    source,
    version,
    distributions,
    urgency: (/^[A-Za-z0-9-]+/.exec(metadata.get('urgency') ?? 'unknown')?.[0] ?? 'unknown').toLowerCase(),
    metadata,
    changes,
    maintainer: { name, email },
    date,
    timestamp,
    closes: closedBugs(changes),
    line: firstLine,
  };
  return [entry, end + 1, line + 1];
}

/** Seconds since 1970 of an RFC 5322 date; undefined when no such moment exists. The day of the week is not held against it, as by dpkg. */
function readDate(text: string): number | undefined {
  const match =
    /([0-9]{1,2}) +([A-Za-z]{3,9}) +([0-9]{4}) +([0-9]{1,2}):([0-9]{2}):([0-9]{2}) +([+-])([0-9]{2})([0-9]{2})$/.exec(
      text,
    );
  if (match === null) return undefined;
  const [day, year, hour, minute, second, zoneHour, zoneMinute] = [1, 3, 4, 5, 6, 8, 9].map((index) =>
    Number(match[index]),
  );
  const month = MONTHS.indexOf((match[2] ?? '').slice(0, 3).toLowerCase());
  if (day === undefined || year === undefined || hour === undefined || minute === undefined) return undefined;
  if (second === undefined || zoneHour === undefined || zoneMinute === undefined || month < 0) return undefined;
  if (hour > 23 || minute > 59 || second > 60 || zoneMinute > 59 || zoneHour > 23) return undefined;
  const moment = Date.UTC(year, month, day, hour, minute, second);
  const back = new Date(Date.UTC(year, month, day));
  if (back.getUTCMonth() !== month || back.getUTCDate() !== day) return undefined;
  return moment / 1000 - (match[7] === '-' ? -1 : 1) * (zoneHour * 3600 + zoneMinute * 60);
}

function closedBugs(changes: string): number[] {
  const numbers = new Set<number>();
  for (const [sentence] of changes.matchAll(CLOSES)) {
    for (const [digits] of sentence.matchAll(/\d+/g)) numbers.add(Number(digits));
  }
  return [...numbers].sort((a, b) => a - b);
}
