/**
 * The checks of an upload, in order. First those of its bytes, which need no lock because bytes never change; then those
 * against what the archive holds, inside the deciding transaction. A source and a binary upload have a list each.
 */
import type { Upload } from '../upload.ts';
import { filesAllowed } from './taken-down.ts';
import {
  binariesDeclared,
  debAgrees,
  debReadable,
  sourceAccepted,
  type AcceptedSource,
  type ReadBinaries,
} from './binaries.ts';
import { buildinfoAgrees } from './buildinfo.ts';
import {
  changesContents,
  changesShape,
  filesComplete,
  sourceDistribution,
  sourceName,
  sourceVersion,
  type FileDigests,
} from './changes.ts';
import type { Changes } from '../../debian/changes.ts';
import { checklist } from './checklist.ts';
import { decisionStands, decisionVerified, type TagDecision } from './decision.ts';
import type { CheckDeps } from './deps.ts';
import { matchesTag } from './matches-tag.ts';
import { archiveQuota } from './quota.ts';
import { changesSignature, signedByWorker, type SignedText } from './signature.ts';
import { sourceListed, type SourceFiles } from './source-files.ts';
import { dscAgrees, dscFormat, dscShape, dscSignature, origSame, type ReadDsc } from './source.ts';
import {
  binariesNewer,
  binaryComponents,
  binaryOwner,
  binaryUnused,
  declaredOwner,
  jobDelivered,
  namesUnique,
  newPolicy,
  sourceComponent,
  sourceNewer,
  versionReserved,
  type PlacedBinaries,
  type PlacedSource,
  type StateDeps,
} from './state.ts';

interface Read {
  readonly signed: SignedText;
  readonly changes: Changes;
  readonly digests: ReadonlyMap<string, FileDigests>;
}

/** What the checks of a source's bytes found out. */
export type ExaminedSource = Upload & Read & TagDecision & ReadDsc & SourceFiles;
/** What the checks of binaries' bytes found out. */
export type ExaminedBinaries = Upload & Read & TagDecision & AcceptedSource & ReadBinaries;
export type AcceptableSource = ExaminedSource & PlacedSource;
export type AcceptableBinaries = ExaminedBinaries & PlacedBinaries;

const COMMON = checklist<CheckDeps, Upload>()
  .then('signature.good', changesSignature)
  .then('signature.worker', signedByWorker)
  .then('changes.shape', changesShape)
  .then('files.complete', filesComplete)
  .then('changes.contents', changesContents)
  .then('source.name', sourceName)
  .then('source.version', sourceVersion)
  .then('source.distribution', sourceDistribution)
  .then('decision.verified', decisionVerified);

export const SOURCE_BYTES = COMMON.then('dsc.signature', dscSignature)
  .then('dsc.shape', dscShape)
  .then('dsc.agrees', dscAgrees)
  .then('dsc.format', dscFormat)
  .then('orig.same', origSame)
  .then('source.listed', sourceListed)
  .then('buildinfo.agrees', buildinfoAgrees)
  .then('source.matches-tag', matchesTag);

export const BINARY_BYTES = COMMON.then('source.accepted', sourceAccepted)
  .then('deb.readable', debReadable)
  .then('deb.agrees', debAgrees)
  .then('binaries.declared', binariesDeclared)
  .then('buildinfo.agrees', buildinfoAgrees);

export const SOURCE_STATE = checklist<StateDeps, ExaminedSource>()
  .then('job.delivered', jobDelivered)
  .then('decision.stands', decisionStands)
  .then('version.reserved', versionReserved)
  .then('component.known', sourceComponent)
  .then('names.unique', namesUnique)
  .then('files.allowed', filesAllowed)
  .then('archive.quota', archiveQuota)
  .then('version.newer', sourceNewer)
  .then('binary.owner', declaredOwner)
  .then('new.policy', newPolicy);

export const BINARY_STATE = checklist<StateDeps, ExaminedBinaries>()
  .then('job.delivered', jobDelivered)
  .then('decision.stands', decisionStands)
  .then('component.known', binaryComponents)
  .then('binary.unused', binaryUnused)
  .then('names.unique', namesUnique)
  .then('files.allowed', filesAllowed)
  .then('archive.quota', archiveQuota)
  .then('version.newer', binariesNewer)
  .then('binary.owner', binaryOwner)
  .then('new.policy', newPolicy);

/** Codes of all checks of a kind of upload, in order. */
export function checkCodes(kind: Upload['kind']): readonly string[] {
  return kind === 'source'
    ? [...SOURCE_BYTES.codes, ...SOURCE_STATE.codes]
    : [...BINARY_BYTES.codes, ...BINARY_STATE.codes];
}
