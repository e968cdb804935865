/**
 * Deciding a tag: fetch, verify, freeze, and then ONE transaction in which the decision, the submission's facts, the reservation
 * of its version, the frozen input, the event and the next step all become true, or none of them.
 *
 * Everything before the transaction may be repeated as often as processes die: it fills a cache and a store of blobs. Inside it
 * the tag's row is locked and its state looked at first, so however often this runs, and wherever it was killed before, a tag is
 * decided once.
 */
import { databaseNow, isConnectionError, withTransaction, type Trx } from '../platform/database.ts';
import { describeError, isFault, LandfallError } from '../platform/errors.ts';
import { recordEvent } from '../platform/events.ts';
import { enqueue } from '../platform/tasks.ts';
import { describeSubmission, getArchive, getGitRepository, reserveVersion } from '../registry/index.ts';
import { versionTaken } from './checks/version.ts';
import type { TagDeps } from './deps.ts';
import type { Candidate } from './facts.ts';
import { freezeInput, type FrozenPack } from './freeze.ts';
import { discardMirror, mirrorPath, openMirror } from './mirror.ts';
import { CHECK_COUNT, isDecided, MAX_OBSTACLES, mayBeRedecided, obstructed, retryDelayMs } from './model.ts';
import { objectFormatOf, parseReleaseRef } from './release-ref.ts';
import { enqueueDecision } from './scan.ts';
import {
  addDecision,
  addFrozenInput,
  addObstacle,
  lastDecision,
  loadTag,
  lockTag,
  moveTag,
  type NewDecision,
  type TagRow,
} from './store.ts';
import { rejectAfter, verifyAgain, verifyTag, type PartialFacts, type Verdict } from './verify.ts';
import { shortId } from './words.ts';

/** Why a decided tag is decided again, and for whom. */
export interface Redecision {
  readonly actor: string;
  /** The denial that is looked at again: when another decision followed it, this is done. */
  readonly afterDecisionId: number;
}

type Accepted = Extract<Verdict, { kind: 'accepted' }>;
type Rejected = Extract<Verdict, { kind: 'rejected' }>;
type Obstructed = Extract<Verdict, { kind: 'obstructed' }>;

/** Decides a tag that is not decided yet; a decided one is left as it is, unless this is a redecision of a denial. */
export async function decideTag(
  deps: TagDeps,
  tagId: number,
  signal: AbortSignal,
  redecision?: Redecision,
): Promise<void> {
  const { db } = deps;
  const row = await loadTag(db, tagId);
  if (row === undefined) {
    deps.log.warn({ tagId }, 'a tag that does not exist was to be decided');
    return;
  }
  const denial = redecision === undefined ? undefined : await lastDecision(db, tagId);
  if (denial?.id !== redecision?.afterDecisionId) return;
  if (denial === undefined ? isDecided(row.state) : !mayBeRedecided(denial.code)) return;
  const candidate = await candidateFor(deps, row, denial?.code === 'tag.fresh');
  const gitDir = mirrorPath(deps, candidate.repository.id, candidate.objectFormat);
  // A mirror that is damaged can look like a forge that is away.
  if (row.obstacles > 0 && row.obstacles % DISTRUST_AFTER === 0) await discardMirror(gitDir);
  const decided = await decideFromMirror(deps, row, candidate, signal, redecision);
  if (decided?.kind !== 'obstructed' || !isMirrorFault(decided.obstacle.code)) return;
  deps.log.warn({ gitDir, code: decided.obstacle.code }, 'a mirror is damaged and is thrown away');
  await discardMirror(gitDir);
}

/** Obstacles of one tag after which its mirror is begun anew. */
const DISTRUST_AFTER = 5;

function isMirrorFault(code: string): boolean {
  return code.startsWith('mirror.') || code === 'git.damaged';
}

/** Fetches, verifies, freezes and settles. Undefined when somebody else decided meanwhile. */
async function decideFromMirror(
  deps: TagDeps,
  row: TagRow,
  candidate: Candidate,
  signal: AbortSignal,
  redecision: Redecision | undefined,
): Promise<Verdict | undefined> {
  const { db } = deps;
  const mirror = await openMirror(deps, candidate, signal);
  try {
    const at = await databaseNow(db);
    let verdict = await verifySafely(deps, candidate, mirror, at);
    let frozen: FrozenPack | undefined;
    if (verdict.kind === 'accepted') {
      const result = await freezeSafely(deps, candidate, verdict, mirror.objects);
      if (result.kind === 'frozen') frozen = result;
      else if (result.kind === 'rejected') verdict = rejectAfter(verdict, result);
      else verdict = { kind: 'obstructed', checks: verdict.checks, obstacle: result, facts: {} };
    }
    const final = await withTransaction(
      db,
      async (trx) => await settle(trx, row, candidate, verdict, frozen, at, redecision),
    );
    if (final?.kind === 'rejected' && !mayBeRedecided(final.rejection.code)) await mirror.forget();
    if (final !== undefined) deps.log.info({ tag: row.ref, tagId: row.id, outcome: final.kind }, 'tag decided');
    return final;
  } finally {
    await mirror.close();
  }
}

