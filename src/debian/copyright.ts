/**
 * debian/copyright in its machine-readable format: a header, paragraphs that say which files are under which licence, and
 * paragraphs with the texts of licences; and the short expressions that name licences (`GPL-2+ or Artistic-2.0, and Expat`).
 *
 * Two parsers, for two questions. {@link parseCopyright} tells what the file says and which words it uses for a licence; it
 * demands what the answer depends on (a Format of version 1.0 first, a License for every paragraph of Files, no other kind of
 * paragraph, no field twice), and no more: a missing Copyright is not its business. {@link parseLicenceExpression} takes one such
 * wording apart, and knows the short names of this format and those of SPDX.
 *
 * @see https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ and, for SPDX, https://spdx.org/licenses/
 */
import { parseParagraphs, type Paragraph } from './deb822.ts';
import { problem, quote, type Problem } from './problem.ts';

export type CopyrightProblem = Problem<'copyright-problem'>;
export type LicenceProblem = Problem<'licence-problem'>;

export interface CopyrightFile {
  /** What the header says of the package as a whole; undefined when it says nothing, or only a text without short name. */
  readonly whole: LicenceField | undefined;
  /** At least one. */
  readonly files: readonly FilesParagraph[];
  /** Paragraphs that hold the text of a licence and speak of no files. */
  readonly texts: readonly LicenceField[];
}

export interface FilesParagraph {
  /** As written, at least one; `*` and `?` are wildcards and `*` also stands for slashes. */
  readonly patterns: readonly string[];
  readonly license: LicenceField;
}

export interface LicenceField {
  /** The first line: a licence expression. May be empty. */
  readonly synopsis: string;
  /** Of the field, from 1. */
  readonly line: number;
}

/** One licence of an expression, as written. */
export interface Licence {
  readonly name: string;
  /** `OpenSSL` of `GPL-2+ with OpenSSL exception`. */
  readonly exception: string | undefined;
}

export type LicenceExpression =
  { readonly licence: Licence } | { readonly operator: 'and' | 'or'; readonly operands: readonly LicenceExpression[] };

/** The largest of Debian has some 5 MB. */
export const MAX_COPYRIGHT_BYTES = 8 * 1024 * 1024;
const MAX_PARAGRAPHS = 20_000;
const MAX_SYNOPSIS = 2_000;
const MAX_LICENCES = 100;
const MAX_EXCEPTION_WORDS = 8;

const FORMAT = /^https?:\/\/www\.debian\.org\/doc\/packaging-manuals\/copyright-format\/1\.0\/?$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9+.~_/:-]{0,99}$/;
const EXCEPTION_WORD = /^[A-Za-z0-9][A-Za-z0-9+.~_/:-]{0,99}$/;

/** Reads debian/copyright. Comments (`#`) and lines of blanks are taken as dpkg takes them in debian/control. */
export function parseCopyright(input: string | Uint8Array): CopyrightFile | CopyrightProblem {
  const paragraphs = parseParagraphs(input, {
    maxBytes: MAX_COPYRIGHT_BYTES,
    maxParagraphs: MAX_PARAGRAPHS,
    comments: true,
    blankSeparators: true,
  });
  if ('kind' in paragraphs) return problem('copyright-problem', paragraphs.reason, paragraphs);
  const [header, ...others] = paragraphs;
  if (header === undefined) return problem('copyright-problem', 'there is no paragraph in it');
  const wrong = headerFault(header);
  if (wrong !== undefined) return problem('copyright-problem', wrong, { line: header.line });

  const files: FilesParagraph[] = [];
  const texts: LicenceField[] = [];
  for (const paragraph of others) {
    const { line } = paragraph;
    const license = licenceOf(paragraph);
    if (paragraph.has('Files')) {
      const patterns = paragraph.words('Files');
      if (patterns.length === 0) return problem('copyright-problem', 'it names no file', { line, field: 'Files' });
      if (license === undefined) {
        return problem('copyright-problem', 'a paragraph with Files has no License', { line });
      }
      files.push({ patterns, license });
    } else if (license !== undefined) texts.push(license);
    else return problem('copyright-problem', 'a paragraph has neither Files nor License', { line });
  }
  if (files.length === 0) return problem('copyright-problem', 'no paragraph has Files');
  const whole = licenceOf(header);
  return { whole: whole?.synopsis === '' ? undefined : whole, files, texts };
}

