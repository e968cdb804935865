/**
 * Keys of people: read from what they sent, kept, read again, revoked.
 *
 * - A key belongs to one person for ever; another who sends it is refused.
 * - Applied again, a key is merged with what is kept: a new expiry or a revocation is taken over, and an older export without
 *   them takes nothing back.
 * - A revocation, by the key itself or by us, is final.
 */
import { sql } from 'kysely';
import type { Db, Trx } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import { recordAudit } from '../platform/events.ts';
import { exportPublicKey, importKey, publicKeyPackets, readKey, withGnupgHome } from '../platform/gpg.ts';
import { actorName, type Actor, type SystemActor } from './actors.ts';
import { normalizeFingerprint } from './signers.ts';
import { looksLikeSshKeys, parseSshKeys } from './ssh-keys.ts';
import { findKey, getPerson, lockKey, type KeyRow } from './store.ts';

/** A public key as it was read. */
export interface PublicKey {
  readonly kind: 'openpgp' | 'ssh';
  readonly fingerprint: string;
  /** OpenPGP: dearmored, without signatures of others. SSH: `TYPE BASE64`. */
  readonly material: Buffer;
  readonly validUntil: Date | null;
  /** The key says so itself. */
  readonly revoked: boolean;
  /** What it calls its owner: user ids that are not revoked, or the comment of an SSH key. Anybody can write anything there. */
  readonly userIds: readonly string[];
}

export type KeyFile =
  | { readonly kind: 'keys'; readonly keys: readonly PublicKey[] }
  | { readonly kind: 'invalid-key'; readonly reason: string };

export interface KeyOwner {
  readonly personId: number;
  readonly handle: string;
}

export type KeyResult =
  | { readonly kind: 'added' | 'changed' | 'unchanged'; readonly keyId: number; readonly fingerprint: string }
  | { readonly kind: 'refused'; readonly code: 'key.other-person' | 'key.invalid'; readonly reason: string };

const SELF_REVOKED = 'the key itself says that it is revoked';
const MIN_BITS = 2048;
const RSA = new Set([1, 2, 3]);
const DSA = 17;
/** A key file with photos and ten thousand signatures is larger; it is not needed. */
const MAX_KEY_FILE = 4 * 1024 * 1024;

/** Reads a file of public keys: OpenPGP, armoured or binary, one or a keyring; or OpenSSH's, one on a line. */
export async function readKeyFile(bytes: Uint8Array): Promise<KeyFile> {
  if (bytes.length > MAX_KEY_FILE) return invalid(`it is larger than ${MAX_KEY_FILE} bytes`);
  const text = Buffer.from(bytes).toString('latin1');
  if (/-----BEGIN [A-Z ]*PRIVATE KEY/.test(text)) return invalid('it is a secret key: send the public one');
  if (looksLikeSshKeys(text)) {
    const parsed = parseSshKeys(text);
    if ('kind' in parsed) return invalid(parsed.reason);
    return {
      kind: 'keys',
      keys: parsed.map((key) => ({
        kind: 'ssh',
        fingerprint: key.fingerprint,
        material: Buffer.from(key.line, 'latin1'),
        validUntil: null,
        revoked: false,
        userIds: key.comment === '' ? [] : [key.comment],
      })),
    };
  }
  return await readOpenPgp([bytes]);
}

/** What is kept after `given` was applied over `stored`. */
export async function mergeKey(stored: Pick<KeyRow, 'material'>, given: PublicKey): Promise<PublicKey> {
  if (given.kind === 'ssh' || stored.material.equals(given.material)) return given;
  const merged = await readOpenPgp([stored.material, given.material]);
  const [key] = merged.kind === 'keys' ? merged.keys : [];
  if (key?.fingerprint === given.fingerprint) return key;
  throw new LandfallError({
    code: 'permissions.key-merge',
    doing: `merge the key ${given.fingerprint} with what is kept of it`,
    reason: merged.kind === 'keys' ? 'gpg gives another key' : merged.reason,
  });
}

/** What applying `key` (already merged) changes, in words; empty when nothing. */
export function keyChanges(stored: KeyRow, key: PublicKey): string[] {
  const changes: string[] = [];
  const until = (date: Date | null): string => (date === null ? 'does not expire' : `expires ${date.toISOString()}`);
  if (stored.validUntil?.getTime() !== key.validUntil?.getTime()) {
    changes.push(`${until(key.validUntil)} (before: ${until(stored.validUntil)})`);
  }
  if (key.revoked && stored.revokedAt === null) changes.push('is revoked by its owner');
  if (!stored.material.equals(key.material) && changes.length === 0) changes.push('has other user ids or subkeys');
  return changes;
}

