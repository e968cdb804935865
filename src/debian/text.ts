/**
 * From untrusted bytes to text: UTF-8 or nothing, no NUL, no control characters but tab and newline, bounded size.
 */
import { problem, type Problem } from './problem.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// C0 without tab and newline, DEL, and C1. U+FEFF would hide a byte order mark before the first field's name.
const FORBIDDEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\ufeff]/;

/** With the u flag a pair counts as one character, so only half pairs match. */
const LONE_SURROGATE = /\p{Surrogate}/u;

export type TextProblem = Problem<'invalid-text'>;

/** Decodes `input` strictly; a string is checked like bytes are. Lone surrogates in a string are refused too. */
export function decodeText(input: string | Uint8Array, maxBytes: number): string | TextProblem {
  if (input.length > maxBytes) return problem('invalid-text', `it is larger than ${maxBytes} bytes`);
  let text: string;
  if (typeof input === 'string') {
    if (LONE_SURROGATE.test(input)) return problem('invalid-text', 'it is not valid Unicode');
    text = input;
  } else {
    try {
      text = decoder.decode(input);
    } catch {
      return problem('invalid-text', 'it is not valid UTF-8');
    }
  }
  const found = FORBIDDEN.exec(text);
  if (found !== null) {
    const code = text.charCodeAt(found.index);
    const name = code === 13 ? 'a carriage return' : code === 0 ? 'a NUL' : `the control character U+${hex(code)}`;
    return problem('invalid-text', `it holds ${name}`, { line: lineAt(text, found.index) });
  }
  return text;
}

/** Number of the line, from 1, in which `offset` lies. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line++;
  return line;
}

function hex(code: number): string {
  return code.toString(16).toUpperCase().padStart(4, '0');
}