function headerFault(header: Paragraph): string | undefined {
  const format = header.get('Format');
  if (format === undefined || header.fields[0]?.name.toLowerCase() !== 'format') {
    return 'it does not begin with Format';
  }
  if (!FORMAT.test(format)) return `its Format is ${quote(format)}, not version 1.0`;
  return header.has('Files') ? 'its header has Files' : undefined;
}

function licenceOf(paragraph: Paragraph): LicenceField | undefined {
  const field = paragraph.field('License');
  return field === undefined ? undefined : { synopsis: field.value.split('\n', 1)[0] ?? '', line: field.line };
}

/**
 * Reads an expression. `and` binds more tightly than `or`; with a comma before it either binds least. What the manual leaves
 * open (`, and` beside `, or`) and what it does not know (`and/or`, parentheses, names of several words) is a problem.
 */
export function parseLicenceExpression(text: string): LicenceExpression | LicenceProblem {
  const fail = (reason: string): LicenceProblem => problem('licence-problem', reason);
  if (text.length > MAX_SYNOPSIS) return fail(`it is longer than ${MAX_SYNOPSIS} characters`);
  const words = text
    .replaceAll(',', ' , ')
    .split(/[ \t]+/)
    .filter((word) => word !== '');
  if (words.length === 0) return fail('it names no licence');

  const licences: Licence[] = [];
  const between: Conjunction[] = [];
  let at = 0;
  for (;;) {
    const taken = takeLicence(words, at);
    if ('kind' in taken) return taken;
    licences.push(taken.licence);
    if (licences.length > MAX_LICENCES) return fail(`it names more than ${MAX_LICENCES} licences`);
    at = taken.next;
    if (at >= words.length) break;
    const comma = words[at] === ',';
    if (comma) at++;
    const operator = words[at]?.toLowerCase();
    if (operator !== 'and' && operator !== 'or') {
      return fail(`"and" or "or" was expected before ${quote(words[at] ?? 'the end')}`);
    }
    between.push({ operator, comma });
    at++;
  }
  const outer = new Set(between.filter(({ comma }) => comma).map(({ operator }) => operator));
  if (outer.size > 1) return fail('", and" stands beside ", or", and which of them comes first is not defined');
  return group(licences, between, [({ comma }) => comma, ({ operator }) => operator === 'or', () => true]);
}

interface Conjunction {
  readonly operator: 'and' | 'or';
  readonly comma: boolean;
}

/** Splits at the loosest conjunctions first. */
function group(
  licences: readonly Licence[],
  between: readonly Conjunction[],
  levels: readonly ((conjunction: Conjunction) => boolean)[],
): LicenceExpression {
  const [first] = licences;
  if (first !== undefined && licences.length === 1) return { licence: first };
  const [splits = () => true, ...tighter] = levels;
  const cuts = between.flatMap((conjunction, index) => (splits(conjunction) ? [index] : []));
  const [cut] = cuts;
  if (cut === undefined) return group(licences, between, tighter);
  const operands: LicenceExpression[] = [];
  let start = 0;
  for (const end of [...cuts, between.length]) {
    operands.push(group(licences.slice(start, end + 1), between.slice(start, end), tighter));
    start = end + 1;
  }
  return { operator: between[cut]?.operator ?? 'and', operands };
}

