/**
 * Real keys for tests: OpenPGP keys in a GnuPG home of their own, SSH keys in a folder; and signatures by them, good ones and the
 * kinds that must be refused.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exec } from '../../src/platform/exec.ts';
import { ensureDirectory, makeTemporaryDirectory } from '../../src/platform/files.ts';
import { exportPublicKey, generateKey, importKey, killAgents, type KeyAlgorithm } from '../../src/platform/gpg.ts';

const DEADLINE_MS = 60_000;

/** Makes the signature block that stands at the end of a tag. */
export type TagSigner = (payload: Uint8Array) => Promise<Buffer>;

export interface OpenPgpKey {
  readonly kind: 'openpgp';
  /** Of the primary key. */
  readonly fingerprint: string;
  /** Of the key that signs: a subkey, where there is one. */
  readonly signingKey: string;
  /** The public key as it is now, armored. */
  publicKey(): Promise<Buffer>;
  readonly sign: TagSigner;
  /** A signature of another hash, class or time. */
  signWith(options: SignatureOptions): TagSigner;
}

export interface SignatureOptions {
  readonly digest?: 'SHA1' | 'SHA256' | 'SHA384' | 'SHA512';
  /** gpg signs as if it were this time. */
  readonly at?: Date;
  /** A text document, which git never makes. */
  readonly textMode?: boolean;
  /** The signature itself expires, as gpg writes times: `1d`, `seconds=1`. */
  readonly expire?: string;
  /** Two signatures in one block: by this key too. */
  readonly alsoBy?: OpenPgpKey;
}

export interface SshKey {
  readonly kind: 'ssh';
  /** `SHA256:…` */
  readonly fingerprint: string;
  /** The file of the secret key. */
  readonly file: string;
  publicKey(): Promise<Buffer>;
  readonly sign: TagSigner;
  /** In another namespace, or with another hash. */
  signWith(options: { readonly namespace?: string; readonly hash?: 'sha256' | 'sha512' }): TagSigner;
}

export interface NewOpenPgpKey {
  readonly userId: string;
  readonly algorithm?: KeyAlgorithm;
  /** As gpg takes it: `never`, `1y`, `20300101T000000`. */
  readonly expire?: string;
  /** When it was made. */
  readonly at?: Date;
  /** Gives it a subkey that signs; the primary key then signs no tag. */
  readonly subkey?: { readonly expire?: string };
}

/** A place for keys. Call `remove` when the tests are over. */
export interface KeyRing {
  /** GNUPGHOME */
  readonly home: string;
  openPgp(key: NewOpenPgpKey): Promise<OpenPgpKey>;
  ssh(name: string, type?: 'ed25519' | 'rsa' | 'ecdsa'): Promise<SshKey>;
  /** Revokes a whole key. */
  revoke(key: OpenPgpKey): Promise<void>;
  /** Revokes the subkey that signs. */
  revokeSubkey(key: OpenPgpKey): Promise<void>;
  /** Gives a key another expiry. */
  setExpiry(key: OpenPgpKey, expire: string): Promise<void>;
  remove(): Promise<void>;
}

