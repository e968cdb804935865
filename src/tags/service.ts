/** What others may ask of this module: the answer for a push, another try, another decision. */
import { createWaiter } from '../lighthouse/index.ts';
import { withTransaction } from '../platform/database.ts';
import { recordAudit } from '../platform/events.ts';
import { actorName, mayAct, type Actor, type SystemActor } from '../permissions/index.ts';
import { archiveForDistro, getArchive } from '../registry/index.ts';
import { enqueue } from '../platform/tasks.ts';
import type { TagDeps } from './deps.ts';
import { mayBeRedecided, type TagState } from './model.ts';
import { isObjectId, parseReleaseRef } from './release-ref.ts';
import { enqueueDecision, queueOf } from './scan.ts';
import { isPassedOver } from './scan-store.ts';
import { findTagByRef, lastDecision, lastObstacle, loadTag, lockTag } from './store.ts';

/** What became of a ref that was pushed. */
export type RefAnswer =
  | {
      readonly kind: 'tag';
      readonly tagId: number;
      readonly submissionId: number;
      readonly state: TagState;
      /** Undefined while it is not decided and nothing stands in its way. */
      readonly code: string | undefined;
      readonly sentence: string;
      readonly remedy: string | undefined;
      readonly url: string;
    }
  /** It was there when the Git repository was looked at first, and decides nothing until it is adopted. */
  | { readonly kind: 'passed-over' }
  /** Nothing was seen under this ref within the time. It may come yet where it is `ours`: a name that asks for a release. */
  | { readonly kind: 'not-seen'; readonly ours: boolean };

/** Without a word of an event, which may be lost. */
const LOOK_EVERY_MS = 1_000;
/** After events that were not about this tag, the next look waits longer and longer. */
const PAUSES_MS = [5, 5, 10, 20, 50] as const;
const LAST_PAUSE_MS = 100;

/** Waits until the tag under `ref` (that very object, when it is named) is decided or obstructed, at most `timeoutMs`. */
export async function waitForRef(
  deps: Pick<TagDeps, 'db' | 'publicUrl'>,
  question: {
    readonly gitRepositoryId: number;
    readonly ref: string;
    readonly objectId?: string | undefined;
    readonly timeoutMs: number;
    readonly signal?: AbortSignal | undefined;
    /** Has `wake` called at every event, until what it gives is called. Without it, the look is repeated all the time. */
    readonly onEvents?: ((wake: () => void) => () => void) | undefined;
  },
): Promise<RefAnswer> {
  const { gitRepositoryId, ref, objectId, signal } = question;
  const release = parseReleaseRef(ref);
  const isOurs =
    release !== undefined &&
    (objectId === undefined || isObjectId(objectId)) &&
    (await archiveForDistro(deps.db, gitRepositoryId, release.distro)) !== undefined;
  // A push brings branches and upstream tags too; nobody waits for those.
  if (!isOurs) return { kind: 'not-seen', ours: false };
  const until = performance.now() + question.timeoutMs;
  const waiter = createWaiter();
  const unsubscribe = question.onEvents?.(waiter.wake);
  try {
    for (let looks = 0; ; looks += 1) {
      const answer = await answerFor(deps, gitRepositoryId, ref, objectId);
      const settled = answer.kind === 'passed-over' || (answer.kind === 'tag' && answer.state !== 'seen');
      const left = until - performance.now();
      if (settled || left <= 0 || signal?.aborted === true) return answer;
      await createWaiter().wait(Math.min(left, PAUSES_MS[looks] ?? LAST_PAUSE_MS), signal);
      if (unsubscribe !== undefined) await waiter.wait(Math.min(left, LOOK_EVERY_MS), signal);
    }
  } finally {
    unsubscribe?.();
  }
}

