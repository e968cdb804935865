/**
 * The decision on an upload. Its bytes are checked without a lock; then one transaction takes the archive's lock, checks it
 * against what the archive holds, records every check and accepts, holds or rejects it, with all that follows. Decided once,
 * it stays decided: asked again, nothing happens.
 */
import { sql } from 'kysely';
import { loseDelivery, refuseDelivery, succeedJob } from '../lighthouse/index.ts';
import { withTransaction, type Trx } from '../platform/database.ts';
import { LandfallError, isFault } from '../platform/errors.ts';
import { recordAudit, recordEvent } from '../platform/events.ts';
import type { UploadState } from '../platform/schema.ts';
import { freeVersion, getSuite } from '../registry/index.ts';
import { acceptBinaries, acceptSource } from './accept.ts';
import type { ListOutcome, Objection, RecordedCheck } from './checks/checklist.ts';
import type { CheckDeps } from './checks/deps.ts';
import {
  BINARY_BYTES,
  BINARY_STATE,
  SOURCE_BYTES,
  SOURCE_STATE,
  type ExaminedBinaries,
  type ExaminedSource,
} from './checks/lists.ts';
import type { StateDeps } from './checks/state.ts';
import { lockArchive } from './lock.ts';
import { uploadMayMove } from './model.ts';
import { readUpload, type Upload } from './upload.ts';

export type DecideDeps = CheckDeps;

export type Decision =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'held'; readonly objection: Objection }
  | { readonly kind: 'rejected'; readonly objection: Objection }
  /** It was decided before, or there is none. */
  | { readonly kind: 'nothing-to-decide' };

/** A reviewer's word on an upload that is held. */
export interface Review {
  readonly uploadId: number;
  readonly verdict: 'accept' | 'reject';
  readonly actor: string;
  readonly reason: string;
}

type Examined =
  | { readonly kind: 'source'; readonly outcome: ListOutcome<ExaminedSource> }
  | { readonly kind: 'binary'; readonly outcome: ListOutcome<ExaminedBinaries> };

/** Decides an upload that was received. @throws LandfallError when a blob, the database or a program is away: again later */
export async function decideUpload(deps: DecideDeps, uploadId: number): Promise<Decision> {
  const upload = await readUpload(deps.db, uploadId);
  if (upload?.state !== 'received') return { kind: 'nothing-to-decide' };
  try {
    return await judge(deps, upload, { actor: 'landfall', approved: false });
  } catch (error) {
    if (!isFault(error, 'blob.missing') || !(await hasLostFiles(deps, upload))) throw error;
    return await lose(deps, upload);
  }
}

/** True when bytes that the upload brought are gone: no other look at it will find them. */
async function hasLostFiles(deps: DecideDeps, upload: Upload): Promise<boolean> {
  for (const { sha256 } of upload.files.values()) {
    if (!(await deps.blobs.has(sha256))) return true;
  }
  return false;
}

/** Gives up a delivery whose bytes are gone through no fault of its own: the job is done once again. */
async function lose(deps: DecideDeps, upload: Upload): Promise<Decision> {
  const objection = {
    code: 'delivery.lost',
    sentence: 'Files of this upload are gone from the store.',
    remedy: 'nothing is to be done: it is built once again; look for the cause in the server’s log',
  };
  return await withTransaction(deps.db, async (trx) => {
    if (!(await lockUpload(trx, upload))) return { kind: 'nothing-to-decide' };
    await move(trx, upload, 'rejected', objection);
    await loseDelivery(trx, upload.build.jobId, objection.code, objection.sentence);
    await tell(trx, upload, 'upload.rejected', 'landfall', objection);
    return { kind: 'rejected', objection };
  });
}

/** Carries out a reviewer's word. Everything is checked again, since the archive has moved on meanwhile. */
export async function reviewUpload(deps: DecideDeps, review: Review): Promise<Decision> {
  const upload = await readUpload(deps.db, review.uploadId);
  if (upload?.state !== 'held') return { kind: 'nothing-to-decide' };
  if (review.verdict === 'accept') return await judge(deps, upload, { actor: review.actor, approved: true });
  const objection = {
    code: 'new.rejected',
    sentence: review.reason,
    remedy: 'mend what the reviewer says and release the next version',
  };
  return await withTransaction(deps.db, async (trx) => {
    if (!(await lockUpload(trx, upload))) return { kind: 'nothing-to-decide' };
    await reject(trx, upload, objection, review.actor);
    await audit(trx, upload, review.actor, 'upload.rejected', review.reason);
    return { kind: 'rejected', objection };
  });
}

interface By {
  readonly actor: string;
  readonly approved: boolean;
}

async function judge(deps: DecideDeps, upload: Upload, by: By): Promise<Decision> {
  const examined: Examined =
    upload.kind === 'source'
      ? { kind: 'source', outcome: await SOURCE_BYTES.run(deps, upload) }
      : { kind: 'binary', outcome: await BINARY_BYTES.run(deps, upload) };
  return await withTransaction(deps.db, async (trx) => {
    await lockArchive(trx, upload.archiveId);
    if (!(await lockUpload(trx, upload))) return { kind: 'nothing-to-decide' };
    const decision = await judgeState(trx, upload, examined, by);
    if (decision.kind === 'accepted' && by.approved) await audit(trx, upload, by.actor, 'upload.accepted', 'reviewed');
    return decision;
  });
}

