/**
 * The frozen input: one pack with exactly what was verified (the tag object, its commit, the upstream commit and the pristine-tar
 * commit, each with its trees and blobs) and no history. It is in the blob store before the transaction that names it, so from
 * then on the forge may be down or its branches rewritten.
 */
import type { BlobStore } from '../platform/blobs.ts';
import { packObjects } from '../platform/git.ts';
import type { VerifiedTag } from './facts.ts';
import type { GitObjects } from './git-objects.ts';
import { rejected, type Rejection } from './model.ts';
import { formatBytes } from './words.ts';

export interface FrozenPack {
  readonly kind: 'frozen';
  readonly sha256: string;
  readonly size: number;
}

/** Stores the pack. More than `maxBytes` of it is refused: the commit is too large for its Git repository. */
export async function freezeInput(
  blobs: BlobStore,
  objects: GitObjects,
  tagObjectId: string,
  verified: VerifiedTag,
  maxBytes: number,
): Promise<FrozenPack | Rejection> {
  const listings = [
    verified.commit.listing,
    ...(verified.upstream === undefined ? [] : [verified.upstream.listing]),
    ...(verified.upstream?.pristineTar === undefined ? [] : [verified.upstream.pristineTar.listing]),
  ];
  const objectIds = new Set<string>([tagObjectId]);
  for (const listing of listings) {
    objectIds.add(listing.commitId).add(listing.treeId);
    for (const objectId of listing.objectIds) objectIds.add(objectId);
  }
  const stored = await blobs.put(packObjects(objects.gitDir, [...objectIds]), {}, maxBytes);
  switch (stored.kind) {
    case 'stored':
      return { kind: 'frozen', sha256: stored.sha256, size: stored.size };
    case 'too-large':
      return rejected(
        'commit.bound',
        `What the tag binds was expected to fit into ${formatBytes(maxBytes)}, and it does not.`,
        'Take large files out of the tree (git rm), or have an administrator raise max-pack of this Git repository (landfall apply); then make the tag again (git tag -d, git debpush).',
      );
    case 'mismatch':
      throw new Error('nothing was expected of the pack, and it did not fit');
  }
}
