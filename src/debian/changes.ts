/**
 * The list of an upload (.changes), without its signature.
 *
 * On success: names and versions are valid, the lists of files agree, and each file's name is safe and of a known kind. What
 * the upload may contain, and whether the files agree with it, is for the archive's checks.
 *
 * @see deb-changes(5), Debian Policy 5.5
 */
import { parseParagraph, type Paragraph } from './deb822.ts';
import { readFileLists, type FileEntry } from './file-lists.ts';
import { parseBinaryFileName, parseDscFileName, sourceFileRole, type BinaryFileName } from './file-names.ts';
import { isArchitectureName, isBinaryName, isSectionName, isSourceName, isSuiteName } from './names.ts';
import { problem, quote, type Problem } from './problem.ts';
import { parseVersion } from './version.ts';

export type ChangesProblem = Problem<'changes-problem'>;

export type ChangesFileRole = 'dsc' | 'source' | 'binary' | 'buildinfo' | 'other';

export interface ChangesFile extends FileEntry {
  readonly role: ChangesFileRole;
  readonly section: string;
  readonly priority: string;
  /** Of a binary package's file. */
  readonly binary?: BinaryFileName;
}

export interface Changes {
  readonly format: string;
  readonly source: string;
  /** Version of the source package; differs from `version` in a binNMU, which writes `Source: hello (2.10-3)`. */
  readonly sourceVersion: string;
  readonly version: string;
  /** Names of Binary, empty for a source-only upload. */
  readonly binaries: readonly string[];
  /** Words of Architecture, `source` among them when the source is in it. */
  readonly architectures: readonly string[];
  /** Words of Distribution. */
  readonly distributions: readonly string[];
  readonly urgency: string | undefined;
  readonly maintainer: string;
  readonly changedBy: string | undefined;
  readonly date: string | undefined;
  /** True for a rebuild without source changes (Binary-Only: yes). */
  readonly binaryOnly: boolean;
  /** The changelog's entry as it stands in the field, folded. */
  readonly changes: string | undefined;
  readonly closes: readonly string[];
  readonly files: readonly ChangesFile[];
  readonly paragraph: Paragraph;
}

const FORMATS: ReadonlySet<string> = new Set(['1.7', '1.8']);

/** Reads the signed text of a .changes. */
export function parseChanges(input: string | Uint8Array): Changes | ChangesProblem {
  const paragraph = parseParagraph(input);
  if ('kind' in paragraph) return problem('changes-problem', paragraph.reason, paragraph);
  const at = (field: string, reason: string): ChangesProblem =>
    problem('changes-problem', reason, { field, line: paragraph.field(field)?.line ?? paragraph.line });

  const format = paragraph.get('Format') ?? '';
  if (!FORMATS.has(format)) return at('Format', `${quote(format)} is not a format of .changes that is known`);
  const named = parseSourceField(paragraph.get('Source') ?? '');
  if (named === undefined) return at('Source', 'it is not a name of a source package');
  const version = paragraph.get('Version') ?? '';
  const parsed = parseVersion(version);
  if ('kind' in parsed) return at('Version', parsed.reason);
  const sourceVersion = named.version ?? version;

  const binaries = paragraph.words('Binary');
  const strangeName = binaries.find((name) => !isBinaryName(name));
  if (strangeName !== undefined) return at('Binary', `${quote(strangeName)} is not a name of a binary package`);
  const architectures = paragraph.words('Architecture');
  const strangeArchitecture = architectures.find((name) => !isArchitectureName(name));
  if (strangeArchitecture !== undefined)
    return at('Architecture', `${quote(strangeArchitecture)} is not an architecture`);
  if (architectures.length === 0) return at('Architecture', 'the field is missing');
  const distributions = paragraph.words('Distribution');
  const strangeSuite = distributions.find((name) => !isSuiteName(name.toLowerCase()));
  if (strangeSuite !== undefined) return at('Distribution', `${quote(strangeSuite)} is not a name of a suite`);
  if (distributions.length === 0) return at('Distribution', 'the field is missing');
  const maintainer = paragraph.get('Maintainer');
  if (maintainer === undefined || maintainer === '') return at('Maintainer', 'the field is missing');

  const lists = readFileLists(paragraph, { middle: 2 });
  if ('kind' in lists) return problem('changes-problem', lists.reason, lists);
  const files: ChangesFile[] = [];
  for (const file of lists.files) {
    const [section = '-', priority = '-'] = lists.middles.get(file.name) ?? [];
    if (section !== '-' && !isSectionName(section)) return at('Files', `${quote(section)} is not a section`);
    const role = roleOf(file.name, named.source, sourceVersion);
    if (role === undefined) return at('Files', `${quote(file.name)} is not a file of ${named.source} ${sourceVersion}`);
    const binary = role === 'binary' ? parseBinaryFileName(file.name) : undefined;
    files.push({ ...file, role, section, priority, ...(binary === undefined ? {} : { binary }) });
  }
  if (files.length === 0) return at('Files', 'it names no file');
  return {
    format,
    source: named.source,
    sourceVersion,
    version,
    binaries,
    architectures,
    distributions,
    urgency: paragraph.get('Urgency'),
    maintainer,
    changedBy: paragraph.get('Changed-By'),
    date: paragraph.get('Date'),
    binaryOnly: paragraph.get('Binary-Only') === 'yes',
    changes: paragraph.get('Changes'),
    closes: paragraph.words('Closes'),
    files,
    paragraph,
  };
}

/** `hello` or `hello (2.10-3)`, as Source stands in .changes, .buildinfo and binary packages; undefined when malformed. */
export function parseSourceField(text: string): { source: string; version: string | undefined } | undefined {
  const [, source, version] = /^([^\s()]+)(?: +\(([^\s()]+)\))?$/.exec(text) ?? [];
  if (source === undefined || !isSourceName(source)) return undefined;
  return version !== undefined && 'kind' in parseVersion(version) ? undefined : { source, version };
}

function roleOf(file: string, source: string, version: string): ChangesFileRole | undefined {
  if (file.endsWith('.dsc')) return parseDscFileName(file)?.source === source ? 'dsc' : undefined;
  if (/\.u?d?deb$/.test(file)) return parseBinaryFileName(file) === undefined ? undefined : 'binary';
  if (file.endsWith('.buildinfo')) return file.startsWith(`${source}_`) ? 'buildinfo' : undefined;
  if (file.endsWith('.changes')) return undefined;
  if (sourceFileRole(file, source, version) !== undefined) return 'source';
  // Files for hand-made processing (installer images, translations) begin with the source's name too, as dak asks.
  return file.startsWith(`${source}_`) ? 'other' : undefined;
}
