import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { isCheckViolation, withTransaction, type Trx } from './database.ts';
import {
  currentEventCursor,
  FIRST_EVENT,
  parseEventCursor,
  readEvents,
  recordAudit,
  recordEvent,
  type EventCursor,
} from './events.ts';

let world: TestDatabase;
beforeAll(async () => {
  world = await createTestDatabase();
});
afterAll(async () => {
  await world.drop();
});

async function record(n: number, audience = 'public'): Promise<void> {
  await withTransaction(world.db, async (trx) => await event(trx, n, audience));
}

async function event(trx: Trx, n: number, audience = 'public'): Promise<void> {
  await recordEvent(trx, { kind: 'tag.seen', actor: 'landfall', audience, data: { n } });
}

/** Other tests write to the same server and so hold events back for a moment: waits until none is. */
async function settle(): Promise<void> {
  while ((await readEvents(world.db, { limit: 1_000, audiences: ['public'] })).pending) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function now(): Promise<EventCursor> {
  await settle();
  return await currentEventCursor(world.db);
}

async function numbersAfter(after: EventCursor, limit = 100, audiences = ['public']) {
  const { events, cursor } = await readEvents(world.db, { after, limit, audiences });
  return { numbers: events.map(({ data }) => data.n), cursor };
}

describe('events', () => {
  test('are read in pages, each once', async () => {
    const start = await now();
    for (let n = 1; n <= 5; n += 1) await record(n);
    await settle();
    const first = await numbersAfter(start, 2);
    const second = await numbersAfter(first.cursor, 2);
    const third = await numbersAfter(second.cursor, 2);
    expect([first.numbers, second.numbers, third.numbers]).toEqual([[1, 2], [3, 4], [5]]);
    expect((await numbersAfter(third.cursor)).numbers).toEqual([]);
  });

  test('that commit late are not skipped, although younger ones were there before', async () => {
    const start = await now();
    let cursor = start;
    const seen: unknown[] = [];
    const read = async (): Promise<void> => {
      const page = await numbersAfter(cursor);
      seen.push(...page.numbers);
      cursor = page.cursor;
    };
    await withTransaction(world.db, async (slow) => {
      await event(slow, 1);
      await record(2);
      // The younger one waits for the older, so that the cursor cannot pass it.
      await read();
      expect(seen).toEqual([]);
      expect((await readEvents(world.db, { after: cursor, limit: 1, audiences: ['public'] })).pending).toBe(true);
    });
    await settle();
    await read();
    await record(3);
    await settle();
    await read();
    expect(seen).toEqual([1, 2, 3]);
  });

  test('written by many at once reach a reader exactly once', async () => {
    let cursor = await now();
    const seen: unknown[] = [];
    const writers = { busy: true };
    const reader = (async () => {
      for (let last = false; !last;) {
        last = !writers.busy;
        const page = await numbersAfter(cursor, 7);
        seen.push(...page.numbers);
        cursor = page.cursor;
        if (page.numbers.length === 7) last = false;
      }
    })();
    await Promise.all(
      [0, 1, 2].map(async (writer) => {
        for (let n = 0; n < 40; n += 1) await record(writer * 40 + n);
      }),
    );
    await settle();
    writers.busy = false;
    await reader;
    expect(seen).toHaveLength(120);
    expect(new Set(seen).size).toBe(120);
  });

  test('for a group are seen by that group alone, and a cursor passes them', async () => {
    const start = await now();
    await record(1, 'group:security');
    await record(2);
    await settle();
    expect((await numbersAfter(start)).numbers).toEqual([2]);
    expect((await numbersAfter(start, 100, ['public', 'group:security'])).numbers).toEqual([1, 2]);
    expect((await numbersAfter(start, 100, [])).numbers).toEqual([]);
  });

  test('inherit the audience of their submission', async () => {
    const { db } = world;
    const start = await now();
    const submissionId = await withTransaction(db, async (trx) => {
      const pool = await trx.insertInto('worker_pools').values({ name: 'p' }).returning('id').executeTakeFirstOrThrow();
      const archive = await trx
        .insertInto('archives')
        .values({
          name: 'quiet',
          audience: 'group:security',
          origin: '',
          label: '',
          description: '',
          worker_pool_id: pool.id,
        })
        .returning('id')
        .executeTakeFirstOrThrow();
      const { id } = await trx
        .insertInto('submissions')
        .values({ origin: 'tag', archive_id: archive.id, audience: 'group:security' })
        .returning('id')
        .executeTakeFirstOrThrow();
      await recordEvent(trx, { kind: 'tag.accepted', submissionId: id, actor: 'landfall' });
      return id;
    });
    await settle();
    expect((await readEvents(db, { after: start, limit: 10, audiences: ['public'] })).events).toEqual([]);
    const { events } = await readEvents(db, {
      after: FIRST_EVENT,
      limit: 10,
      audiences: ['group:security'],
      submissionId,
    });
    expect(events).toMatchObject([{ kind: 'tag.accepted', submissionId, audience: 'group:security', data: {} }]);
  });

  test('that are rolled back were never there', async () => {
    const start = await now();
    await expect(
      withTransaction(world.db, async (trx) => {
        await event(trx, 1);
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    await record(2);
    await settle();
    expect((await numbersAfter(start)).numbers).toEqual([2]);
  });

  test('I6 are only added, and so is the audit', async () => {
    await record(1);
    await withTransaction(world.db, async (trx) => {
      await recordAudit(trx, {
        actor: 'landfall',
        action: 'thing.changed',
        subject: 'thing',
        detail: { text: 'a\0b' },
      });
    });
    for (const statement of ['UPDATE events SET actor = $$x$$', 'DELETE FROM events', 'DELETE FROM audit']) {
      await expect(sql.raw(statement).execute(world.db)).rejects.toSatisfy((error: unknown) => isCheckViolation(error));
    }
  });
});

test('a cursor is read as it was written, and nothing else is one', () => {
  expect(parseEventCursor('0-0')).toBe('0-0');
  expect(parseEventCursor('18446744073709551615-1')).toBe('18446744073709551615-1');
  for (const wrong of [
    '',
    '1',
    '-1-1',
    '1-1-1',
    '01-1',
    '1-',
    '18446744073709551616-1',
    '1-9007199254740993',
    "1-1' --",
  ]) {
    expect(parseEventCursor(wrong)).toBeUndefined();
  }
});
