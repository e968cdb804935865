/** What becomes of builds after they were made: their job ended, or a person asks for something. */
import { cancel, giveBack, type PersonsMove } from '../lighthouse/index.ts';
import { withTransaction, type Db } from '../platform/database.ts';
import { findSuspension, freeVersion, getSubmission, reserveVersion } from '../registry/index.ts';
import { findBuildOfJob, getBuild, lockBuild } from './store.ts';

/**
 * A source build that failed or was cancelled leaves its version to another tag. One in quarantine keeps it: the machines are
 * suspected there, not the package. Decided by the state that the job has now: it may have been given back meanwhile.
 */
export async function noteJobEnded(db: Db, jobId: number): Promise<void> {
  await withTransaction(db, async (trx) => {
    await lockBuild(trx, { jobId });
    const build = await findBuildOfJob(trx, jobId);
    if (build?.kind !== 'source') return;
    if (build.jobState === 'failed') await freeVersion(trx, build.submissionId, 'the source build failed');
    if (build.jobState === 'cancelled') await freeVersion(trx, build.submissionId, 'the source build was cancelled');
  });
}

export type BuildMove = PersonsMove | { readonly kind: 'unknown-build' };

/** Lets a failed or quarantined build run again. A source build must get its version back for that. */
export async function giveBackBuild(deps: { readonly db: Db }, buildId: number, actor: string): Promise<BuildMove> {
  return await withTransaction(deps.db, async (trx): Promise<BuildMove> => {
    await lockBuild(trx, { buildId });
    const build = await getBuild(trx, buildId);
    if (build === undefined) return { kind: 'unknown-build' };
    const suspension = await findSuspension(trx, build.submissionId);
    if (suspension !== undefined) {
      return {
        kind: 'not-possible',
        state: build.jobState,
        reason: `its release was suspended by ${suspension.actor}: ${suspension.reason}`,
      };
    }
    if (build.kind === 'source' && (build.jobState === 'failed' || build.jobState === 'quarantined')) {
      const submission = await getSubmission(trx, build.submissionId);
      if (submission.source !== null && submission.version !== null) {
        const reservation = await reserveVersion(trx, {
          archiveId: submission.archiveId,
          source: submission.source,
          version: submission.version,
          submissionId: submission.id,
        });
        if (reservation.kind === 'taken') {
          const verb = reservation.state === 'accepted' ? 'was accepted' : 'is reserved';
          return {
            kind: 'not-possible',
            state: build.jobState,
            reason: `${submission.source} ${submission.version} ${verb} for submission ${reservation.by} meanwhile`,
          };
        }
      }
    }
    return await giveBack(trx, build.jobId, actor);
  });
}

/** Ends a build that nobody wants any more. */
export async function cancelBuild(
  deps: { readonly db: Db },
  buildId: number,
  actor: string,
  reason: string,
): Promise<BuildMove> {
  return await withTransaction(deps.db, async (trx): Promise<BuildMove> => {
    await lockBuild(trx, { buildId });
    const build = await getBuild(trx, buildId);
    return build === undefined ? { kind: 'unknown-build' } : await cancel(trx, build.jobId, actor, reason);
  });
}
