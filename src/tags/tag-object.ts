/**
 * The one parser of a tag object's bytes. Whatever later code believes about a tag comes from here, and what is signed comes
 * from the signed bytes alone.
 *
 * The bytes are split exactly where git splits them: at the *last* line that begins like a signature (`parse_signed_buffer` in
 * git's gpg-interface.c); what stands before it is the payload that git signs and verifies. A header `gpgsig…` would be cut out
 * of that payload by git before it verifies, so a tag that has one is refused: no byte of an accepted tag is unsigned but the
 * signature itself.
 *
 * The payload must be exactly:
 *
 *     object OBJECT-ID
 *     type commit
 *     tag NAME
 *     tagger NAME <EMAIL> SECONDS ZONE
 *     (empty line)
 *     message
 *
 * @see git-mktag(1), gitformat-signature(5)
 */
import { decodeText } from '../debian/text.ts';
import { problem, quote, type Problem } from '../debian/problem.ts';
import { isObjectId, objectFormatOf, type ObjectFormat } from './release-ref.ts';

/** Largest tag object that is read. */
export const MAX_TAG_BYTES = 256 * 1024;

export type TagObjectProblem = Problem<'tag-object-problem'>;

export interface Tagger {
  readonly name: string;
  readonly email: string;
  /** Seconds since 1970. */
  readonly time: number;
  /** As written, for example `+0100`. */
  readonly zone: string;
}

export type SignatureKind = 'openpgp' | 'ssh';

/** The signature part of a tag. */
export type SignaturePart =
  | { readonly kind: 'none' }
  /** One block of a kind that we verify, from its first line to its last, nothing around it. */
  | { readonly kind: 'one'; readonly format: SignatureKind; readonly bytes: Uint8Array }
  /** Lines that git takes for the beginning of a signature stand in it more than once. */
  | { readonly kind: 'several'; readonly count: number }
  | { readonly kind: 'unsupported'; readonly format: string }
  | { readonly kind: 'malformed'; readonly reason: string };

export interface TagObject {
  /** The commit that is tagged. */
  readonly commitId: string;
  readonly name: string;
  readonly tagger: Tagger;
  /** All that follows the headers, up to the signature. */
  readonly message: string;
  /** The bytes that the signature is made over. */
  readonly payload: Uint8Array;
  readonly signature: SignaturePart;
}

interface Block {
  readonly begin: string;
  readonly end: string;
  /** What we verify it as; absent for kinds that git knows and we refuse. */
  readonly format?: SignatureKind;
  readonly called: string;
}

/** What git takes for the first line of a signature. */
const BLOCKS: readonly Block[] = [
  {
    begin: '-----BEGIN PGP SIGNATURE-----',
    end: '-----END PGP SIGNATURE-----',
    format: 'openpgp',
    called: 'OpenPGP signature',
  },
  {
    begin: '-----BEGIN SSH SIGNATURE-----',
    end: '-----END SSH SIGNATURE-----',
    format: 'ssh',
    called: 'SSH signature',
  },
  { begin: '-----BEGIN PGP MESSAGE-----', end: '-----END PGP MESSAGE-----', called: 'OpenPGP message' },
  { begin: '-----BEGIN SIGNED MESSAGE-----', end: '-----END SIGNED MESSAGE-----', called: 'X.509 signature' },
];

const HEADERS = ['object', 'type', 'tag', 'tagger'] as const;
const TAGGER = /^([^<>\n]*) <([^<>\n]*)> (0|[1-9][0-9]{0,11}) ([+-][0-9]{4})$/;
const NEWLINE = 10;
/** Embeddings, overrides and isolates of the writing direction, and Unicode's own line ends: what is shown is what is signed. */
const DIRECTIONS = /[\u202a-\u202e\u2066-\u2069\u2028\u2029]/;

