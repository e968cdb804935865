/**
 * The format of Debian's control files: paragraphs of `Name: value` fields, continued by lines that begin with a blank.
 *
 * Two readers. {@link parseParagraphs} is for untrusted bytes and strict: valid UTF-8 without control characters, no field
 * twice, nothing that another reader might take apart differently, all of it bounded. {@link splitStanzas} and
 * {@link fieldOf} are for indices whose hash a signed Release names; they look at no more than they must and are fast.
 *
 * A value is kept as it is written, from the first character after the blanks behind the colon: further lines keep their
 * leading blank, so that {@link formatParagraph} gives back the same bytes and cannot be talked into an extra field (H46).
 *
 * @see deb822(5), Debian Policy 5.1
 */
import { problem, quote, type Problem } from './problem.ts';
import { decodeText } from './text.ts';

export type Deb822Problem = Problem<'deb822-problem'>;

export interface Field {
  /** As written. */
  readonly name: string;
  /** First line, then each further line with its leading blank, joined by newlines; trailing blanks are gone. */
  readonly value: string;
  /** Line of the field's name, from 1. */
  readonly line: number;
}

export interface Deb822Options {
  /** Largest text, in bytes (characters for a string). */
  readonly maxBytes?: number;
  readonly maxParagraphs?: number;
  readonly maxFields?: number;
  /** Lines that begin with `#` are comments, as in a source package's debian/control. */
  readonly comments?: boolean;
  /** Lines of blanks separate paragraphs too, as dpkg has it for debian/control; otherwise they are refused. */
  readonly blankSeparators?: boolean;
}

/** 8 MiB hold the largest .changes and .buildinfo of Debian several times over (H55). */
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_PARAGRAPHS = 10_000;
const MAX_FIELDS = 1_000;

