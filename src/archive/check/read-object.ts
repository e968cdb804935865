/** Reading published objects against their hashes. */
import { Readable } from 'node:stream';
import { hashStream, type Digest } from '../../platform/files.ts';
import type { ObjectStore } from '../../platform/objects.ts';

/** The digest of an object's bytes; undefined when there is no such object. */
export async function readObject(store: ObjectStore, name: string): Promise<Digest | undefined> {
  const opened = await store.open(name);
  if (opened === undefined) return undefined;
  if (opened.size === 0) {
    await opened.close();
    return await hashStream(Readable.from([]));
  }
  return await hashStream(Readable.fromWeb(opened.read(0, opened.size)));
}
