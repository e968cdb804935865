/** Keys as the verification of signatures needs them: whose is it, does the person still count, what are its bytes. */
import { sql } from 'kysely';
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
 * Every OpenPGP key that was ever registered, also expired and revoked ones and those of people who left, dearmored: what signed
 * must be recognised before it can be refused in exact words. While no row changes, the same array is given again.
 */
export async function registeredKeyring(db: Db): Promise<readonly Buffer[]> {
  // xmin is the transaction that wrote a row last: cheap to read, while the keys of a distribution are megabytes.
  const { rows } = await sql<{ state: string }>`
    SELECT coalesce(md5(string_agg(id || ' ' || xmin::text, ',' ORDER BY id)), '') AS state FROM keys WHERE kind = 'openpgp'
  `.execute(db);
  const state = rows[0]?.state ?? '';
  const known = keyrings.get(db);
  if (known?.state === state) return known.keys;
  const found = await db.selectFrom('keys').select('material').where('kind', '=', 'openpgp').orderBy('id').execute();
  const keys = found.map(({ material }) => material);
  keyrings.set(db, { state, keys });
  return keys;
}

/** What was read last, by the database that it came from. */
const keyrings = new WeakMap<Db, { readonly state: string; readonly keys: readonly Buffer[] }>();

/** The one form in which fingerprints are kept. */
export function normalizeFingerprint(text: string): string {
  return text.startsWith('SHA256:') ? text.trim().replace(/=+$/, '') : text.replace(/^0x|\s/gi, '').toUpperCase();
}
