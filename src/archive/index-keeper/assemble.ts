/**
 * Puts the files of an index together from its chunks: gzip members one behind the other, xz blocks in one stream, and the
 * hashes of both and of the plain text, in one pass.
 */
import { createHash, type Hash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Digest } from '../../platform/files.ts';
import type { ObjectWriter } from '../../platform/objects.ts';
import type { Chunk } from './chunk.ts';
import { formatOf } from './format.ts';
import type { IndexFile, IndexTarget } from './keeper.ts';
import { borrowPiece, returnPiece } from './memory.ts';
import { streamEnd, streamHeader, type XzRecord } from './xz-blocks.ts';

/**
 * Writes `STEM.gz`, and `STEM.xz` where the format has it; when it fails, neither is left. Does not look at a chunk any more once it
 * asks for the next.
 */
export async function writeIndexFiles(chunks: AsyncIterable<Chunk>, target: IndexTarget): Promise<IndexFile[]> {
  const { batch, prefix, stem } = target;
  const plain = new Sum();
  const gzip = new LargePieces(await batch.create(`${prefix}/${stem}.gz`));
  let xz: LargePieces | undefined;
  try {
    if (formatOf(stem).xz) xz = new LargePieces(await batch.create(`${prefix}/${stem}.xz`));
    await xz?.write(streamHeader());
    const records: XzRecord[] = [];
    for await (const chunk of chunks) {
      plain.add(chunk.text);
      await gzip.write(chunk.gzip);
      await xz?.write(chunk.xz);
      records.push({ unpaddedSize: chunk.xzUnpaddedSize, uncompressedSize: chunk.text.length });
    }
    // A file of no member is no gzip file; an xz stream may well have no block.
    if (records.length === 0) await gzip.write(gzipSync(Buffer.alloc(0)));
    await xz?.write(streamEnd(records));
    const [gzipSum, xzSum] = await Promise.all([gzip.finish(), xz?.finish()]);
    return [
      { name: stem, ...plain.digest(), stored: false },
      { name: `${stem}.gz`, ...gzipSum, stored: true },
      ...(xzSum === undefined ? [] : [{ name: `${stem}.xz`, ...xzSum, stored: true }]),
    ];
  } catch (error) {
    for (const file of [gzip, xz]) await file?.discard();
    throw error;
  }
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

/** Hands small pieces on in large ones. What it was given may be written over as soon as `write` returns. */
class LargePieces {
  readonly #writer: ObjectWriter;
  #waiting: Buffer | undefined = borrowPiece();
  #size = 0;

  constructor(writer: ObjectWriter) {
    this.#writer = writer;
  }

  async write(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const waiting = this.#open();
      const copied = bytes.copy(waiting, this.#size, at);
      this.#size += copied;
      at += copied;
      if (this.#size === waiting.length) await this.#flush();
    }
  }

  async finish(): Promise<Digest> {
    await this.#flush();
    this.#end();
    return await this.#writer.finish();
  }

  async discard(): Promise<void> {
    this.#end();
    await this.#writer.discard();
  }

  #open(): Buffer {
    if (this.#waiting === undefined) throw new Error('an index was ended and is written');
    return this.#waiting;
  }

  #end(): void {
    if (this.#waiting !== undefined) returnPiece(this.#waiting);
    this.#waiting = undefined;
  }

  async #flush(): Promise<void> {
    await this.#writer.write(this.#open().subarray(0, this.#size));
    this.#size = 0;
  }
}
