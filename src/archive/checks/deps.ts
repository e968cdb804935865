/** What the checks of an upload's bytes are given. They read; nothing is written by a check. */
import type { BlobStore } from '../../platform/blobs.ts';
import type { Db } from '../../platform/database.ts';
import type { Paths } from '../../platform/paths.ts';

export interface CheckDeps {
  readonly db: Db;
  readonly blobs: BlobStore;
  readonly paths: Pick<Paths, 'temporary'>;
}
