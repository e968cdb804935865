/**
 * Deciding a tag: fetch, verify, freeze, and then ONE transaction in which the decision, the submission's facts, the reservation
 * of its version, the frozen input, the event and the next step all become true, or none of them.
 *
 * Everything before the transaction may be repeated as often as processes die: it fills a cache and a store of blobs. Inside it
 * the tag's row is locked and its state looked at first, so however often this runs, and wherever it was killed before, a tag is
 * decided once.
 */
import { isConnectionError, isDatabaseFull, withTransaction, type Trx } from '../platform/database.ts';
import { describeError, isFault, LandfallError } from '../platform/errors.ts';
import {
  archiveForDistro,
  getArchive,
  getGitRepository,
  reserveVersion,
  type Archive,
  type GitRepository,
} from '../registry/index.ts';
import { versionTaken } from './checks/version.ts';
import type { TagDeps } from './deps.ts';
import type { Candidate } from './facts.ts';
import { freezeInput, type FrozenPack } from './freeze.ts';
import { discardMirror, mirrorPath, openMirror, tidyMirror, type OpenedMirror } from './mirror.ts';
import { isDecided, mayBeRedecided, obstructed, type Obstacle, type Rejection } from './model.ts';
import { recordAcceptance, recordObstacle, recordRedecisionObstacle, recordRejection } from './record-decision.ts';
import { objectFormatOf, parseReleaseRef } from './release-ref.ts';
import { lastDecision, loadTag, lockTag, moveTag, type TagRow } from './store.ts';
import { rejectAfter, verifyAgain, verifyTag, type Verdict } from './verify.ts';
import { shortId } from './words.ts';

/** Why a decided tag is decided again, and for whom. */
export interface Redecision {
  readonly actor: string;
  /** The denial that is looked at again: when another decision followed it, this is done. */
  readonly afterDecisionId: number;
}

type Accepted = Extract<Verdict, { kind: 'accepted' }>;

/** What tags that were fetched together have in common, read when they were. */
export interface Together {
  readonly opened: OpenedMirror;
  readonly repository: GitRepository;
  /** By the DISTRO that leads to them. */
  readonly archives: ReadonlyMap<string, Archive>;
}

/**
 * Decides a tag that is not decided yet; a decided one is left as it is, unless this is a redecision of a denial. `together` is
 * given for a tag that was fetched when it was noticed.
 */
export async function decideTag(
  deps: TagDeps,
  tagId: number,
  signal: AbortSignal,
  redecision?: Redecision,
  together?: Together,
): Promise<'done' | 'mirror-discarded'> {
  const { db } = deps;
  const row = await loadTag(db, tagId);
  if (row === undefined) {
    deps.log.warn({ tagId }, 'a tag that does not exist was to be decided');
    return 'done';
  }
  const denial = redecision === undefined ? undefined : await lastDecision(db, tagId);
  if (denial?.id !== redecision?.afterDecisionId) return 'done';
  if (denial === undefined ? isDecided(row.state) : !mayBeRedecided(denial.code)) return 'done';
  const candidate = await candidateFor(deps, row, denial?.code, together);
  const gitDir = mirrorPath(deps, candidate.repository.id, candidate.objectFormat);
  // A mirror that is damaged can look like a forge that is away.
  if (row.obstacles > 0 && row.obstacles % DISTRUST_AFTER === 0) await discardMirror(gitDir);
  const decided = await decideFromMirror(deps, row, candidate, signal, redecision, together?.opened);
  if (decided?.kind !== 'obstructed' || !isMirrorFault(decided.obstacle.code)) {
    if (together === undefined) await tidyMirror(gitDir);
    return 'done';
  }
  deps.log.warn({ gitDir, code: decided.obstacle.code }, 'a mirror is damaged and is thrown away');
  await discardMirror(gitDir);
  return 'mirror-discarded';
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
  opened: OpenedMirror | undefined,
): Promise<Verdict | undefined> {
  const { db } = deps;
  const mayBeThere = row.obstacles > 0 || redecision !== undefined;
  const mirror = await openMirror(deps, candidate, signal, { mayBeThere, opened });
  try {
    const at = row.readAt;
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
      else await recordRedecisionObstacle(trx, row, verdict, at, redecision);
      break;
  }
  return verdict;
}

async function candidateFor(
  deps: TagDeps,
  row: TagRow,
  denial: string | undefined,
  together: Together | undefined,
): Promise<Candidate> {
  const { db } = deps;
  const ref = parseReleaseRef(row.ref);
  if (ref === undefined) {
    throw new LandfallError({
      code: 'tags.ref',
      doing: `decide tag ${row.id}`,
      reason: `${row.ref} is not a ref of a release`,
    });
  }
  const target = together?.archives.get(ref.distro);
  const isTarget = target?.id === row.archiveId;
  return {
    repository: together?.repository ?? (await getGitRepository(db, row.gitRepositoryId)),
    archive: isTarget ? target : await getArchive(db, row.archiveId),
    leadsTo: isTarget ? target.id : (await archiveForDistro(db, row.gitRepositoryId, ref.distro))?.archiveId,
    ref,
    objectId: row.objectId,
    objectFormat: objectFormatOf(row.objectId),
    seenAt: row.seenAt,
    anyAge: denial === 'tag.fresh',
    decidedAgain: denial !== undefined,
    tagId: row.id,
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
): Promise<FrozenPack | Rejection | Obstacle> {
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

function faultObstacle(deps: TagDeps, candidate: Candidate, error: unknown): Obstacle {
  if (
    isConnectionError(error) ||
    isDatabaseFull(error) ||
    isFault(error, 'database.') ||
    isFault(error, 'exec.aborted')
  )
    throw error;
  deps.log.error({ error, tag: candidate.ref.ref, objectId: candidate.objectId }, 'a tag could not be decided');
  const fault = error instanceof LandfallError ? error : undefined;
  return obstructed(
    'fetch.ok',
    fault?.code ?? 'fault.unexpected',
    `The tag ${candidate.ref.name} (${shortId(candidate.objectId)}) could not be looked at here: ${describeError(error)}.`,
    fault?.remedy ?? 'It is tried again by itself; the fault is in the log of serve.',
  );
}
