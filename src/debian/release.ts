/**
 * Release files: what a suite is, and the hashes of its indices. This is what the archive's key signs.
 *
 * {@link formatRelease} writes the fields in the order that Debian's own archive has, {@link parseRelease} reads the same back.
 * Only SHA256 sums are written: apt has asked for no other since 2016, and Debian 13 carries no weaker ones.
 *
 * @see apt-secure(8), the repository format of Debian's wiki. Held against `apt-ftparchive release` and apt itself.
 */
import { formatParagraph, linesOf, parseParagraph, type Paragraph } from './deb822.ts';
import { isArchitectureName, isComponentName, isSuiteName } from './names.ts';
import { problem, quote, type Problem } from './problem.ts';

export type ReleaseProblem = Problem<'release-problem'>;

export interface ReleaseFile {
  /** Below `dists/SUITE/`. */
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

export interface Release {
  readonly origin: string;
  readonly label: string;
  readonly suite: string;
  readonly version?: string;
  readonly codename: string;
  /** URL with `@CHANGEPATH@`, for `apt changelog`. */
  readonly changelogs?: string;
  /** Whole seconds. */
  readonly date: Date;
  readonly validUntil?: Date;
  readonly notAutomatic?: boolean;
  readonly butAutomaticUpgrades?: boolean;
  readonly acquireByHash?: boolean;
  /** `Packages`: clients need not fetch binary-all, its packages stand in each architecture's index. */
  readonly noSupportForArchitectureAll?: 'Packages';
  readonly architectures: readonly string[];
  readonly components: readonly string[];
  readonly description?: string;
  /** URL with `@SNAPSHOTID@`. */
  readonly snapshots?: string;
  /** Fingerprints of the keys that may sign the next Release, upper-case hex; `!` behind one excludes its subkeys. */
  readonly signedBy?: readonly string[];
  readonly files: readonly ReleaseFile[];
}

const MAX_BYTES = 32 * 1024 * 1024;
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Why the object cannot be a Release, or undefined when it can. The signer asks this of what it is given. */
export function releaseFault(release: Release): string | undefined {
  if (!isSuiteName(release.suite)) return `${quote(release.suite)} is not a name of a suite`;
  if (!isSuiteName(release.codename)) return `${quote(release.codename)} is not a codename`;
  const architecture = release.architectures.find((name) => !isArchitectureName(name));
  if (architecture !== undefined) return `${quote(architecture)} is not an architecture`;
  // Debian's security archive has `updates/main`.
  const component = release.components.find((name) => !name.split('/').every(isComponentName));
  if (component !== undefined) return `${quote(component)} is not a component`;
  if (!isWholeSecond(release.date)) return 'Date is not a whole second';
  if (release.validUntil !== undefined && !isWholeSecond(release.validUntil))
    return 'Valid-Until is not a whole second';
  if (release.validUntil !== undefined && release.validUntil <= release.date)
    return 'Valid-Until is not later than Date';
  const key = release.signedBy?.find((fingerprint) => !/^(?:[0-9A-F]{40}|[0-9A-F]{64})!?$/.test(fingerprint));
  if (key !== undefined) return `${quote(key)} is not a fingerprint`;
  const seen = new Set<string>();
  for (const file of release.files) {
    if (!isIndexPath(file.path)) return `${quote(file.path)} is not a safe path of an index`;
    if (!/^[0-9a-f]{64}$/.test(file.sha256)) return `the SHA256 of ${file.path} is malformed`;
    if (!Number.isSafeInteger(file.size) || file.size < 0) return `the size of ${file.path} is malformed`;
    if (seen.has(file.path)) return `${file.path} stands twice`;
    seen.add(file.path);
  }
  return undefined;
}

/** The Release file; throws a RangeError when {@link releaseFault} finds one, or a field would break out of its line (H46). */
export function formatRelease(release: Release): string {
  const fault = releaseFault(release);
  if (fault !== undefined) throw new RangeError(`cannot write a Release file: ${fault}`);
  const fields: [string, string][] = [];
  const add = (name: string, value: string | undefined): void => {
    if (value === undefined) return;
    if (value.includes('\n')) throw new RangeError(`cannot write a Release file: ${name} has more than one line`);
    fields.push([name, value]);
  };
  const flag = (value: boolean | undefined): string | undefined => (value === true ? 'yes' : undefined);
  add('Origin', release.origin);
  add('Label', release.label);
  add('Suite', release.suite);
  add('Version', release.version);
  add('Codename', release.codename);
  add('Changelogs', release.changelogs);
  add('Date', formatDate(release.date));
  add('Valid-Until', release.validUntil === undefined ? undefined : formatDate(release.validUntil));
  add('NotAutomatic', flag(release.notAutomatic));
  add('ButAutomaticUpgrades', flag(release.butAutomaticUpgrades));
  add('Acquire-By-Hash', flag(release.acquireByHash));
  add('No-Support-for-Architecture-all', release.noSupportForArchitectureAll);
  add('Architectures', release.architectures.join(' '));
  add('Components', release.components.join(' '));
  add('Description', release.description);
  add('Snapshots', release.snapshots);
  add('Signed-By', release.signedBy?.join(','));
  const lines = release.files.map((file) => `\n ${file.sha256} ${String(file.size).padStart(16)} ${file.path}`);
  fields.push(['SHA256', lines.join('')]);
  return formatParagraph(fields);
}

/** Reads a Release file (the signed text of an InRelease); other lists of sums than SHA256 are ignored. */
export function parseRelease(input: string | Uint8Array): Release | ReleaseProblem {
  const paragraph = parseParagraph(input, { maxBytes: MAX_BYTES });
  if ('kind' in paragraph) return problem('release-problem', paragraph.reason, paragraph);
  const at = (field: string, reason: string): ReleaseProblem =>
    problem('release-problem', reason, { field, line: paragraph.field(field)?.line ?? paragraph.line });

  const date = parseDate(paragraph.get('Date') ?? '');
  if (date === undefined) return at('Date', 'it is not a date');
  const validText = paragraph.get('Valid-Until');
  const validUntil = validText === undefined ? undefined : parseDate(validText);
  if (validText !== undefined && validUntil === undefined) return at('Valid-Until', 'it is not a date');
  const flags: Record<string, boolean | undefined> = {};
  for (const name of ['NotAutomatic', 'ButAutomaticUpgrades', 'Acquire-By-Hash']) {
    const value = paragraph.get(name);
    if (value !== undefined && value !== 'yes' && value !== 'no') return at(name, 'it is neither yes nor no');
    flags[name] = value === undefined ? undefined : value === 'yes';
  }
  const files = readSums(paragraph);
  if ('kind' in files) return files;
  const suite = paragraph.get('Suite') ?? paragraph.get('Codename') ?? '';
  const noAll = paragraph.get('No-Support-for-Architecture-all');
  const signedBy = paragraph.get('Signed-By');
  const release: Release = {
    origin: paragraph.get('Origin') ?? '',
    label: paragraph.get('Label') ?? '',
    suite,
    codename: paragraph.get('Codename') ?? suite,
    date,
    architectures: paragraph.words('Architectures'),
    components: paragraph.words('Components'),
    files,
    ...optional('version', paragraph.get('Version')),
    ...optional('changelogs', paragraph.get('Changelogs')),
    ...optional('validUntil', validUntil),
    ...optional('notAutomatic', flags['NotAutomatic']),
    ...optional('butAutomaticUpgrades', flags['ButAutomaticUpgrades']),
    ...optional('acquireByHash', flags['Acquire-By-Hash']),
    ...(noAll === 'Packages' ? { noSupportForArchitectureAll: noAll } : {}),
    ...optional('description', paragraph.get('Description')),
    ...optional('snapshots', paragraph.get('Snapshots')),
    ...optional(
      'signedBy',
      signedBy?.split(',').map((key) => key.trim()),
    ),
  };
  const fault = releaseFault(release);
  return fault === undefined ? release : problem('release-problem', fault);
}

/** `Sun, 22 Nov 2026 13:55:28 UTC`: the form that Debian writes and apt reads. */
export function formatDate(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${DAYS[date.getUTCDay()] ?? ''}, ${two(date.getUTCDate())} ${MONTHS[date.getUTCMonth()] ?? ''} ${date.getUTCFullYear()}`;
  return `${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} UTC`;
}

/** Reads {@link formatDate}'s form, also with `GMT`, `Z` or `+0000`; undefined when it is another, or no such moment. */
export function parseDate(text: string): Date | undefined {
  const match =
    /^[A-Z][a-z]{2}, +([0-9]{1,2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{1,2}):([0-9]{2}):([0-9]{2}) (?:UTC|GMT|Z|\+0000)$/.exec(
      text,
    );
  if (match === null) return undefined;
  const month = MONTHS.indexOf(match[2] ?? '');
  const [day = 0, year = 0, hour = 0, minute = 0, second = 0] = [1, 3, 4, 5, 6].map((index) => Number(match[index]));
  const date = new Date(Date.UTC(year, month, day, hour, minute, second));
  const exact =
    month >= 0 &&
    year >= 1970 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute;
  return exact && date.getUTCSeconds() === second ? date : undefined;
}

function readSums(paragraph: Paragraph): ReleaseFile[] | ReleaseProblem {
  const line = paragraph.field('SHA256')?.line ?? paragraph.line;
  const value = paragraph.get('SHA256');
  if (value === undefined)
    return problem('release-problem', 'there is no list of SHA256 sums', { field: 'SHA256', line });
  const files: ReleaseFile[] = [];
  for (const entry of linesOf(value)) {
    const [, sha256, size, path] = /^([0-9a-f]{64})[ \t]+([0-9]{1,15})[ \t]+(\S+)$/.exec(entry) ?? [];
    if (sha256 === undefined || size === undefined || path === undefined) {
      return problem('release-problem', `${quote(entry)} is not a line of SHA256, size and path`, {
        field: 'SHA256',
        line,
      });
    }
    files.push({ path, size: Number(size), sha256 });
  }
  return files;
}

/** Relative, plain parts, nothing that leads elsewhere. */
function isIndexPath(path: string): boolean {
  return path.length <= 1_000 && path.split('/').every((part) => /^[A-Za-z0-9][A-Za-z0-9+._~@-]*$/.test(part));
}

function isWholeSecond(date: Date): boolean {
  return Number.isFinite(date.getTime()) && date.getTime() % 1_000 === 0;
}

function optional<Key extends string, Value>(key: Key, value: Value | undefined): Partial<Record<Key, Value>> {
  const object: Partial<Record<Key, Value>> = {};
  if (value !== undefined) object[key] = value;
  return object;
}
