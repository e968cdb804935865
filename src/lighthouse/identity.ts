/**
 * Who a worker is. The one place that turns a credential into an identity: when workers speak mutual TLS, the certificate's
 * fingerprint takes the secret's place here and nothing else changes.
 *
 * Every request is looked up, so that a revocation takes effect with the next one (H34).
 */
import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Db } from '../platform/database.ts';

export interface WorkerIdentity {
  readonly kind: 'worker';
  readonly workerId: number;
  readonly name: string;
  readonly workerPoolId: number;
  readonly workerPool: string;
  readonly architectures: readonly string[];
  /** Of the OpenPGP key that signs what it uploads. */
  readonly openpgpFingerprint: string;
}

/** A secret that is shown once; only its hash is kept. */
export interface Secret {
  readonly secret: string;
  readonly sha256: Buffer;
}

/** The prefix says what a found secret opens: `lfw_` a worker's requests, `lfj_` one join. */
export function createSecret(prefix: 'lfw' | 'lfj'): Secret {
  const secret = `${prefix}_${randomBytes(32).toString('base64url')}`;
  return { secret, sha256: secretHash(secret) };
}

export function secretHash(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest();
}

/** The worker whose secret this is; undefined when there is none or it was revoked. Notes that it made contact. */
export async function authenticateWorker(db: Db, secret: string): Promise<WorkerIdentity | undefined> {
  if (!/^lfw_[A-Za-z0-9_-]{43}$/.test(secret)) return undefined;
  const { rows } = await sql<{
    id: number;
    name: string;
    worker_pool_id: number;
    pool: string;
    architectures: string[];
    openpgp_fingerprint: string;
    contact_is_old: boolean;
  }>`
    SELECT w.id, w.name, w.worker_pool_id, p.name AS pool, w.architectures, w.openpgp_fingerprint,
      w.last_contact_at IS NULL OR w.last_contact_at < now() - interval '5 seconds' AS contact_is_old
    FROM workers w JOIN worker_pools p ON p.id = w.worker_pool_id
    WHERE w.secret_sha256 = ${secretHash(secret)} AND w.revoked_at IS NULL`.execute(db);
  const row = rows[0];
  if (row === undefined) return undefined;
  if (row.contact_is_old) {
    await sql`UPDATE workers SET last_contact_at = now() WHERE id = ${row.id}`.execute(db);
  }
  return {
    kind: 'worker',
    workerId: row.id,
    name: row.name,
    workerPoolId: row.worker_pool_id,
    workerPool: row.pool,
    architectures: row.architectures,
    openpgpFingerprint: row.openpgp_fingerprint,
  };
}
