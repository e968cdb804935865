/**
 * Reads a .deb as far as the archive must know it: its control file, and that every member of data.tar can be read. Nothing is
 * unpacked to disk, and what data.tar holds passes through without being kept.
 */
import { createGunzip } from 'node:zlib';
import {
  locateDeb,
  readDebControl,
  type DebControl,
  type DebPart,
  type DebProblem,
  type Decompress,
} from '../debian/deb.ts';
import { problem } from '../debian/problem.ts';
import { TarReader, type TarProblem } from '../debian/tar.ts';
import { describeError, isFault } from '../platform/errors.ts';
import { ProgramFailed, exec } from '../platform/exec.ts';
import { chunksOf } from '../platform/files.ts';
import { xzDecompress, zstdDecompress, type Decompressed } from '../platform/xz.ts';

export interface DebFacts {
  readonly control: DebControl;
  /** Members of data.tar. */
  readonly members: number;
}

/** Of data.tar, unpacked; the largest of Debian's have some 5 GB. */
const MAX_DATA_BYTES = 16 * 1024 ** 3;
const DEADLINE_MS = 15 * 60_000;

/** Reads a whole .deb; what is wrong with it is a value. */
export async function inspectDeb(bytes: Uint8Array): Promise<DebFacts | DebProblem> {
  const layout = locateDeb(bytes);
  if ('kind' in layout) return layout;
  const control = await readDebControl(bytes, decompress);
  if ('kind' in control) return control;
  let members = 0;
  const reader = new TarReader(() => (members += 1), { unique: true });
  const found = await readThrough(bytes, layout.data, reader);
  return found ?? { control: control.control, members };
}

/** For control.tar, which is small. */
const decompress: Decompress = async (kind, bytes, maxBytes) => {
  const result = kind === 'zst' ? await zstdDecompress(bytes, maxBytes) : await xzDecompress(bytes, maxBytes);
  if (result.kind === 'decompressed') return result.bytes;
  throw new RangeError(sayWhy(result));
};

function sayWhy(result: Exclude<Decompressed, { kind: 'decompressed' }>): string {
  return result.kind === 'too-large' ? `it unpacks to more than ${result.limit} bytes` : result.reason;
}

async function readThrough(bytes: Uint8Array, part: DebPart, reader: TarReader): Promise<DebProblem | undefined> {
  const packed = bytes.subarray(part.offset, part.offset + part.size);
  let broken: TarProblem | undefined;
  let size = 0;
  const take = (chunk: Uint8Array): void => {
    size += chunk.length;
    if (size > MAX_DATA_BYTES) throw new RangeError(`it unpacks to more than ${MAX_DATA_BYTES} bytes`);
    broken ??= reader.push(chunk);
    if (broken !== undefined) throw new RangeError(broken.reason);
  };
  try {
    switch (part.compression) {
      case 'none':
        take(packed);
        break;
      case 'gz': {
        const stream = createGunzip();
        stream.end(packed);
        for await (const chunk of chunksOf(stream)) take(chunk);
        break;
      }
      case 'xz':
      case 'lzma':
        await unpackBy(['xz', '--stdout', '--decompress', '--memlimit-decompress=256MiB'], packed, take);
        break;
      case 'zst':
        await unpackBy(['zstd', '--stdout', '--decompress', '--quiet', '--memory=256MB'], packed, take);
        break;
      case 'bz2':
        return problem('deb-problem', 'data.tar is compressed with bzip2, which dpkg makes no longer');
    }
  } catch (error) {
    if (broken === undefined && isFault(error, 'exec.missing-program')) throw error;
    const reason = error instanceof ProgramFailed ? error.result.stderr.trim().slice(0, 300) : describeError(error);
    return problem('deb-problem', `data.tar: ${broken?.reason ?? reason}`);
  }
  const end = reader.end();
  return end === undefined ? undefined : problem('deb-problem', `data.tar: ${end.reason}`);
}

async function unpackBy(
  argv: readonly [string, ...string[]],
  packed: Uint8Array,
  take: (chunk: Uint8Array) => void,
): Promise<void> {
  await exec(argv, { doing: 'unpack data.tar', input: packed, deadlineMs: DEADLINE_MS, stdout: take });
}
