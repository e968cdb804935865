/**
 * OpenPGP keys and signatures by gpg: making, exporting, reading, signing. Each caller gives the GnuPG home that its keys lie
 * in; nothing touches a person's own. Verifying is in gpgv.ts.
 */
import { ProgramFailed, exec, type ExecResult } from './exec.ts';
import { LandfallError } from './errors.ts';
import { withTemporaryDirectory } from './files.ts';
import { dearmor, parsePackets, type Malformed } from './openpgp.ts';

export { verifyClearsigned, verifyDetached, type BadSignature } from './gpgv.ts';
export { verifyClearsignedByAny, verifyDetachedByAny } from './gpgv-several.ts';

export type KeyAlgorithm = 'ed25519' | 'rsa4096';

const DEADLINE_MS = 120_000;

/** Runs `use` with a fresh GnuPG home of mode 0700; its agents are ended and it is removed, whatever happens. */
export async function withGnupgHome<T>(use: (home: string) => Promise<T>): Promise<T> {
  return await withTemporaryDirectory(
    async (home) => {
      try {
        return await use(home);
      } finally {
        await killAgents(home);
      }
    },
    { prefix: 'lf-gpg-' },
  );
}

/** Ends the agents that gpg started for a home. */
export async function killAgents(home: string): Promise<void> {
  await exec(['gpgconf', '--homedir', home, '--kill', 'all'], {
    doing: 'end gpg-agent',
    deadlineMs: 30_000,
    okCodes: 'any',
  });
}

/** Makes a key that certifies and signs, without passphrase, and returns its fingerprint. */
export async function generateKey(options: {
  readonly home: string;
  /** `Name <address>` */
  readonly userId: string;
  readonly algorithm: KeyAlgorithm;
  /** As gpg takes it: `never` (default), `2y`, `20300101T000000`. */
  readonly expire?: string;
  /** The time of making, for a key that shall be old. */
  readonly at?: Date;
}): Promise<string> {
  const { stdout } = await gpg(
    options.home,
    [
      // Another key of the same user id may be there: of a rotation, or made and not written down.
      '--yes',
      '--passphrase',
      '',
      '--pinentry-mode',
      'loopback',
      '--quick-generate-key',
      options.userId,
      options.algorithm,
      'sign',
      options.expire ?? 'never',
    ],
    { doing: 'make an OpenPGP key', at: options.at },
  );
  const created = /^\[GNUPG:\] KEY_CREATED [BP] ([0-9A-F]{40,64})/m.exec(stdout.toString('utf8'))?.[1];
  if (created !== undefined) return created;
  throw new LandfallError({
    code: 'gpg.no-key',
    doing: 'make an OpenPGP key',
    reason: 'gpg does not say that it made one',
  });
}

/** The public key with all its parts: gpg's minimal form would leave out revoked subkeys. Armoured by default. */
export async function exportPublicKey(
  home: string,
  fingerprint: string,
  options: { readonly armor?: boolean } = {},
): Promise<Buffer> {
  return await exportPublicKeys(home, [fingerprint], options);
}

/** As {@link exportPublicKey}, several keys in one keyring. @throws LandfallError `gpg.no-key` when none is there */
export async function exportPublicKeys(
  home: string,
  fingerprints: readonly [string, ...string[]],
  options: { readonly armor?: boolean } = {},
): Promise<Buffer> {
  const doing = `export the key ${fingerprints.join(' and ')}`;
  const { stdout } = await exec(
    [
      'gpg',
      '--homedir',
      home,
      ...QUIET,
      ...(options.armor === false ? [] : ['--armor']),
      '--export',
      ...fingerprints.map(requireFingerprint),
    ],
    { doing, deadlineMs: DEADLINE_MS },
  );
  if (stdout.length > 0) return stdout;
  throw new LandfallError({ code: 'gpg.no-key', doing, reason: 'it is not in the keyring' });
}

/** Lets a key of `home`, of which the secret part is there, expire in so many days from now. */
export async function extendKey(home: string, fingerprint: string, days: number): Promise<void> {
  await gpg(
    home,
    [
      '--passphrase',
      '',
      '--pinentry-mode',
      'loopback',
      '--quick-set-expire',
      requireFingerprint(fingerprint),
      String(days),
    ],
    { doing: `extend the key ${fingerprint}` },
  );
}

/**
 * The key of `home` with those certifications that the key `certifier` made in `certified`, a copy of it, and no others;
 * undefined when there is none that is good. Binary. Nothing in `home` changes.
 */
