/**
 * Binary packages (.deb): what they say and what they hold, without unpacking anything.
 *
 * xz and zstd are not in this runtime's library, so their decompression is an argument; it must give an error, not endless
 * bytes, when the result would pass the limit it is given (H53).
 *
 * @see deb(5), deb-control(5). Tested against `dpkg-deb -f` and `dpkg-deb -c`.
 */
import { gunzipSync } from 'node:zlib';
import { readAr, type ArMember } from './ar.ts';
import { isKnownArchitecture } from './architectures.ts';
import { parseSourceField } from './changes.ts';
import { parseParagraph, type Paragraph } from './deb822.ts';
import { isBinaryName } from './names.ts';
import { problem, quote, type Problem } from './problem.ts';
import { readTar, type TarEntry } from './tar.ts';
import { parseVersion } from './version.ts';

export type DebProblem = Problem<'deb-problem'>;

export type Compression = 'none' | 'gz' | 'xz' | 'zst' | 'bz2' | 'lzma';

/** Decompresses `bytes`; rejects when they are malformed or would give more than `maxBytes`. */
export type Decompress = (
  kind: 'xz' | 'zst' | 'bz2' | 'lzma',
  bytes: Uint8Array,
  maxBytes: number,
) => Promise<Uint8Array>;

export interface DebFile {
  readonly control: DebControl;
  /** Members of control.tar: `control`, `md5sums`, `postinst`, … */
  readonly controlMembers: readonly TarEntry[];
  /** Contents of control.tar's files other than `control`, by name (maintainer scripts, conffiles, triggers, md5sums). */
  readonly controlFiles: ReadonlyMap<string, Buffer>;
  /** Members of data.tar. */
  readonly members: readonly TarEntry[];
}

export interface DebControl {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Source package, its version when it differs resolved: both always given. */
  readonly source: string;
  readonly sourceVersion: string;
  readonly maintainer: string;
  readonly section: string | undefined;
  readonly priority: string | undefined;
  readonly essential: boolean;
  readonly description: string;
  readonly paragraph: Paragraph;
}

/** Where the parts of a .deb lie in the file. */
export interface DebLayout {
  readonly control: DebPart;
  readonly data: DebPart;
}

export interface DebPart {
  readonly offset: number;
  readonly size: number;
  readonly compression: Compression;
}

export interface DebLimits {
  /** Of control.tar, decompressed. */
  readonly maxControlBytes?: number;
  /** Of data.tar, decompressed. */
  readonly maxDataBytes?: number;
}

const MAX_CONTROL_BYTES = 64 * 1024 * 1024;
/** What is larger is for a caller that streams: {@link locateDeb} and a TarReader. */
const MAX_DATA_BYTES = 1024 * 1024 * 1024;

const SUFFIXES: ReadonlyMap<string, Compression> = new Map([
  ['', 'none'],
  ['.gz', 'gz'],
  ['.xz', 'xz'],
  ['.zst', 'zst'],
  ['.bz2', 'bz2'],
  ['.lzma', 'lzma'],
]);

/** The members of a .deb, in the one order that deb(5) allows; further members are refused but for names that begin with `_`. */
export function locateDeb(bytes: Uint8Array): DebLayout | DebProblem {
  const members = readAr(bytes);
  if ('kind' in members) return problem('deb-problem', members.reason, members);
  const [version, ...others] = members;
  if (version?.name !== 'debian-binary') return problem('deb-problem', 'the first member is not debian-binary');
  const number = Buffer.from(bytes.subarray(version.offset, version.offset + Math.min(version.size, 16))).toString(
    'latin1',
  );
  if (!/^2\.[0-9]+\n/.test(number))
    return problem('deb-problem', `the format version ${quote(number.trim())} is not 2.x`);
  const [control, data, extra] = others.filter((member) => !member.name.startsWith('_'));
  const controlPart = partOf(control, 'control.tar');
  if (controlPart === undefined) return problem('deb-problem', 'the second member is not control.tar');
  if (controlPart.compression === 'bz2' || controlPart.compression === 'lzma') {
    return problem('deb-problem', `control.tar cannot be compressed with ${controlPart.compression}`);
  }
  const dataPart = partOf(data, 'data.tar');
  if (dataPart === undefined) return problem('deb-problem', 'the third member is not data.tar');
  if (extra !== undefined) return problem('deb-problem', `there is a member behind data.tar: ${extra.name}`);
  return { control: controlPart, data: dataPart };
}

/** Reads control paragraph and lists of members of a .deb that is in memory. */
export async function readDeb(
  bytes: Uint8Array,
  decompress: Decompress,
  limits: DebLimits = {},
): Promise<DebFile | DebProblem> {
  const layout = locateDeb(bytes);
  if ('kind' in layout) return layout;
  const control = await readDebControl(bytes, decompress, limits);
  if ('kind' in control) return control;
  const data = await unpack(bytes, layout.data, decompress, limits.maxDataBytes ?? MAX_DATA_BYTES, 'data.tar');
  if ('kind' in data) return data;
  const members = readTar(data.bytes, { unique: true });
  if ('kind' in members) return problem('deb-problem', `data.tar: ${members.reason}`, members);
  return { ...control, members };
}

