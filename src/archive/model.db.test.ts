import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { nextPublicationState, PUBLICATION_MOVES, UPLOAD_MOVES, uploadMayMove } from './model.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => {
  await database.drop();
});

/** The moves that a table's trigger allows. */
async function movesOf(trigger: string): Promise<string[]> {
  const { rows } = await sql<{ definition: string }>`
    SELECT pg_get_triggerdef(oid) AS definition FROM pg_trigger WHERE tgname = ${trigger}`.execute(database.db);
  return [...(rows[0]?.definition ?? '').matchAll(/'([a-z]+>[a-z]+)'/g)].map(([, move]) => move ?? '').sort();
}

describe('the states of uploads and publications', () => {
  it('move in the code as in the database', async () => {
    expect(await movesOf('uploads_transition')).toEqual([...UPLOAD_MOVES].sort());
    expect(await movesOf('publications_transition')).toEqual([...PUBLICATION_MOVES].sort());
  });

  it('of a publication follow one after the other', () => {
    for (const move of PUBLICATION_MOVES) {
      const [from, to] = move.split('>');
      const states = ['writing', 'written', 'signed', 'published'] as const;
      const state = states.find((one) => one === from);
      expect(state === undefined ? undefined : nextPublicationState(state)).toBe(to);
    }
    expect(nextPublicationState('published')).toBeUndefined();
  });

  it('of an upload end with accepted and rejected', () => {
    for (const end of ['accepted', 'rejected'] as const) {
      for (const to of ['received', 'held', 'accepted', 'rejected'] as const)
        expect(uploadMayMove(end, to)).toBe(false);
    }
  });
});
