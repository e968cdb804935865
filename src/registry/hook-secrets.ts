/**
 * The secret that a forge proves its notices with. HMAC needs the secret itself, so it cannot be kept as a hash; encrypting it
 * beside its key would keep it from nobody who holds the server. What it guards is little (who may make Landfall look), and a
 * table of its own, read here alone, keeps it out of every view, plan, audit row and log: a {@link HookSecret} can be asked
 * whether something proves it, and shows itself to nobody.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';
import type { Db, Trx } from '../platform/database.ts';

export const MIN_SECRET_BYTES = 16;
export const MAX_SECRET_BYTES = 512;

export class HookSecret {
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
  }

  /** True when `text` is the secret. Takes as long for every text of one length. */
  isText(text: string): boolean {
    return equal(Buffer.from(text, 'utf8'), this.#bytes);
  }

  /** True when `hex` is the HMAC-SHA256 of `body` with this secret. @see RFC 2104 */
  hasSigned(body: Uint8Array, hex: string): boolean {
    if (!/^[0-9a-f]{64}$/i.test(hex)) return false;
    return equal(Buffer.from(hex, 'hex'), createHmac('sha256', this.#bytes).update(body).digest());
  }

  equals(other: HookSecret): boolean {
    return equal(this.#bytes, other.#bytes);
  }

  /** For the one table that keeps it. */
  reveal(): Buffer {
    return Buffer.from(this.#bytes);
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

/** Compares hashes: neither length nor content can be found by measuring time. */
function equal(one: Uint8Array, other: Uint8Array): boolean {
  const hash = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
  return timingSafeEqual(hash(one), hash(other));
}

/** What a file with a secret holds: one line of printable characters. */
export function readHookSecret(
  bytes: Uint8Array,
): { readonly kind: 'secret'; readonly secret: HookSecret } | { readonly kind: 'unusable'; readonly reason: string } {
  const text = Buffer.from(bytes)
    .toString('latin1')
    .replace(/\r?\n$/, '');
  if (text.length < MIN_SECRET_BYTES) return { kind: 'unusable', reason: `it has ${text.length} characters` };
  if (text.length > MAX_SECRET_BYTES) return { kind: 'unusable', reason: `it has more than ${MAX_SECRET_BYTES} bytes` };
  if (!/^[\x21-\x7e]+$/.test(text)) return { kind: 'unusable', reason: 'it holds a space or what cannot be printed' };
  return { kind: 'secret', secret: new HookSecret(Buffer.from(text, 'latin1')) };
}

export type SecretOwner = { readonly gitRepositoryId: number } | { readonly gitNamespaceId: number };

/** The secret of a Git repository or namespace itself. */
export async function findHookSecret(db: Db, owner: SecretOwner): Promise<HookSecret | undefined> {
  const { column, id } = ownedBy(owner);
  const row = await db.selectFrom('hook_secrets').select('secret').where(column, '=', id).executeTakeFirst();
  return row === undefined ? undefined : new HookSecret(row.secret);
}

/** Sets the secret, or takes it away. */
export async function writeHookSecret(trx: Trx, owner: SecretOwner, secret: HookSecret | null): Promise<void> {
  const { column, id } = ownedBy(owner);
  await trx.deleteFrom('hook_secrets').where(column, '=', id).execute();
  if (secret === null) return;
  await trx
    .insertInto('hook_secrets')
    .values({
      git_repository_id: 'gitRepositoryId' in owner ? owner.gitRepositoryId : null,
      git_namespace_id: 'gitNamespaceId' in owner ? owner.gitNamespaceId : null,
      secret: secret.reveal(),
    })
    .execute();
}

function ownedBy(owner: SecretOwner) {
  return 'gitRepositoryId' in owner
    ? ({ column: 'git_repository_id', id: owner.gitRepositoryId } as const)
    : ({ column: 'git_namespace_id', id: owner.gitNamespaceId } as const);
}
