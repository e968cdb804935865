/**
 * How a worker comes in: an administrator makes a one-time token bound to a name, a pool and architectures; the worker makes its
 * key and joins with the token; from then on it has a secret of its own. Two workers of one name cannot be: the second join is
 * refused, unless the first worker was revoked (H26).
 */
import { sql } from 'kysely';
import { jsonText, withTransaction, type Db, type JsonObject, type Trx } from '../platform/database.ts';
import { recordAudit, recordEvent } from '../platform/events.ts';
import { publicKeyPackets, readKey } from '../platform/gpg.ts';
import { createSecret, secretHash } from './identity.ts';

export interface NewJoinToken {
  readonly workerName: string;
  readonly workerPoolId: number;
  readonly architectures: readonly string[];
  readonly validSeconds: number;
  /** Who asked for it: `person:HANDLE`. */
  readonly actor: string;
}

/** Makes a token with which one worker may join once. The secret is not kept and cannot be shown again. */
export async function createJoinToken(
  trx: Trx,
  token: NewJoinToken,
): Promise<{ readonly secret: string; readonly expiresAt: Date }> {
  const { secret, sha256 } = createSecret('lfj');
  const row = await trx
    .insertInto('join_tokens')
    .values({
      secret_sha256: sha256,
      worker_name: token.workerName,
      worker_pool_id: token.workerPoolId,
      architectures: [...token.architectures],
      created_by: token.actor,
      expires_at: sql<Date>`now() + make_interval(secs => ${token.validSeconds})`,
      used_at: null,
      used_by_worker_id: null,
    })
    .returning('expires_at')
    .executeTakeFirstOrThrow();
  await recordAudit(trx, {
    actor: token.actor,
    action: 'worker.invited',
    subject: `worker ${token.workerName}`,
    detail: { workerPoolId: token.workerPoolId, architectures: token.architectures },
  });
  return { secret, expiresAt: row.expires_at };
}

export interface JoinRequest {
  /** The one-time token. */
  readonly token: string;
  /** The worker's OpenPGP public key, armoured or binary; what it uploads is signed with it. */
  readonly openpgpKey: Uint8Array;
  /** What it says of its machine. */
  readonly facts?: JsonObject;
}

export type JoinResult =
  | {
      readonly kind: 'joined';
      readonly workerId: number;
      readonly name: string;
      readonly pool: string;
      readonly architectures: readonly string[];
      /** Shown once; goes with every request from now on. */
      readonly secret: string;
    }
  | { readonly kind: 'refused'; readonly status: 401 | 409; readonly code: string; readonly reason: string };

/**
 * Joins a worker. Asked again with the same token and key, because the answer was lost, it gives a new secret, as long as the
 * worker has not yet made contact with the first.
 */
