/**
 * The lists of files in .dsc, .changes, .buildinfo and Sources: Files (MD5) and Checksums-Sha1, Checksums-Sha256.
 *
 * @see deb-changes(5), dsc(5), Debian Policy 5.6.21 and 5.6.24
 */
import { linesOf, type Paragraph } from './deb822.ts';
import { isSafeFileName } from './names.ts';
import { problem, quote, type Problem } from './problem.ts';

/** A file as a control file names it; digests are lower-case hex. */
export interface FileEntry {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
  readonly md5?: string;
  readonly sha1?: string;
}

/** 10,000 files in one upload are refused (H44); the largest of Debian's have some 1,500. */
const MAX_FILES = 4_000;

const DIGEST_LENGTH = { md5: 32, sha1: 40, sha256: 64 } as const;
type Digest = keyof typeof DIGEST_LENGTH;

export type FileListProblem = Problem<'file-list-problem'>;

interface Line {
  readonly digest: string;
  readonly size: number;
  readonly name: string;
  /** What stands between size and name: section and priority in a .changes. */
  readonly middle: readonly string[];
}

/**
 * Checksums-Sha256 of a paragraph, with the digests of Checksums-Sha1 and Files where they stand; lists that disagree on
 * names or sizes are a problem. `middle` is the number of words between size and name in Files (2 in a .changes).
 */
export function readFileLists(
  paragraph: Paragraph,
  options: { middle?: number; filesRequired?: boolean } = {},
): { files: readonly FileEntry[]; middles: ReadonlyMap<string, readonly string[]> } | FileListProblem {
  const sha256 = readList(paragraph, 'Checksums-Sha256', 'sha256', 0);
  if ('kind' in sha256) return sha256;
  const sha1 = paragraph.has('Checksums-Sha1') ? readList(paragraph, 'Checksums-Sha1', 'sha1', 0) : undefined;
  if (sha1 !== undefined && 'kind' in sha1) return sha1;
  const wanted = options.filesRequired ?? true;
  const md5 = paragraph.has('Files') || wanted ? readList(paragraph, 'Files', 'md5', options.middle ?? 0) : undefined;
  if (md5 !== undefined && 'kind' in md5) return md5;

  for (const [field, list] of [
    ['Checksums-Sha1', sha1],
    ['Files', md5],
  ] as const) {
    if (list === undefined) continue;
    const differing = [...list.values()].find((line) => sha256.get(line.name)?.size !== line.size);
    if (differing !== undefined || list.size !== sha256.size) {
      const which = differing === undefined ? '' : ` about ${differing.name}`;
      return fail(paragraph, field, `it disagrees with Checksums-Sha256${which}`);
    }
  }
  const files = [...sha256.values()].map(({ name, size, digest }): FileEntry => {
    const [first, second] = [md5?.get(name)?.digest, sha1?.get(name)?.digest];
    return {
      name,
      size,
      sha256: digest,
      ...(first === undefined ? {} : { md5: first }),
      ...(second === undefined ? {} : { sha1: second }),
    };
  });
  return { files, middles: new Map([...(md5 ?? new Map<string, Line>())].map(([name, line]) => [name, line.middle])) };
}

/** One list as a field's value, as dpkg writes it: each file on a line of its own. */
export function formatFileList(files: readonly FileEntry[], digest: Digest): string {
  return files.map((file) => `\n ${digestOf(file, digest)} ${file.size} ${file.name}`).join('');
}

function digestOf(file: FileEntry, digest: Digest): string {
  const value = file[digest];
  if (value === undefined) throw new RangeError(`the ${digest} of ${file.name} is not known`);
  return value;
}

function readList(
  paragraph: Paragraph,
  field: string,
  digest: Digest,
  middle: number,
): Map<string, Line> | FileListProblem {
  const value = paragraph.get(field);
  if (value === undefined) return fail(paragraph, field, 'the field is missing');
  const lines = linesOf(value);
  if (lines.length > MAX_FILES) return fail(paragraph, field, `there are more than ${MAX_FILES} files`);
  const list = new Map<string, Line>();
  for (const line of lines) {
    const words = line.split(/[ \t]+/);
    const [sum = '', size = ''] = words;
    const name = words.at(-1) ?? '';
    if (words.length !== 3 + middle) return fail(paragraph, field, `${quote(line)} does not have ${3 + middle} words`);
    if (sum.length !== DIGEST_LENGTH[digest] || !/^[0-9a-f]+$/.test(sum)) {
      return fail(paragraph, field, `${quote(sum)} is not a digest`);
    }
    if (!/^(?:0|[1-9][0-9]{0,14})$/.test(size)) return fail(paragraph, field, `${quote(size)} is not a size`);
    if (!isSafeFileName(name)) return fail(paragraph, field, `${quote(name)} is not a safe file name`);
    if (list.has(name)) return fail(paragraph, field, `${name} stands twice`);
    list.set(name, { digest: sum, size: Number(size), name, middle: words.slice(2, -1) });
  }
  return list;
}

function fail(paragraph: Paragraph, field: string, reason: string): FileListProblem {
  return problem('file-list-problem', reason, { field, line: paragraph.field(field)?.line ?? paragraph.line });
}