/** Adds a key to a person, or takes over what is new in it. */
export async function applyKey(
  trx: Trx,
  owner: KeyOwner,
  given: PublicKey,
  by: Actor | SystemActor,
): Promise<KeyResult> {
  const stored = await lockKey(trx, given.fingerprint);
  if (stored === undefined) return await insertKey(trx, owner, given, by);
  if (stored.personId !== owner.personId) {
    const other = await getPerson(trx, stored.personId);
    return {
      kind: 'refused',
      code: 'key.other-person',
      reason: `The key ${given.fingerprint} belongs to ${other?.handle ?? 'somebody else'}, and a key belongs to one person for ever.`,
    };
  }
  const key = await mergeKey(stored, given);
  const changes = keyChanges(stored, key);
  if (changes.length === 0) return { kind: 'unchanged', keyId: stored.id, fingerprint: key.fingerprint };
  const revokedNow = key.revoked && stored.revokedAt === null;
  await trx
    .updateTable('keys')
    .set({
      material: key.material,
      valid_until: key.validUntil,
      ...(revokedNow ? { revoked_at: sql<Date>`clock_timestamp()`, revocation_reason: SELF_REVOKED } : {}),
    })
    .where('id', '=', stored.id)
    .execute();
  await recordAudit(trx, {
    actor: actorName(by),
    action: revokedNow ? 'key.revoked' : 'key.changed',
    subject: `key ${key.fingerprint}`,
    detail: { person: owner.handle, changes },
  });
  return { kind: 'changed', keyId: stored.id, fingerprint: key.fingerprint };
}

/** Reads a file of keys and applies each; all or, when one is refused, a refusal that the caller must roll back on. */
export async function addKeys(
  trx: Trx,
  owner: KeyOwner,
  bytes: Uint8Array,
  by: Actor | SystemActor,
): Promise<
  { readonly kind: 'applied'; readonly results: readonly KeyResult[] } | Extract<KeyResult, { kind: 'refused' }>
> {
  const file = await readKeyFile(bytes);
  if (file.kind === 'invalid-key')
    return { kind: 'refused', code: 'key.invalid', reason: `This is no usable key: ${file.reason}.` };
  const results: KeyResult[] = [];
  for (const key of file.keys) {
    const result = await applyKey(trx, owner, key, by);
    if (result.kind === 'refused') return result;
    results.push(result);
  }
  return { kind: 'applied', results };
}

/** Something that a key let in. */
export interface LetIn {
  readonly decisionId: number;
  readonly tagId: number;
  readonly submissionId: number;
  readonly archive: string;
  readonly suite: string | null;
  readonly source: string;
  readonly version: string;
  readonly decidedAt: Date;
}

export type RevocationResult =
  | { readonly kind: 'revoked' | 'already-revoked'; readonly person: string; readonly letIn: readonly LetIn[] }
  | { readonly kind: 'unknown-key' };

/** From now on nothing that the key signed counts, whenever it was signed. Returns all that it let in before. */
export async function revokeKey(
  trx: Trx,
  fingerprint: string,
  reason: string,
  by: Actor | SystemActor,
): Promise<RevocationResult> {
  const stored = await lockKey(trx, normalizeFingerprint(fingerprint));
  if (stored === undefined) return { kind: 'unknown-key' };
  const person = (await getPerson(trx, stored.personId))?.handle ?? '';
  const letIn = await letInBy(trx, stored.fingerprint);
  if (stored.revokedAt !== null) return { kind: 'already-revoked', person, letIn };
  await trx
    .updateTable('keys')
    .set({ revoked_at: sql<Date>`clock_timestamp()`, revocation_reason: reason })
    .where('id', '=', stored.id)
    .execute();
  await recordAudit(trx, {
    actor: actorName(by),
    action: 'key.revoked',
    subject: `key ${stored.fingerprint}`,
    detail: { person, reason, letIn: letIn.map(({ decisionId }) => decisionId) },
  });
  return { kind: 'revoked', person, letIn };
}

