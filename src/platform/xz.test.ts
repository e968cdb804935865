import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exec } from './exec.ts';
import { gzipDecompress, xzCompress, xzDecompress, zstdDecompress } from './xz.ts';

const zstd = async (bytes: Uint8Array): Promise<Buffer> =>
  (await exec(['zstd', '--stdout', '--quiet'], { input: bytes, deadlineMs: 20_000 })).stdout;

test('bytes come back through each compressor, and xz is the same every time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), async (array) => {
      const bytes = Buffer.from(array);
      const xz = await xzCompress(bytes, { preset: 0 });
      expect(await xzCompress(bytes, { preset: 0 })).toEqual(xz);
      expect(await xzDecompress(xz, 5000)).toEqual({ kind: 'decompressed', bytes });
      expect(await zstdDecompress(await zstd(bytes), 5000)).toEqual({ kind: 'decompressed', bytes });
      expect(await gzipDecompress(gzipSync(bytes), 5000)).toEqual({ kind: 'decompressed', bytes });
    }),
    { numRuns: 8 },
  );
});

test('several gzip members are one file', async () => {
  const joined = Buffer.concat([gzipSync('a'), gzipSync('b')]);
  expect(await gzipDecompress(joined, 10)).toEqual({ kind: 'decompressed', bytes: Buffer.from('ab') });
});

test('H53 a bomb ends at the limit, and what fits exactly passes', async () => {
  const zeros = Buffer.alloc(50_000_000);
  const xz = await xzCompress(zeros, { preset: 0 });
  expect(xz.length).toBeLessThan(20_000);
  expect(await xzDecompress(xz, 1_000_000)).toEqual({ kind: 'too-large', limit: 1_000_000 });
  expect(await zstdDecompress(await zstd(zeros), 1_000_000)).toEqual({ kind: 'too-large', limit: 1_000_000 });
  expect(await gzipDecompress(gzipSync(zeros), 1_000_000)).toEqual({ kind: 'too-large', limit: 1_000_000 });
  expect(await gzipDecompress(gzipSync(zeros), zeros.length)).toMatchObject({ kind: 'decompressed' });
  expect(await gzipDecompress(gzipSync('a'), 0)).toEqual({ kind: 'too-large', limit: 0 });
});

test('garbage and a cut-off file are malformed', async () => {
  const cut = (await xzCompress(Buffer.alloc(1000, 'abc'))).subarray(0, 40);
  for (const result of [
    await xzDecompress(Buffer.from('no xz'), 100),
    await xzDecompress(cut, 10_000),
    await zstdDecompress(Buffer.from('no zstd'), 100),
    await gzipDecompress(Buffer.from('no gzip'), 100),
    await gzipDecompress(gzipSync('abcdef').subarray(0, 15), 100),
  ]) {
    expect(result).toMatchObject({ kind: 'malformed' });
  }
});