/** The one transaction. Undefined when somebody else decided meanwhile. */
async function settle(
  trx: Trx,
  row: TagRow,
  candidate: Candidate,
  found: Verdict,
  frozen: FrozenPack | undefined,
  at: Date,
  redecision: Redecision | undefined,
): Promise<Verdict | undefined> {
  const state = await lockTag(trx, row.id);
  if (redecision === undefined) {
    if (isDecided(state)) return undefined;
  } else if (state !== 'rejected' || (await lastDecision(trx, row.id))?.id !== redecision.afterDecisionId) {
    return undefined;
  }
  let verdict = found;
  if (verdict.kind === 'accepted') verdict = await verifyAgain(trx, candidate, verdict, at);
  if (verdict.kind === 'accepted') {
    const { claim } = verdict.verified;
    const reservation = await reserveVersion(trx, {
      archiveId: candidate.archive.id,
      source: claim.source,
      version: claim.version,
      submissionId: row.submissionId,
    });
    if (reservation.kind === 'taken') {
      verdict = rejectAfter(verdict, versionTaken(candidate, claim, reservation.by, reservation.state));
    }
  }
  const decidedBy = redecision?.actor ?? 'landfall';
  switch (verdict.kind) {
    case 'accepted':
      if (frozen === undefined) throw new Error('an accepted tag has no frozen input');
      await moveTag(trx, row.id, state, redecision === undefined ? 'accept' : 'accept-after-redecision');
      await recordAcceptance(trx, row, candidate, verdict, frozen, decidedBy);
      break;
    case 'rejected':
      // Denied again: the state stays, and the new decision says why.
      if (redecision === undefined) await moveTag(trx, row.id, state, 'reject');
      await recordRejection(trx, row, verdict, decidedBy);
      break;
    case 'obstructed':
      if (redecision === undefined) await recordObstacle(trx, row, state, verdict, at);
      break;
  }
  return verdict;
}

async function recordAcceptance(
  trx: Trx,
  row: TagRow,
  candidate: Candidate,
  verdict: Accepted,
  frozen: FrozenPack,
  decidedBy: string,
): Promise<void> {
  const { verified, checks } = verdict;
  const { claim, signer, suite, commit, upstream } = verified;
  const what = `${claim.source} ${claim.version}`;
  const decisionId = await addDecision(trx, row.id, {
    outcome: 'accepted',
    code: 'accepted',
    sentence: `All ${CHECK_COUNT} checks passed: ${signer.name} (${signer.handle}) releases ${what} to ${candidate.archive.name}/${suite.name}.`,
    remedy: undefined,
    checks,
    tagObject: verified.tagBytes,
    signatureKind: verified.signature.format,
    keyFingerprint: signer.fingerprint,
    keyMaterial: signer.material,
    personId: signer.personId,
    commitId: commit.commitId,
    upstreamCommitId: upstream?.commitId,
    source: claim.source,
    version: claim.version,
    suiteId: suite.id,
    quilt: verified.quilt,
    grantId: verified.grantId,
    decidedBy,
  });
  await describeSubmission(trx, row.submissionId, {
    suiteId: suite.id,
    source: claim.source,
    version: claim.version,
    personId: signer.personId,
  });
  await addFrozenInput(trx, {
    submissionId: row.submissionId,
    sha256: frozen.sha256,
    size: frozen.size,
    objectFormat: candidate.objectFormat,
    tagObjectId: row.objectId,
    commitId: commit.commitId,
    upstreamCommitId: upstream?.commitId,
    pristineTarCommitId: upstream?.pristineTar?.commitId,
  });
  await recordEvent(trx, {
    kind: 'tag.accepted',
    submissionId: row.submissionId,
    actor: `person:${signer.handle}`,
    data: {
      tagId: row.id,
      decisionId,
      name: candidate.ref.name,
      source: claim.source,
      version: claim.version,
      archive: candidate.archive.name,
      suite: suite.name,
      commitId: commit.commitId,
    },
  });
  await enqueue(
    trx,
    'sources.prepare',
    { submissionId: row.submissionId },
    { jobKey: `sources.prepare:${row.submissionId}` },
  );
}

