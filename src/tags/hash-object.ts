/** Object ids as git makes them. @see git-hash-object(1) */
import { createHash } from 'node:crypto';
import type { ObjectFormat } from './release-ref.ts';

/** The id of an object with this content. */
export function hashObject(format: ObjectFormat, type: string, bytes: Uint8Array): string {
  return createHash(format).update(`${type} ${bytes.length}\0`).update(bytes).digest('hex');
}
