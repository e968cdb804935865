/**
 * A chunk as it is kept: its text, its gzip member and its xz block in one file, which never changes.
 *
 *     bytes  0–7   "LFCHUNK1"
 *            8–11  bytes of the text
 *           12–15  bytes of the gzip member
 *           16–19  bytes of the xz block, padding included
 *           20–23  bytes of the xz block without padding
 *           24–27  CRC32 of bytes 0–23 and of everything from byte 28 on
 *           28 …   text, gzip member, xz block (of no bytes, in an index without xz)
 *
 * Numbers are unsigned, the lowest byte first.
 */
import { promisify } from 'node:util';
import { crc32, gzip } from 'node:zlib';
import { compressBlocks } from './xz-blocks.ts';

export interface Chunk {
  readonly text: Buffer;
  readonly gzip: Buffer;
  readonly xz: Buffer;
  readonly xzUnpaddedSize: number;
}

const MAGIC = Buffer.from('LFCHUNK1', 'latin1');
const HEADER = 28;
/** The sizes stand in so many bytes at the beginning. */
export const CHUNK_HEADER_BYTES = HEADER;
const GZIP_LEVEL = 6;
const XZ_LEVEL = 6;

const NO_BLOCK = { bytes: Buffer.alloc(0), unpaddedSize: 0 };

const compressGzip = promisify(gzip);

/** Compresses texts, each to a chunk; none may be empty. Together they cost one run of xz, where xz is wanted. */
export async function makeChunks(texts: readonly Buffer[], xz: boolean = true): Promise<Chunk[]> {
  const [members, blocks] = await Promise.all([
    Promise.all(texts.map((text) => compressGzip(text, { level: GZIP_LEVEL }))),
    xz ? compressBlocks(texts, XZ_LEVEL) : texts.map(() => NO_BLOCK),
  ]);
  return texts.map((text, index) => {
    const [member, block] = [members[index], blocks[index]];
    if (member === undefined || block === undefined) throw new Error('a chunk was not compressed');
    return { text, gzip: member, xz: block.bytes, xzUnpaddedSize: block.unpaddedSize };
  });
}

/** The file of a chunk. */
export function encodeChunk(chunk: Chunk): Buffer {
  const header = Buffer.alloc(HEADER);
  MAGIC.copy(header);
  header.writeUInt32LE(chunk.text.length, 8);
  header.writeUInt32LE(chunk.gzip.length, 12);
  header.writeUInt32LE(chunk.xz.length, 16);
  header.writeUInt32LE(chunk.xzUnpaddedSize, 20);
  const file = Buffer.concat([header, chunk.text, chunk.gzip, chunk.xz]);
  file.writeUInt32LE(checksumOf(file), 24);
  return file;
}

/** Reads a chunk's file; undefined when it is damaged. */
export function decodeChunk(file: Buffer): Chunk | undefined {
  if (file.length < HEADER || !file.subarray(0, 8).equals(MAGIC)) return undefined;
  const [text, member, block] = [8, 12, 16].map((at) => file.readUInt32LE(at));
  if (text === undefined || member === undefined || block === undefined) return undefined;
  if (file.length !== HEADER + text + member + block || checksumOf(file) !== file.readUInt32LE(24)) return undefined;
  return {
    text: file.subarray(HEADER, HEADER + text),
    gzip: file.subarray(HEADER + text, HEADER + text + member),
    xz: file.subarray(HEADER + text + member),
    xzUnpaddedSize: file.readUInt32LE(20),
  };
}

/** Bytes of the parts of a chunk. */
export interface ChunkSizes {
  readonly text: number;
  readonly gzip: number;
  /** Padding included. */
  readonly xz: number;
  readonly xzUnpadded: number;
}

/** What the header of a chunk's file says; undefined when it is none. Only the whole file can be checked. */
export function readChunkSizes(header: Buffer): ChunkSizes | undefined {
  if (header.length < HEADER || !header.subarray(0, 8).equals(MAGIC)) return undefined;
  return {
    text: header.readUInt32LE(8),
    gzip: header.readUInt32LE(12),
    xz: header.readUInt32LE(16),
    xzUnpadded: header.readUInt32LE(20),
  };
}

function checksumOf(file: Buffer): number {
  return crc32(file.subarray(HEADER), crc32(file.subarray(0, 24)));
}