export async function createKeyRing(): Promise<KeyRing> {
  const folder = await makeTemporaryDirectory('lf-keys-');
  const home = join(folder.path, 'gnupg');
  const sshFolder = join(folder.path, 'ssh');
  await ensureDirectory(home, 0o700);
  await ensureDirectory(sshFolder, 0o700);

  const gpg = async (args: readonly string[], input?: string | Uint8Array): Promise<Buffer> => {
    const { stdout } = await exec(['gpg', '--homedir', home, '--batch', '--no-tty', '--quiet', ...args], {
      deadlineMs: DEADLINE_MS,
      ...(input === undefined ? {} : { input }),
    });
    return stdout;
  };

  const signer = (signingKey: string, options: SignatureOptions): TagSigner => {
    const users = [signingKey, ...(options.alsoBy === undefined ? [] : [options.alsoBy.signingKey])];
    return async (payload) =>
      await gpg(
        [
          ...faked(options.at),
          '--digest-algo',
          options.digest ?? 'SHA512',
          ...(options.expire === undefined ? [] : ['--default-sig-expire', options.expire]),
          ...(options.textMode === true ? ['--textmode'] : []),
          // The exclamation mark takes this very key, also where a newer subkey could sign.
          ...users.flatMap((user) => ['--local-user', `${user}!`]),
          '--armor',
          '--detach-sign',
        ],
        payload,
      );
  };

  return {
    home,
    openPgp: async (wanted) => {
      const fingerprint = await generateKey({
        home,
        userId: wanted.userId,
        algorithm: wanted.algorithm ?? 'ed25519',
        ...(wanted.expire === undefined ? {} : { expire: wanted.expire }),
        ...(wanted.at === undefined ? {} : { at: wanted.at }),
      });
      let signingKey = fingerprint;
      if (wanted.subkey !== undefined) {
        await gpg([
          ...faked(wanted.at),
          '--passphrase',
          '',
          '--pinentry-mode',
          'loopback',
          '--quick-add-key',
          fingerprint,
          'ed25519',
          'sign',
          wanted.subkey.expire ?? 'never',
        ]);
        const listing = (await gpg(['--with-colons', '--list-keys', fingerprint])).toString('utf8');
        signingKey = [...listing.matchAll(/^fpr:(?:[^:]*:){8}([0-9A-F]{40}):/gm)].at(-1)?.[1] ?? fingerprint;
      }
      return {
        kind: 'openpgp',
        fingerprint,
        signingKey,
        publicKey: async () => await exportPublicKey(home, fingerprint),
        sign: signer(signingKey, {}),
        signWith: (options) => signer(signingKey, options),
      };
    },

    ssh: async (name, type = 'ed25519') => {
      const file = join(sshFolder, name);
      await exec(['ssh-keygen', '-q', '-t', type, '-N', '', '-C', name, '-f', file], { deadlineMs: DEADLINE_MS });
      const { stdout } = await exec(['ssh-keygen', '-l', '-f', file], { deadlineMs: DEADLINE_MS });
      const sign = (namespace: string, hash: string): TagSigner => {
        return async (payload) => {
          const { stdout: signature } = await exec(
            ['ssh-keygen', '-Y', 'sign', '-n', namespace, '-O', `hashalg=${hash}`, '-f', file],
            { deadlineMs: DEADLINE_MS, input: payload },
          );
          return signature;
        };
      };
      return {
        kind: 'ssh',
        fingerprint: stdout.toString('utf8').split(' ')[1] ?? '',
        file,
        publicKey: async () => await readFile(`${file}.pub`),
        sign: sign('git', 'sha512'),
        signWith: ({ namespace = 'git', hash = 'sha512' }) => sign(namespace, hash),
      };
    },

    revoke: async (key) => {
      const certificate = await readFile(join(home, 'openpgp-revocs.d', `${key.fingerprint}.rev`), 'utf8');
      // gpg puts a colon before the armor, so that nobody imports the file by accident.
      await importKey(home, Buffer.from(certificate.replace(/^:(?=-----BEGIN)/m, '')));
    },
    revokeSubkey: async (key) => {
      await edit(home, key.fingerprint, ['key 1', 'revkey', 'y', '0', '', 'y', 'save']);
    },
    setExpiry: async (key, expire) => {
      await gpg(['--quick-set-expire', key.fingerprint, expire]);
      if (key.signingKey !== key.fingerprint) await gpg(['--quick-set-expire', key.fingerprint, expire, '*']);
    },
    remove: async () => {
      await killAgents(home);
      await rm(folder.path, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Answers the questions of `gpg --edit-key` one after another. */
async function edit(home: string, fingerprint: string, answers: readonly string[]): Promise<void> {
  const file = join(home, 'edit-answers');
  await writeFile(file, `${answers.join('\n')}\n`);
  await exec(
    [
      'gpg',
      '--homedir',
      home,
      '--no-tty',
      '--expert',
      '--command-file',
      file,
      '--status-fd',
      '2',
      '--edit-key',
      fingerprint,
    ],
    { deadlineMs: DEADLINE_MS },
  );
}

function faked(at: Date | undefined): string[] {
  return at === undefined ? [] : ['--faked-system-time', `${at.toISOString().replace(/[-:]|\.\d+Z/g, '')}!`];
}
