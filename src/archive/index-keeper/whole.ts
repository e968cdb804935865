/**
 * The simplest keeper: writes every index whole, each time, and keeps nothing. What the keeper of chunks writes has the same
 * plain text, so this one is also the measure that it is held against.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { sha256 } from '../../platform/files.ts';
import { xzCompress } from '../../platform/xz.ts';
import { formatOf } from './format.ts';
import type { IndexEntries, IndexEntry, IndexFile, IndexKeeper, IndexTarget, WrittenIndex } from './keeper.ts';
import { compareKeys } from './order.ts';

const compressGzip = promisify(gzip);

/** A keeper without memory. */
export function createWholeIndexKeeper(): IndexKeeper {
  return {
    build: writeWhole,
    change: () => Promise.resolve(undefined),
  };
}

async function writeWhole(given: IndexEntries, target: IndexTarget): Promise<WrittenIndex> {
  const entries: IndexEntry[] = [];
  for await (const entry of given) entries.push(entry);
  const format = formatOf(target.stem);
  const plain = format.textOf(entries.sort(compareKeys));
  const write = async (suffix: string, bytes: Buffer): Promise<IndexFile> => {
    const name = `${target.stem}${suffix}`;
    return { name, ...(await target.batch.put(`${target.prefix}/${name}`, bytes)), stored: true };
  };
  return {
    entries: entries.length,
    files: [
      { name: target.stem, sha256: sha256(plain), size: plain.length, stored: false },
      // Neither name nor time in the header: the same text gives the same bytes.
      await write('.gz', await compressGzip(plain, { level: 6 })),
      ...(format.xz ? [await write('.xz', await xzCompress(plain))] : []),
    ],
  };
}
