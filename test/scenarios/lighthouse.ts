/** Pools, workers and jobs for tests of whatever hands out work. */
import { sql } from 'kysely';
import { randomBytes } from 'node:crypto';
import { createJob, ensureWorkerPool, type NewJob, type WorkerIdentity } from '../../src/lighthouse/index.ts';
import { createSecret } from '../../src/lighthouse/identity.ts';
import { claimJobs } from '../../src/lighthouse/leases.ts';
import { withTransaction, type Db } from '../../src/platform/database.ts';

export interface JoinedWorker extends WorkerIdentity {
  /** What it authenticates with. */
  readonly secret: string;
}

/** A worker as a join leaves it; its key is 64 random bytes, for tests that verify no signature. */
export async function addWorker(
  db: Db,
  name: string,
  options: { readonly pool?: string; readonly architectures?: readonly string[]; readonly inContact?: boolean } = {},
): Promise<JoinedWorker> {
  const pool = options.pool ?? 'trusted';
  const architectures = options.architectures ?? ['amd64'];
  const { secret, sha256 } = createSecret('lfw');
  const openpgpFingerprint = randomBytes(20).toString('hex').toUpperCase();
  const workerPoolId = await withTransaction(db, async (trx) => await ensureWorkerPool(trx, pool));
  const row = await db
    .insertInto('workers')
    .values({
      name,
      worker_pool_id: workerPoolId,
      architectures: [...architectures],
      secret_sha256: sha256,
      openpgp_fingerprint: openpgpFingerprint,
      openpgp_key: randomBytes(64),
      revoked_at: null,
      last_contact_at: options.inContact === false ? null : new Date(),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return {
    kind: 'worker',
    workerId: row.id,
    name,
    workerPoolId,
    workerPool: pool,
    architectures,
    openpgpFingerprint,
    secret,
  };
}

let keys = 0;

/** A job of pool `trusted` for amd64, unless said otherwise. Returns its id. */
export async function addJob(db: Db, job: Partial<NewJob> & { readonly pool?: string } = {}): Promise<number> {
  keys += 1;
  const key = `test-${keys}`;
  const { pool, ...rest } = job;
  return await withTransaction(db, async (trx) => {
    return await createJob(trx, {
      traceId: 1,
      audience: 'public',
      kind: 'test',
      key,
      fairGroup: 'hello',
      workerPoolId: await ensureWorkerPool(trx, pool ?? 'trusted'),
      architecture: 'amd64',
      payload: {},
      ...rest,
    });
  });
}

export interface Running {
  readonly jobId: number;
  readonly attemptId: number;
  readonly token: number;
}

/** The next job for a worker. */
export async function claim(db: Db, worker: WorkerIdentity): Promise<Running | undefined> {
  const [lease] = await claimJobs(db, [worker.workerId]);
  return lease;
}

/** As {@link claim}, where there must be a job. */
export async function mustClaim(db: Db, worker: WorkerIdentity): Promise<Running> {
  const running = await claim(db, worker);
  if (running === undefined) throw new Error(`there is no job for ${worker.name}`);
  return running;
}

export async function jobRow(db: Db, jobId: number) {
  return await db.selectFrom('jobs').selectAll().where('id', '=', jobId).executeTakeFirstOrThrow();
}

export async function attemptRow(db: Db, attemptId: number) {
  return await db.selectFrom('attempts').selectAll().where('id', '=', attemptId).executeTakeFirstOrThrow();
}

/** Of all events, in their order. */
export async function eventKinds(db: Db): Promise<string[]> {
  return (await db.selectFrom('events').select('kind').orderBy('id').execute()).map((row) => row.kind);
}

/** Every lease has run out a second ago. */
export async function letLeasesRunOut(db: Db): Promise<void> {
  await sql`UPDATE attempts SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE state = 'running'`.execute(
    db,
  );
}

/** No job waits any more before it is tried again. */
export async function skipPause(db: Db): Promise<void> {
  await sql`UPDATE jobs SET not_before = now() - interval '1 second'`.execute(db);
}

/** Background tasks that wait, in their order. */
export async function queuedTasks(db: Db): Promise<{ task: string; payload: unknown }[]> {
  const { rows } = await sql<{ task: string; payload: unknown }>`
    SELECT t.identifier AS task, j.payload
    FROM graphile_worker._private_jobs j JOIN graphile_worker._private_tasks t ON t.id = j.task_id ORDER BY j.id`.execute(
    db,
  );
  return rows;
}
