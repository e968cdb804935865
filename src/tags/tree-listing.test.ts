import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readTreeListing, type ListingProblem, type TreeListing } from './tree-listing.ts';

const ID = 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391';

function list(records: readonly string[], maxBytes = 1_000_000, chunk = 1_000_000): TreeListing | ListingProblem {
  const reader = readTreeListing(
    { commitId: '0'.repeat(40), treeId: '9'.repeat(40) },
    maxBytes,
    (path) => path === 'debian/control',
  );
  const bytes = Buffer.from(records.map((record) => `${record}\0`).join(''));
  for (let at = 0; at < bytes.length; at += chunk) if (!reader.push(bytes.subarray(at, at + chunk))) break;
  return reader.finish();
}

const file = (path: string, size = 1, mode = '100644'): string =>
  `${mode} blob ${ID} ${String(size).padStart(7)}\t${path}`;

test('a listing gives sizes, objects and what was asked for, however it is cut', () => {
  const records = [
    `040000 tree ${'1'.repeat(40)}       -\tdebian`,
    file('debian/control', 12),
    file('link', 3, '120000'),
    `160000 commit ${'2'.repeat(40)}       -\tvendor/lib`,
  ];
  for (const chunk of [1, 7, 1000]) {
    const listing = list(records, 100, chunk);
    if ('kind' in listing) throw new Error(listing.reason);
    expect([...listing.objectIds]).toEqual(['1'.repeat(40), ID]);
    expect(listing).toMatchObject({ files: 3, bytes: 15, submodules: ['vendor/lib'] });
    expect([...listing.wanted]).toEqual([['debian/control', { mode: '100644', type: 'blob', objectId: ID, size: 12 }]]);
  }
});

describe('H71 names that are not names of files', () => {
  test.each([
    '.git',
    '.GIT/config',
    'a/.git/hooks',
    'git~1',
    '.git ',
    '.git...',
    '.git:stream',
    '..',
    'a/../b',
    './a',
    '/etc',
    'a//b',
  ])('%s', (path) => {
    expect(list([file(path)])).toMatchObject({ kind: 'refused' });
  });

  test.each(['.gitignore', '.gitattributes', '.gitmodules', 'git', '.github/x', 'x.git', '...', 'a\tb', 'a\nb'])(
    'but %j is one',
    (path) => {
      expect(list([file(path)])).not.toHaveProperty('kind');
    },
  );
});

test('limits: size, path, unknown modes', () => {
  expect(list([file('a', 60), file('b', 60)], 100)).toMatchObject({ reason: 'its files have more than 100 bytes' });
  expect(list([file('a'.repeat(5000))])).toMatchObject({ kind: 'refused' });
  expect(list([file('a', 1, '100666')])).toMatchObject({ reason: expect.stringContaining('unknown mode') as unknown });
});

test('whatever comes, it answers', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string().map((path) => file(path)),
        ),
      ),
      fc.integer({ min: 1, max: 50 }),
      (records, chunk) => {
        const listing = list(records, 1000, chunk);
        if ('kind' in listing) return;
        expect(listing.objectIds.size).toBeLessThanOrEqual(records.length * 2);
      },
    ),
    { numRuns: Number(process.env.LANDFALL_FUZZ_RUNS ?? 300) },
  );
});
