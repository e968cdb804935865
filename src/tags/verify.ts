/**
 * The checks, one after another, for one tag. The first that fails ends them; each one that was made is recorded with what it
 * found. Nothing here changes anything: the same function decides a pushed tag and answers `landfall tag check`.
 *
 * The order is the security of the whole: nothing of the commit is parsed before the signature is good and its signer known, and
 * no check believes more than the checks before it have established.
 */
import { findSigner, registeredKeyring } from '../permissions/index.ts';
import { findSuite, listSuites } from '../registry/index.ts';
import type { Db } from '../platform/database.ts';
import { checkChangelogAgrees, type SuiteFinder } from './checks/changelog-agrees.ts';
import { checkCommitBound } from './checks/commit-bound.ts';
import { checkNoticeKnown } from './checks/notice-known.ts';
import { checkLicences } from './checks/policy-licences.ts';
import { checkComponents, checkNames } from './checks/policy-names.ts';
import { checkNativeVersion, checkQuiltMode, checkSourceFormat, checkSubmodules } from './checks/policy.ts';
import { checkSignatureGood } from './checks/signature-good.ts';
import { checkSignaturePresent } from './checks/signature-present.ts';
import { checkSignerKnown, type SignedBy } from './checks/signer-known.ts';
import { checkSignerPermission } from './checks/signer-permission.ts';
import { checkTagFresh } from './checks/tag-fresh.ts';
import { checkTagMetadata } from './checks/tag-metadata.ts';
import { checkTagName } from './checks/tag-name.ts';
import { checkTagObject } from './checks/tag-object.ts';
import { checkUpstreamBound } from './checks/upstream-bound.ts';
import { checkVersionNewer, checkVersionUnused } from './checks/version.ts';
import type { Candidate, CheckedSignature, Claim, KnownSigner, Suite, VerifiedTag } from './facts.ts';
import type { TagSource } from './git-objects.ts';
import { standingVersions } from './standing-versions.ts';
import type { CheckCode, CheckResult, Obstacle, RecordedCheck, Rejection } from './model.ts';
import type { TagObject } from './tag-object.ts';

/** What is known of a tag when its checks ended early; kept with the decision. */
export interface PartialFacts {
  tagBytes?: Buffer;
  commitId?: string;
  claim?: Claim;
  signature?: CheckedSignature;
  signer?: KnownSigner;
  suite?: Suite;
}

export type Verdict =
  | { readonly kind: 'accepted'; readonly checks: readonly RecordedCheck[]; readonly verified: VerifiedTag }
  | {
      readonly kind: 'rejected';
      readonly checks: readonly RecordedCheck[];
      readonly rejection: Rejection;
      readonly facts: PartialFacts;
    }
  | {
      readonly kind: 'obstructed';
      readonly checks: readonly RecordedCheck[];
      readonly obstacle: Obstacle;
      readonly facts: PartialFacts;
    };

/** Makes every check. `at` is the time that expiry is judged by. */
export async function verifyTag(db: Db, candidate: Candidate, source: TagSource, at: Date): Promise<Verdict> {
  const record = new CheckRecord();
  const facts = record.facts;
  try {
    record.take('notice.known', checkNoticeKnown(candidate));
    record.take('fetch.ok', await source.fetchTag());
    const { bytes, tag } = record.take('tag.object', await checkTagObject(candidate, source.objects));
    facts.tagBytes = bytes;
    facts.commitId = tag.commitId;
    const version = record.take('tag.name', checkTagName(candidate, tag));
    const claim = record.take('tag.metadata', checkTagMetadata(candidate, tag, version));
    facts.claim = claim;
    const present = record.take('signature.present', checkSignaturePresent(candidate, tag));
    const keyring = async (): Promise<readonly Uint8Array[]> => await registeredKeyring(db);
    const checked = record.take('signature.good', await checkSignatureGood(candidate, tag, present, keyring));
    facts.signature = checked;
    const { signature, signer } = record.take('signer.known', await signerKnown(db, candidate, tag, checked, at));
    facts.signer = signer;

    const commit = record.take('commit.bound', await checkCommitBound(candidate, tag, source.objects));
    const suites = suiteFinder(db, candidate.archive.id);
    const release = record.take('changelog.agrees', await checkChangelogAgrees(candidate, claim, commit, suites));
    const { suite } = release;
    facts.suite = suite;
    const grantId = record.take(
      'signer.permission',
      await checkSignerPermission(db, candidate, claim, signer, suite, at),
    );
    record.take('tag.fresh', checkTagFresh(candidate, tag, signature));
    const standing = await standingVersions(db, candidate, claim, suite);
    record.take('version.unused', checkVersionUnused(candidate, claim, standing));
    record.take('version.newer', checkVersionNewer(candidate, claim, suite, standing));
    const upstream = record.take('upstream.bound', await checkUpstreamBound(candidate, claim, commit, source));
    record.take('policy.names', checkNames(candidate, release));
    record.take('policy.components', checkComponents(candidate, release));
    record.take('policy.source-format', checkSourceFormat(candidate, claim, commit));
    const quilt = record.take('policy.quilt-mode', checkQuiltMode(candidate, claim, commit));
    record.take('policy.native-version', checkNativeVersion(candidate, claim, commit));
    record.take('policy.submodules', checkSubmodules(candidate, commit, upstream));
    record.take('policy.licences', await checkLicences(candidate, commit, source.objects));
    return {
      kind: 'accepted',
      checks: record.checks,
      verified: { tagBytes: bytes, tag, claim, signature, signer, commit, suite, grantId, upstream, quilt },
    };
  } catch (ended) {
    if (!(ended instanceof ChecksEnded)) throw ended;
    const { checks } = record;
    return ended.reason.kind === 'rejected'
      ? { kind: 'rejected', checks, rejection: ended.reason, facts }
      : { kind: 'obstructed', checks, obstacle: ended.reason, facts };
  }
}

