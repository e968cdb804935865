/**
 * The moment when a worker says that it has delivered: in one transaction the attempt is delivered, the upload exists with its
 * files, and the task that decides on it is enqueued. Said again, the answer is the same (H23).
 */
import { deliver, type Refusal, type WorkerIdentity } from '../lighthouse/index.ts';
import { findBuildOfJob } from '../builds/index.ts';
import { withTransaction, type Db, type Trx } from '../platform/database.ts';
import { recordEvent } from '../platform/events.ts';
import { enqueue } from '../platform/tasks.ts';
import { getSubmission } from '../registry/index.ts';

export const CHECK_TASK = 'archive.check-upload';

export type DeliveryAnswer =
  | { readonly kind: 'received'; readonly uploadId: number; readonly submissionId: number; readonly repeated: boolean }
  | Refusal;

/** What the worker says of its delivery. */
export interface DeliveryNote {
  /** Name of the .changes among the attempt's files. */
  readonly changes: string;
}

export async function receiveDelivery(
  deps: { readonly db: Db },
  identity: WorkerIdentity,
  attemptId: number,
  token: number,
  note: DeliveryNote,
): Promise<DeliveryAnswer> {
  try {
    return await withTransaction(deps.db, async (trx): Promise<DeliveryAnswer> => {
      const delivered = await deliver(trx, identity, attemptId, token);
      if (delivered.kind === 'refused') return delivered;
      const before = await trx
        .selectFrom('uploads')
        .select(['id', 'submission_id'])
        .where('attempt_id', '=', attemptId)
        .executeTakeFirst();
      if (before !== undefined) {
        return { kind: 'received', uploadId: before.id, submissionId: before.submission_id, repeated: true };
      }
      return await makeUpload(trx, identity, attemptId, delivered.jobId, note);
    });
  } catch (error) {
    if (error instanceof Undeliverable) return error.refusal;
    throw error;
  }
}

/** Undoes the delivery: the attempt runs on, and the worker may deliver what is missing. */
class Undeliverable extends Error {
  readonly refusal: Refusal;

  constructor(code: string, reason: string) {
    super(reason);
    this.refusal = { kind: 'refused', status: 409, code, reason };
  }
}

async function makeUpload(
  trx: Trx,
  identity: WorkerIdentity,
  attemptId: number,
  jobId: number,
  note: DeliveryNote,
): Promise<DeliveryAnswer> {
  const build = await findBuildOfJob(trx, jobId);
  if (build === undefined) throw new Undeliverable('upload.no-build', 'the job is not one that delivers packages');
  const submission = await getSubmission(trx, build.submissionId);
  if (submission.suiteId === null) throw new Undeliverable('upload.no-suite', 'its submission is for no suite');
  const files = await trx
    .selectFrom('attempt_files')
    .select(['name', 'sha256', 'size'])
    .where('attempt_id', '=', attemptId)
    .execute();
  if (!note.changes.endsWith('.changes') || !files.some(({ name }) => name === note.changes)) {
    throw new Undeliverable('upload.no-changes', `${note.changes} is no .changes that was uploaded before`);
  }
  const upload = await trx
    .insertInto('uploads')
    .values({
      submission_id: build.submissionId,
      attempt_id: attemptId,
      archive_id: submission.archiveId,
      suite_id: submission.suiteId,
      kind: build.kind,
      changes_name: note.changes,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await trx
    .insertInto('upload_files')
    .values(files.map((file) => ({ upload_id: upload.id, ...file })))
    .execute();
  await recordEvent(trx, {
    kind: 'upload.received',
    submissionId: build.submissionId,
    actor: `worker:${identity.name}`,
    data: {
      uploadId: upload.id,
      uploadKind: build.kind,
      architecture: build.architecture,
      buildId: build.id,
      attemptId,
      changes: note.changes,
      files: files.length,
    },
  });
  await enqueue(trx, CHECK_TASK, { uploadId: upload.id }, { jobKey: `check-upload:${upload.id}` });
  return { kind: 'received', uploadId: upload.id, submissionId: build.submissionId, repeated: false };
}
