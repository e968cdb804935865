/** Keys as the verification of signatures needs them: whose is it, does the person still count, what are its bytes. */
import type { Db } from '../platform/database.ts';

/** A registered key with its person. Whether it counts is for the caller to say: each way not to count has its own words. */
export interface Signer {
  readonly keyId: number;
  readonly kind: 'openpgp' | 'ssh';
  /** OpenPGP: of the primary key. SSH: `SHA256:…`. */
  readonly fingerprint: string;
  readonly personId: number;
  readonly handle: string;
  readonly name: string;
  readonly email: string;
  /** Of the person. */
  readonly active: boolean;
  /** OpenPGP: the dearmored public key, fit for gpgv. SSH: `TYPE BASE64`, fit for a line of an allowed signers file. */
  readonly material: Buffer;
  /** When the key was made known to us (or says itself that it begins, where that is later). */
  readonly validFrom: Date;
  /** As the key itself said when it was last applied. */
  readonly validUntil: Date | null;
  readonly revokedAt: Date | null;
  readonly revocationReason: string | null;
}

/** By the fingerprint of the primary key (OpenPGP, spaces and small letters allowed) or by `SHA256:…` (SSH). */
export async function findSigner(db: Db, fingerprint: string): Promise<Signer | undefined> {
  const row = await db
    .selectFrom('keys')
    .innerJoin('people', 'people.id', 'keys.person_id')
    .select([
      'keys.id',
      'keys.kind',
      'keys.fingerprint',
      'keys.person_id',
      'people.handle',
      'people.name',
      'people.email',
      'people.active',
      'keys.material',
      'keys.valid_from',
      'keys.valid_until',
      'keys.revoked_at',
      'keys.revocation_reason',
    ])
    .where('keys.fingerprint', '=', normalizeFingerprint(fingerprint))
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    keyId: row.id,
    kind: row.kind,
    fingerprint: row.fingerprint,
    personId: row.person_id,
    handle: row.handle,
    name: row.name,
    email: row.email,
    active: row.active,
    material: row.material,
    validFrom: row.valid_from,
    validUntil: row.valid_until,
    revokedAt: row.revoked_at,
    revocationReason: row.revocation_reason,
  };
}

/**
 * Every OpenPGP key that was ever registered, also expired and revoked ones and those of people who left: what signed must be
 * recognised before it can be refused in exact words.
 */
export async function listActiveKeyrings(
  db: Db,
): Promise<readonly { readonly fingerprint: string; readonly material: Buffer }[]> {
  return await db
    .selectFrom('keys')
    .select(['fingerprint', 'material'])
    .where('kind', '=', 'openpgp')
    .orderBy('id')
    .execute();
}

/** The one form in which fingerprints are kept. */
export function normalizeFingerprint(text: string): string {
  return text.startsWith('SHA256:') ? text.trim().replace(/=+$/, '') : text.replace(/^0x|\s/gi, '').toUpperCase();
}
