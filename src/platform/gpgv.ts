/**
 * Verifying OpenPGP signatures with gpgv, by its status lines alone: its exit status is 0 for revoked and expired keys too,
 * and VALIDSIG is printed for them. Good is: exactly one signature, GOODSIG and VALIDSIG for the same key, the expected class,
 * and a hash of the SHA-2 family with at least 256 bits.
 * @see gpgv(1), doc/DETAILS of GnuPG
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LandfallError } from './errors.ts';
import { exec } from './exec.ts';
import { dearmor, parseClearsigned, parsePackets } from './openpgp.ts';

export type SignatureCode =
  | 'signature.expired-key'
  | 'signature.revoked-key'
  | 'signature.expired'
  | 'signature.weak-hash'
  | 'signature.unknown-key'
  | 'signature.bad'
  | 'signature.malformed'
  | 'signature.multiple';

export interface GoodSignature {
  readonly kind: 'good';
  /** Fingerprint of the key that signed, perhaps a subkey. Upper-case hexadecimal. */
  readonly fingerprint: string;
  readonly primary: string;
  readonly createdAt: Date;
  /** OpenPGP's number: 8 SHA-256, 9 SHA-384, 10 SHA-512. */
  readonly hash: number;
  /** `00` binary document, `01` text document. */
  readonly class: '00' | '01';
}

export interface BadSignature {
  readonly kind: 'bad';
  readonly code: SignatureCode;
  /** A clause for people: what is wrong. */
  readonly detail: string;
  /** Fingerprint or long key id of the key that it claims, when known. */
  readonly key?: string;
}

export type GpgvResult = GoodSignature | BadSignature;
export type ClearsignedResult = (GoodSignature & { readonly payload: Buffer }) | BadSignature;

const STRONG_HASHES: ReadonlySet<number> = new Set([8, 9, 10]);
const HASH_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'MD5'],
  [2, 'SHA-1'],
  [3, 'RIPEMD-160'],
  [8, 'SHA-256'],
  [9, 'SHA-384'],
  [10, 'SHA-512'],
  [11, 'SHA-224'],
]);
const DEADLINE_MS = 60_000;
const MAX_STATUS = 256 * 1024;

/**
 * Verifies a detached signature, armoured or binary.
 * @throws LandfallError `gpg.keyring` when one of our own keys is not a public key; `exec.*`
 */
export async function verifyDetached(input: {
  /** Public keys, armoured or binary; none is allowed and makes every key unknown. */
  readonly keyring: readonly Uint8Array[];
  readonly signature: Uint8Array;
  readonly payload: Uint8Array;
  /** Default: binary documents only. */
  readonly classes?: readonly ('00' | '01')[];
  /** Judges expiry as of then: what was good once is still good in this sense when its key has expired since. */
  readonly at?: Date;
}): Promise<GpgvResult> {
  const dearmored = dearmor(input.signature, 'PGP SIGNATURE');
  if (dearmored.kind === 'malformed') return bad('signature.malformed', dearmored.reason);
  if (dearmored.blocks !== 1) return bad('signature.multiple', `there are ${dearmored.blocks} signatures`);
  const problem = checkSignaturePacket(dearmored.bytes);
  if (problem !== undefined) return problem;
  return await inFolder(async (folder) => {
    const keyring = writeKeyring(folder, input.keyring);
    const signature = join(folder, 'signature');
    const payload = join(folder, 'payload');
    writeFileSync(signature, dearmored.bytes);
    writeFileSync(payload, input.payload);
    const classes = input.classes ?? ['00'];
    if (input.at === undefined) return await runGpgv(folder, keyring, [signature, payload], classes);
    return await runGpgAt(input.at, folder, keyring, [signature, payload], classes);
  });
}

/** Verifies a clear-signed document; the payload that is returned is the text that was signed, and nothing else. */
export async function verifyClearsigned(input: {
  readonly keyring: readonly Uint8Array[];
  readonly document: Uint8Array;
}): Promise<ClearsignedResult> {
  const frame = parseClearsigned(input.document);
  if (frame.kind === 'malformed') return bad('signature.malformed', frame.reason);
  const problem = checkSignaturePacket(frame.signature);
  if (problem !== undefined) return problem;
  return await inFolder(async (folder): Promise<ClearsignedResult> => {
    const keyring = writeKeyring(folder, input.keyring);
    const document = join(folder, 'document');
    const payload = join(folder, 'payload');
    writeFileSync(document, input.document);
    const result = await runGpgv(folder, keyring, ['--output', payload, document], ['01', '00']);
    return result.kind === 'good' ? { ...result, payload: readFileSync(payload) } : result;
  });
}

