/**
 * Reads a .deb as far as the archive must know it: its control file, and that every member of data.tar can be read. Nothing is
 * unpacked to disk, and what data.tar holds passes through without being kept.
 */
import { locateDeb, readDebControl, type DebControl, type DebProblem, type Decompress } from '../debian/deb.ts';
import { problem } from '../debian/problem.ts';
import { TarReader } from '../debian/tar.ts';
import { xzDecompress, zstdDecompress, type Decompressed } from '../platform/xz.ts';
import { createFileList } from './file-list.ts';
import { readPackedTar } from './read-tar.ts';

export interface DebFacts {
  readonly control: DebControl;
  /** Members of data.tar. */
  readonly members: number;
  /** Of its files, in byte order; undefined when there are more than can be kept. */
  readonly paths: readonly string[] | undefined;
}

/** Of data.tar, unpacked; the largest of Debian's have some 5 GB. */
const MAX_DATA_BYTES = 16 * 1024 ** 3;

/** Reads a whole .deb; what is wrong with it is a value. */
export async function inspectDeb(bytes: Uint8Array): Promise<DebFacts | DebProblem> {
  const layout = locateDeb(bytes);
  if ('kind' in layout) return layout;
  const control = await readDebControl(bytes, decompress);
  if ('kind' in control) return control;
  let members = 0;
  const files = createFileList();
  const reader = new TarReader(
    (entry) => {
      members += 1;
      files.addMember(entry);
    },
    { unique: true },
  );
  const { offset, size, compression } = layout.data;
  if (compression === 'bz2')
    return problem('deb-problem', 'data.tar is compressed with bzip2, which dpkg makes no longer');
  const broken = await readPackedTar(bytes.subarray(offset, offset + size), compression, reader, MAX_DATA_BYTES);
  if (broken !== undefined) return problem('deb-problem', `data.tar: ${broken}`);
  return { control: control.control, members, paths: files.paths() };
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
