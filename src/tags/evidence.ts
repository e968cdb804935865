/**
 * The evidence of a decision, and its verification from nothing but the evidence: no database, no forge, no network, no key
 * server; gpgv, gpg or ssh-keygen is all that it needs. The server, the archive and `landfall tag verify --bundle` on any other
 * machine run this same code, years later too.
 *
 * What the signature covers (tag, commit, source, version, upstream) is held against the signed bytes. What it does not cover
 * (suite, grant, checks, words) is held against the fingerprint of the record, which was written beside the event of the
 * decision at the time; each field has one of its own, so that a change is found and named.
 *
 * Expiry is judged as of the decision. A revocation counts whenever it came: what a revoked key let in is no longer vouched for.
 */
import { createHash } from 'node:crypto';
import { describeProblem, isProblem } from '../debian/problem.ts';
import { verifyDetached } from '../platform/gpg.ts';
import { hashObject } from './hash-object.ts';
import { isMetadataProblem, readReleaseMetadata } from './metadata.ts';
import { objectFormatOf, parseReleaseRef } from './release-ref.ts';
import { verifySshSignature } from './ssh-signature.ts';
import { parseTagObject, type TagObject } from './tag-object.ts';
import { formatTime, groupFingerprint } from './words.ts';

/** All that a decision was taken by, as it was stored with it. */
export interface DecisionEvidence {
  readonly decisionId: number;
  readonly tagId: number;
  readonly submissionId: number;
  readonly repository: string;
  readonly archive: string;
  readonly ref: string;
  readonly objectId: string;
  readonly outcome: 'accepted' | 'rejected';
  readonly code: string;
  readonly sentence: string;
  readonly remedy: string | null;
  readonly checks: readonly EvidenceCheck[];
  readonly tagObject: Uint8Array | null;
  readonly signatureKind: 'openpgp' | 'ssh' | null;
  /** Of the primary key, or `SHA256:…`. */
  readonly keyFingerprint: string | null;
  /** The key as it was then. */
  readonly keyMaterial: Uint8Array | null;
  /** Handle of the person whose key it is. */
  readonly signer: string | null;
  readonly commitId: string | null;
  readonly upstreamCommitId: string | null;
  readonly source: string | null;
  readonly version: string | null;
  readonly suite: string | null;
  readonly quilt: string | null;
  /** The permission that let it in, in words. */
  readonly grant: string | null;
  readonly decidedBy: string;
  readonly decidedAt: Date;
  /** The pack that the source package is made from. */
  readonly frozen: FrozenEvidence | null;
}

export interface EvidenceCheck {
  readonly code: string;
  readonly outcome: string;
  readonly detail: string;
}

export interface FrozenEvidence {
  readonly sha256: string;
  readonly size: number;
  readonly tagObjectId: string;
  readonly commitId: string;
  readonly upstreamCommitId: string | null;
  readonly pristineTarCommitId: string | null;
}

/** What was written down about the record when it was made. */
export interface RecordFingerprint {
  readonly sha256: string;
  /** Of each field, the first 16 digits. */
  readonly fields: Readonly<Record<string, string>>;
}

/** What is known beside the record. */
export interface Surroundings {
  /** Undefined: none was kept. */
  readonly fingerprint?: RecordFingerprint | undefined;
  /** The frozen pack as it is now; undefined: nobody looked. */
  readonly pack?:
    { readonly kind: 'read'; readonly sha256: string; readonly size: number } | { readonly kind: 'missing' };
  /** The key was revoked, at whatever time. */
  readonly revoked?: { readonly at: Date; readonly reason: string } | undefined;
}

/** One thing that was looked at again. */
export interface VerifiedStep {
  readonly code: string;
  readonly outcome: 'passed' | 'failed' | 'not-applicable';
  readonly detail: string;
}

/** What a good signature says. */
export interface SignedFacts {
  readonly commitId: string;
  readonly fingerprint: string;
  /** `Name <email>` of the tagger, as signed. */
  readonly tagger: string;
}

export type Verification =
  | {
      readonly kind: 'verified';
      readonly sentence: string;
      readonly steps: readonly VerifiedStep[];
      /** Undefined for a rejection that came before a good signature. */
      readonly signed: SignedFacts | undefined;
    }
  /** `code` and `sentence` are those of the first step that failed. */
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly sentence: string;
      readonly steps: readonly VerifiedStep[];
    };

/** What an acceptance cannot have been taken without. */
const NEEDED_CHECKS = [
  'tag.object',
  'tag.name',
  'signature.good',
  'signer.known',
  'commit.bound',
  'changelog.agrees',
  'signer.permission',
  'version.unused',
];

