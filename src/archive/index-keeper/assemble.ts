/**
 * Puts the files of an index together from its chunks: gzip members one behind the other, xz blocks in one stream, and the
 * hashes of both and of the plain text, in one pass.
 */
import { createHash, type Hash } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { storing } from '../../platform/files.ts';
import type { Chunk } from './chunk.ts';
import type { IndexFile, IndexTarget } from './keeper.ts';
import { streamEnd, streamHeader, type XzRecord } from './xz-blocks.ts';

const WRITE_BYTES = 1024 * 1024;

/** Writes `STEM.gz` and `STEM.xz`, durable after return; when it fails, neither is left. */
export async function writeIndexFiles(chunks: AsyncIterable<Chunk>, target: IndexTarget): Promise<IndexFile[]> {
  const { directory, stem } = target;
  return await storing(`write the index ${join(directory, stem)}`, async () => {
    const plain = new Sum();
    const gzip = await HashedFile.create(join(directory, `${stem}.gz`));
    let xz: HashedFile | undefined;
    try {
      xz = await HashedFile.create(join(directory, `${stem}.xz`));
      await xz.write(streamHeader());
      const records: XzRecord[] = [];
      for await (const chunk of chunks) {
        plain.add(chunk.text);
        await gzip.write(chunk.gzip);
        await xz.write(chunk.xz);
        records.push({ unpaddedSize: chunk.xzUnpaddedSize, uncompressedSize: chunk.text.length });
      }
      // A file of no member is no gzip file; an xz stream may well have no block.
      if (records.length === 0) await gzip.write(gzipSync(Buffer.alloc(0)));
      await xz.write(streamEnd(records));
      const [gzipSum, xzSum] = await Promise.all([gzip.finish(), xz.finish()]);
      return [
        { name: stem, ...plain.digest(), stored: false },
        { name: `${stem}.gz`, ...gzipSum, stored: true },
        { name: `${stem}.xz`, ...xzSum, stored: true },
      ];
    } catch (error) {
      for (const file of [gzip, xz]) await file?.discard();
      throw error;
    }
  });
}

/** sha256 and size of bytes as they pass. */
class Sum {
  readonly #hash: Hash = createHash('sha256');
  #size = 0;

  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  digest(): { readonly sha256: string; readonly size: number } {
    return { sha256: this.#hash.digest('hex'), size: this.#size };
  }
}

/** A new file, written in large pieces, with its sum. */
class HashedFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #sum = new Sum();
  #waiting: Buffer[] = [];
  #size = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  static async create(path: string): Promise<HashedFile> {
    return new HashedFile(path, await open(path, 'wx', 0o644));
  }

  async write(bytes: Buffer): Promise<void> {
    this.#sum.add(bytes);
    this.#waiting.push(bytes);
    this.#size += bytes.length;
    if (this.#size >= WRITE_BYTES) await this.#flush();
  }

  async finish(): Promise<{ readonly sha256: string; readonly size: number }> {
    await this.#flush();
    await this.#handle.chmod(0o644);
    await this.#handle.sync();
    await this.#handle.close();
    return this.#sum.digest();
  }

  async discard(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await rm(this.#path, { force: true });
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#size = 0;
    for (let written = 0; written < bytes.length;) {
      written += (await this.#handle.write(bytes, written, bytes.length - written)).bytesWritten;
    }
  }
}
