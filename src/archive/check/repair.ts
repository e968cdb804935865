/**
 * Does what a plan of repairs says, one after another; each is audited before the next. What cannot be done is told and stops
 * nothing else. Damaged bytes are moved out of the way and never given to anybody again.
 */
import { Readable } from 'node:stream';
import { withTransaction } from '../../platform/database.ts';
import { LandfallError, describeError } from '../../platform/errors.ts';
import { recordAudit } from '../../platform/events.ts';
import { enqueuePublication } from '../accept.ts';
import type { PublishDeps } from '../publish/publication.ts';
import { publishSuite } from '../publish/publisher.ts';
import { describeRepair, type Repair } from './findings.ts';

export interface RepairOutcome {
  readonly repair: Repair;
  readonly says: string;
  /** Undefined when it was done. */
  readonly problem: string | undefined;
}

const MOST_WAITS = 100;

export async function doRepairs(
  deps: PublishDeps,
  repairs: readonly Repair[],
  actor: string,
  onDone: (outcome: RepairOutcome) => void = () => undefined,
): Promise<RepairOutcome[]> {
  const outcomes: RepairOutcome[] = [];
  for (const repair of repairs) {
    const says = describeRepair(repair);
    let problem: string | undefined;
    try {
      await doRepair(deps, repair);
    } catch (error) {
      problem = describeError(error);
    }
    await withTransaction(deps.db, (trx) =>
      recordAudit(trx, {
        actor,
        action: problem === undefined ? 'archive.repaired' : 'archive.repair-failed',
        subject: subjectOf(repair),
        detail: { says, repair: { ...repair }, problem: problem ?? null },
      }),
    );
    const outcome = { repair, says, problem };
    outcomes.push(outcome);
    onDone(outcome);
  }
  return outcomes;
}

function subjectOf(repair: Repair): string {
  return repair.kind === 'publish' ? `suite ${repair.archive}/${repair.suite}` : `archive ${repair.archive}`;
}

async function doRepair(deps: PublishDeps, repair: Repair): Promise<void> {
  const { published, chunks } = await deps.storage(repair.archive);
  switch (repair.kind) {
    case 'pool-from-blob': {
      await published.delete(repair.path);
      const batch = published.batch();
      await batch.putBlob(repair.path, deps.blobs, { sha256: repair.sha256, size: repair.size });
      await batch.settle();
      return;
    }
    case 'blob-from-pool': {
      const opened = await published.open(repair.path);
      if (opened === undefined) throw gone(repair.path);
      const { sha256, size } = repair;
      // Out of the way first, or its name would keep the damaged bytes. The sound ones are checked again as they are put.
      await deps.blobs.delete(sha256);
      const put = await deps.blobs.put(Readable.fromWeb(opened.read(0, opened.size)), { sha256, size });
      if (put.kind !== 'stored') throw gone(repair.path);
      return;
    }
    case 'drop-index-part':
      await chunks.delete(repair.id);
      return;
    case 'drop-published-file':
      await published.delete(repair.name);
      return;
    case 'publish':
      await publishAnew(deps, repair.suiteId);
  }
}

/** Publishes here and now; where the signer does not answer, the server does it when it can. */
async function publishAnew(deps: PublishDeps, suiteId: number): Promise<void> {
  try {
    for (let wait = 0; wait < MOST_WAITS; wait += 1) {
      const result = await publishSuite(deps, suiteId, 'request');
      if (result.kind === 'published' && !result.resumed) return;
      if (result.kind === 'no-such-suite') return;
      if (result.kind !== 'published')
        await new Promise((resolve) => setTimeout(resolve, result.kind === 'too-soon' ? result.waitMs + 5 : 200));
    }
    throw new LandfallError({
      code: 'publish.busy',
      doing: 'publish the suite anew',
      reason: 'another publisher works on it all the time',
      remedy: 'run the check again',
    });
  } catch (error) {
    await withTransaction(deps.db, (trx) => enqueuePublication(trx, suiteId, { reason: 'request' }));
    throw error;
  }
}

function gone(path: string): LandfallError {
  return new LandfallError({
    code: 'repair.gone',
    doing: 'make a stored file anew',
    reason: `${path} is not sound any more`,
    remedy: 'run the check again',
  });
}
