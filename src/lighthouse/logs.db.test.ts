import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addJob, addWorker, mustClaim, type JoinedWorker, type Running } from '../../test/scenarios/lighthouse.ts';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { withTransaction, type Db } from '../platform/database.ts';
import { listen } from '../platform/notifications.ts';
import {
  LIGHTHOUSE_CHANNELS,
  appendLog,
  createSignals,
  deliver,
  followLog,
  getAttempt,
  logSize,
  readLog,
} from './index.ts';

let database: TestDatabase;
let db: Db;
let worker: JoinedWorker;
let running: Running;

beforeEach(async () => {
  database = await createTestDatabase();
  db = database.db;
  worker = await addWorker(db, 'w1');
  await addJob(db);
  running = await mustClaim(db, worker);
});
afterEach(async () => await database.drop());

const append = async (offset: number, bytes: Uint8Array | string) =>
  await appendLog(db, worker, running.attemptId, running.token, offset, Buffer.from(bytes));
async function read(offset = 0, length?: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const range = length === undefined ? { offset } : { offset, length };
  for await (const piece of readLog(db, running.attemptId, range)) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('adding to a log', () => {
  test('the same bytes again change nothing, an overlap is trimmed, a gap is refused with the place to go on from', async () => {
    expect(await append(0, 'hello ')).toEqual({ kind: 'appended', size: 6 });
    expect(await append(0, 'hello ')).toEqual({ kind: 'appended', size: 6 });
    expect(await append(3, 'lo world')).toEqual({ kind: 'appended', size: 11 });
    expect(await append(20, 'later')).toEqual({ kind: 'gap', expected: 11 });
    expect(await append(0, 'HELLO world')).toEqual({ kind: 'differs', expected: 11 });
    expect(await append(11, '')).toEqual({ kind: 'appended', size: 11 });
    expect((await read()).toString()).toBe('hello world');
  });

  test('the same piece sent twice at the same moment is there once', async () => {
    await Promise.all([append(0, 'abc'), append(0, 'abc'), append(0, 'abcdef')]);
    expect(['abc', 'abcdef']).toContain((await read()).toString());
    await append(0, 'abcdef');
    expect((await read()).toString()).toBe('abcdef');
  });

  test('H59 a log beyond its limit keeps what fits and says that it is full', async () => {
    await addJob(db, { limits: { logBytes: 10 } });
    const limited = await mustClaim(db, worker);
    const say = async (offset: number, text: string) =>
      await appendLog(db, worker, limited.attemptId, limited.token, offset, Buffer.from(text));
    expect(await say(0, '0123456')).toEqual({ kind: 'appended', size: 7 });
    expect(await say(7, '789abc')).toEqual({ kind: 'full', size: 10, limit: 10 });
    expect(await say(10, 'more')).toEqual({ kind: 'full', size: 10, limit: 10 });
    expect(await logSize(db, limited.attemptId)).toBe(10);
  });

  test('is refused after the attempt delivered, and to anybody else', async () => {
    const other = await addWorker(db, 'w2');
    expect(await appendLog(db, other, running.attemptId, running.token, 0, Buffer.from('x'))).toMatchObject({
      kind: 'refused',
      status: 403,
    });
    expect(await appendLog(db, worker, running.attemptId, running.token + 1, 0, Buffer.from('x'))).toMatchObject({
      kind: 'refused',
      status: 409,
    });
    await withTransaction(db, (trx) => deliver(trx, worker, running.attemptId, running.token));
    expect(await append(0, 'x')).toMatchObject({ kind: 'refused', status: 410, code: 'attempt.delivered' });
  });
});

test('however a log is cut into pieces, and whatever range is read, the bytes are those of the log', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 5_000 }),
      fc.integer({ min: 1, max: 200 }),
      fc.array(fc.nat(5_000), { maxLength: 12 }),
      fc.array(fc.tuple(fc.nat(400_000), fc.nat(300_000)), { minLength: 1, maxLength: 4 }),
      async (seed, repeats, cuts, ranges) => {
        await addJob(db);
        running = await mustClaim(db, worker);
        const whole = Buffer.concat(
          Array.from({ length: Math.min(repeats, Math.ceil(300_000 / seed.length)) }, () => Buffer.from(seed)),
        );
        const places = [...new Set([0, ...cuts.map((cut) => cut % whole.length), whole.length])].sort((a, b) => a - b);
        for (const [index, start] of places.entries()) {
          const end = places[index + 1];
          if (end === undefined) break;
          // Each piece also brings a little of what was sent before.
          const from = Math.max(0, start - (index % 3) * 7);
          expect(await append(from, whole.subarray(from, end))).toEqual({ kind: 'appended', size: end });
        }
        expect((await read()).equals(whole)).toBe(true);
        for (const [offset, length] of ranges) {
          expect((await read(offset, length)).equals(whole.subarray(offset, offset + length))).toBe(true);
        }
      },
    ),
    { numRuns: 12 },
  );
});

test('H98 a range of a long log is read in pieces of bounded size', async () => {
  const piece = Buffer.alloc(1024 * 1024, 'x');
  for (let index = 0; index < 8; index += 1) await append(index * piece.length, piece);
  let largest = 0;
  let total = 0;
  for await (const part of readLog(db, running.attemptId)) {
    largest = Math.max(largest, part.length);
    total += part.length;
  }
  expect([largest <= 256 * 1024, total]).toEqual([true, 8 * 1024 * 1024]);
  expect(await getAttempt(db, running.attemptId)).toMatchObject({
    audience: 'public',
    logSize: 8 * 1024 * 1024,
    state: 'running',
  });
});

describe('following a log', () => {
  test('brings what is there, then what is added, and ends with the attempt; woken by NOTIFY alone', async () => {
    const signals = createSignals();
    const listener = await listen(database.connection, {
      channels: LIGHTHOUSE_CHANNELS,
      onNotification: signals.notify,
    });
    try {
      await append(0, 'one\n');
      const seen: string[] = [];
      const reader = (async () => {
        for await (const piece of followLog({ db, signals }, running.attemptId, { pollMs: 600_000 })) {
          seen.push(piece.toString());
          if (seen.join('') === 'one\n') await append(4, 'two\n');
          else if (seen.join('') === 'one\ntwo\n')
            await withTransaction(db, (trx) => deliver(trx, worker, running.attemptId, running.token));
        }
      })();
      await reader;
      expect(seen.join('')).toBe('one\ntwo\n');
    } finally {
      await listener.stop();
    }
  });

  test('goes on from an offset, also by polling alone, and ends when its reader goes away', async () => {
    await append(0, 'one\ntwo\n');
    const leave = new AbortController();
    const seen: string[] = [];
    for await (const piece of followLog({ db, signals: createSignals() }, running.attemptId, {
      from: 4,
      pollMs: 5,
      signal: leave.signal,
    })) {
      seen.push(piece.toString());
      if (seen.length === 1) await append(8, 'three\n');
      else leave.abort();
    }
    expect(seen).toEqual(['two\n', 'three\n']);
  });

  test('of an attempt that does not exist ends at once', async () => {
    const seen: Buffer[] = [];
    for await (const piece of followLog({ db, signals: createSignals() }, 999_999)) seen.push(piece);
    expect(seen).toEqual([]);
    expect(await getAttempt(db, 999_999)).toBeUndefined();
  });
});