export async function joinWorker(db: Db, request: JoinRequest): Promise<JoinResult> {
  // First what costs least: nobody without a token has us read a key.
  const known = await db
    .selectFrom('join_tokens')
    .select('id')
    .where('secret_sha256', '=', secretHash(request.token))
    .executeTakeFirst();
  if (known === undefined) return unknownToken();
  const key = await readKey(request.openpgpKey);
  if (key.kind === 'invalid-key')
    return refuse(409, 'worker.invalid-key', `the worker's OpenPGP key cannot be used: ${key.reason}`);
  if (key.revoked || !(key.canSign || key.subkeys.some((subkey) => subkey.canSign && !subkey.revoked))) {
    return refuse(409, 'worker.invalid-key', "the worker's OpenPGP key cannot sign");
  }
  const packets = publicKeyPackets(request.openpgpKey);
  if (packets.kind === 'invalid-key') return refuse(409, 'worker.invalid-key', packets.reason);

  return await withTransaction(db, async (trx): Promise<JoinResult> => {
    const { rows } = await sql<{
      id: number;
      worker_name: string;
      worker_pool_id: number;
      pool: string;
      architectures: string[];
      expired: boolean;
      used_by_worker_id: number | null;
    }>`
      SELECT t.id, t.worker_name, t.worker_pool_id, p.name AS pool, t.architectures, t.expires_at <= now() AS expired,
        t.used_by_worker_id
      FROM join_tokens t JOIN worker_pools p ON p.id = t.worker_pool_id
      WHERE t.secret_sha256 = ${secretHash(request.token)}
      FOR UPDATE OF t`.execute(trx);
    const token = rows[0];
    if (token === undefined) return unknownToken();
    if (token.expired) return refuse(401, 'join.expired-token', 'the join token has expired; ask for a new one');

    const { secret, sha256 } = createSecret('lfw');
    const answer = {
      kind: 'joined',
      name: token.worker_name,
      pool: token.pool,
      architectures: token.architectures,
      secret,
    } as const;

    if (token.used_by_worker_id !== null) {
      const again = await sql<{ id: number }>`
        UPDATE workers SET secret_sha256 = ${sha256}
        WHERE id = ${token.used_by_worker_id} AND openpgp_fingerprint = ${key.fingerprint} AND last_contact_at IS NULL
          AND revoked_at IS NULL
        RETURNING id`.execute(trx);
      const worker = again.rows[0];
      if (worker !== undefined) return { ...answer, workerId: worker.id };
      return refuse(401, 'join.used-token', 'the join token was used; it is good for one join');
    }

    // Two joins of one name at the same moment come here one after the other.
    await sql`SELECT pg_advisory_xact_lock(hashtext('worker.join'))`.execute(trx);
    const taken = await trx
      .selectFrom('workers')
      .select(['name', 'openpgp_fingerprint', 'revoked_at'])
      .where((where) =>
        where.or([
          where.and([where('name', '=', token.worker_name), where('revoked_at', 'is', null)]),
          where('openpgp_fingerprint', '=', key.fingerprint),
        ]),
      )
      .executeTakeFirst();
    if (taken !== undefined) {
      const reason =
        taken.openpgp_fingerprint === key.fingerprint
          ? `this OpenPGP key belongs to worker ${taken.name}; every worker makes a key of its own`
          : `there is a worker ${taken.name} already; revoke it first, or choose another name`;
      await recordAudit(trx, {
        actor: 'landfall',
        action: 'worker.join-refused',
        subject: `worker ${token.worker_name}`,
        detail: { reason, fingerprint: key.fingerprint },
      });
      await recordEvent(trx, {
        kind: 'worker.join-refused',
        actor: 'landfall',
        data: { worker: token.worker_name, reason },
      });
      return refuse(409, 'worker.name-taken', reason);
    }
    const worker = await trx
      .insertInto('workers')
      .values({
        name: token.worker_name,
        worker_pool_id: token.worker_pool_id,
        architectures: token.architectures,
        secret_sha256: sha256,
        openpgp_fingerprint: key.fingerprint,
        openpgp_key: packets.bytes,
        revoked_at: null,
        last_contact_at: null,
        facts: jsonText(request.facts ?? {}),
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    await sql`UPDATE join_tokens SET used_at = now(), used_by_worker_id = ${worker.id} WHERE id = ${token.id}`.execute(
      trx,
    );
    const data = {
      worker: token.worker_name,
      pool: token.pool,
      architectures: token.architectures,
      fingerprint: key.fingerprint,
    };
    const actor = `worker:${token.worker_name}`;
    await recordEvent(trx, { kind: 'worker.joined', actor, data });
    await recordAudit(trx, { actor, action: 'worker.joined', subject: `worker ${token.worker_name}`, detail: data });
    return { ...answer, workerId: worker.id };
  });
}

function unknownToken(): JoinResult {
  return refuse(401, 'join.unknown-token', 'the join token is not known');
}

function refuse(status: 401 | 409, code: string, reason: string): JoinResult {
  return { kind: 'refused', status, code, reason };
}