async function recordRejection(trx: Trx, row: TagRow, verdict: Rejected, decidedBy: string): Promise<void> {
  const { rejection, facts, checks } = verdict;
  await addDecision(trx, row.id, {
    outcome: 'rejected',
    code: rejection.code,
    sentence: rejection.sentence,
    remedy: rejection.remedy,
    checks,
    ...decisionFacts(facts),
    upstreamCommitId: facts.claim?.upstream?.commitId,
    quilt: undefined,
    grantId: undefined,
    decidedBy,
  });
  await recordEvent(trx, {
    kind: 'tag.rejected',
    submissionId: row.submissionId,
    actor: decidedBy,
    data: {
      tagId: row.id,
      name: row.ref,
      code: rejection.code,
      sentence: rejection.sentence,
      remedy: rejection.remedy,
    },
  });
}

function decisionFacts(
  facts: PartialFacts,
): Pick<
  NewDecision,
  | 'tagObject'
  | 'signatureKind'
  | 'keyFingerprint'
  | 'keyMaterial'
  | 'personId'
  | 'commitId'
  | 'source'
  | 'version'
  | 'suiteId'
> {
  const { signature } = facts;
  return {
    tagObject: facts.tagBytes,
    signatureKind: signature?.format,
    keyFingerprint: signature?.kind === 'good' ? signature.fingerprint : signature?.key,
    keyMaterial: facts.signer?.material,
    personId: facts.signer?.personId,
    commitId: facts.commitId,
    source: facts.claim?.source,
    version: facts.claim?.version,
    suiteId: facts.suite?.id,
  };
}

async function recordObstacle(
  trx: Trx,
  row: TagRow,
  state: TagRow['state'],
  verdict: Obstructed,
  at: Date,
): Promise<void> {
  const { obstacle, checks } = verdict;
  const { count, isNew } = await addObstacle(trx, row.id, obstacle, checks);
  const retryAt = count < MAX_OBSTACLES ? new Date(at.getTime() + retryDelayMs(count)) : undefined;
  await moveTag(trx, row.id, state, 'obstruct', retryAt);
  if (retryAt !== undefined) await enqueueDecision(trx, row.id, row.gitRepositoryId, retryAt);
  // The same obstacle again is no news.
  if (!isNew) return;
  await recordEvent(trx, {
    kind: 'tag.obstructed',
    submissionId: row.submissionId,
    actor: 'landfall',
    data: { tagId: row.id, name: row.ref, code: obstacle.code, sentence: obstacle.sentence, remedy: obstacle.remedy },
  });
}

async function candidateFor(deps: TagDeps, row: TagRow, anyAge: boolean): Promise<Candidate> {
  const repository = await getGitRepository(deps.db, row.gitRepositoryId);
  const ref = parseReleaseRef(row.ref);
  if (ref === undefined) {
    throw new LandfallError({
      code: 'tags.ref',
      doing: `decide tag ${row.id}`,
      reason: `${row.ref} is not a ref of a release`,
    });
  }
  return {
    repository,
    archive: await getArchive(deps.db, row.archiveId),
    ref,
    objectId: row.objectId,
    objectFormat: objectFormatOf(row.objectId),
    seenAt: row.seenAt,
    anyAge,
    submissionId: row.submissionId,
  };
}

/** A fault while verifying is an obstacle: it says nothing about the tag. That the database is away, the task itself retries. */
async function verifySafely(
  deps: TagDeps,
  candidate: Candidate,
  mirror: Parameters<typeof verifyTag>[2],
  at: Date,
): Promise<Verdict> {
  try {
    return await verifyTag(deps.db, candidate, mirror, at);
  } catch (error) {
    return { kind: 'obstructed', checks: [], obstacle: faultObstacle(deps, candidate, error), facts: {} };
  }
}

async function freezeSafely(
  deps: TagDeps,
  candidate: Candidate,
  verdict: Accepted,
  objects: Parameters<typeof freezeInput>[1],
): ReturnType<typeof freezeInput> {
  try {
    return await freezeInput(
      deps.blobs,
      objects,
      candidate.objectId,
      verdict.verified,
      candidate.repository.maxPackBytes,
    );
  } catch (error) {
    return faultObstacle(deps, candidate, error);
  }
}

function faultObstacle(deps: TagDeps, candidate: Candidate, error: unknown): ReturnType<typeof obstructed> {
  if (isConnectionError(error) || isFault(error, 'database.') || isFault(error, 'exec.aborted')) throw error;
  deps.log.error({ error, tag: candidate.ref.ref, objectId: candidate.objectId }, 'a tag could not be decided');
  const fault = error instanceof LandfallError ? error : undefined;
  return obstructed(
    'fetch.ok',
    fault?.code ?? 'fault.unexpected',
    `The tag ${candidate.ref.name} (${shortId(candidate.objectId)}) could not be looked at here: ${describeError(error)}.`,
    fault?.remedy ?? 'It is tried again by itself; the fault is in the log of serve.',
  );
}