/** Verifies a decision offline. Never throws for what the evidence says. */
export async function verifyEvidence(evidence: DecisionEvidence, around: Surroundings = {}): Promise<Verification> {
  const steps: VerifiedStep[] = [];
  const take = (code: string, fault: string | undefined, found: string): void => {
    steps.push({ code, outcome: fault === undefined ? 'passed' : 'failed', detail: fault ?? found });
  };
  const skip = (code: string, detail: string): void => void steps.push({ code, outcome: 'not-applicable', detail });

  const accepted = evidence.outcome === 'accepted';
  const tag = readTag(evidence);
  if (tag.kind === 'none' && !accepted) skip('decision.tag-object', tag.reason);
  else take('decision.tag-object', tag.kind === 'tag' ? undefined : tag.reason, `object ${evidence.objectId}`);
  let signed: SignedFacts | undefined;
  if (tag.kind === 'tag') {
    const { object } = tag;
    if (accepted) {
      take(
        'decision.tag-name',
        nameFault(evidence, object),
        `${object.name} is the release of ${evidence.version ?? ''}`,
      );
    }
    if (accepted || evidence.commitId !== null) {
      take('decision.commit', commitFault(evidence, object), `commit ${object.commitId}`);
    }
    if (accepted) take('decision.metadata', claimFault(evidence, object), describeClaim(evidence));
    if (accepted || passedCheck(evidence, 'signature.good')) {
      const fault = await signatureFault(evidence, object);
      const by = groupFingerprint(evidence.keyFingerprint ?? '');
      take('decision.signature', fault, `good as of ${formatTime(evidence.decidedAt)}, by ${by}`);
      if (fault === undefined && evidence.keyFingerprint !== null) {
        signed = {
          commitId: object.commitId,
          fingerprint: evidence.keyFingerprint,
          tagger: `${object.tagger.name} <${object.tagger.email}>`,
        };
      }
    } else skip('decision.signature', 'the decision was taken before a signature of a known key was found good');
  }
  take(
    'decision.checks',
    checksFault(evidence),
    `${evidence.checks.length} recorded checks lead to "${evidence.code}"`,
  );
  frozenStep(evidence, around, take, skip);
  recordStep(evidence, around, take, skip);
  revocationStep(evidence, around, take, skip);

  const failure = steps.find(({ outcome }) => outcome === 'failed');
  if (failure !== undefined) return { kind: 'failed', code: failure.code, sentence: failure.detail, steps };
  const sentence =
    signed === undefined
      ? `The rejection at ${evidence.code} is as it was recorded at ${formatTime(evidence.decidedAt)}.`
      : accepted
        ? `The tag ${evidence.ref.replace(/^refs\/tags\//, '')} of commit ${signed.commitId} carries a good signature by ${groupFingerprint(signed.fingerprint)}, as of ${formatTime(evidence.decidedAt)}.`
        : `The rejection at ${evidence.code} is as it was recorded at ${formatTime(evidence.decidedAt)}; the signature by ${groupFingerprint(signed.fingerprint)} was good.`;
  return { kind: 'verified', sentence, steps, signed };
}

/** The fingerprint of a record: the same for the same fields, whoever computes it. */
export function fingerprintOf(evidence: DecisionEvidence): RecordFingerprint {
  const entries = recordFields(evidence).map(([name, value]) => [name, sha256(value)] as const);
  return {
    sha256: sha256(entries.map(([name, digest]) => `${name} ${digest}\n`).join('')),
    fields: Object.fromEntries(entries.map(([name, digest]) => [name, digest.slice(0, 16)])),
  };
}

/** Every field as text, in one order. */
function recordFields(evidence: DecisionEvidence): readonly (readonly [string, string])[] {
  const plain = (value: string | number | null): string => (value === null ? 'null' : JSON.stringify(value));
  const bytes = (value: Uint8Array | null): string => (value === null ? 'null' : Buffer.from(value).toString('base64'));
  const { frozen } = evidence;
  return [
    ['decision', plain(evidence.decisionId)],
    ['tag', plain(evidence.tagId)],
    ['submission', plain(evidence.submissionId)],
    ['repository', plain(evidence.repository)],
    ['archive', plain(evidence.archive)],
    ['ref', plain(evidence.ref)],
    ['object', plain(evidence.objectId)],
    ['outcome', plain(evidence.outcome)],
    ['code', plain(evidence.code)],
    ['sentence', plain(evidence.sentence)],
    ['remedy', plain(evidence.remedy)],
    ['checks', JSON.stringify(evidence.checks.map(({ code, outcome, detail }) => [code, outcome, detail]))],
    ['tag-object', bytes(evidence.tagObject)],
    ['signature-kind', plain(evidence.signatureKind)],
    ['key-fingerprint', plain(evidence.keyFingerprint)],
    ['key-material', bytes(evidence.keyMaterial)],
    ['signer', plain(evidence.signer)],
    ['commit', plain(evidence.commitId)],
    ['upstream-commit', plain(evidence.upstreamCommitId)],
    ['source', plain(evidence.source)],
    ['version', plain(evidence.version)],
    ['suite', plain(evidence.suite)],
    ['quilt', plain(evidence.quilt)],
    ['grant', plain(evidence.grant)],
    ['decided-by', plain(evidence.decidedBy)],
    ['decided-at', plain(evidence.decidedAt.toISOString())],
    [
      'frozen',
      frozen === null
        ? 'null'
        : JSON.stringify([
            frozen.sha256,
            frozen.size,
            frozen.tagObjectId,
            frozen.commitId,
            frozen.upstreamCommitId,
            frozen.pristineTarCommitId,
          ]),
    ],
  ];
}

