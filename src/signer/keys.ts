/**
 * The archives' keys: one per archive, made when it is first asked for, in the signer's own GnuPG home. Which key is whose
 * stands in `keys.json`, written after the key exists; a key that was made and not written down is simply not used.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { LandfallError } from '../platform/errors.ts';
import { ProgramFailed } from '../platform/exec.ts';
import { ensureDirectory, readFileIfExists, writeFileDurably } from '../platform/files.ts';
import { clearSign, detachSign, exportPublicKey, generateKey, killAgents } from '../platform/gpg.ts';

const keysSchema = z.record(z.string(), z.object({ fingerprint: z.string() }));
type Keys = z.infer<typeof keysSchema>;

export interface HeldKey {
  readonly fingerprint: string;
  /** Armored. */
  readonly publicKey: string;
}

export interface KeyStore {
  find(archive: string): Promise<HeldKey | undefined>;
  /** The archive's key; made with this user id when there is none. */
  ensure(archive: string, userId: string): Promise<HeldKey>;
  /** Both signatures over one text. */
  sign(key: HeldKey, text: string): Promise<{ readonly inRelease: Buffer; readonly releaseGpg: Buffer }>;
  /** Ends gpg-agent. */
  close(): Promise<void>;
}

/** Opens the keys in `home`. @throws LandfallError `signer.keys-damaged` */
export async function openKeyStore(home: string): Promise<KeyStore> {
  const gnupg = join(home, 'gnupg');
  const path = join(home, 'keys.json');
  await ensureDirectory(gnupg, 0o700);
  let keys = parseKeys(await readFileIfExists(path), path);
  const exported = new Map<string, HeldKey>();

  const find = async (archive: string): Promise<HeldKey | undefined> => {
    const fingerprint = keys[archive]?.fingerprint;
    if (fingerprint === undefined) return undefined;
    const known = exported.get(fingerprint);
    if (known !== undefined) return known;
    const key = { fingerprint, publicKey: (await exportPublicKey(gnupg, fingerprint)).toString('utf8') };
    exported.set(fingerprint, key);
    return key;
  };

  return {
    find,
    ensure: async (archive, userId) => {
      const there = await find(archive);
      if (there !== undefined) return there;
      const fingerprint = await generateKey({ home: gnupg, userId, algorithm: 'ed25519' });
      const more = { ...keys, [archive]: { fingerprint } };
      await writeFileDurably(path, `${JSON.stringify(more, undefined, 2)}\n`, { mode: 0o600 });
      keys = more;
      const made = await find(archive);
      if (made === undefined) throw new Error('a key that was made is not there');
      return made;
    },
    sign: async ({ fingerprint }, text) => {
      const payload = Buffer.from(text, 'utf8');
      try {
        const [inRelease, releaseGpg] = await Promise.all([
          clearSign({ home: gnupg, fingerprint, payload }),
          detachSign({ home: gnupg, fingerprint, payload }),
        ]);
        return { inRelease, releaseGpg };
      } catch (error) {
        throw withoutRoom(error) ?? error;
      }
    },
    close: () => killAgents(gnupg),
  };
}

/** gpg locks files in its home also when it only reads them, and says in words what the disk refused. */
function withoutRoom(error: unknown): LandfallError | undefined {
  if (!(error instanceof ProgramFailed) || !error.result.stderr.includes('No space left on device')) return undefined;
  return new LandfallError({
    code: 'storage.full',
    doing: error.doing,
    reason: 'no space left on the device that holds the signing keys',
    remedy: 'free some space there',
    cause: error,
  });
}

function parseKeys(bytes: Buffer | undefined, path: string): Keys {
  if (bytes === undefined) return {};
  try {
    return keysSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch (cause) {
    throw new LandfallError({
      code: 'signer.keys-damaged',
      doing: 'start the signer',
      reason: `${path} cannot be read`,
      remedy: 'restore the file from a backup',
      cause,
    });
  }
}
