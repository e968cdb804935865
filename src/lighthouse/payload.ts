/**
 * What the job of an attempt asks for, for the worker that holds it: by this the HTTP layer knows which files a worker may
 * fetch with its lease.
 */
import { sql } from 'kysely';
import type { Db, JsonValue } from '../platform/database.ts';
import { explainRefusal } from './attempts.ts';
import type { WorkerIdentity } from './identity.ts';
import type { Refusal } from './store.ts';

/** The payload, while the lease holds; else why not. */
export async function payloadOfAttempt(
  db: Db,
  identity: WorkerIdentity,
  attemptId: number,
  token: number,
): Promise<{ readonly kind: 'held'; readonly payload: JsonValue } | Refusal> {
  const { rows } = await sql<{ payload: JsonValue }>`
    SELECT j.payload FROM attempts a JOIN jobs j ON j.id = a.job_id JOIN workers w ON w.id = a.worker_id
    WHERE a.id = ${attemptId} AND a.worker_id = ${identity.workerId} AND a.token = ${token} AND a.state = 'running'
      AND w.revoked_at IS NULL`.execute(db);
  const row = rows[0];
  return row === undefined
    ? await explainRefusal(db, identity, attemptId, token)
    : { kind: 'held', payload: row.payload };
}
