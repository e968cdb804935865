/**
 * Public keys of OpenSSH, as they stand in id_ed25519.pub or authorized_keys: `TYPE BASE64 [COMMENT]`.
 * @see sshd(8) "AUTHORIZED_KEYS FILE FORMAT", RFC 4253 section 6.6. Tested against `ssh-keygen -l`.
 */
import { createHash } from 'node:crypto';

export interface SshPublicKey {
  readonly kind: 'ssh-key';
  readonly type: string;
  /** `SHA256:` and base64 without padding, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
  /** `TYPE BASE64`. */
  readonly line: string;
  readonly comment: string;
}

export interface SshKeyProblem {
  readonly kind: 'invalid-ssh-key';
  readonly reason: string;
}

/** Shorter ones can be broken or soon will be. */
const MIN_RSA_BITS = 2048;
const MAX_LINE = 16 * 1024;

const TYPES: ReadonlySet<string> = new Set([
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
]);

/** True when a text looks like keys of OpenSSH, so that a problem in it is told in their terms. */
export function looksLikeSshKeys(text: string): boolean {
  return /^\s*(#.*\n\s*)*(ssh-|ecdsa-|sk-ssh-|sk-ecdsa-)/.test(text);
}

/** Reads one line. Options, as authorized_keys has them, are refused: they would seem to mean something. */
export function parseSshKey(text: string): SshPublicKey | SshKeyProblem {
  if (text.length > MAX_LINE) return problem(`a line is longer than ${MAX_LINE} characters`);
  const [type, base64, ...rest] = text.trim().split(/[ \t]+/);
  if (type === undefined || !TYPES.has(type)) {
    if (type === 'ssh-dss') return problem('keys of type ssh-dss are too weak');
    if (type?.includes('cert-v01') === true) return problem('it is a certificate: register the key itself');
    return problem(`it does not begin with a known key type (${[...TYPES].join(', ')})`);
  }
  if (base64 === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return problem('the key is not base64');
  const blob = Buffer.from(base64, 'base64');
  if (blob.toString('base64').replace(/=+$/, '') !== base64.replace(/=+$/, '')) return problem('the key is not base64');
  const fields = readFields(blob);
  if (fields === undefined) return problem('the key is cut off or has bytes too many');
  if (fields[0]?.toString('latin1') !== type) return problem(`it says ${type}, and the key inside is of another type`);
  const wrong = checkFields(type, fields);
  if (wrong !== undefined) return problem(wrong);
  return {
    kind: 'ssh-key',
    type,
    fingerprint: `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`,
    line: `${type} ${blob.toString('base64')}`,
    comment: rest.join(' '),
  };
}

/** Reads a file of keys, one on a line; empty lines and comments are passed over. */
export function parseSshKeys(text: string): readonly SshPublicKey[] | SshKeyProblem {
  const keys: SshPublicKey[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const parsed = parseSshKey(line);
    if (parsed.kind === 'invalid-ssh-key') return problem(`line ${index + 1}: ${parsed.reason}`);
    keys.push(parsed);
  }
  return keys.length === 0 ? problem('there is no key in it') : keys;
}

/** The length-prefixed strings of a key, or undefined when they do not fill it exactly. */
function readFields(blob: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = [];
  let at = 0;
  while (at < blob.length) {
    if (at + 4 > blob.length) return undefined;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return undefined;
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

function checkFields(type: string, fields: readonly Buffer[]): string | undefined {
  const count = {
    'ssh-rsa': 3,
    'ssh-ed25519': 2,
    'sk-ssh-ed25519@openssh.com': 3,
    'sk-ecdsa-sha2-nistp256@openssh.com': 4,
  }[type];
  if (fields.length !== (count ?? 3)) return 'the key does not have the parts that its type asks for';
  if (type.endsWith('ed25519') || type.startsWith('sk-ssh-ed25519')) {
    return fields[1]?.length === 32 ? undefined : 'an Ed25519 key has 32 bytes';
  }
  if (type === 'ssh-rsa') {
    const modulus = fields[2] ?? Buffer.alloc(0);
    const bits = BigInt(`0x0${modulus.toString('hex')}`).toString(2).length;
    return bits < MIN_RSA_BITS ? `an RSA key of ${bits} bits is too weak; ${MIN_RSA_BITS} are needed` : undefined;
  }
  return undefined;
}

function problem(reason: string): SshKeyProblem {
  return { kind: 'invalid-ssh-key', reason };
}