function takeLicence(
  words: readonly string[],
  at: number,
): { readonly licence: Licence; readonly next: number } | LicenceProblem {
  const fail = (reason: string): LicenceProblem => problem('licence-problem', reason);
  const name = words[at];
  if (name === undefined || !NAME.test(name) || isKeyword(name)) {
    return fail(
      `the short name of a licence was expected, and ${name === undefined ? 'it ends' : `${quote(name)} was found`}`,
    );
  }
  if (words[at + 1]?.toLowerCase() !== 'with') return { licence: { name, exception: undefined }, next: at + 1 };
  const exception: string[] = [];
  for (let next = at + 2; next < words.length && exception.length < MAX_EXCEPTION_WORDS; next++) {
    const word = words[next] ?? '';
    if (!EXCEPTION_WORD.test(word) || isKeyword(word)) break;
    if (word.toLowerCase() === 'exception' && exception.length > 0) {
      return { licence: { name, exception: exception.join(' ') }, next: next + 1 };
    }
    exception.push(word);
    // SPDX has it in one word: Classpath-exception-2.0.
    if (exception.length === 1 && /-exception(?:-[0-9.]+)?$/i.test(word)) {
      return { licence: { name, exception: word }, next: next + 1 };
    }
  }
  return fail(`behind ${quote(`${name} with`)} the name of an exception was expected, and the word "exception"`);
}

function isKeyword(word: string): boolean {
  return /^(?:and|or|with|and\/or)$/i.test(word);
}

/** True for one licence by its short name, with or without an exception: what a list of accepted licences holds. */
export function isLicence(text: string): boolean {
  const found = parseLicenceExpression(text);
  return !('kind' in found) && 'licence' in found;
}

/** `GPL-2+ with OpenSSL exception`, as it is written in this format. */
export function describeLicence({ name, exception }: Licence): string {
  if (exception === undefined) return name;
  return `${name} with ${exception}${/-exception(?:-[0-9.]+)?$/i.test(exception) ? '' : ' exception'}`;
}

/** Licences that are accepted, by {@link isLicence} names; compared without regard to case and to `.0` at the end of a version. */
export class AcceptedLicences {
  readonly #keys: ReadonlySet<string>;

  constructor(names: readonly string[]) {
    this.#keys = new Set(
      names.flatMap((name) => {
        const found = parseLicenceExpression(name);
        return !('kind' in found) && 'licence' in found ? [keyOf(found.licence)] : [];
      }),
    );
  }

  /** An exception adds a permission that nobody need use: the licence without it is enough. */
  accepts(licence: Licence): boolean {
    return this.#keys.has(keyOf(licence)) || this.#keys.has(keyOf({ ...licence, exception: undefined }));
  }

  /** The licences that keep an expression from being accepted, each once; none when it is. */
  refused(expression: LicenceExpression): readonly Licence[] {
    const found = new Map<string, Licence>();
    for (const licence of this.#missing(expression)) found.set(keyOf(licence), licence);
    return [...found.values()];
  }

  #missing(expression: LicenceExpression): readonly Licence[] {
    if ('licence' in expression) return this.accepts(expression.licence) ? [] : [expression.licence];
    const missing = expression.operands.map((operand) => this.#missing(operand));
    if (expression.operator === 'or' && missing.some((one) => one.length === 0)) return [];
    return missing.flat();
  }
}

/** The same for two spellings of one licence: `GPL-2.0-or-later` and `gpl-2+`. */
function keyOf({ name, exception }: Licence): string {
  const key = name
    .toLowerCase()
    .replace(/^((?:a|l)?gpl-.*|gfdl-.*)-or-later$/, '$1+')
    .replace(/^((?:a|l)?gpl-.*|gfdl-.*)-only$/, '$1')
    .replace(/-(\d+(?:\.\d+)*?)(?:\.0)+(\+?)$/, '-$1$2');
  if (exception === undefined) return key;
  const words = exception.toLowerCase().replace(/-exception(?:-[0-9.]+)?$/, '');
  return `${key} with ${words.replaceAll(' ', '-')}`;
}
