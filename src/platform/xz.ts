/**
 * Compression by Debian's programs, and gzip by zlib, always with a bound on what comes out: a few kilobytes can unpack
 * to gigabytes.
 */
import { gunzip } from 'node:zlib';
import { ProgramFailed, exec } from './exec.ts';
import { isFault } from './errors.ts';

export interface XzOptions {
  /** 0 (fast) to 9; default 6. */
  readonly preset?: number;
  /** Default 1, which also makes the output independent of the machine. */
  readonly threads?: number;
}

export type Decompressed =
  | { readonly kind: 'decompressed'; readonly bytes: Buffer }
  | { readonly kind: 'too-large'; readonly limit: number }
  | { readonly kind: 'malformed'; readonly reason: string };

const DEADLINE_MS = 10 * 60_000;
/** What `xz -9` needs to decompress is 65 MiB; a file that asks for more is refused. */
const XZ_MEMORY = '256MiB';

/** One .xz stream. @see xz(1) */
export async function xzCompress(bytes: Uint8Array, options: XzOptions = {}): Promise<Buffer> {
  const { preset = 6, threads = 1 } = options;
  const { stdout } = await exec(['xz', '--stdout', '--compress', `-${preset}`, `--threads=${threads}`], {
    doing: 'compress with xz',
    input: bytes,
    deadlineMs: DEADLINE_MS,
    maxOutput: Number.POSITIVE_INFINITY,
  });
  return stdout;
}

/** The content of an .xz (or .lzma) file, when it is at most `limit` bytes. */
export async function xzDecompress(bytes: Uint8Array, limit: number): Promise<Decompressed> {
  return await decompress(['xz', '--stdout', '--decompress', `--memlimit-decompress=${XZ_MEMORY}`], bytes, limit);
}

/** The content of a .zst file, when it is at most `limit` bytes. */
export async function zstdDecompress(bytes: Uint8Array, limit: number): Promise<Decompressed> {
  return await decompress(['zstd', '--stdout', '--decompress', '--quiet', '--memory=256MB'], bytes, limit);
}

/** The content of a .gz file of one or several members, when it is at most `limit` bytes. */
export async function gzipDecompress(bytes: Uint8Array, limit: number): Promise<Decompressed> {
  return await new Promise((resolve) => {
    gunzip(bytes, { maxOutputLength: Math.max(limit, 1) }, (error, result) => {
      if (error === null) {
        resolve(result.length > limit ? { kind: 'too-large', limit } : { kind: 'decompressed', bytes: result });
      } else if ('code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') {
        resolve({ kind: 'too-large', limit });
      } else {
        resolve({ kind: 'malformed', reason: error.message });
      }
    });
  });
}

async function decompress(
  argv: readonly [string, ...string[]],
  bytes: Uint8Array,
  limit: number,
): Promise<Decompressed> {
  try {
    const { stdout } = await exec(argv, {
      doing: 'decompress',
      input: bytes,
      deadlineMs: DEADLINE_MS,
      maxOutput: limit,
    });
    return { kind: 'decompressed', bytes: stdout };
  } catch (error) {
    if (isFault(error, 'exec.output-limit')) return { kind: 'too-large', limit };
    if (error instanceof ProgramFailed) return { kind: 'malformed', reason: error.result.stderr.trim().slice(0, 500) };
    throw error;
  }
}
