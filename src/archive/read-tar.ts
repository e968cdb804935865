/**
 * Reads packed tar archives as they stream by, within bounds: nothing is unpacked to disk, and nothing but what the reader asks
 * for is kept (H50–H53).
 */
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Compression } from '../debian/deb.ts';
import type { TarProblem, TarReader } from '../debian/tar.ts';
import { describeError, isFault } from '../platform/errors.ts';
import { ProgramFailed, exec } from '../platform/exec.ts';
import { chunksOf } from '../platform/files.ts';

export type UnpackProgram = 'xz' | 'zstd' | 'bzip2';

const DEADLINE_MS = 15 * 60_000;
const PROGRAMS: Readonly<Record<UnpackProgram, readonly [string, ...string[]]>> = {
  xz: ['xz', '--stdout', '--decompress', '--memlimit-decompress=256MiB'],
  zstd: ['zstd', '--stdout', '--decompress', '--quiet', '--memory=256MB'],
  bzip2: ['bzip2', '--stdout', '--decompress', '--small'],
};

/** Feeds the reader; returns why the archive cannot be read, in words, or undefined when it was read to its end. */
export async function readPackedTar(
  source: Uint8Array | Readable,
  compression: Compression,
  reader: TarReader,
  maxBytes: number,
): Promise<string | undefined> {
  let broken: TarProblem | undefined;
  let size = 0;
  const take = (chunk: Uint8Array): void => {
    size += chunk.length;
    if (size > maxBytes) throw new RangeError(`it unpacks to more than ${maxBytes} bytes`);
    broken ??= reader.push(chunk);
    if (broken !== undefined) throw new RangeError(broken.reason);
  };
  try {
    switch (compression) {
      case 'none':
        for await (const chunk of chunksOf(source)) take(chunk);
        break;
      case 'gz': {
        const unpacked = createGunzip();
        // A fault of the source ends the reading of what comes out of it.
        if (source instanceof Uint8Array) unpacked.end(source);
        else source.once('error', (error) => unpacked.destroy(error)).pipe(unpacked);
        for await (const chunk of chunksOf(unpacked)) take(chunk);
        break;
      }
      case 'xz':
      case 'lzma':
        await unpackBy('xz', source, take);
        break;
      case 'zst':
        await unpackBy('zstd', source, take);
        break;
      case 'bz2':
        await unpackBy('bzip2', source, take);
        break;
    }
  } catch (error) {
    if (broken !== undefined) return broken.reason;
    if (isFault(error, 'exec.missing-program') || isFault(error, 'blob.') || isFault(error, 'storage.')) throw error;
    return error instanceof ProgramFailed ? error.result.stderr.trim().slice(0, 300) : describeError(error);
  }
  return reader.end()?.reason;
}

async function unpackBy(
  program: UnpackProgram,
  input: Uint8Array | Readable,
  stdout: (chunk: Uint8Array) => void,
): Promise<void> {
  await exec(PROGRAMS[program], { doing: 'unpack a tar archive', input, deadlineMs: DEADLINE_MS, stdout });
}
