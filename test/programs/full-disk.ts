/**
 * Argument: a folder on a file system of 256 KiB. Prints as JSON what durable writes and the blob store do when it is full.
 */
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createFolderBlobStore } from '../../src/platform/blobs.ts';
import { LandfallError } from '../../src/platform/errors.ts';
import { writeFileDurably } from '../../src/platform/files.ts';

const folder = process.argv[2] ?? '';
const blobs = await createFolderBlobStore(join(folder, 'blobs'));
const small = Buffer.alloc(1000, 'a');
const kept = await blobs.put(small);
await writeFileDurably(join(folder, 'file'), 'the old text');

const code = async (operation: Promise<unknown>): Promise<string> =>
  await operation.then(
    () => 'none',
    (error: unknown) => (error instanceof LandfallError ? error.code : String(error)),
  );
const big = Buffer.alloc(400 * 1024, 'b');
const result = {
  file: await code(writeFileDurably(join(folder, 'file'), big)),
  blob: await code(blobs.put(big)),
  text: await readFile(join(folder, 'file'), 'utf8'),
  names: (await readdir(folder)).sort(),
  temporaries: await readdir(join(folder, 'blobs', 'tmp')),
  keptStill: kept.kind === 'stored' && (await blobs.read(kept.sha256)).equals(small),
  roomAgain: '',
};
await writeFile(join(folder, 'ballast'), Buffer.alloc(100 * 1024)).catch(() => undefined);
result.roomAgain = (await blobs.put(Buffer.alloc(2000, 'c'))).kind;
process.stdout.write(JSON.stringify(result));
