/**
 * Which builds a source needs, and what their jobs carry. Pure.
 *
 * A submission has one **source** build, which assembles the source package from the frozen commit, and after its acceptance
 * one **binary** build for each architecture of the suite that the source is for. A build has no state of its own: its job's
 * state (lighthouse/model.ts) is the build's.
 *
 * Architecture-independent packages are made by the build for the suite's `architecture_for_all`, together with that
 * architecture's own packages where there are any.
 */
import { architecturesFor } from '../debian/architectures.ts';

export interface PayloadFile {
  readonly name: string;
  readonly sha256: string;
  readonly size: number;
}

export type QuiltMode = 'gbp' | 'unapplied' | 'linear' | 'baredebian' | 'native';

/** From a frozen commit to a source package. The wire's form is in contract/jobs.ts. */
export interface SourcePayload {
  readonly kind: 'source';
  readonly submissionId: number;
  readonly archive: string;
  readonly suite: string;
  readonly source: string;
  readonly version: string;
  readonly distribution: string;
  readonly quilt: QuiltMode;
  readonly commitId: string;
  readonly tagObjectId: string;
  readonly upstreamCommitId: string | null;
  readonly pristineTarCommitId: string | null;
  /** Primary fingerprint of the key that signed the tag, and the tagger as `Name <address>`. */
  readonly fingerprint: string;
  readonly tagger: string;
  readonly frozen: { readonly sha256: string; readonly size: number };
  readonly origs: readonly PayloadFile[];
}

/** An apt repository; `keyring` is the base64 of its keys, without armour. */
export interface AptSource {
  readonly name: string;
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  readonly keyring: string;
}

/** From an accepted source package to binary packages. */
export interface BinaryPayload {
  readonly kind: 'binary';
  readonly submissionId: number;
  readonly archive: string;
  readonly suite: string;
  readonly source: string;
  readonly version: string;
  readonly distribution: string;
  readonly architecture: string;
  /** Also makes the architecture-independent packages. */
  readonly withAll: boolean;
  /** Name of the .dsc among `files`. */
  readonly dsc: string;
  readonly files: readonly PayloadFile[];
  /** What the root is made from. */
  readonly chroot: Omit<AptSource, 'name'>;
  /** All that build-dependencies may come from, the root's own source among them; the suite itself comes first. */
  readonly aptSources: readonly AptSource[];
  readonly buildProfiles: readonly string[];
}

export interface PlannedBuild {
  readonly architecture: string;
  readonly withAll: boolean;
}

export interface ArchitectureNeeds {
  /** Words of the source's Architecture field: `any`, `all`, `linux-any arm64`, `any all` … */
  readonly field: readonly string[];
  /** The suite's architectures, and the one whose build also makes what is for all. */
  readonly suite: readonly string[];
  readonly forAll: string;
  /** Architectures (`all` may be one) that the archive has binaries of this very source for already. */
  readonly present?: readonly string[];
}

/** The builds that are still missing, in the suite's order; none when no architecture of the suite fits. */
export function neededBuilds(needs: ArchitectureNeeds): readonly PlannedBuild[] {
  const present = new Set(needs.present ?? []);
  const dependent = new Set(
    architecturesFor(
      needs.field.filter((word) => word !== 'all'),
      needs.suite,
    ).filter((architecture) => !present.has(architecture)),
  );
  const all = needs.field.includes('all') && !present.has('all');
  return needs.suite
    .filter((architecture) => dependent.has(architecture) || (all && architecture === needs.forAll))
    .map((architecture) => ({ architecture, withAll: all && architecture === needs.forAll }));
}

/** Keys by which asking twice for a build's job gives the same job. */
export function sourceJobKey(submissionId: number): string {
  return `source:${submissionId}`;
}

export function binaryJobKey(submissionId: number, architecture: string): string {
  return `binary:${submissionId}:${architecture}`;
}

/** Sources are assembled in seconds, and everything else waits for them. */
export const SOURCE_PRIORITY = 10;