// US-ASCII without control characters, blank and colon; not beginning with # or -.
const FIELD_NAME = /^(?![#-])[!-9;-~]+$/;
const MAX_NAME_LENGTH = 100;

/** Ordered fields of one paragraph; names are compared without regard to case. */
export class Paragraph {
  readonly fields: readonly Field[];
  readonly #byName = new Map<string, Field>();

  /** Of fields whose names differ; {@link parseParagraphs} has seen to it. */
  constructor(fields: readonly Field[]) {
    this.fields = fields;
    for (const field of fields) this.#byName.set(field.name.toLowerCase(), field);
  }

  /** Line of its first field. */
  get line(): number {
    return this.fields[0]?.line ?? 1;
  }

  has(name: string): boolean {
    return this.#byName.has(name.toLowerCase());
  }

  field(name: string): Field | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  /** The value, lines joined by newlines, or undefined. */
  get(name: string): string | undefined {
    return this.field(name)?.value;
  }

  /** Lines of the value without surrounding blanks, empty ones dropped: how Files, Checksums and Package-List are read. */
  lines(name: string): readonly string[] {
    return linesOf(this.get(name) ?? '');
  }

  /** Words of the value, separated by blanks or newlines. */
  words(name: string): readonly string[] {
    return (this.get(name) ?? '').split(/[ \t\n]+/).filter((word) => word !== '');
  }

  /** Comma-separated items of the value, on one or several lines. */
  list(name: string): readonly string[] {
    return (this.get(name) ?? '')
      .split(',')
      .map((item) => item.replace(/[ \t\n]+/g, ' ').trim())
      .filter((item) => item !== '');
  }

  *[Symbol.iterator](): Iterator<readonly [string, string]> {
    for (const field of this.fields) yield [field.name, field.value];
  }
}

/** Lines of a value without surrounding blanks, empty ones dropped. */
export function linesOf(value: string): readonly string[] {
  return value
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** All paragraphs of a text, which may be none. */
export function parseParagraphs(input: string | Uint8Array, options: Deb822Options = {}): Paragraph[] | Deb822Problem {
  const text = decodeText(input, options.maxBytes ?? MAX_BYTES);
  if (typeof text !== 'string') return problem('deb822-problem', text.reason, { line: text.line });
  const maxFields = options.maxFields ?? MAX_FIELDS;
  const maxParagraphs = options.maxParagraphs ?? MAX_PARAGRAPHS;

  const paragraphs: Paragraph[] = [];
  let fields: { name: string; lines: string[]; line: number }[] = [];
  let seen = new Set<string>();
  let number = 0;
  const fail = (reason: string, field?: string): Deb822Problem =>
    problem('deb822-problem', reason, { line: number, field });
  const endParagraph = (): void => {
    if (fields.length === 0) return;
    paragraphs.push(new Paragraph(fields.map(({ name, lines, line }) => ({ name, line, value: lines.join('\n') }))));
    fields = [];
    seen = new Set();
  };

  for (let start = 0; start < text.length;) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(start, end);
    start = end + 1;
    number++;

    if (line === '') {
      endParagraph();
      continue;
    }
    const first = line.charCodeAt(0);
    if (options.comments === true && first === 35) continue;
    if (first === 32 || first === 9) {
      if (isBlank(line)) {
        if (options.blankSeparators !== true) return fail('a line holds nothing but blanks');
        endParagraph();
        continue;
      }
      const current = fields.at(-1);
      if (current === undefined) return fail('a continuation line has no field before it');
      current.lines.push(trimEndBlanks(line));
      continue;
    }
    const colon = line.indexOf(':');
    if (colon <= 0) return fail(`${quote(line)} is neither a field nor a continuation line`);
    const name = line.slice(0, colon);
    if (name.length > MAX_NAME_LENGTH || !FIELD_NAME.test(name)) return fail(`${quote(name)} is not a field name`);
    const key = name.toLowerCase();
    if (seen.has(key)) return fail('the field stands twice in its paragraph', name);
    if (fields.length >= maxFields) return fail(`a paragraph has more than ${maxFields} fields`);
    if (fields.length === 0 && paragraphs.length >= maxParagraphs)
      return fail(`there are more than ${maxParagraphs} paragraphs`);
    seen.add(key);
    fields.push({ name, lines: [trimBlanks(line.slice(colon + 1))], line: number });
  }
  endParagraph();
  return paragraphs;
}

/** The one paragraph of a text; none or several are a problem. */
export function parseParagraph(input: string | Uint8Array, options: Deb822Options = {}): Paragraph | Deb822Problem {
  const paragraphs = parseParagraphs(input, { ...options, maxParagraphs: 2 });
  if ('kind' in paragraphs) return paragraphs;
  const [only, extra] = paragraphs;
  if (only === undefined) return problem('deb822-problem', 'there is no field in it');
  if (extra !== undefined) return problem('deb822-problem', 'there is more than one paragraph', { line: extra.line });
  return only;
}

/**
 * A paragraph as text, each field ended by a newline, without the empty line that would separate it from the next.
 * Throws a RangeError when a name or value is not what {@link parseParagraph} would read back as the same one field (H46).
 */
export function formatParagraph(fields: Iterable<readonly [name: string, value: string]>): string {
  let text = '';
  const seen = new Set<string>();
  for (const [name, value] of fields) {
    const reason = fieldProblem(name, value);
    if (reason !== undefined) throw new RangeError(`cannot write the field ${quote(name)}: ${reason}`);
    const key = name.toLowerCase();
    if (seen.has(key)) throw new RangeError(`cannot write the field ${quote(name)} twice`);
    seen.add(key);
    text += value === '' || value.startsWith('\n') ? `${name}:${value}\n` : `${name}: ${value}\n`;
  }
  return text;
}

/** Why a field cannot be written, or undefined when it can. */
export function fieldProblem(name: string, value: string): string | undefined {
  if (name.length > MAX_NAME_LENGTH || !FIELD_NAME.test(name)) return 'the name is not a field name';
  const text = decodeText(value, Number.MAX_SAFE_INTEGER);
  if (typeof text !== 'string') return `the value is not clean text: ${text.reason}`;
  const [first = '', ...rest] = value.split('\n');
  if (first !== trimBlanks(first)) return 'the value begins or ends with a blank';
  for (const line of rest) {
    if (line.charCodeAt(0) !== 32 && line.charCodeAt(0) !== 9) return 'a further line does not begin with a blank';
    if (isBlank(line)) return 'a further line holds nothing but blanks';
    if (line !== trimEndBlanks(line)) return 'a line ends with a blank';
  }
  return undefined;
}

/** Any text as the value of a field: further lines indented by one blank, empty ones written as ` .` (deb822(5), as in Description). */
export function foldText(text: string): string {
  return text
    .split('\n')
    .map((line, index) => {
      const kept = trimEndBlanks(line);
      if (index === 0) return trimBlanks(kept);
      return kept === '' ? ' .' : ` ${kept}`;
    })
    .join('\n');
}

/** Stanzas of a Packages or Sources index, without their final newline; empty lines between them are dropped. */
export function* splitStanzas(text: string): Generator<string, void, undefined> {
  let start = 0;
  const length = text.length;
  while (start < length) {
    if (text.charCodeAt(start) === 10) {
      start++;
      continue;
    }
    let end = text.indexOf('\n\n', start);
    if (end < 0) {
      end = length;
      while (end > start && text.charCodeAt(end - 1) === 10) end--;
    }
    yield text.slice(start, end);
    start = end + 2;
  }
}

/** Value of a field in a stanza made by {@link splitStanzas}; quickest when `name` is spelt as it stands there, but any case is found. */
export function fieldOf(stanza: string, name: string): string | undefined {
  const label = `${name}:`;
  let at = 0;
  if (!stanza.startsWith(label)) {
    const found = stanza.indexOf(`\n${label}`);
    at = found >= 0 ? found + 1 : findLabel(stanza, label);
    if (at < 0) return undefined;
  }
  let end = stanza.indexOf('\n', at);
  while (end >= 0) {
    const next = stanza.charCodeAt(end + 1);
    if (next !== 32 && next !== 9) break;
    end = stanza.indexOf('\n', end + 1);
  }
  return trimBlanks(stanza.slice(at + label.length, end < 0 ? undefined : end));
}

/** Where a line begins with `label` in any case, or -1. Only lines with the colon in the right place are looked at closely. */
function findLabel(stanza: string, label: string): number {
  const colon = label.length - 1;
  const wanted = label.toLowerCase();
  for (let at = 0; ;) {
    if (stanza.charCodeAt(at + colon) === 58 && stanza.slice(at, at + label.length).toLowerCase() === wanted) return at;
    at = stanza.indexOf('\n', at) + 1;
    if (at === 0) return -1;
  }
}

function isBlank(line: string): boolean {
  return trimBlanks(line) === '';
}

function trimBlanks(text: string): string {
  let start = 0;
  while (start < text.length && isBlankCode(text.charCodeAt(start))) start++;
  return trimEndBlanks(start === 0 ? text : text.slice(start));
}

function trimEndBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && isBlankCode(text.charCodeAt(end - 1))) end--;
  return end === text.length ? text : text.slice(0, end);
}

/** Blank and tab only: `trim()` would also take Unicode's blanks, which are part of a value. */
function isBlankCode(code: number): boolean {
  return code === 32 || code === 9;
}