export async function verifyCertification(
  home: string,
  fingerprint: string,
  from: { readonly certified: Uint8Array; readonly certifier: Uint8Array; readonly certifierFingerprint: string },
): Promise<Buffer | undefined> {
  const own = await exportPublicKey(home, fingerprint, { armor: false });
  return await withGnupgHome(async (apart) => {
    for (const bytes of [own, from.certifier, from.certified]) await importKey(apart, bytes);
    const { stdout } = await gpg(apart, ['--with-colons', '--check-sigs', requireFingerprint(fingerprint)], {
      doing: 'check a certification',
    });
    const keyId = from.certifierFingerprint.slice(-16);
    // sig:!:::ALGORITHM:KEYID:…:CLASS: where ! says that the signature was computed and is good. @see doc/DETAILS of GnuPG
    const good = stdout
      .toString('utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .some((field) => field[0] === 'sig' && field[1] === '!' && field[4] === keyId && /^1[0-3]/.test(field[10] ?? ''));
    if (!good) return undefined;
    const { stdout: clean } = await gpg(
      apart,
      ['--export-options', 'export-clean', '--export', requireFingerprint(fingerprint)],
      { doing: 'export a certified key', status: false },
    );
    return clean;
  });
}

/** Imports keys, public or secret, and returns their fingerprints. */
export async function importKey(home: string, bytes: Uint8Array): Promise<string[]> {
  const { stdout } = await gpg(home, ['--import'], { doing: 'import a key', input: bytes });
  return [...stdout.toString('utf8').matchAll(/^\[GNUPG:\] IMPORT_OK \d+ ([0-9A-F]{40,64})$/gm)].flatMap(
    ([, fingerprint]) => fingerprint ?? [],
  );
}

export interface SignOptions {
  readonly home: string;
  readonly fingerprint: string;
  /** Keys that sign beside it: a signature of each stands in the one block. */
  readonly alsoBy?: readonly string[];
  readonly payload: Uint8Array;
  /** Default true. */
  readonly armor?: boolean;
  /** The signature's time; default now. */
  readonly at?: Date;
}

/** A detached signature over `payload`. SHA-512. */
export async function detachSign(options: SignOptions): Promise<Buffer> {
  return await sign(options, ['--detach-sign', ...(options.armor === false ? [] : ['--armor'])]);
}

/** `payload` as a clear-signed document, as InRelease, .dsc and .changes are. SHA-512. */
export async function clearSign(options: Omit<SignOptions, 'armor'>): Promise<Buffer> {
  return await sign(options, ['--clear-sign']);
}

/** What a public key says of itself. Times that lie in the past may have come to pass since. */
export interface PublicKeyFacts {
  readonly kind: 'key';
  readonly fingerprint: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | undefined;
  readonly revoked: boolean;
  readonly canSign: boolean;
  /** OpenPGP's number of the algorithm: 1 RSA, 22 EdDSA … */
  readonly algorithm: number;
  readonly bits: number;
  readonly userIds: readonly { readonly text: string; readonly revoked: boolean }[];
  readonly subkeys: readonly SubkeyFacts[];
}

export interface SubkeyFacts {
  readonly fingerprint: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | undefined;
  readonly revoked: boolean;
  readonly canSign: boolean;
  readonly algorithm: number;
  readonly bits: number;
}

export interface InvalidKey {
  readonly kind: 'invalid-key';
  readonly reason: string;
}

/** Reads one public key, armoured or binary. Secret keys, several keys and anything else are refused in words. */
export async function readKey(bytes: Uint8Array): Promise<PublicKeyFacts | InvalidKey> {
  const keys = await readKeys(bytes);
  if (!Array.isArray(keys)) return keys;
  const [key, ...others] = keys;
  if (key === undefined) return { kind: 'invalid-key', reason: 'there is no key in it' };
  if (others.length > 0) return { kind: 'invalid-key', reason: `there are ${keys.length} keys in it, one is expected` };
  return key;
}

/** Reads a keyring, armoured or binary. */
export async function readKeys(bytes: Uint8Array): Promise<PublicKeyFacts[] | InvalidKey> {
  const checked = publicKeyPackets(bytes);
  if (checked.kind !== 'keys') return checked;
  return await withTemporaryDirectory(
    async (home) => {
      try {
        const { stdout } = await exec(
          ['gpg', '--homedir', home, ...QUIET, '--with-colons', '--with-subkey-fingerprint', '--show-keys'],
          { doing: 'read a public key', input: checked.bytes, deadlineMs: DEADLINE_MS },
        );
        return parseColons(stdout.toString('utf8'));
      } catch (error) {
        if (error instanceof ProgramFailed) return { kind: 'invalid-key', reason: 'gpg finds no usable key in it' };
        throw error;
      }
    },
    { prefix: 'lf-gpg-' },
  );
}

/** The binary form of a public key file; secret keys and other data are refused. */
export function publicKeyPackets(bytes: Uint8Array): { readonly kind: 'keys'; readonly bytes: Buffer } | InvalidKey {
  const refuse = (problem: Malformed): InvalidKey => ({ kind: 'invalid-key', reason: problem.reason });
  const dearmored = dearmor(bytes, 'PGP PUBLIC KEY BLOCK');
  if (dearmored.kind === 'malformed') return refuse(dearmored);
  const parsed = parsePackets(dearmored.bytes);
  if (parsed.kind === 'malformed') return refuse(parsed);
  if (parsed.packets.some(({ tag }) => tag === 5 || tag === 7)) {
    return { kind: 'invalid-key', reason: 'it is a secret key: export the public one with `gpg --export --armor`' };
  }
  if (parsed.packets[0]?.tag !== 6) return { kind: 'invalid-key', reason: 'it does not begin with a public key' };
  return { kind: 'keys', bytes: dearmored.bytes };
}

/** Reads the colon listing. @see doc/DETAILS of GnuPG. Exported for its tests. */
export function parseColons(listing: string): PublicKeyFacts[] {
  const keys: (Mutable<Omit<PublicKeyFacts, 'userIds' | 'subkeys'>> & {
    userIds: { text: string; revoked: boolean }[];
    subkeys: Mutable<SubkeyFacts>[];
  })[] = [];
  let current: { fingerprint: string } | undefined;
  for (const line of listing.split('\n')) {
    const field = line.split(':');
    const key = keys.at(-1);
    switch (field[0] ?? '') {
      case 'pub': {
        const fresh = { kind: 'key' as const, ...keyFacts(field), userIds: [], subkeys: [] };
        keys.push(fresh);
        current = fresh;
        break;
      }
      case 'sub': {
        const fresh = keyFacts(field);
        key?.subkeys.push(fresh);
        current = fresh;
        break;
      }
      case 'fpr':
        if (current?.fingerprint === '') current.fingerprint = field[9] ?? '';
        break;
      case 'uid':
        key?.userIds.push({ text: unescapeColons(field[9] ?? ''), revoked: field[1] === 'r' });
        break;
    }
  }
  return keys;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function keyFacts(field: readonly string[]): Mutable<SubkeyFacts> {
  return {
    fingerprint: '',
    createdAt: new Date(Number(field[5]) * 1000),
    expiresAt: field[6] === undefined || field[6] === '' ? undefined : new Date(Number(field[6]) * 1000),
    revoked: field[1] === 'r',
    canSign: (field[11] ?? '').includes('s'),
    algorithm: Number(field[3]),
    bits: Number(field[2]),
  };
}

function unescapeColons(text: string): string {
  const bytes = Buffer.from(text, 'utf8').toString('latin1');
  const plain = bytes.replace(/\\x([0-9a-f]{2})/gi, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(plain, 'latin1').toString('utf8');
}

const QUIET = ['--batch', '--no-tty', '--no-options', '--quiet'] as const;

async function sign(options: Omit<SignOptions, 'armor'>, mode: readonly string[]): Promise<Buffer> {
  const { stdout } = await exec(
    [
      'gpg',
      '--homedir',
      options.home,
      ...QUIET,
      ...fakedTime(options.at),
      '--digest-algo',
      'SHA512',
      ...[options.fingerprint, ...(options.alsoBy ?? [])].flatMap((key) => ['--local-user', requireFingerprint(key)]),
      ...mode,
    ],
    {
      doing: `sign with the key ${options.fingerprint}`,
      input: options.payload,
      deadlineMs: DEADLINE_MS,
      maxOutput: options.payload.length * 2 + 64 * 1024,
    },
  );
  return stdout;
}

async function gpg(
  home: string,
  args: readonly string[],
  options: {
    readonly doing: string;
    readonly input?: Uint8Array;
    readonly at?: Date | undefined;
    /** False: stdout is the data alone. */
    readonly status?: boolean;
  },
): Promise<ExecResult> {
  const status = options.status === false ? [] : ['--status-fd', '1'];
  return await exec(['gpg', '--homedir', home, ...QUIET, ...status, ...fakedTime(options.at), ...args], {
    doing: options.doing,
    deadlineMs: DEADLINE_MS,
    ...(options.input === undefined ? {} : { input: options.input }),
  });
}

function fakedTime(at: Date | undefined): string[] {
  return at === undefined ? [] : ['--faked-system-time', `${at.toISOString().replace(/[-:]|\.\d+Z/g, '')}!`];
}

/** A key is chosen by its whole fingerprint only: gpg would take part of a user id too. */
function requireFingerprint(text: string): string {
  if (/^([0-9A-F]{40}|[0-9A-F]{64})$/.test(text)) return text;
  throw new LandfallError({ code: 'gpg.fingerprint', doing: 'choose a key', reason: `${text} is not a fingerprint` });
}