async function answerFor(
  deps: Pick<TagDeps, 'db' | 'publicUrl'>,
  gitRepositoryId: number,
  ref: string,
  objectId: string | undefined,
): Promise<RefAnswer> {
  const tag = await findTagByRef(deps.db, gitRepositoryId, ref, objectId);
  if (tag === undefined) {
    const passedOver = await isPassedOver(deps.db, gitRepositoryId, ref, objectId);
    return passedOver ? { kind: 'passed-over' } : { kind: 'not-seen', ours: true };
  }
  const facts = { kind: 'tag', tagId: tag.id, submissionId: tag.submissionId, state: tag.state } as const;
  const url = `${deps.publicUrl}/tags/${tag.id}`;
  const said =
    tag.state === 'seen'
      ? undefined
      : tag.state === 'obstructed'
        ? await lastObstacle(deps.db, tag.id)
        : await lastDecision(deps.db, tag.id);
  return {
    ...facts,
    code: said?.code,
    sentence: said?.sentence ?? 'The tag was seen and waits for its decision.',
    remedy: said?.remedy ?? undefined,
    url,
  };
}

export type Asked =
  | { readonly kind: 'enqueued'; readonly state: TagState; readonly sentence: string }
  | { readonly kind: 'denied'; readonly code: string; readonly reason: string }
  | { readonly kind: 'unknown-tag' }
  /** The tag is in a state that this is not for. */
  | { readonly kind: 'not-now'; readonly code: string; readonly reason: string };

/** Tries an obstructed tag at once, not only when its time comes. Whoever is known may ask. */
export async function retryTag(deps: Pick<TagDeps, 'db'>, tagId: number, actor: Actor | SystemActor): Promise<Asked> {
  const tag = await loadTag(deps.db, tagId);
  if (tag === undefined) return { kind: 'unknown-tag' };
  if (actor.kind === 'anonymous') {
    return { kind: 'denied', code: 'permission.anonymous', reason: 'This needs an access token, and none was shown.' };
  }
  return await withTransaction(deps.db, async (trx): Promise<Asked> => {
    const state = await lockTag(trx, tagId);
    if (state !== 'obstructed' && state !== 'seen') {
      return {
        kind: 'not-now',
        code: 'tags.decided',
        reason: `The tag is ${state}, and a decision is final. Another try is for tags that something else than their signer kept from being decided.`,
      };
    }
    await enqueueDecision(trx, tagId, tag.gitRepositoryId);
    await recordAudit(trx, { actor: actorName(actor), action: 'tag.retried', subject: `tag ${tagId} (${tag.ref})` });
    return { kind: 'enqueued', state, sentence: 'The tag is tried again now.' };
  });
}

/** Has a tag decided again that was denied for its signer, after an administrator mended grant, key or person. */
export async function redecideTag(
  deps: Pick<TagDeps, 'db'>,
  tagId: number,
  actor: Actor | SystemActor,
): Promise<Asked> {
  const tag = await loadTag(deps.db, tagId);
  if (tag === undefined) return { kind: 'unknown-tag' };
  const archive = await getArchive(deps.db, tag.archiveId);
  const allowed = await mayAct(deps.db, actor, 'administer', { archive: archive.name });
  if (allowed.kind === 'denied') return allowed;
  return await withTransaction(deps.db, async (trx): Promise<Asked> => {
    const state = await lockTag(trx, tagId);
    const denial = await lastDecision(trx, tagId);
    if (state !== 'rejected' || denial === undefined || !mayBeRedecided(denial.code)) {
      const found = state === 'rejected' ? `was rejected at ${denial?.code ?? 'an unknown check'}` : `is ${state}`;
      return {
        kind: 'not-now',
        code: 'tags.not-redecidable',
        reason: `The tag ${found}. Decided again are tags that were rejected for their signer (signer.…) or their age (tag.fresh).`,
      };
    }
    await enqueue(
      trx,
      'tags.decide',
      { tagId, redecision: { actor: actorName(actor), afterDecisionId: denial.id } },
      { jobKey: `tags.redecide:${tagId}`, queueName: queueOf(tag.gitRepositoryId) },
    );
    await recordAudit(trx, {
      actor: actorName(actor),
      action: 'tag.redecided',
      subject: `tag ${tagId} (${tag.ref})`,
      detail: { code: denial.code },
    });
    return { kind: 'enqueued', state, sentence: 'The tag is decided again now; the first decision stays on record.' };
  });
}