/** Everything that a key let in, oldest first. */
export async function letInBy(db: Db, fingerprint: string): Promise<readonly LetIn[]> {
  const rows = await db
    .selectFrom('tag_decisions')
    .innerJoin('tags', 'tags.id', 'tag_decisions.tag_id')
    .innerJoin('submissions', 'submissions.id', 'tags.submission_id')
    .innerJoin('archives', 'archives.id', 'submissions.archive_id')
    .leftJoin('suites', 'suites.id', 'tag_decisions.suite_id')
    .select([
      'tag_decisions.id',
      'tag_decisions.tag_id',
      'tags.submission_id',
      'archives.name as archive',
      'suites.name as suite',
      'tag_decisions.source',
      'tag_decisions.version',
      'tag_decisions.decided_at',
    ])
    .where('tag_decisions.key_fingerprint', '=', normalizeFingerprint(fingerprint))
    .where('tag_decisions.outcome', '=', 'accepted')
    .orderBy('tag_decisions.id')
    .execute();
  return rows.map((row) => ({
    decisionId: row.id,
    tagId: row.tag_id,
    submissionId: row.submission_id,
    archive: row.archive,
    suite: row.suite,
    source: row.source ?? '',
    version: row.version ?? '',
    decidedAt: row.decided_at,
  }));
}

async function insertKey(trx: Trx, owner: KeyOwner, key: PublicKey, by: Actor | SystemActor): Promise<KeyResult> {
  const inserted = await trx
    .insertInto('keys')
    .values({
      person_id: owner.personId,
      kind: key.kind,
      fingerprint: key.fingerprint,
      material: key.material,
      // Times of signatures have whole seconds: what is signed in this very second is signed by a known key.
      valid_from: sql<Date>`date_trunc('second', clock_timestamp())`,
      valid_until: key.validUntil,
      revoked_at: key.revoked ? sql<Date>`clock_timestamp()` : null,
      revocation_reason: key.revoked ? SELF_REVOKED : null,
    })
    .onConflict((conflict) => conflict.column('fingerprint').doNothing())
    .returning('id')
    .executeTakeFirst();
  if (inserted === undefined) {
    // Another transaction added it in this moment, and has committed.
    const stored = await findKey(trx, key.fingerprint);
    if (stored !== undefined) return await applyKey(trx, owner, key, by);
    throw new LandfallError({
      code: 'permissions.key-race',
      doing: `add the key ${key.fingerprint}`,
      reason: 'it was added at the same moment by somebody else',
      remedy: 'try again',
    });
  }
  await recordAudit(trx, {
    actor: actorName(by),
    action: 'key.added',
    subject: `key ${key.fingerprint}`,
    detail: {
      person: owner.handle,
      kind: key.kind,
      validUntil: key.validUntil?.toISOString() ?? null,
      revoked: key.revoked,
    },
  });
  return { kind: 'added', keyId: inserted.id, fingerprint: key.fingerprint };
}

/** Merges what `parts` hold and reads each key. gpg itself does both, so that what we keep is what it will verify with. */
async function readOpenPgp(parts: readonly Uint8Array[]): Promise<KeyFile> {
  const packets: Buffer[] = [];
  for (const part of parts) {
    const read = publicKeyPackets(part);
    if (read.kind === 'invalid-key') return read;
    packets.push(read.bytes);
  }
  return await withGnupgHome(async (home) => {
    const fingerprints: string[] = [];
    try {
      for (const bytes of packets) fingerprints.push(...(await importKey(home, bytes)));
    } catch (error) {
      if (error instanceof LandfallError && error.code === 'exec.failed') {
        return invalid('gpg cannot import it (a key needs a user id with its own signature)');
      }
      throw error;
    }
    const keys: PublicKey[] = [];
    for (const fingerprint of new Set(fingerprints)) {
      const material = await exportPublicKey(home, fingerprint, { armor: false });
      const facts = await readKey(material);
      if (facts.kind === 'invalid-key') return facts;
      const signing = [facts, ...facts.subkeys].filter((key) => key.canSign);
      if (!facts.revoked && signing.length === 0) return invalid(`the key ${fingerprint} cannot sign`);
      const weak = [facts, ...signing].find(
        (key) => key.algorithm === DSA || (RSA.has(key.algorithm) && key.bits < MIN_BITS),
      );
      if (weak !== undefined) {
        return invalid(`the key ${weak.fingerprint} is too weak: DSA, or RSA with less than ${MIN_BITS} bits`);
      }
      keys.push({
        kind: 'openpgp',
        fingerprint: facts.fingerprint,
        material,
        validUntil: facts.expiresAt ?? null,
        revoked: facts.revoked,
        userIds: facts.userIds.flatMap(({ text, revoked }) => (revoked ? [] : [text])),
      });
    }
    return keys.length === 0 ? invalid('there is no key in it') : { kind: 'keys', keys };
  });
}

function invalid(reason: string): Extract<KeyFile, { kind: 'invalid-key' }> {
  return { kind: 'invalid-key', reason };
}
