/** The keys of an archive, as clients need them. key-changes.ts changes them. */
import { dearmor } from '../platform/openpgp.ts';
import { LandfallError } from '../platform/errors.ts';
import { signingKeyUserId } from './publish/steps.ts';
import type { ArchiveKey, ReleaseSigner, SigningKey } from './signer.ts';

/** The archive's keys; the first is made when it has none yet. @throws LandfallError `signer.*` */
export async function archiveKey(deps: { readonly signer: ReleaseSigner }, archive: string): Promise<ArchiveKey> {
  return await deps.signer.ensureKey(archive, signingKeyUserId(archive));
}

/** The keys that the next Release may be signed by, oldest first: what its Signed-By names. */
export function keysThatMaySign(keys: readonly SigningKey[]): readonly string[] {
  return keys.filter(({ state }) => state !== 'retired').map(({ fingerprint }) => fingerprint);
}

/** As {@link archiveKey}, without armour: what a keyring file holds. */
export async function archiveKeyring(deps: { readonly signer: ReleaseSigner }, archive: string): Promise<Buffer> {
  const { publicKey } = await archiveKey(deps, archive);
  const binary = dearmor(Buffer.from(publicKey, 'utf8'), 'PGP PUBLIC KEY BLOCK');
  if (binary.kind === 'dearmored') return binary.bytes;
  throw new LandfallError({
    code: 'signer.fault',
    doing: `read the key of the archive ${archive}`,
    reason: binary.reason,
    remedy: 'serve and signer must be of the same version: restart both',
  });
}
