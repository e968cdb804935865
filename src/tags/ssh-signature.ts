/**
 * SSH signatures as git makes them: an armored SSHSIG over the payload, in the namespace `git`.
 *
 * What the signature says of itself (key, namespace, hash) is read here, so that a refusal names the exact reason; that it is
 * good is decided by ssh-keygen, and by the key that ssh-keygen says it is good for.
 *
 * @see PROTOCOL.sshsig of OpenSSH, ssh-keygen(1)
 */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quote } from '../debian/problem.ts';
import { exec } from '../platform/exec.ts';
import { withTemporaryDirectory } from '../platform/files.ts';

const MAGIC = 'SSHSIG';
/** What git signs in, so that a signature for a login or a file is none for a tag. */
const NAMESPACE = 'git';
const HASHES: ReadonlySet<string> = new Set(['sha256', 'sha512']);
const DEADLINE_MS = 30_000;
/** Of the flags of a security key: somebody touched it. */
const USER_PRESENT = 1;

/** What an SSHSIG blob holds. */
export interface SshSignature {
  readonly kind: 'ssh-signature';
  /** Without its armor: exactly what was read here. */
  readonly blob: Buffer;
  readonly keyType: string;
  /** `SHA256:…` without padding. */
  readonly fingerprint: string;
  readonly namespace: string;
  readonly hash: string;
  readonly algorithm: string;
  /** Whether somebody touched the security key that signed; undefined where the key is none. */
  readonly touched: boolean | undefined;
}

export interface SshSignatureProblem {
  readonly kind: 'ssh-signature-problem';
  readonly reason: string;
}

export type SshResult =
  { readonly kind: 'good'; readonly fingerprint: string } | { readonly kind: 'bad'; readonly reason: string };

/** Reads an armored signature without verifying it. */
export function parseSshSignature(armored: Uint8Array): SshSignature | SshSignatureProblem {
  const fail = (reason: string): SshSignatureProblem => ({ kind: 'ssh-signature-problem', reason });
  const lines = Buffer.from(armored).toString('latin1').trimEnd().split('\n');
  if (lines.shift() !== '-----BEGIN SSH SIGNATURE-----' || lines.pop() !== '-----END SSH SIGNATURE-----') {
    return fail('it is not armored as an SSH signature');
  }
  const base64 = lines.join('');
  const blob = Buffer.from(base64, 'base64');
  if (base64 === '' || blob.toString('base64') !== base64) return fail('its armor is not base64');
  const fields = new Fields(blob);
  if (fields.raw(MAGIC.length)?.toString('latin1') !== MAGIC) return fail('it does not begin as an SSH signature');
  const version = fields.number();
  if (version !== 1) return fail(`it is of the unknown version ${version ?? '?'}`);
  const key = fields.bytes();
  const namespace = fields.bytes()?.toString('utf8');
  const reserved = fields.bytes();
  const hash = fields.bytes()?.toString('utf8');
  const signature = fields.bytes();
  if (key === undefined || namespace === undefined || hash === undefined || reserved === undefined)
    return fail('it is cut off');
  if (signature === undefined || !fields.atEnd()) return fail('it is cut off, or has bytes too many');
  const keyType = new Fields(key).bytes()?.toString('latin1');
  const made = new Fields(signature);
  const algorithm = made.bytes()?.toString('latin1');
  if (keyType === undefined || algorithm === undefined) return fail('it names no key');
  let touched: boolean | undefined;
  if (keyType.startsWith('sk-')) {
    // Of a security key: the signature itself, then what the key says of itself, and a counter.
    made.bytes();
    const flags = made.raw(1)?.[0];
    if (flags === undefined) return fail('it is cut off');
    touched = (flags & USER_PRESENT) !== 0;
  }
  const fingerprint = `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
  return { kind: 'ssh-signature', blob, keyType, fingerprint, namespace, hash, algorithm, touched };
}

/** Verifies a signature over `payload`, by whatever key made it: whose key that is, is for the next check. */
export async function verifySshSignature(armored: Uint8Array, payload: Uint8Array): Promise<SshResult> {
  const bad = (reason: string): SshResult => ({ kind: 'bad', reason });
  const parsed = parseSshSignature(armored);
  if (parsed.kind === 'ssh-signature-problem') return bad(parsed.reason);
  if (parsed.namespace !== NAMESPACE) {
    return bad(`it was made in the namespace ${quote(parsed.namespace)}, and tags are signed in "${NAMESPACE}"`);
  }
  if (!HASHES.has(parsed.hash))
    return bad(`it was made with the hash ${quote(parsed.hash)}; sha256 or sha512 is needed`);
  if (parsed.keyType.includes('-cert-')) return bad('it was made with a certificate; sign with the key itself');
  if (parsed.algorithm === 'ssh-rsa') return bad('it was made with RSA over SHA-1; rsa-sha2-512 is needed');
  // As sshd demands of a login, unless told otherwise: a program that merely runs on the machine cannot sign.
  if (parsed.touched === false) return bad('nobody touched the security key when it was made');
  return await withTemporaryDirectory(async (folder): Promise<SshResult> => {
    const file = join(folder, 'signature');
    await writeFile(file, armor(parsed.blob));
    const { code, stdout, stderr } = await exec(['ssh-keygen', '-Y', 'check-novalidate', '-n', NAMESPACE, '-s', file], {
      doing: 'verify an SSH signature',
      input: payload,
      deadlineMs: DEADLINE_MS,
      okCodes: 'any',
    });
    const confirmed = /^Good "git" signature with [A-Z0-9-]+ key (SHA256:[A-Za-z0-9+/]+)$/m.exec(
      stdout.toString('utf8'),
    );
    if (code !== 0 || confirmed === null) {
      const words = stderr.trim().split('\n').at(-1) ?? '';
      return bad(/incorrect signature/i.test(stderr) ? 'it does not fit the signed text' : quote(words).slice(1, -1));
    }
    if (confirmed[1] !== parsed.fingerprint) return bad('ssh-keygen names another key than the signature does');
    return { kind: 'good', fingerprint: parsed.fingerprint };
  });
}

/** The one form in which ssh-keygen is shown a signature, so that it reads the very bytes that were read here. */
function armor(blob: Buffer): string {
  const lines = blob.toString('base64').match(/.{1,70}/g) ?? [];
  return ['-----BEGIN SSH SIGNATURE-----', ...lines, '-----END SSH SIGNATURE-----', ''].join('\n');
}

/** The length-prefixed fields of SSH's wire format. */
class Fields {
  readonly #blob: Buffer;
  #at = 0;

  constructor(blob: Buffer) {
    this.#blob = blob;
  }

  raw(length: number): Buffer | undefined {
    if (this.#at + length > this.#blob.length) return undefined;
    this.#at += length;
    return this.#blob.subarray(this.#at - length, this.#at);
  }

  number(): number | undefined {
    return this.raw(4)?.readUInt32BE(0);
  }

  bytes(): Buffer | undefined {
    const length = this.number();
    return length === undefined ? undefined : this.raw(length);
  }

  atEnd(): boolean {
    return this.#at === this.#blob.length;
  }
}
