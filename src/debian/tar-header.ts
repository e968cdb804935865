/**
 * The fields of tar headers: numbers, names, and the extended headers of GNU and pax, taken apart strictly.
 *
 * @see tar(5), pax(1)
 */
import { problem, quote, type Problem } from './problem.ts';
import { decodeText } from './text.ts';

export type TarProblem = Problem<'tar-problem'>;

/** Size of a header and of what a member's content is padded to. */
export const BLOCK = 512;
/** Largest pax header or GNU long name that is read; Linux paths have at most 4096 bytes. */
export const MAX_META = 64 * 1024;
const MAX_PATH = 4096;

/** What an extended header says of the member behind it. */
export interface Extension {
  readonly path?: string;
  readonly linkpath?: string;
  readonly size?: number;
}

/** True for a block of the end mark. */
export function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

/** True when the header carries the sum of its own bytes. */
export function checksumMatches(block: Buffer): boolean {
  const wanted = number(block, 148, 8);
  let sum = 0;
  for (let index = 0; index < BLOCK; index++) sum += index >= 148 && index < 156 ? 32 : (block[index] ?? 0);
  return wanted === sum;
}

/** An octal number, or a binary one as GNU writes what octal cannot hold; negative or huge ones are undefined. */
export function number(block: Buffer, at: number, length: number): number | undefined {
  const first = block[at] ?? 0;
  if (first === 0x80) {
    let value = 0;
    for (let index = at + 1; index < at + length; index++) value = value * 256 + (block[index] ?? 0);
    return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
  }
  const digits = block
    .toString('latin1', at, at + length)
    .replace(/^ +/, '')
    .replace(/[ \0]+$/, '');
  if (digits === '') return 0;
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

/** A field up to its NUL, byte for byte as latin1. */
export function text(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString('latin1', at, end < 0 || end > at + length ? at + length : end);
}

/** Bytes as latin1 again as UTF-8: names are kept byte for byte until here. */
function utf8(raw: string): string | TarProblem {
  const decoded = decodeText(Buffer.from(raw, 'latin1'), MAX_PATH);
  if (typeof decoded !== 'string') return problem('tar-problem', `a name is not clean text: ${decoded.reason}`);
  if (/[\n\t]/.test(decoded)) return problem('tar-problem', 'a name holds a newline or tab');
  return decoded;
}

/** A member's name without `./` and trailing `/`; one that leads outside is a problem. */
export function cleanName(raw: string): string | TarProblem {
  const name = utf8(raw);
  if (typeof name !== 'string') return name;
  if (name === '') return problem('tar-problem', 'a member has no name');
  if (name.startsWith('/')) return problem('tar-problem', `the name ${quote(name)} is absolute`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return problem('tar-problem', `the name ${quote(name)} leads outside`);
  return parts.length === 0 ? '.' : parts.join('/');
}

/** A symbolic link's target, which may lead anywhere but must be clean text. */
export function cleanTarget(raw: string): string | TarProblem {
  const target = utf8(raw);
  if (target === '') return problem('tar-problem', 'a link has no target');
  return target;
}

/** The content of a GNU long name (L) or long link (K). */
export function readLong(flag: 'L' | 'K', content: Buffer): Extension | TarProblem {
  const end = content.indexOf(0);
  const name = content.toString('latin1', 0, end < 0 ? content.length : end);
  if (name.length > MAX_PATH) return problem('tar-problem', 'a name is too long');
  return flag === 'L' ? { path: name } : { linkpath: name };
}

/** `LENGTH KEY=VALUE\n` records; only names and size are of interest, the rest (times, attributes) is skipped. */
export function readPax(content: Buffer): Extension | TarProblem {
  const malformed = problem('tar-problem', 'a pax header is malformed');
  const found: { path?: string; linkpath?: string; size?: number } = {};
  for (let at = 0; at < content.length;) {
    const blank = content.indexOf(32, at);
    const digits = blank < 0 ? '' : content.toString('latin1', at, blank);
    const length = /^[1-9][0-9]{0,6}$/.test(digits) ? Number(digits) : 0;
    if (length < digits.length + 4 || at + length > content.length || content[at + length - 1] !== 10) return malformed;
    const record = content.toString('latin1', blank + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (equals <= 0) return malformed;
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
    if (key === 'path') found.path = value;
    if (key === 'linkpath') found.linkpath = value;
    if (key === 'size') {
      if (!/^[0-9]{1,15}$/.test(value)) return malformed;
      found.size = Number(value);
    }
    // Sparse files and the like would make the bytes mean something else.
    if (key.startsWith('GNU.sparse')) return problem('tar-problem', 'sparse files are not supported');
    at += length;
  }
  return found;
}
