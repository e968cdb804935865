/**
 * Where the checks get a tag's objects from. Two implementations: the mirror of a registered Git repository, and the pack
 * that a maintainer sends to have a tag checked before it is pushed. Both give the same answers for the same objects.
 */
import type { CheckResult, Obstacle } from './model.ts';
import type { UpstreamBinding } from './metadata.ts';
import type { ListingProblem, TreeListing } from './tree-listing.ts';

export type ReadObject =
  | { readonly kind: 'object'; readonly type: string; readonly bytes: Buffer }
  | { readonly kind: 'too-large'; readonly type: string; readonly size: number }
  | { readonly kind: 'missing' };

/** Reading objects by their ids; no ref is ever resolved here. */
export interface GitObjects {
  /** The content of an object, when it has at most `limit` bytes. */
  read(objectId: string, limit: number): Promise<ReadObject>;
  /** All entries of a commit's tree; `maxBytes` bounds its files. */
  list(
    commitId: string,
    maxBytes: number,
    wants: (path: string) => boolean,
  ): Promise<TreeListing | ListingProblem | { readonly kind: 'missing' }>;
  /** The folder of the bare repository. */
  readonly gitDir: string;
}

export type FetchedUpstream =
  | { readonly kind: 'resolved'; readonly commitId: string }
  /** The commit is there; where the tag leads to shows when it is pushed. */
  | { readonly kind: 'sent' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'refused'; readonly reason: string }
  | Obstacle;

export type FetchedCommit =
  | { readonly kind: 'there' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'refused'; readonly reason: string }
  | Obstacle;

/** Brings what a decision needs, step by step, and reads it. */
export interface TagSource {
  /** Check `fetch.ok`: the tag object and its commit with all its trees and blobs. */
  fetchTag(): Promise<CheckResult<undefined>>;
  /** The commit that the upstream tag leads to, with its trees and blobs. */
  fetchUpstream(binding: UpstreamBinding): Promise<FetchedUpstream>;
  /** The commit with pristine-tar's data. */
  fetchPristineTar(commitId: string): Promise<FetchedCommit>;
  readonly objects: GitObjects;
}