/** Like {@link readDeb} without the list of data.tar, which costs most of the time. */
export async function readDebControl(
  bytes: Uint8Array,
  decompress: Decompress,
  limits: DebLimits = {},
): Promise<Omit<DebFile, 'members'> | DebProblem> {
  const layout = locateDeb(bytes);
  if ('kind' in layout) return layout;
  const max = limits.maxControlBytes ?? MAX_CONTROL_BYTES;
  const unpacked = await unpack(bytes, layout.control, decompress, max, 'control.tar');
  if ('kind' in unpacked) return unpacked;
  const controlFiles = new Map<string, Buffer>();
  const repeated: string[] = [];
  const controlMembers = readTar(unpacked.bytes, {
    maxEntries: 1_000,
    maxContent: max,
    wanted: () => true,
    onContent: (entry, content) => {
      if (controlFiles.has(entry.name)) repeated.push(entry.name);
      controlFiles.set(entry.name, content);
    },
  });
  if ('kind' in controlMembers) return problem('deb-problem', `control.tar: ${controlMembers.reason}`, controlMembers);
  if (repeated.length > 0) return problem('deb-problem', `control.tar holds ${quote(repeated[0] ?? '')} twice`);
  const odd = controlMembers.find((entry) => entry.type !== 'file' && entry.type !== 'directory');
  if (odd !== undefined)
    return problem('deb-problem', `control.tar holds ${quote(odd.name)}, which is not a plain file`);
  const text = controlFiles.get('control');
  if (text === undefined) return problem('deb-problem', 'control.tar has no control file');
  controlFiles.delete('control');
  const control = parseDebControl(text);
  return 'kind' in control ? control : { control, controlMembers, controlFiles };
}

/** Reads the control paragraph of a binary package. */
export function parseDebControl(input: string | Uint8Array): DebControl | DebProblem {
  const paragraph = parseParagraph(input, { maxBytes: 2 * 1024 * 1024 });
  if ('kind' in paragraph) return problem('deb-problem', paragraph.reason, paragraph);
  const at = (field: string, reason: string): DebProblem =>
    problem('deb-problem', reason, { field, line: paragraph.field(field)?.line ?? paragraph.line });
  const name = paragraph.get('Package') ?? '';
  if (!isBinaryName(name)) return at('Package', `${quote(name)} is not a name of a binary package`);
  const version = paragraph.get('Version') ?? '';
  const parsed = parseVersion(version);
  if ('kind' in parsed) return at('Version', parsed.reason);
  const architecture = paragraph.get('Architecture') ?? '';
  if (architecture !== 'all' && !isKnownArchitecture(architecture)) {
    return at('Architecture', `${quote(architecture)} is not an architecture`);
  }
  const sourceText = paragraph.get('Source');
  const source = sourceText === undefined ? { source: name, version: undefined } : parseSourceField(sourceText);
  if (source === undefined) return at('Source', 'it is not a name of a source package');
  const maintainer = paragraph.get('Maintainer') ?? '';
  if (maintainer === '') return at('Maintainer', 'the field is missing');
  const description = paragraph.get('Description') ?? '';
  if (description === '') return at('Description', 'the field is missing');
  return {
    name,
    version,
    architecture,
    source: source.source,
    sourceVersion: source.version ?? version,
    maintainer,
    section: paragraph.get('Section'),
    priority: paragraph.get('Priority'),
    essential: paragraph.get('Essential') === 'yes',
    description,
    paragraph,
  };
}

function partOf(member: ArMember | undefined, stem: string): DebPart | undefined {
  if (member?.name.startsWith(stem) !== true) return undefined;
  const compression = SUFFIXES.get(member.name.slice(stem.length));
  return compression === undefined ? undefined : { offset: member.offset, size: member.size, compression };
}

async function unpack(
  bytes: Uint8Array,
  part: DebPart,
  decompress: Decompress,
  max: number,
  name: string,
): Promise<{ bytes: Uint8Array } | DebProblem> {
  const packed = bytes.subarray(part.offset, part.offset + part.size);
  try {
    if (part.compression === 'none') return { bytes: packed };
    if (part.compression === 'gz')
      return { bytes: gunzipSync(packed, { maxOutputLength: Math.min(max, 0x7fff_ffff) }) };
    const unpacked = await decompress(part.compression, packed, max);
    return unpacked.length > max ? problem('deb-problem', `${name} is larger than ${max} bytes`) : { bytes: unpacked };
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : 'unknown cause';
    return problem('deb-problem', `${name} cannot be decompressed: ${said}`);
  }
}