/** Reads gpgv's status lines. Exported for its tests. */
export function parseStatus(text: string, exitCode: number | null, classes: readonly ('00' | '01')[]): GpgvResult {
  const lines: { keyword: string; fields: string[] }[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [prefix, keyword, ...fields] = line.split(' ');
    if (prefix !== '[GNUPG:]' || keyword === undefined) return bad('signature.malformed', 'gpgv gave no status lines');
    lines.push({ keyword, fields });
  }
  const all = (keyword: string): string[][] =>
    lines.filter((line) => line.keyword === keyword).map(({ fields }) => fields);
  const verdicts = lines.filter(({ keyword }) => VERDICTS.has(keyword));
  if (all('NEWSIG').length > 1 || verdicts.length > 1) {
    return bad('signature.multiple', `there are ${Math.max(all('NEWSIG').length, verdicts.length)} signatures`);
  }
  const [verdict] = verdicts;
  if (verdict === undefined) return bad('signature.malformed', 'there is no OpenPGP signature in it');
  const claimed = verdict.fields[0];
  const valid = all('VALIDSIG');
  const key = valid[0]?.[0] ?? claimed;
  switch (verdict.keyword) {
    case 'BADSIG':
      return bad('signature.bad', 'the signature does not fit the signed text', key);
    case 'ERRSIG':
      return unverifiable(verdict.fields);
    case 'REVKEYSIG':
      return bad('signature.revoked-key', 'the key that signed is revoked', key);
    case 'EXPKEYSIG':
      return bad('signature.expired-key', 'the key that signed has expired', key);
    case 'EXPSIG':
      return bad('signature.expired', 'the signature has expired', key);
  }
  const fields = valid[0];
  if (valid.length !== 1 || fields?.length !== 10 || exitCode !== 0) {
    return bad('signature.malformed', 'gpgv did not confirm the signature', key);
  }
  const [fingerprint, , created, , , , , hash, signatureClass, primary] = fields;
  if (
    !isFingerprint(fingerprint) ||
    !isFingerprint(primary) ||
    claimed === undefined ||
    !fingerprint.endsWith(claimed) ||
    !/^\d{1,12}$/.test(created ?? '')
  ) {
    return bad('signature.malformed', 'gpgv contradicts itself', key);
  }
  const hashNumber = Number(hash);
  if (!STRONG_HASHES.has(hashNumber)) return weakHash(hashNumber, fingerprint);
  const found = classes.find((one) => one === signatureClass);
  if (found === undefined) {
    return bad('signature.malformed', `it is of class ${signatureClass ?? ''}, not a signature over a document`, key);
  }
  return {
    kind: 'good',
    fingerprint,
    primary,
    createdAt: new Date(Number(created) * 1000),
    hash: hashNumber,
    class: found,
  };
}

const VERDICTS: ReadonlySet<string> = new Set(['GOODSIG', 'BADSIG', 'ERRSIG', 'REVKEYSIG', 'EXPKEYSIG', 'EXPSIG']);
const NO_PUBLIC_KEY = '9';
/** Why gpgv does not check a signature, by the numbers of libgpg-error, where there is more to say than the number. */
const REASONS: ReadonlyMap<string, string> = new Map([
  [
    '1',
    'gpgv does not take the key that signed: a signing subkey must be cross-certified by itself (gpg --edit-key, cross-certify)',
  ],
  ['38', 'it was made before its key, or by a clock that is wrong'],
  ['125', 'the key that signed is not one that its owner lets sign'],
]);

