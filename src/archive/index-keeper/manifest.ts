/**
 * The manifest of an index: its chunks in order. Kept beside them by the sha256 of its bytes, which is the id of the index: a
 * snapshot of a suite needs no more than this.
 */
import { z } from 'zod';

const chunkRefSchema = z.strictObject({
  /** sha256 of the chunk's file. */
  id: z.string().regex(/^[0-9a-f]{64}$/),
  /** Name of its first entry. */
  first: z.string(),
  entries: z.int().positive(),
});
export type ChunkRef = z.infer<typeof chunkRefSchema>;

const manifestSchema = z.strictObject({
  format: z.literal(1),
  stem: z.string(),
  chunks: z.array(chunkRefSchema),
});
export type Manifest = z.infer<typeof manifestSchema>;

export function encodeManifest(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest)}\n`, 'utf8');
}

/** Undefined when it is no manifest. */
export function decodeManifest(bytes: Buffer): Manifest | undefined {
  try {
    const parsed = manifestSchema.safeParse(JSON.parse(bytes.toString('utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Position of the chunk that a name belongs to: the last one that does not begin behind it. */
export function positionOf(chunks: readonly ChunkRef[], name: string): number {
  let low = 0;
  let high = chunks.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const first = chunks[middle]?.first ?? '';
    if (first <= name) low = middle;
    else high = middle - 1;
  }
  return low;
}
