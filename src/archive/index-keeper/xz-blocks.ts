/**
 * The container format of .xz files, as far as an index needs it: one stream of many blocks, each of which can be made, kept
 * and put into another stream by itself.
 *
 *     stream header │ block │ block │ … │ index │ stream footer
 *
 * The compression itself is done by xz(1). A stream of several blocks is what apt reads; several streams in one file make
 * apt 2.6 fail.
 *
 * @see the .xz file format, version 1.2.1 (xz-file-format.txt in xz-utils). Held against `xz --test` and `xz --decompress`.
 */
import { crc32 } from 'node:zlib';
import { LandfallError } from '../../platform/errors.ts';
import { exec } from '../../platform/exec.ts';

/** One block, padded as it stands in the stream. */
export interface XzBlock {
  readonly bytes: Buffer;
  /** Without padding, as the stream's index has it. */
  readonly unpaddedSize: number;
  readonly uncompressedSize: number;
}

/** What the stream's index says of a block. */
export interface XzRecord {
  readonly unpaddedSize: number;
  readonly uncompressedSize: number;
}

const HEADER_MAGIC = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
const FOOTER_MAGIC = Buffer.from('YZ', 'latin1');
/** No flags, and CRC64 as the check of each block: what xz makes by default. */
const STREAM_FLAGS = Buffer.from([0x00, 0x04]);
const EDGE = 12;
const DEADLINE_MS = 10 * 60_000;

/** Compresses each text to a block of its own; none may be empty. Level as of xz(1). */
export async function compressBlocks(texts: readonly Buffer[], level: number): Promise<XzBlock[]> {
  if (texts.length === 0) return [];
  const { stdout } = await exec(
    [
      'xz',
      '--stdout',
      '--compress',
      // Few blocks are larger, and the tables of a larger window would cost more time than a small block itself.
      `--lzma2=preset=${level},dict=1MiB`,
      '--check=crc64',
      '--threads=1',
      `--block-list=${texts.map((text) => text.length).join(',')}`,
    ],
    {
      doing: 'compress an index',
      input: texts.length === 1 ? (texts[0] ?? Buffer.alloc(0)) : Buffer.concat([...texts]),
      deadlineMs: DEADLINE_MS,
      maxOutput: Number.POSITIVE_INFINITY,
    },
  );
  const blocks = readBlocks(stdout);
  if (blocks.length !== texts.length || blocks.some((block, i) => block.uncompressedSize !== texts[i]?.length)) {
    throw unexpected('the blocks are not those that were asked for');
  }
  return blocks;
}

/** Takes a stream apart that xz has just made. @throws LandfallError `xz.unexpected` when it is another form */
export function readBlocks(stream: Buffer): XzBlock[] {
  if (!stream.subarray(0, 6).equals(HEADER_MAGIC) || !stream.subarray(6, 8).equals(STREAM_FLAGS)) {
    throw unexpected('it does not begin as expected');
  }
  const footer = stream.subarray(-EDGE);
  if (!footer.subarray(10).equals(FOOTER_MAGIC)) throw unexpected('it does not end as expected');
  const indexSize = (footer.readUInt32LE(4) + 1) * 4;
  const indexStart = stream.length - EDGE - indexSize;
  const records = readIndex(stream.subarray(indexStart, indexStart + indexSize));
  const blocks: XzBlock[] = [];
  let at = EDGE;
  for (const record of records) {
    const end = at + padded(record.unpaddedSize);
    blocks.push({ ...record, bytes: Buffer.from(stream.subarray(at, end)) });
    at = end;
  }
  if (at !== indexStart) throw unexpected('its index does not fit its blocks');
  return blocks;
}

/** What stands before the first block. */
export function streamHeader(): Buffer {
  return Buffer.concat([HEADER_MAGIC, STREAM_FLAGS, checksum(STREAM_FLAGS)]);
}

/** What stands behind the last block: index and footer. */
export function streamEnd(records: readonly XzRecord[]): Buffer {
  const fields: Buffer[] = [Buffer.from([0]), encodeNumber(records.length)];
  for (const { unpaddedSize, uncompressedSize } of records) {
    fields.push(encodeNumber(unpaddedSize), encodeNumber(uncompressedSize));
  }
  const bare = Buffer.concat(fields);
  const body = Buffer.concat([bare, Buffer.alloc(padded(bare.length) - bare.length)]);
  const backward = Buffer.alloc(4);
  backward.writeUInt32LE((body.length + 4) / 4 - 1);
  const footer = Buffer.concat([backward, STREAM_FLAGS]);
  return Buffer.concat([body, checksum(body), checksum(footer), footer, FOOTER_MAGIC]);
}

function readIndex(bytes: Buffer): XzRecord[] {
  if (bytes[0] !== 0 || !checksum(bytes.subarray(0, -4)).equals(bytes.subarray(-4))) {
    throw unexpected('its index is damaged');
  }
  let at = 1;
  const next = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at];
      at += 1;
      if (byte === undefined || scale > Number.MAX_SAFE_INTEGER / 128) throw unexpected('its index is damaged');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  const count = next();
  return Array.from({ length: count }, () => ({ unpaddedSize: next(), uncompressedSize: next() }));
}

/** Seven bits a byte, the lowest first. */
function encodeNumber(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

function padded(size: number): number {
  return Math.ceil(size / 4) * 4;
}

function checksum(bytes: Uint8Array): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32(bytes));
  return sum;
}

function unexpected(reason: string): LandfallError {
  return new LandfallError({
    code: 'xz.unexpected',
    doing: 'read what xz has made',
    reason,
    remedy: 'this version of xz-utils writes another form than is known here: report it',
  });
}
