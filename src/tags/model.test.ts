import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { afterStep, CHECKS, isDecided, mayBeRedecided, retryDelayMs, type TagState, type TagStep } from './model.ts';

const STATES: readonly TagState[] = ['seen', 'obstructed', 'accepted', 'rejected'];
const STEPS: readonly TagStep[] = ['accept', 'reject', 'obstruct', 'accept-after-redecision'];

test('the database allows exactly the moves of the model', async () => {
  const sql = await readFile(join(import.meta.dirname, '..', '..', 'migrations', '0001_path.sql'), 'utf8');
  const trigger = /CREATE TRIGGER tags_transition [^;]*;/.exec(sql)?.[0] ?? '';
  const inDatabase = new Set([...trigger.matchAll(/'(\w+>\w+)'/g)].map(([, move]) => move));
  const inModel = new Set<string>();
  for (const from of STATES) {
    for (const step of STEPS) {
      const to = afterStep(from, step);
      if (to !== undefined && to !== from) inModel.add(`${from}>${to}`);
    }
  }
  expect(inModel).toEqual(inDatabase);
});

test('a decision is final, an obstacle is not', () => {
  expect(STATES.filter(isDecided)).toEqual(['accepted', 'rejected']);
  expect(STEPS.map((step) => afterStep('accepted', step))).toEqual([undefined, undefined, undefined, undefined]);
  expect(afterStep('obstructed', 'obstruct')).toBe('obstructed');
});

test('the checks are numbered in their order, each with a code of its own', () => {
  const numbers = CHECKS.map(({ number }) => number);
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  expect(new Set(numbers).size).toBe(15);
  expect(new Set(CHECKS.map(({ code }) => code)).size).toBe(CHECKS.length);
});

test('the reference of the checks lists them all, in their order', async () => {
  const text = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'reference', 'tag-checks.md'), 'utf8');
  const listed = [...text.matchAll(/^\| (\d+) +\| `([a-z.-]+)` /gm)].map(
    ([, number, code]) => `${number ?? ''} ${code ?? ''}`,
  );
  expect(listed).toEqual(CHECKS.map(({ number, code }) => `${number} ${code}`));
});

test('only what is the administrator’s to mend is decided again', () => {
  expect(CHECKS.filter(({ code }) => mayBeRedecided(code)).map(({ code }) => code)).toEqual([
    'signer.known',
    'signer.permission',
    'tag.fresh',
  ]);
});

test('retries come later and later, at most an hour apart', () => {
  expect([1, 2, 3, 8, 9, 240].map(retryDelayMs)).toEqual([15_000, 30_000, 60_000, 1_920_000, 3_600_000, 3_600_000]);
});