type ReadTag =
  { readonly kind: 'tag'; readonly object: TagObject } | { readonly kind: 'none' | 'wrong'; readonly reason: string };

function readTag(evidence: DecisionEvidence): ReadTag {
  const { tagObject, objectId } = evidence;
  if (tagObject === null) return { kind: 'none', reason: 'No tag object is stored with this decision.' };
  const format = objectFormatOf(objectId);
  if (hashObject(format, 'tag', tagObject) !== objectId) {
    return { kind: 'wrong', reason: 'The stored tag object does not have the id that was decided.' };
  }
  const object = parseTagObject(tagObject, format);
  if (isProblem(object)) {
    return { kind: 'wrong', reason: `The stored tag object is malformed: ${describeProblem(object)}.` };
  }
  return { kind: 'tag', object };
}

function nameFault(evidence: DecisionEvidence, tag: TagObject): string | undefined {
  const ref = parseReleaseRef(evidence.ref);
  return ref?.name === tag.name && ref.version === evidence.version
    ? undefined
    : `The stored tag is signed as ${tag.name}, not as the release of ${evidence.version ?? 'a version'}.`;
}

function commitFault(evidence: DecisionEvidence, tag: TagObject): string | undefined {
  return tag.commitId === evidence.commitId
    ? undefined
    : `The stored tag is of commit ${tag.commitId}, not of ${evidence.commitId ?? 'none'}.`;
}

function claimFault(evidence: DecisionEvidence, tag: TagObject): string | undefined {
  const metadata = readReleaseMetadata(tag.message);
  if (isMetadataProblem(metadata)) return `Its [dgit …] lines are malformed: ${describeProblem(metadata)}.`;
  // A plain tag says nothing of the source: that was in the row of its Git repository.
  if (metadata.form === 'plain') return undefined;
  if (metadata.form === 'record') return 'It asks for no release.';
  const { request } = metadata;
  if (request.source !== evidence.source || request.version !== evidence.version) {
    return `It asks for the release of ${request.source} ${request.version}, not of ${evidence.source ?? '(none)'} ${evidence.version ?? ''}.`;
  }
  const distro = parseReleaseRef(evidence.ref)?.distro ?? '';
  if (!request.distros.includes(distro))
    return `It asks for a release to ${request.distros.join(', ')}, not to ${distro}.`;
  const asked = request.quilt === undefined ? ['linear', 'native'] : [request.quilt];
  if (evidence.quilt !== null && !asked.includes(evidence.quilt)) {
    return `It says --quilt=${request.quilt ?? '(nothing)'}, and the decision says ${evidence.quilt}.`;
  }
  const bound = request.upstream?.commitId;
  return evidence.upstreamCommitId === null || bound === evidence.upstreamCommitId
    ? undefined
    : `It binds the upstream commit ${bound ?? '(none)'}, not ${evidence.upstreamCommitId}.`;
}

function describeClaim(evidence: DecisionEvidence): string {
  const upstream = evidence.upstreamCommitId === null ? '' : `, upstream ${evidence.upstreamCommitId}`;
  return `${evidence.source ?? ''} ${evidence.version ?? ''}${upstream}`;
}

async function signatureFault(evidence: DecisionEvidence, tag: TagObject): Promise<string | undefined> {
  const { signature } = tag;
  const { keyFingerprint, keyMaterial } = evidence;
  if (signature.kind !== 'one' || signature.format !== evidence.signatureKind) {
    return `It carries no ${evidence.signatureKind ?? ''} signature.`;
  }
  if (keyFingerprint === null || keyMaterial === null) return 'No key is stored with this decision.';
  if (signature.format === 'ssh') {
    const result = await verifySshSignature(signature.bytes, tag.payload);
    if (result.kind === 'bad') return `Its signature is not good: ${result.reason}.`;
    if (result.fingerprint !== keyFingerprint)
      return `It is signed by ${result.fingerprint}, not by ${keyFingerprint}.`;
    return sshFingerprint(keyMaterial) === keyFingerprint
      ? undefined
      : 'The stored key is not the one that the decision names.';
  }
  const result = await verifyDetached({
    keyring: [keyMaterial],
    signature: signature.bytes,
    payload: tag.payload,
    at: evidence.decidedAt,
  }).catch(() => undefined);
  if (result === undefined) return 'The stored key cannot be read.';
  if (result.kind === 'bad') return `Its signature is not good: ${result.detail}.`;
  return result.primary === keyFingerprint
    ? undefined
    : `It is signed by ${groupFingerprint(result.primary)}, not by ${groupFingerprint(keyFingerprint)}.`;
}

