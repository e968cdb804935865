/**
 * What a backup holds only when it is asked for, and only encrypted: the archives' private keys with the signer's log, the
 * configuration, and the tokens of this machine's people. @see gpg(1)
 */
import { readdir } from 'node:fs/promises';
import { LandfallError } from '../../platform/errors.ts';
import { exec } from '../../platform/exec.ts';
import {
  ensureDirectory,
  exists,
  type Digest,
  readFileIfExists,
  sha256,
  writeFileDurably,
} from '../../platform/files.ts';
import { importKey, withGnupgHome } from '../../platform/gpg.ts';
import type { Paths } from '../../platform/paths.ts';

const DEADLINE_MS = 10 * 60_000;
/** The signer's log of years; keys are small. */
const MAX_BYTES = 1024 ** 3;

/** How the bundle is closed: by a passphrase in a file, or for whoever holds the secret part of a public key in a file. */
export type BundleLock =
  { readonly kind: 'passphrase'; readonly file: string } | { readonly kind: 'recipient'; readonly file: string };

/** Writes the bundle. What of it is not on this machine (a signer elsewhere) is left out. */
export async function writeKeyBundle(paths: Paths, lock: BundleLock, target: string): Promise<Digest> {
  const parts: string[] = [];
  for (const path of [paths.signer, paths.config, paths.tokens]) {
    if (await exists(path)) parts.push(path.slice(paths.root.length + 1));
  }
  const { stdout: bundle } = await exec(
    [
      'tar',
      '--create',
      '--directory',
      paths.root,
      '--exclude=S.*',
      '--exclude=*.lock',
      '--exclude=.#*',
      '--',
      ...parts,
    ],
    // 1: a file grew while it was read, as the signer's log may. What is cut off of its last line says nothing.
    { doing: 'read the keys', deadlineMs: DEADLINE_MS, okCodes: [0, 1], maxOutput: MAX_BYTES },
  );
  const sealed = await withGnupgHome(async (home) => {
    const common = ['gpg', '--homedir', home, '--batch', '--no-tty', '--quiet', '--pinentry-mode', 'loopback'] as const;
    const how =
      lock.kind === 'passphrase'
        ? ['--passphrase-file', lock.file, '--symmetric', '--cipher-algo', 'AES256', '--force-mdc']
        : ['--trust-model', 'always', '--recipient', await onlyKey(home, lock.file), '--encrypt'];
    const { stdout } = await exec([...common, ...how], {
      doing: 'encrypt the keys',
      input: bundle,
      deadlineMs: DEADLINE_MS,
      maxOutput: MAX_BYTES,
    });
    return stdout;
  });
  await writeFileDurably(target, sealed, { mode: 0o600 });
  return { sha256: sha256(sealed), size: sealed.length };
}

/** Opens a bundle that was closed by a passphrase and puts it into a state folder that has no keys. Gives what it put. */
export async function openKeyBundle(file: string, passphraseFile: string, paths: Paths): Promise<string[]> {
  if ((await exists(paths.signer)) && (await readdir(paths.signer)).length > 0) {
    throw new LandfallError({
      code: 'restore.keys-there',
      doing: 'bring the keys back',
      reason: `${paths.signer} is not empty, and keys and their log are never written over`,
      remedy: `restore without --with-keys to keep them, or move ${paths.signer} away`,
    });
  }
  const bundle = await withGnupgHome(async (home) => {
    const { stdout } = await exec(
      [
        'gpg',
        '--homedir',
        home,
        '--batch',
        '--no-tty',
        '--quiet',
        '--pinentry-mode',
        'loopback',
        '--passphrase-file',
        passphraseFile,
        '--decrypt',
        file,
      ],
      { doing: `decrypt ${file}`, deadlineMs: DEADLINE_MS, maxOutput: MAX_BYTES },
    );
    return stdout;
  });
  await ensureDirectory(paths.root, 0o755);
  const { stdout: listing } = await exec(
    ['tar', '--extract', '--verbose', '--directory', paths.root, '--keep-old-files', '--preserve-permissions'],
    { doing: 'bring the keys back', input: bundle, deadlineMs: DEADLINE_MS, okCodes: [0, 2] },
  );
  return [
    ...new Set(
      listing
        .toString('utf8')
        .split('\n')
        .flatMap((line) => line.split('/')[0] || []),
    ),
  ];
}

async function onlyKey(home: string, file: string): Promise<string> {
  const [fingerprint, ...more] = await importKey(home, (await readFileIfExists(file)) ?? Buffer.alloc(0));
  if (fingerprint !== undefined && more.length === 0) return fingerprint;
  throw new LandfallError({
    code: 'backup.recipient',
    doing: `read the public key in ${file}`,
    reason: fingerprint === undefined ? 'there is none in it' : 'there is more than one in it',
    remedy: 'give a file that holds one public key: gpg --armor --export FINGERPRINT > FILE',
  });
}
