/** What may become what: in code and in the database. */
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addJob, addWorker, mustClaim, type JoinedWorker } from '../../test/scenarios/lighthouse.ts';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { isCheckViolation, withTransaction, type Db } from '../platform/database.ts';
import { attemptTransitions, jobTransitions, type AttemptState, type JobState } from './model.ts';

let database: TestDatabase;

let db: Db;

let worker: JoinedWorker;

beforeEach(async () => {
  database = await createTestDatabase();
  db = database.db;
  worker = await addWorker(db, 'w1');
});

afterEach(async () => await database.drop());

describe('the states', () => {
  async function triggerMoves(table: string): Promise<string[]> {
    const { rows } = await sql<{ definition: string }>`
      SELECT pg_get_triggerdef(oid) AS definition FROM pg_trigger WHERE tgname = ${`${table}_transition`}`.execute(db);
    return [...(rows[0]?.definition ?? '').matchAll(/'([a-z-]+>[a-z-]+)'/g)].map((match) => match[1] ?? '').sort();
  }

  test('the moves of a job in code are those of the database', async () => {
    expect(await triggerMoves('jobs')).toEqual(jobTransitions());
  });

  test('the moves of an attempt in code are those of the database', async () => {
    expect(await triggerMoves('attempts')).toEqual(attemptTransitions());
  });

  test('the database refuses every move of a job that is not listed', async () => {
    const states: JobState[] = [
      'blocked',
      'ready',
      'leased',
      'delivered',
      'succeeded',
      'failed',
      'quarantined',
      'cancelled',
    ];
    const legal = new Set(jobTransitions());
    for (const from of states) {
      for (const to of states) {
        const jobId = await addJob(db);
        const set = (state: JobState): Promise<unknown> =>
          sql`UPDATE jobs SET state = ${state}, blocked_because = ${state === 'blocked' ? 'why' : null},
            failure_code = 'x', failure_reason = 'x' WHERE id = ${jobId}`.execute(db);
        await withTransaction(db, async (trx) => {
          await sql`SET LOCAL session_replication_role = replica`.execute(trx);
          await sql`UPDATE jobs SET state = ${from}, blocked_because = ${from === 'blocked' ? 'why' : null},
            failure_code = 'x', failure_reason = 'x' WHERE id = ${jobId}`.execute(trx);
        });
        const outcome = await set(to).then(
          () => 'moved',
          (error: unknown) => (isCheckViolation(error, 'jobs_state_transition') ? 'refused' : error),
        );
        expect([from, to, outcome]).toEqual([
          from,
          to,
          from === to || legal.has(`${from}>${to}`) ? 'moved' : 'refused',
        ]);
      }
    }
  });

  test('the database refuses every move of an attempt that is not listed', async () => {
    const states: AttemptState[] = [
      'running',
      'delivered',
      'succeeded',
      'failed',
      'lost',
      'infrastructure-failed',
      'cancelled',
    ];
    const legal = new Set(attemptTransitions());
    for (const from of states) {
      for (const to of states) {
        await addJob(db);
        const { attemptId } = await mustClaim(db, worker);
        const columns = (state: AttemptState) => sql`state = ${state}, delivered_at = now(),
          ended_at = ${state === 'running' || state === 'delivered' ? null : new Date()}`;
        await withTransaction(db, async (trx) => {
          await sql`SET LOCAL session_replication_role = replica`.execute(trx);
          await sql`UPDATE attempts SET ${columns(from)} WHERE id = ${attemptId}`.execute(trx);
        });
        const outcome = await sql`UPDATE attempts SET ${columns(to)} WHERE id = ${attemptId}`.execute(db).then(
          () => 'moved',
          (error: unknown) => (isCheckViolation(error, 'attempts_state_transition') ? 'refused' : error),
        );
        expect([from, to, outcome]).toEqual([
          from,
          to,
          from === to || legal.has(`${from}>${to}`) ? 'moved' : 'refused',
        ]);
      }
    }
  });
});
