/**
 * The shape of an OpenPGP cleartext-signed document (.dsc, .changes, .buildinfo, InRelease), read strictly.
 *
 * Says nothing about whether the signature is good: gpgv decides that, over the same bytes. What this promises is that there is
 * exactly one signed text and exactly one signature, with nothing around them but empty lines, so that no reader can be shown
 * unsigned bytes beside the signed ones (H45).
 *
 * @see RFC 9580, section 7
 */
import { problem, quote, type Problem } from './problem.ts';
import { decodeText } from './text.ts';

export type ClearsignProblem = Problem<'clearsign-problem'>;

export interface Clearsigned {
  /** What was signed, dash-escaping undone, each line ended by a newline. Trailing blanks, which are not signed, are removed. */
  readonly text: string;
  /** The armored signature, headers included. */
  readonly signature: string;
  /** Values of the Hash armor headers, upper case; RFC 9580 no longer demands the header. */
  readonly hashes: readonly string[];
}

const BEGIN = '-----BEGIN PGP SIGNED MESSAGE-----';
const SIGNATURE = '-----BEGIN PGP SIGNATURE-----';
const END = '-----END PGP SIGNATURE-----';
const MAX_BYTES = 8 * 1024 * 1024;

/** True when the text claims to be clearsigned, so that an unsigned one can be told from a broken one. */
export function looksClearsigned(input: string | Uint8Array): boolean {
  const head =
    typeof input === 'string' ? input.slice(0, 4096) : Buffer.from(input.subarray(0, 4096)).toString('latin1');
  return head.includes('-----BEGIN PGP');
}

/** Takes a clearsigned document apart; anything doubled, nested, missing or outside is a problem. */
export function parseClearsigned(
  input: string | Uint8Array,
  options: { maxBytes?: number } = {},
): Clearsigned | ClearsignProblem {
  const document = decodeText(input, options.maxBytes ?? MAX_BYTES);
  if (typeof document !== 'string') return problem('clearsign-problem', document.reason, { line: document.line });
  const lines = document.split('\n');
  let at = 0;
  const fail = (reason: string): ClearsignProblem =>
    problem('clearsign-problem', reason, { line: Math.min(at + 1, lines.length) });
  const line = (): string => trimEnd(lines[at] ?? '');

  while (at < lines.length && line() === '') at++;
  if (line() !== BEGIN) return fail('the document does not begin with the armor of a signed message');
  at++;

  const hashes: string[] = [];
  for (; at < lines.length && line() !== ''; at++) {
    const header = /^Hash: *([A-Za-z0-9-]+(?: *, *[A-Za-z0-9-]+)*)$/.exec(line());
    if (header?.[1] === undefined) return fail(`${quote(line())} is not a Hash header; no other is allowed`);
    hashes.push(...header[1].split(',').map((name) => name.trim().toUpperCase()));
  }
  if (at >= lines.length) return fail('the empty line after the armor headers is missing');
  at++;

  const signed: string[] = [];
  for (; at < lines.length && line() !== SIGNATURE; at++) {
    const raw = line();
    if (raw.startsWith('- ')) signed.push(raw.slice(2));
    else if (raw === '-') signed.push('');
    else if (raw.startsWith('-')) return fail('a line of the signed text begins with a dash that is not escaped');
    else signed.push(raw);
  }
  if (at >= lines.length) return fail('there is no signature');
  if (signed.some((text) => text.startsWith('-----BEGIN PGP') || text.startsWith('-----END PGP'))) {
    return fail('the signed text holds OpenPGP armor itself');
  }

  const from = at;
  for (at++; at < lines.length && line() !== END; at++) {
    if (line().startsWith('-')) return fail('the signature holds a line that is no base64');
    if (!/^(?:[A-Za-z0-9+/=]*|[A-Za-z]+: [ -~]*)$/.test(line()))
      return fail('the signature holds a line that is no base64');
  }
  if (at >= lines.length) return fail('the signature has no end');
  const signature = `${lines
    .slice(from, at + 1)
    .map(trimEnd)
    .join('\n')}\n`;
  for (at++; at < lines.length; at++) {
    if (line() !== '') return fail('something follows the signature');
  }
  return { text: signed.map((text) => `${text}\n`).join(''), signature, hashes };
}

/** Blanks at the end of a line are not covered by the signature (RFC 9580, 7.2). */
function trimEnd(line: string): string {
  return line.replace(/[ \t]+$/, '');
}
