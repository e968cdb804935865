/** What this module is given. */
import type { BlobStore } from '../platform/blobs.ts';
import type { Db } from '../platform/database.ts';
import type { Logger } from '../platform/log.ts';

export interface TagDeps {
  readonly db: Db;
  readonly log: Logger;
  readonly blobs: BlobStore;
  readonly paths: { readonly git: string; readonly ssh: string; readonly temporary: string };
  /** Where the pages are, without a slash at the end. */
  readonly publicUrl: string;
}