/** The material of an SSH key is `TYPE BASE64`. */
function sshFingerprint(material: Uint8Array): string {
  const blob = Buffer.from(Buffer.from(material).toString('latin1').split(' ')[1] ?? '', 'base64');
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

function passedCheck(evidence: DecisionEvidence, code: string): boolean {
  return evidence.checks.some((check) => check.code === code && check.outcome === 'passed');
}

/** The recorded checks must be ones that this outcome follows from. */
function checksFault(evidence: DecisionEvidence): string | undefined {
  const { checks, code } = evidence;
  const bad = checks.filter(({ outcome }) => outcome !== 'passed' && outcome !== 'not-applicable');
  if (evidence.outcome === 'rejected') {
    const last = checks.at(-1);
    if (last?.outcome === 'failed' && last.code === code && bad.length === 1) return undefined;
    return `The recorded checks do not end with the failure of ${code}.`;
  }
  if (code !== 'accepted') return `It was accepted, and says ${code}.`;
  const [first] = bad;
  if (first !== undefined) return `It was accepted, and its recorded check ${first.code} ${first.outcome}.`;
  const missing = NEEDED_CHECKS.filter((needed) => !passedCheck(evidence, needed));
  return missing.length === 0 ? undefined : `It was accepted without the recorded checks ${missing.join(', ')}.`;
}

type Take = (code: string, fault: string | undefined, found: string) => void;
type Skip = (code: string, detail: string) => void;

function frozenStep(evidence: DecisionEvidence, around: Surroundings, take: Take, skip: Skip): void {
  const { frozen } = evidence;
  const code = 'decision.frozen';
  if (evidence.outcome === 'rejected') return;
  if (frozen === null) {
    take(code, 'No frozen input is recorded for this release.', '');
    return;
  }
  const { pack } = around;
  const named =
    frozen.tagObjectId === evidence.objectId &&
    frozen.commitId === evidence.commitId &&
    frozen.upstreamCommitId === evidence.upstreamCommitId;
  if (!named) take(code, 'The frozen input is not of the tag, commit and upstream commit that were decided.', '');
  else if (pack === undefined) skip(code, `the pack with SHA-256 ${frozen.sha256} was not looked at`);
  else if (pack.kind === 'missing') take(code, `The pack with SHA-256 ${frozen.sha256} is not in the store.`, '');
  else if (pack.sha256 !== frozen.sha256 || pack.size !== frozen.size) {
    take(
      code,
      `The frozen pack has ${pack.size} bytes with SHA-256 ${pack.sha256}; ${frozen.size} bytes with ${frozen.sha256} were frozen.`,
      '',
    );
  } else take(code, undefined, `pack of ${frozen.size} bytes, SHA-256 ${frozen.sha256}`);
}

function recordStep(evidence: DecisionEvidence, around: Surroundings, take: Take, skip: Skip): void {
  const code = 'decision.record';
  if (around.fingerprint === undefined) {
    skip(code, 'no fingerprint of the record was kept when it was decided');
    return;
  }
  const now = fingerprintOf(evidence);
  const before = around.fingerprint;
  const changed = Object.entries(now.fields).flatMap(([name, digest]) =>
    before.fields[name] === digest ? [] : [name],
  );
  if (changed.length > 0) take(code, `Changed since the decision: ${changed.join(', ')}.`, '');
  else if (now.sha256 !== before.sha256) take(code, 'The record is not the one that was decided.', '');
  else take(code, undefined, `fingerprint sha256:${now.sha256}`);
}

function revocationStep(evidence: DecisionEvidence, around: Surroundings, take: Take, skip: Skip): void {
  const code = 'decision.key-revoked';
  if (evidence.outcome === 'rejected' || evidence.keyFingerprint === null) return;
  const { revoked } = around;
  if (revoked === undefined) {
    if ('revoked' in around) take(code, undefined, 'the key was not revoked since');
    else skip(code, 'whether the key was revoked since is not known here');
    return;
  }
  const of = evidence.signer === null ? '' : ` of ${evidence.signer}`;
  take(
    code,
    `The key ${groupFingerprint(evidence.keyFingerprint)}${of} was revoked at ${formatTime(revoked.at)}: ${revoked.reason}.`,
    '',
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