async function judgeState(trx: Trx, upload: Upload, examined: Examined, by: By): Promise<Decision> {
  if (examined.outcome.kind === 'failed') {
    await record(trx, upload, examined.outcome.checks);
    await reject(trx, upload, examined.outcome.objection, by.actor);
    return { kind: 'rejected', objection: examined.outcome.objection };
  }
  const suite = await getSuite(trx, upload.suiteId);
  const state: StateDeps = { trx, suite, approved: by.approved };
  const judged =
    examined.kind === 'source'
      ? await withAcceptance(await SOURCE_STATE.run(state, examined.outcome.known), (known) =>
          acceptSource(trx, known, suite, by.actor),
        )
      : await withAcceptance(await BINARY_STATE.run(state, examined.outcome.known), (known) =>
          acceptBinaries(trx, known, suite, by.actor),
        );
  await record(trx, upload, [...examined.outcome.checks, ...judged.checks]);
  if (judged.kind === 'failed') {
    await reject(trx, upload, judged.objection, by.actor);
    return { kind: 'rejected', objection: judged.objection };
  }
  const objection = judged.held;
  if (objection !== undefined) {
    await move(trx, upload, 'held', objection);
    await succeed(trx, upload);
    await tell(trx, upload, 'upload.held', by.actor, objection);
    return { kind: 'held', objection };
  }
  await move(trx, upload, 'accepted', undefined);
  await succeed(trx, upload);
  await tell(trx, upload, 'upload.accepted', by.actor, undefined);
  return { kind: 'accepted' };
}

type Judged =
  | { readonly kind: 'passed'; readonly held: Objection | undefined; readonly checks: readonly RecordedCheck[] }
  | { readonly kind: 'failed'; readonly objection: Objection; readonly checks: readonly RecordedCheck[] };

/** Accepts what passed every check and needs nobody's word. */
async function withAcceptance<Known extends object>(
  outcome: ListOutcome<Known>,
  accept: (known: Known) => Promise<void>,
): Promise<Judged> {
  if (outcome.kind === 'failed') return outcome;
  const [held] = outcome.held;
  if (held === undefined) await accept(outcome.known);
  return { kind: 'passed', held, checks: outcome.checks };
}

/** False when somebody else decided meanwhile. */
async function lockUpload(trx: Trx, upload: Upload): Promise<boolean> {
  const row = await trx
    .selectFrom('uploads')
    .select('state')
    .where('id', '=', upload.id)
    .forUpdate()
    .executeTakeFirst();
  return row?.state === upload.state;
}

async function reject(trx: Trx, upload: Upload, objection: Objection, actor: string): Promise<void> {
  await move(trx, upload, 'rejected', objection);
  // A held upload's job has ended already.
  if (upload.state === 'received') {
    await refuseDelivery(trx, upload.build.jobId, objection.code, objection.sentence);
  }
  if (upload.kind === 'source') await freeVersion(trx, upload.submissionId, objection.sentence);
  await tell(trx, upload, 'upload.rejected', actor, objection);
}

async function succeed(trx: Trx, upload: Upload): Promise<void> {
  if (upload.state === 'received') await succeedJob(trx, upload.build.jobId);
}

async function move(trx: Trx, upload: Upload, to: UploadState, objection: Objection | undefined): Promise<void> {
  if (!uploadMayMove(upload.state, to)) {
    throw new LandfallError({
      code: 'upload.illegal-move',
      doing: `decide upload ${upload.id}`,
      reason: `an upload that is ${upload.state} cannot become ${to}`,
    });
  }
  await trx
    .updateTable('uploads')
    .set({
      state: to,
      code: objection?.code ?? null,
      sentence: objection?.sentence ?? null,
      remedy: objection?.remedy ?? null,
      signer_fingerprint: upload.build.workerFingerprint,
      ...(to === 'held' ? {} : { decided_at: sql<Date>`clock_timestamp()` }),
    })
    .where('id', '=', upload.id)
    .execute();
}

/** Checks of a second look stand behind those of the first. */
async function record(trx: Trx, upload: Upload, checks: readonly RecordedCheck[]): Promise<void> {
  const { last } = await trx
    .selectFrom('upload_checks')
    .select(sql<number>`coalesce(max(position), 0)`.as('last'))
    .where('upload_id', '=', upload.id)
    .executeTakeFirstOrThrow();
  await trx
    .insertInto('upload_checks')
    .values(
      checks.map(({ code, outcome, detail }, index) => ({
        upload_id: upload.id,
        position: last + index + 1,
        code,
        outcome,
        detail,
      })),
    )
    .execute();
}

async function tell(
  trx: Trx,
  upload: Upload,
  kind: 'upload.accepted' | 'upload.held' | 'upload.rejected',
  actor: string,
  objection: Objection | undefined,
): Promise<void> {
  await recordEvent(trx, {
    kind,
    submissionId: upload.submissionId,
    actor,
    data: {
      uploadId: upload.id,
      uploadKind: upload.kind,
      source: upload.source,
      version: upload.version,
      architecture: upload.build.architecture,
      worker: upload.build.worker,
      ...(objection === undefined ? {} : { ...objection }),
    },
  });
}

async function audit(trx: Trx, upload: Upload, actor: string, action: string, reason: string): Promise<void> {
  await recordAudit(trx, {
    actor,
    action,
    subject: `upload ${upload.id} of ${upload.source} ${upload.version}`,
    detail: { reason },
  });
}
