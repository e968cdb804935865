/**
 * What the parts of publishing share: a publication that is on its way, what publishers are given, and what they answer.
 */
import { z } from 'zod';
import type { BlobStore } from '../../platform/blobs.ts';
import type { Db } from '../../platform/database.ts';
import type { Logger } from '../../platform/log.ts';
import type { PublicationState } from '../../platform/schema.ts';
import type { ObjectStore } from '../../platform/objects.ts';
import type { IndexKeeper } from '../index-keeper/keeper.ts';
import type { ReleaseSigner } from '../signer.ts';
import type { ArchiveStorage, Storages } from '../storage.ts';
import { writtenIndicesSchema } from './indices.ts';
import { settingsSchema, type SuiteSettings } from './settings.ts';

/** Where a publisher can be stopped in a test: right behind the thing that the name says. */
export type FaultPoint =
  | 'begun'
  | 'pool-filled'
  | 'indices-written'
  | 'written'
  | 'signature-made'
  | 'signed'
  | 'release-files-placed'
  | 'switched'
  | 'published';

export interface PublishDeps {
  readonly db: Db;
  readonly blobs: BlobStore;
  readonly storage: Storages;
  readonly signer: ReleaseSigner;
  /** How clients reach this server, without a slash at its end: for the URL of changelogs. */
  readonly publicUrl: string;
  readonly log: Logger;
  /** The keeper of the indices of an archive; default: the one whose cost follows the change. */
  readonly keeper?: (storage: ArchiveStorage) => IndexKeeper;
  /** Called at each point; for tests, which stop here. */
  readonly fault?: (point: FaultPoint) => Promise<void> | void;
}

/** Why a publication is made: only `change` asks whether there is anything new. */
export type PublishReason = 'change' | 'renewal' | 'request';

export type PublishResult =
  /** `resumed`: it was one that had been cut off, so that what was asked for may still be to be done. */
  | { readonly kind: 'published'; readonly serial: number; readonly resumed: boolean }
  | { readonly kind: 'nothing-new' }
  /** Another publisher works on the suite. */
  | { readonly kind: 'busy' }
  /** The last publication's second is not over. */
  | { readonly kind: 'too-soon'; readonly waitMs: number }
  | { readonly kind: 'no-such-suite' };

/** What `publications.facts` holds. All but the first two are told by the steps when they are done. */
export const publicationFactsSchema = z.looseObject({
  settings: settingsSchema,
  /** Serial of the publication before this one; 0 when there was none. */
  from: z.int(),
  indices: writtenIndicesSchema.exactOptional(),
  /** Milliseconds. */
  steps: z.record(z.string(), z.number()).exactOptional(),
});
export type PublicationFacts = z.infer<typeof publicationFactsSchema>;

/** A publication that is on its way. */
export interface OpenPublication {
  readonly id: number;
  readonly suiteId: number;
  readonly serial: number;
  readonly state: PublicationState;
  readonly date: Date;
  readonly validUntil: Date | null;
  readonly reason: string;
  readonly settings: SuiteSettings;
  readonly from: number;
  readonly facts: PublicationFacts;
  readonly release: string | null;
  readonly inRelease: Buffer | null;
  readonly releaseGpg: Buffer | null;
}

/** What the steps of one publication are given. */
export interface StepDeps extends Omit<PublishDeps, 'fault' | 'storage' | 'keeper'> {
  readonly published: ObjectStore;
  readonly keeper: IndexKeeper;
  readonly fault: (point: FaultPoint) => Promise<void>;
}
