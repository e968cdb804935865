/**
 * What the checks are given and what they find out, one after another. The types are narrow on purpose: a check can use only
 * what the checks before it have established.
 */
import type { SourceControl } from '../debian/control.ts';
import type { Archive, GitRepository } from '../registry/index.ts';
import type { QuiltMode } from '../platform/schema.ts';
import type { ObjectFormat, ReleaseRef } from './release-ref.ts';
import type { SignatureKind, TagObject } from './tag-object.ts';
import type { UpstreamBinding } from './metadata.ts';
import type { TreeListing } from './tree-listing.ts';

/** A registered Git repository, as far as a decision needs it. */
export type Repository = Pick<
  GitRepository,
  | 'id'
  | 'name'
  | 'url'
  | 'enabled'
  | 'allowFile'
  | 'plainTags'
  | 'plainSource'
  | 'plainQuilt'
  | 'maxPackBytes'
  | 'fetchDeadlineSeconds'
>;

/** The archive that the tag's DISTRO asks to enter. */
export type TargetArchive = Pick<
  Archive,
  'id' | 'name' | 'audience' | 'acceptedFormats' | 'packagePatterns' | 'reservedPatterns' | 'acceptedLicences'
>;

/** The tag that is decided. */
export interface Candidate {
  readonly repository: Repository;
  readonly archive: TargetArchive;
  /** The archive that the prefix of the tag's name leads to now. */
  readonly leadsTo: number | undefined;
  readonly ref: ReleaseRef;
  readonly objectId: string;
  readonly objectFormat: ObjectFormat;
  /** When the tag was seen first: its age is judged by this, so that an obstacle does not make it too old. */
  readonly seenAt: Date;
  /** The administrator who has it decided again waived its age. */
  readonly anyAge: boolean;
  /** An administrator has it decided again: a key that was added after it was signed then counts. */
  readonly decidedAgain: boolean;
  /** The row of `tags` and what its version is reserved for; undefined where a tag is only checked, and nothing recorded. */
  readonly tagId: number | undefined;
  readonly submissionId: number | undefined;
}

/** What the tag claims, agreed with its name. Nothing of it is believed before the signature is good. */
export interface Claim {
  readonly source: string;
  readonly version: string;
  readonly upstream: UpstreamBinding | undefined;
  readonly pristineTarCommitId: string | undefined;
  /** As written; what it means depends on the source format. */
  readonly quilt: string | undefined;
  readonly plain: boolean;
}

/** The one signature of a tag. */
export interface PresentSignature {
  readonly format: SignatureKind;
  readonly bytes: Uint8Array;
}

/** What the cryptography says. */
export type CheckedSignature =
  | {
      readonly kind: 'good';
      readonly format: SignatureKind;
      /** Of the primary key, or `SHA256:…`: what keys are registered by. */
      readonly fingerprint: string;
      /** Of the key that signed: the same, or a subkey. */
      readonly signingKey: string;
      /** SSH signatures have no time. */
      readonly madeAt: Date | undefined;
    }
  /** It cannot be checked, because nobody registered the key. */
  | { readonly kind: 'unknown-key'; readonly format: SignatureKind; readonly key: string };

/** The person behind a good signature. */
export interface KnownSigner {
  readonly personId: number;
  readonly handle: string;
  readonly name: string;
  readonly email: string;
  readonly fingerprint: string;
  readonly material: Buffer;
}

export interface Suite {
  readonly id: number;
  readonly name: string;
}

/** What the commit releases, where to: changelog, control and the suite agree. */
export interface AgreedRelease {
  readonly suite: Suite;
  /** Of the suite, the first being that of sections without a prefix. */
  readonly components: readonly string[];
  readonly control: SourceControl;
}

/** The tagged commit and what of it was looked at. */
export interface BoundCommit {
  readonly commitId: string;
  readonly listing: TreeListing;
  readonly changelog: Uint8Array;
  readonly control: Uint8Array;
  /** The first line of debian/source/format; `1.0` where there is no such file. */
  readonly sourceFormat: string;
}

/** What the orig tarball is bound to. */
export interface BoundUpstream {
  readonly commitId: string;
  readonly listing: TreeListing;
  readonly pristineTar: { readonly commitId: string; readonly listing: TreeListing } | undefined;
}

/** All that an accepted tag has established. */
export interface VerifiedTag {
  readonly tagBytes: Buffer;
  readonly tag: TagObject;
  readonly claim: Claim;
  readonly signature: Extract<CheckedSignature, { kind: 'good' }>;
  readonly signer: KnownSigner;
  readonly commit: BoundCommit;
  readonly suite: Suite;
  readonly grantId: number;
  readonly upstream: BoundUpstream | undefined;
  readonly quilt: QuiltMode;
}
