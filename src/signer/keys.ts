/**
 * The private keys, in the signer's own GnuPG home, and what is done with them. Which key is whose and what it may do stands
 * in the log (key-book.ts), written after the key exists; a key that was made and not written down is simply not used.
 */
import { join } from 'node:path';
import { LandfallError } from '../platform/errors.ts';
import { ProgramFailed } from '../platform/exec.ts';
import { ensureDirectory } from '../platform/files.ts';
import {
  clearSign,
  detachSign,
  exportPublicKey,
  exportPublicKeys,
  extendKey,
  generateKey,
  importKey,
  killAgents,
  readKey,
  verifyCertification,
} from '../platform/gpg.ts';
import type { StatementRefused } from './key-book.ts';

export interface MadeKey {
  readonly fingerprint: string;
  readonly expiresAt: Date | undefined;
}

export interface KeyStore {
  make(userId: string, expiresInDays: number | undefined): Promise<MadeKey>;
  /** Gives the new end of its validity. */
  extend(fingerprint: string, days: number): Promise<Date>;
  /** Takes a certification over, when it is good; gives the fingerprint of the key that made it. */
  certify(
    fingerprint: string,
    certified: Buffer,
    certifier: Buffer,
  ): Promise<{ readonly kind: 'certified'; readonly certifier: string } | StatementRefused>;
  /** The public keys, armored, in one block. */
  export(fingerprints: readonly [string, ...string[]]): Promise<string>;
  /** Both signatures over one text, by every key. */
  sign(
    fingerprints: readonly [string, ...string[]],
    text: string,
  ): Promise<{ readonly inRelease: Buffer; readonly releaseGpg: Buffer }>;
  /** Ends gpg-agent. */
  close(): Promise<void>;
}

/** Opens the keys in `home`. */
export async function openKeyStore(home: string): Promise<KeyStore> {
  const gnupg = join(home, 'gnupg');
  await ensureDirectory(gnupg, 0o700);
  const exported = new Map<string, string>();
  const expiryOf = async (fingerprint: string): Promise<Date | undefined> => {
    const key = await readKey(await exportPublicKey(gnupg, fingerprint));
    if (key.kind === 'key') return key.expiresAt;
    throw new Error(`a key of the signer cannot be read: ${key.reason}`);
  };
  return {
    make: (userId, days) =>
      working(async () => {
        const fingerprint = await generateKey({
          home: gnupg,
          userId,
          algorithm: 'ed25519',
          ...(days === undefined ? {} : { expire: `${days}d` }),
        });
        return { fingerprint, expiresAt: await expiryOf(fingerprint) };
      }),
    extend: (fingerprint, days) =>
      working(async () => {
        await extendKey(gnupg, fingerprint, days);
        exported.clear();
        const expiresAt = await expiryOf(fingerprint);
        if (expiresAt === undefined) throw new Error('a key that was extended does not expire');
        return expiresAt;
      }),
    certify: (fingerprint, certified, certifier) =>
      working(async () => {
        const by = await readKey(certifier);
        if (by.kind === 'invalid-key') return uncertified(`the certifying key cannot be used: ${by.reason}`);
        const copy = await readKey(certified);
        if (copy.kind === 'invalid-key') return uncertified(`the certified key cannot be used: ${copy.reason}`);
        if (copy.fingerprint !== fingerprint) {
          return uncertified(`the certified key is ${copy.fingerprint} and not ${fingerprint}`);
        }
        if (by.fingerprint === fingerprint) return uncertified('a key cannot vouch for itself');
        const clean = await verifyCertification(gnupg, fingerprint, {
          certified,
          certifier,
          certifierFingerprint: by.fingerprint,
        });
        if (clean === undefined) {
          return uncertified(`there is no good certification by ${by.fingerprint} on ${fingerprint}`);
        }
        await importKey(gnupg, clean);
        exported.clear();
        return { kind: 'certified', certifier: by.fingerprint };
      }),
    export: (fingerprints) =>
      working(async () => {
        const which = fingerprints.join(' ');
        const known = exported.get(which);
        if (known !== undefined) return known;
        const text = (await exportPublicKeys(gnupg, fingerprints)).toString('utf8');
        exported.set(which, text);
        return text;
      }),
    sign: ([fingerprint, ...alsoBy], text) =>
      working(async () => {
        const options = { home: gnupg, fingerprint, alsoBy, payload: Buffer.from(text, 'utf8') };
        const [inRelease, releaseGpg] = await Promise.all([clearSign(options), detachSign(options)]);
        return { inRelease, releaseGpg };
      }),
    close: () => killAgents(gnupg),
  };
}

/** gpg locks files in its home also when it only reads them, and says in words what the disk refused. */
async function working<T>(use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    if (!(error instanceof ProgramFailed) || !error.result.stderr.includes('No space left on device')) throw error;
    throw new LandfallError({
      code: 'storage.full',
      doing: error.doing,
      reason: 'no space left on the device that holds the signing keys',
      remedy: 'free some space there',
      cause: error,
    });
  }
}

function uncertified(reason: string): StatementRefused {
  return {
    kind: 'refused',
    code: 'signer.no-certification',
    reason,
    remedy:
      'export the key (`landfall archive-key export`), sign it with the offline key (`gpg --sign-key`), and give what ' +
      '`gpg --export` writes of it together with the public part of the offline key',
  };
}