/** Reads the content of a tag object of a repository with this `objectFormat`. */
export function parseTagObject(bytes: Uint8Array, objectFormat: ObjectFormat): TagObject | TagObjectProblem {
  const fail = (reason: string, line?: number): TagObjectProblem => problem('tag-object-problem', reason, { line });
  if (bytes.length > MAX_TAG_BYTES) return fail(`it is larger than ${MAX_TAG_BYTES} bytes`);
  const text = decodeText(bytes, MAX_TAG_BYTES);
  if (typeof text !== 'string') return fail(text.reason, text.line);

  const turned = DIRECTIONS.exec(text);
  if (turned !== null) {
    const code = turned[0].charCodeAt(0).toString(16).toUpperCase();
    return fail(`it holds U+${code}, which changes the order or the lines in which it is shown`);
  }

  const { payload, signature } = splitSignature(bytes);
  const signed = decodeText(payload, MAX_TAG_BYTES);
  if (typeof signed !== 'string') return fail(signed.reason, signed.line);
  const headerEnd = signed.indexOf('\n\n');
  if (headerEnd < 0) return fail('it has no empty line after its headers');
  const lines = signed.slice(0, headerEnd).split('\n');
  const values: string[] = [];
  for (const [index, header] of HEADERS.entries()) {
    const line = lines[index];
    if (line === undefined) return fail(`the header ${header} is missing`, index + 1);
    const value = line.startsWith(`${header} `) ? line.slice(header.length + 1) : undefined;
    if (value === undefined) {
      return fail(`the header ${header} was expected here, and ${quote(line)} was found`, index + 1);
    }
    values.push(value);
  }
  const surplus = lines[HEADERS.length];
  if (surplus !== undefined) {
    const reason = surplus.startsWith('gpgsig')
      ? 'it has a second signature in a header, which git does not count among the signed bytes'
      : `the headers are object, type, tag, tagger and nothing else, and ${quote(surplus)} was found`;
    return fail(reason, HEADERS.length + 1);
  }
  const [commitId = '', type = '', name = '', taggerText = ''] = values;
  if (!isObjectId(commitId) || objectFormatOf(commitId) !== objectFormat) {
    return fail(`${quote(commitId)} is not an object id of this repository`, 1);
  }
  if (type !== 'commit') return fail(`it is a tag of a ${quote(type)}, and a tag of a commit was expected`, 2);
  if (name === '' || /\s/.test(name)) return fail(`${quote(name)} is not a name of a tag`, 3);
  const tagger = readTagger(taggerText);
  if (tagger === undefined) {
    return fail(`${quote(taggerText)} is not of the form NAME <EMAIL> SECONDS ZONE`, 4);
  }
  return { commitId, name, tagger, message: signed.slice(headerEnd + 2), payload, signature };
}

function readTagger(text: string): Tagger | undefined {
  const match = TAGGER.exec(text);
  const [, name, email, seconds, zone] = match ?? [];
  if (name === undefined || email === undefined || seconds === undefined || zone === undefined) return undefined;
  return { name: name.trim(), email: email.trim(), time: Number(seconds), zone };
}

/** Splits bytes as git does; the payload is everything when there is no signature. */
export function splitSignature(bytes: Uint8Array): { payload: Uint8Array; signature: SignaturePart } {
  const starts: { readonly offset: number; readonly block: Block }[] = [];
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset < whole.length;) {
    const block = BLOCKS.find(({ begin }) => startsWith(whole, offset, begin));
    if (block !== undefined) starts.push({ offset, block });
    const newline = whole.indexOf(NEWLINE, offset);
    if (newline < 0) break;
    offset = newline + 1;
  }
  const last = starts.at(-1);
  if (last === undefined) return { payload: bytes, signature: { kind: 'none' } };
  const payload = whole.subarray(0, last.offset);
  if (starts.length > 1) return { payload, signature: { kind: 'several', count: starts.length } };
  if (last.block.format === undefined) {
    return { payload, signature: { kind: 'unsupported', format: last.block.called } };
  }
  const part = whole.subarray(last.offset);
  const fault = blockFault(part.toString('latin1'), last.block);
  if (fault !== undefined) return { payload, signature: { kind: 'malformed', reason: fault } };
  return { payload, signature: { kind: 'one', format: last.block.format, bytes: part } };
}

/** One armored block: its first line alone on it, plain ASCII within, its last line, and at most a newline after that. */
function blockFault(text: string, block: Block): string | undefined {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  if (lines[0] !== block.begin) return 'something stands on the first line of the signature';
  const end = lines.indexOf(block.end);
  if (end < 0) return `the signature has no last line ${block.end}`;
  if (end !== lines.length - 1) return 'something follows the signature, and no signature covers it';
  const strange = lines.slice(1, end).find((line) => !/^[\x20-\x7e]*$/.test(line) || line.startsWith('-----'));
  return strange === undefined ? undefined : `${quote(strange)} stands inside the signature`;
}

function startsWith(bytes: Buffer, offset: number, text: string): boolean {
  return offset + text.length <= bytes.length && bytes.toString('latin1', offset, offset + text.length) === text;
}
