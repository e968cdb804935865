/**
 * The log of an attempt, kept whole. It is added to while the work runs: each piece says where it begins, so that a piece which
 * was sent twice changes nothing, and one after a lost piece is refused with the place to go on from. It is read by byte range
 * in bounded memory, and can be followed while it grows.
 */
import { sql } from 'kysely';
import { withTransaction, type Db, type JsonObject } from '../platform/database.ts';
import { holdAttempt } from './attempts.ts';
import type { WorkerIdentity } from './identity.ts';
import type { AttemptState } from './model.ts';
import { createWaiter, type Signals } from './signals.ts';
import { ATTEMPT_LOG, notify, type Refusal } from './store.ts';

export type AppendResult =
  | { readonly kind: 'appended'; readonly size: number }
  /** Bytes between `expected` and the offset are missing; send from `expected` on. */
  | { readonly kind: 'gap'; readonly expected: number }
  /** Other bytes are at this place already. */
  | { readonly kind: 'differs'; readonly expected: number }
  /** The log has its greatest length; what fits was kept. */
  | { readonly kind: 'full'; readonly size: number; readonly limit: number }
  | Refusal;

/** Longest log, unless the job's limit `logBytes` says otherwise. The worker stops a build long before it. */
export const MAX_LOG_BYTES = 1024 * 1024 * 1024;

/** A row holds at most this much, so that a reader of a range reads little beside it. */
const CHUNK_BYTES = 64 * 1024;
/** What a reader holds in memory at a time. */
const READ_BYTES = 256 * 1024;

/** Adds `bytes` at `offset`; what is there already is left out after it was compared. */
export async function appendLog(
  db: Db,
  identity: WorkerIdentity,
  attemptId: number,
  token: number,
  offset: number,
  bytes: Uint8Array,
): Promise<AppendResult> {
  return await withTransaction(db, async (trx) => {
    const held = await holdAttempt(trx, identity, attemptId, token);
    if (held.kind === 'refused') return held;
    const size = await logSize(trx, attemptId);
    if (offset > size) return { kind: 'gap', expected: size };
    const known = Math.min(size - offset, bytes.length);
    if (known > 0) {
      const there = await readBytes(trx, attemptId, offset, known);
      if (!there.equals(bytes.subarray(0, known))) return { kind: 'differs', expected: size };
    }
    const limit = logLimit(held.limits);
    const fresh = bytes.subarray(known, known + Math.max(0, limit - size));
    for (let start = 0; start < fresh.length; start += CHUNK_BYTES) {
      await trx
        .insertInto('log_chunks')
        .values({
          attempt_id: attemptId,
          start: size + start,
          bytes: Buffer.from(fresh.subarray(start, start + CHUNK_BYTES)),
        })
        .execute();
    }
    if (fresh.length > 0) await notify(trx, ATTEMPT_LOG, String(attemptId));
    const after = size + fresh.length;
    if (known + fresh.length < bytes.length) return { kind: 'full', size: after, limit };
    return { kind: 'appended', size: after };
  });
}

/** Bytes of the log so far. */
export async function logSize(db: Db, attemptId: number): Promise<number> {
  const { rows } = await sql<{ size: number }>`
    SELECT start + length(bytes) AS size FROM log_chunks WHERE attempt_id = ${attemptId} ORDER BY start DESC LIMIT 1`.execute(
    db,
  );
  return rows[0]?.size ?? 0;
}

export interface LogRange {
  readonly offset: number;
  /** Absent: to the end, as it is when it is reached. */
  readonly length?: number;
}

/** The bytes of a range, in pieces of at most 256 KiB. A range beyond the end has no bytes. */
export async function* readLog(
  db: Db,
  attemptId: number,
  range: LogRange = { offset: 0 },
): AsyncGenerator<Buffer, void, undefined> {
  let offset = range.offset;
  const end = range.length === undefined ? Number.MAX_SAFE_INTEGER : offset + range.length;
  while (offset < end) {
    const piece = await readBytes(db, attemptId, offset, Math.min(READ_BYTES, end - offset));
    if (piece.length === 0) return;
    offset += piece.length;
    yield piece;
  }
}

export interface FollowOptions {
  readonly from?: number;
  readonly signal?: AbortSignal;
  /** How often to look without a signal; default 2 s. */
  readonly pollMs?: number;
}

/** The log from `from` on, and what is added to it, until the attempt is over and everything was handed out. */
export async function* followLog(
  deps: { readonly db: Db; readonly signals: Signals },
  attemptId: number,
  options: FollowOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  const waiter = createWaiter();
  const unsubscribe = deps.signals.subscribe(ATTEMPT_LOG, String(attemptId), waiter.wake);
  let offset = options.from ?? 0;
  try {
    while (options.signal?.aborted !== true) {
      // Asked before reading: what was added before the end is then read.
      const over = await isOver(deps.db, attemptId);
      for await (const piece of readLog(deps.db, attemptId, { offset })) {
        offset += piece.length;
        yield piece;
      }
      if (over) return;
      await waiter.wait(options.pollMs ?? 2_000, options.signal);
    }
  } finally {
    unsubscribe();
  }
}

export interface AttemptView {
  readonly id: number;
  readonly jobId: number;
  readonly traceId: number;
  /** Who may see its log. */
  readonly audience: string;
  readonly state: AttemptState;
  readonly logSize: number;
}

/** What a reader of a log must know before it is shown. */
export async function getAttempt(db: Db, attemptId: number): Promise<AttemptView | undefined> {
  const { rows } = await sql<{
    job_id: number;
    trace_id: number;
    audience: string;
    state: AttemptState;
    size: number;
  }>`
    SELECT a.job_id, j.trace_id, j.audience, a.state,
      coalesce((SELECT c.start + length(c.bytes) FROM log_chunks c WHERE c.attempt_id = a.id ORDER BY c.start DESC LIMIT 1), 0) AS size
    FROM attempts a JOIN jobs j ON j.id = a.job_id
    WHERE a.id = ${attemptId}`.execute(db);
  const row = rows[0];
  return row === undefined
    ? undefined
    : {
        id: attemptId,
        jobId: row.job_id,
        traceId: row.trace_id,
        audience: row.audience,
        state: row.state,
        logSize: row.size,
      };
}

async function isOver(db: Db, attemptId: number): Promise<boolean> {
  const { rows } = await sql<{ state: AttemptState }>`SELECT state FROM attempts WHERE id = ${attemptId}`.execute(db);
  return rows[0]?.state !== 'running';
}

/** At most `length` bytes from `offset`: fewer at the end. */
async function readBytes(db: Db, attemptId: number, offset: number, length: number): Promise<Buffer> {
  const end = offset + length;
  // The chunk that `offset` lies in begins at most one chunk's length before it.
  const { rows } = await sql<{ piece: Buffer }>`
    SELECT substring(bytes FROM greatest(${offset}::bigint - start, 0)::integer + 1
      FOR (${end}::bigint - greatest(${offset}::bigint, start))::integer) AS piece
    FROM log_chunks
    WHERE attempt_id = ${attemptId} AND start > ${offset - CHUNK_BYTES}::bigint AND start < ${end}::bigint
      AND start + length(bytes) > ${offset}::bigint
    ORDER BY start`.execute(db);
  return Buffer.concat(rows.map((row) => row.piece));
}

function logLimit(limits: JsonObject): number {
  const asked = limits.logBytes;
  return typeof asked === 'number' && asked > 0 ? Math.min(asked, MAX_LOG_BYTES) : MAX_LOG_BYTES;
}
