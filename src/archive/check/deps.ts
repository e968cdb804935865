/** What the checks are given. */
import type { BlobStore } from '../../platform/blobs.ts';
import type { Db } from '../../platform/database.ts';
import type { ReleaseSigner } from '../signer.ts';
import type { Storages } from '../storage.ts';

export interface CheckArchiveDeps {
  readonly db: Db;
  readonly blobs: BlobStore;
  readonly storage: Storages;
  readonly signer: Pick<ReleaseSigner, 'findKey'>;
  /** Where an archive's published tree lies, when it is a folder: a name there that is a link to a blob is read once. */
  readonly folderOf?: (archive: string) => string;
  /** What apt is given as the address of an archive; absent: apt is not asked. */
  readonly aptUrl?: (archive: string) => string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CheckProgress) => void;
}

export interface CheckProgress {
  readonly what: string;
  readonly files: number;
  readonly bytes: number;
}
