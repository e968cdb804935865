/**
 * Lines that hold each other: each carries the hash of the one before it and its own, so that a line that was changed, taken
 * out, put in or moved is found by reading them in order.
 *
 *     {"line":3,"previous":"HASH OF LINE 2","entry":{…},"hash":"…"}
 *
 * `hash` is the sha256, in lower-case hexadecimal, of `LINE \n PREVIOUS \n ENTRY`, where ENTRY is the JSON of `entry` without
 * spaces. Whoever can write the file can make a new chain: so hashes of it are kept elsewhere too, and compared.
 */
import { z } from 'zod';
import { sha256 } from './files.ts';

/** What the first line has as `previous`. */
export const CHAIN_START = '0'.repeat(64);

/** The end of a chain: how many lines there are, and the hash of the last. */
export interface ChainHead {
  readonly line: number;
  readonly hash: string;
}

export const EMPTY_CHAIN: ChainHead = { line: 0, hash: CHAIN_START };

export interface ChainedLine {
  /** Without line feed. */
  readonly text: string;
  readonly head: ChainHead;
}

const lineSchema = z.strictObject({
  line: z.int().positive(),
  previous: z.string(),
  entry: z.record(z.string(), z.unknown()),
  hash: z.string(),
});

/** The line that follows `head`. */
export function chainLine(head: ChainHead, entry: object): ChainedLine {
  const line = head.line + 1;
  const json = JSON.stringify(entry);
  const hash = sha256(`${line}\n${head.hash}\n${json}`);
  return {
    text: `{"line":${line},"previous":"${head.hash}","entry":${json},"hash":"${hash}"}`,
    head: { line, hash },
  };
}

export type CheckedLine =
  | { readonly kind: 'fits'; readonly head: ChainHead; readonly entry: Readonly<Record<string, unknown>> }
  /** `reason` is a clause: it does not follow the line before it. */
  | { readonly kind: 'broken'; readonly line: number; readonly reason: string };

/** Reads the line behind `head`; anything but the very bytes that {@link chainLine} made is broken. */
export function checkLine(head: ChainHead, text: string): CheckedLine {
  const expected = head.line + 1;
  const broken = (reason: string): CheckedLine => ({ kind: 'broken', line: expected, reason });
  const parsed = lineSchema.safeParse(parseJson(text));
  if (!parsed.success) return broken('it cannot be read');
  const { line, previous, entry, hash } = parsed.data;
  if (line !== expected) return broken(`it says that it is line ${line}`);
  if (previous !== head.hash) return broken('it does not follow the line before it: one of the two was changed');
  const again = chainLine(head, entry);
  if (again.head.hash !== hash || again.text !== text) return broken('its hash does not fit: it was changed');
  return { kind: 'fits', head: again.head, entry };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