/** ERRSIG keyid pkalgo hashalgo class time rc [fingerprint] */
function unverifiable(fields: readonly string[]): BadSignature {
  const [keyId, algorithm, hash, , , reason, fingerprint] = fields;
  const key = isFingerprint(fingerprint) ? fingerprint : keyId;
  if (reason === NO_PUBLIC_KEY) return bad('signature.unknown-key', `the key ${key ?? ''} is not known`, key);
  const hashNumber = Number(hash);
  if (HASH_NAMES.has(hashNumber) && !STRONG_HASHES.has(hashNumber)) return weakHash(hashNumber, key);
  const known = REASONS.get(reason ?? '');
  if (known !== undefined) return bad('signature.malformed', known, key);
  return bad(
    'signature.malformed',
    `gpgv cannot check it (algorithm ${algorithm ?? '?'}, hash ${hash ?? '?'}, error ${reason ?? '?'})`,
    key,
  );
}

function weakHash(hash: number, key: string | undefined): BadSignature {
  return bad(
    'signature.weak-hash',
    `it was made with ${HASH_NAMES.get(hash) ?? `hash algorithm ${hash}`}; SHA-256, SHA-384 or SHA-512 is needed`,
    key,
  );
}

function bad(code: SignatureCode, detail: string, key?: string): BadSignature {
  return { kind: 'bad', code, detail, ...(key === undefined ? {} : { key }) };
}

function isFingerprint(text: string | undefined): text is string {
  return text !== undefined && /^([0-9A-F]{40}|[0-9A-F]{64})$/.test(text);
}

function checkSignaturePacket(bytes: Buffer): BadSignature | undefined {
  const parsed = parsePackets(bytes);
  if (parsed.kind === 'malformed') return bad('signature.malformed', parsed.reason);
  if (parsed.packets.some(({ tag }) => tag !== 2)) {
    return bad('signature.malformed', 'there is something else than a signature in it');
  }
  if (parsed.packets.length > 1) return bad('signature.multiple', `there are ${parsed.packets.length} signatures`);
  return undefined;
}

/**
 * With a folder of its own. A handful of small files: to hand each step to another thread and back costs ten times what the steps
 * cost, and more than gpgv itself.
 */
async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'lf-gpgv-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeKeyring(folder: string, keys: readonly Uint8Array[]): string {
  const parts = keys.map((key) => {
    const dearmored = dearmor(key, 'PGP PUBLIC KEY BLOCK');
    const packets = dearmored.kind === 'malformed' ? dearmored : parsePackets(dearmored.bytes);
    if (dearmored.kind !== 'malformed' && packets.kind === 'packets' && packets.packets[0]?.tag === 6) {
      return dearmored.bytes;
    }
    throw new LandfallError({
      code: 'gpg.keyring',
      doing: 'verify a signature',
      reason: `a known key is damaged: ${packets.kind === 'malformed' ? packets.reason : 'it is not a public key'}`,
    });
  });
  const path = join(folder, 'keyring.pgp');
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

async function runGpgv(
  folder: string,
  keyring: string,
  rest: readonly string[],
  classes: readonly ('00' | '01')[],
): Promise<GpgvResult> {
  const { code, stdout } = await exec(
    ['gpgv', '--homedir', folder, '--status-fd', '1', '--keyring', keyring, ...rest],
    { doing: 'verify a signature', deadlineMs: DEADLINE_MS, maxOutput: MAX_STATUS, okCodes: 'any' },
  );
  return parseStatus(stdout.toString('utf8'), code, classes);
}

/** gpgv has no clock but the machine's; gpg has, and gives the same status lines. */
async function runGpgAt(
  at: Date,
  folder: string,
  keyring: string,
  rest: readonly string[],
  classes: readonly ('00' | '01')[],
): Promise<GpgvResult> {
  const time = `${at.toISOString().replace(/[-:]|\.\d+Z/g, '')}!`;
  const options = ['--batch', '--no-tty', '--no-options', '--no-auto-key-retrieve', '--no-auto-check-trustdb'];
  const trust = ['--trust-model', 'always', '--no-default-keyring', '--keyring', keyring];
  const { code, stdout } = await exec(
    [
      'gpg',
      '--homedir',
      folder,
      ...options,
      ...trust,
      '--faked-system-time',
      time,
      '--status-fd',
      '1',
      '--verify',
      ...rest,
    ],
    { doing: 'verify a signature', deadlineMs: DEADLINE_MS, maxOutput: MAX_STATUS, okCodes: 'any' },
  );
  return parseStatus(stdout.toString('utf8'), code, classes);
}
