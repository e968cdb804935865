/**
 * What the HTTP layer is given. The database is a handle that it passes on to the services and never asks itself; where a use
 * case spans several services, {@link InTransaction} makes them one.
 */
import { join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import type { BlobStore } from '../platform/blobs.ts';
import type { Logger } from '../platform/log.ts';
import type { Paths } from '../platform/paths.ts';
import type { Room } from '../platform/room.ts';
import type { LeaseDesk, Signals } from '../lighthouse/index.ts';
import type { createAccessToken, mayAct } from '../permissions/index.ts';
import type { ReleaseSigner, Storages } from '../archive/index.ts';

/** A handle for the services. */
export type Db = Parameters<typeof mayAct>[0];
/** A handle inside a transaction. */
export type Trx = Parameters<typeof createAccessToken>[0];
export type InTransaction = <T>(use: (trx: Trx) => Promise<T>) => Promise<T>;

export interface HttpLimits {
  /** Bytes of one uploaded file. */
  readonly uploadFile: number;
  /** Streams (logs, events) that may be open at the same time. */
  readonly streams: number;
}

export interface HttpDeps {
  readonly db: Db;
  readonly inTransaction: InTransaction;
  readonly isDatabaseAway: (error: unknown) => boolean;
  readonly isDatabaseFull?: (error: unknown) => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly blobs: BlobStore;
  readonly paths: Paths;
  /** Of the archives, for what they publish. */
  readonly storage: Storages;
  /** How people and hooks reach this server, without a slash at its end. */
  readonly publicUrl: string;
  readonly signer: ReleaseSigner;
  /** Watches the disk; absent: nobody does. */
  readonly room?: Room;
  /** Wakes waiting readers; the channel `events` and Lighthouse's own must be listened to. */
  readonly signals: Signals;
  readonly leaseDesk: LeaseDesk;
  readonly limits: HttpLimits;
  /** The release of Landfall that runs. */
  readonly version: string;
  /** Aborted when the server is about to stop: everything that waits or streams comes to its end. */
  readonly shutdown: AbortSignal;
}

/** Where parts of uploads that broke off lie, until they go on or are collected. */
export function partsFolder(paths: Paths): string {
  return join(paths.temporary, 'parts');
}
