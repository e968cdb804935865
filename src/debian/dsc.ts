/**
 * The control file of a source package (.dsc), without its signature.
 *
 * On success: name and version are valid, the lists of files agree with each other, and each file's name is safe and one
 * that this source package may have.
 *
 * @see dsc(5), Debian Policy 5.4
 */
import { parseParagraph, type Paragraph } from './deb822.ts';
import { readFileLists, type FileEntry } from './file-lists.ts';
import { sourceFileRole, type SourceFileRole } from './file-names.ts';
import { isBinaryName, isSourceName } from './names.ts';
import { problem, quote, type Problem } from './problem.ts';
import { parseVersion } from './version.ts';

export type DscProblem = Problem<'dsc-problem'>;

export interface Dsc {
  /** `1.0`, `3.0 (quilt)`, `3.0 (native)`, … */
  readonly format: string;
  readonly source: string;
  readonly version: string;
  /** Binary packages that it says it builds. */
  readonly binaries: readonly string[];
  /** Words of Architecture. */
  readonly architectures: readonly string[];
  readonly maintainer: string;
  readonly files: readonly DscFile[];
  /** `tag=OBJECT fp=FINGERPRINT`, as tag2upload writes it. */
  readonly gitTagInfo: string | undefined;
  /** Name and address of the tagger, as tag2upload writes it. */
  readonly gitTagTagger: string | undefined;
  /** `COMMIT DISTRO TAG URL`, as dgit writes it. */
  readonly dgit: string | undefined;
  readonly paragraph: Paragraph;
}

export interface DscFile extends FileEntry {
  readonly role: SourceFileRole;
}

/** Reads the signed text of a .dsc (what `gpgv --output` or `parseClearsigned` gave). */
export function parseDsc(input: string | Uint8Array): Dsc | DscProblem {
  const paragraph = parseParagraph(input);
  if ('kind' in paragraph) return problem('dsc-problem', paragraph.reason, paragraph);
  const at = (field: string, reason: string): DscProblem =>
    problem('dsc-problem', reason, { field, line: paragraph.field(field)?.line ?? paragraph.line });

  const format = paragraph.get('Format');
  if (format === undefined || !/^[0-9]\.[0-9]+(?: \([a-z0-9-]+\))?$/.test(format)) {
    return at('Format', format === undefined ? 'the field is missing' : `${quote(format)} is not a source format`);
  }
  const source = paragraph.get('Source');
  if (source === undefined) return at('Source', 'the field is missing');
  if (!isSourceName(source)) return at('Source', `${quote(source)} is not a name of a source package`);
  const version = paragraph.get('Version');
  if (version === undefined) return at('Version', 'the field is missing');
  const parsed = parseVersion(version);
  if ('kind' in parsed) return at('Version', parsed.reason);
  const maintainer = paragraph.get('Maintainer');
  if (maintainer === undefined || maintainer === '') return at('Maintainer', 'the field is missing');
  const binaries = paragraph.list('Binary');
  const strange = binaries.find((name) => !isBinaryName(name));
  if (strange !== undefined) return at('Binary', `${quote(strange)} is not a name of a binary package`);

  const lists = readFileLists(paragraph);
  if ('kind' in lists) return problem('dsc-problem', lists.reason, lists);
  const files: DscFile[] = [];
  for (const file of lists.files) {
    const role = sourceFileRole(file.name, source, version);
    if (role === undefined) return at('Files', `${quote(file.name)} is not a file of ${source} ${version}`);
    files.push({ ...file, role });
  }
  if (files.length === 0) return at('Files', 'it names no file');
  return {
    format,
    source,
    version,
    binaries,
    architectures: paragraph.words('Architecture'),
    maintainer,
    files,
    gitTagInfo: paragraph.get('Git-Tag-Info'),
    gitTagTagger: paragraph.get('Git-Tag-Tagger'),
    dgit: paragraph.get('Dgit'),
    paragraph,
  };
}