/**
 * Looks again, inside the deciding transaction, at what may have changed since: the person, the key, the grant, the version.
 * Undefined when all is as it was; the checks that were made again replace those in `checks`.
 */
export async function verifyAgain(
  db: Db,
  candidate: Candidate,
  verdict: Extract<Verdict, { kind: 'accepted' }>,
  at: Date,
): Promise<Verdict> {
  const { verified } = verdict;
  const { claim, signature, suite } = verified;
  const record = new CheckRecord(verdict.checks);
  const facts = record.facts;
  facts.tagBytes = verified.tagBytes;
  facts.commitId = verified.commit.commitId;
  facts.claim = claim;
  facts.signature = signature;
  facts.signer = verified.signer;
  facts.suite = suite;
  try {
    const { signer } = record.take('signer.known', await signerKnown(db, candidate, verified.tag, signature, at));
    const grantId = record.take(
      'signer.permission',
      await checkSignerPermission(db, candidate, claim, signer, suite, at),
    );
    const standing = await standingVersions(db, candidate, claim, suite);
    record.take('version.unused', checkVersionUnused(candidate, claim, standing));
    record.take('version.newer', checkVersionNewer(candidate, claim, suite, standing));
    return { kind: 'accepted', checks: record.checks, verified: { ...verified, signer, grantId } };
  } catch (ended) {
    if (!(ended instanceof ChecksEnded) || ended.reason.kind !== 'rejected') throw ended;
    return { kind: 'rejected', checks: record.checks, rejection: ended.reason, facts };
  }
}

/** A verdict that turns into a rejection by what the transaction itself found. */
export function rejectAfter(verdict: Extract<Verdict, { kind: 'accepted' }>, rejection: Rejection): Verdict {
  const { verified, checks } = verdict;
  const before = checks.findIndex(({ code }) => code === rejection.code);
  return {
    kind: 'rejected',
    checks: [
      ...checks.slice(0, before < 0 ? checks.length : before),
      { code: rejection.code, outcome: 'failed', detail: rejection.sentence },
    ],
    rejection,
    facts: {
      tagBytes: verified.tagBytes,
      commitId: verified.commit.commitId,
      claim: verified.claim,
      signature: verified.signature,
      signer: verified.signer,
      suite: verified.suite,
    },
  };
}

async function signerKnown(
  db: Db,
  candidate: Candidate,
  tag: TagObject,
  signature: CheckedSignature,
  at: Date,
): Promise<CheckResult<SignedBy>> {
  const signer = signature.kind === 'good' ? await findSigner(db, signature.fingerprint) : undefined;
  return checkSignerKnown(candidate, tag, signature, signer, at);
}

function suiteFinder(db: Db, archiveId: number): SuiteFinder {
  return {
    find: async (name) => await findSuite(db, archiveId, name),
    takingTags: async () =>
      (await listSuites(db, archiveId)).filter(({ accepts }) => accepts.includes('tags')).map(({ name }) => name),
  };
}

/** Ends the sequence of checks; caught where it began, never seen outside. */
class ChecksEnded extends Error {
  readonly reason: Rejection | Obstacle;

  constructor(reason: Rejection | Obstacle) {
    super(reason.sentence);
    this.reason = reason;
  }
}

/** The checks that were made so far. */
class CheckRecord {
  readonly facts: PartialFacts = {};
  #checks: RecordedCheck[];

  /** `before`: checks made earlier; one that is made again takes its old place, and those behind it stay. */
  constructor(before: readonly RecordedCheck[] = []) {
    this.#checks = [...before];
  }

  get checks(): readonly RecordedCheck[] {
    return this.#checks;
  }

  /** Records a result and gives its value, or ends the sequence. */
  take<T>(code: CheckCode, result: CheckResult<T>): T {
    const place = this.#checks.findIndex((check) => check.code === code);
    switch (result.kind) {
      case 'passed':
      case 'not-applicable': {
        const check: RecordedCheck = { code, outcome: result.kind, detail: result.detail };
        if (place < 0) this.#checks.push(check);
        else this.#checks[place] = check;
        return result.value;
      }
      case 'rejected':
      case 'obstructed': {
        // What was found behind it does not count any more.
        if (place >= 0) this.#checks = this.#checks.slice(0, place);
        this.#checks.push({
          code,
          outcome: result.kind === 'rejected' ? 'failed' : 'obstructed',
          detail: result.sentence,
        });
        throw new ChecksEnded(result);
      }
    }
  }
}
