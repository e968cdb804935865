/**
 * Adopting a tag of the baseline. What a Git repository had when it was looked at first decides nothing, whoever names it in a
 * notice: it was not made for us, or it was made before we could have been meant. Somebody with the right can say otherwise of
 * one tag; it is then seen like any other, and all checks are made.
 */
import { sql } from 'kysely';
import { withTransaction } from '../platform/database.ts';
import { recordAudit } from '../platform/events.ts';
import { actorName, isInForce, loadHolder, mayAct, type Actor, type SystemActor } from '../permissions/index.ts';
import { archiveForDistro, getGitRepository } from '../registry/index.ts';
import { databaseNow } from '../platform/database.ts';
import type { TagDeps } from './deps.ts';
import type { TagState } from './model.ts';
import { parseReleaseRef } from './release-ref.ts';
import { enqueueDecision, recordTag } from './scan.ts';
import { findTagByRef } from './store.ts';

export type Adopted =
  | { readonly kind: 'adopted'; readonly tagId: number; readonly submissionId: number }
  /** It was seen already, by itself or by another who adopted it. */
  | { readonly kind: 'known'; readonly tagId: number; readonly state: TagState }
  | { readonly kind: 'denied'; readonly code: string; readonly reason: string }
  | { readonly kind: 'not-there'; readonly code: string; readonly reason: string; readonly remedy: string };

/** `ref` is whole, refs/tags/DISTRO/VERSION. For those who administer the archive or may release something to it. */
export async function adoptTag(
  deps: Pick<TagDeps, 'db'>,
  question: { readonly gitRepositoryId: number; readonly ref: string },
  actor: Actor | SystemActor,
): Promise<Adopted> {
  const { db } = deps;
  const { gitRepositoryId, ref } = question;
  const repository = await getGitRepository(db, gitRepositoryId);
  const release = parseReleaseRef(ref);
  const archive = release === undefined ? undefined : await archiveForDistro(db, gitRepositoryId, release.distro);
  if (release === undefined || archive === undefined) {
    return {
      kind: 'not-there',
      code: 'tag.not-ours',
      reason: `${ref.replace(/^refs\/tags\//, '')} is not DISTRO/VERSION with a DISTRO of ${repository.name}`,
      remedy: `landfall git list shows the prefixes of ${repository.name}`,
    };
  }
  const denied = await denialFor(deps, actor, archive.archive);
  if (denied !== undefined) return denied;
  return await withTransaction(db, async (trx): Promise<Adopted> => {
    // Looks wait: a tag is recorded once.
    await trx.selectFrom('git_repositories').select('id').where('id', '=', gitRepositoryId).forUpdate().execute();
    const seen = await findTagByRef(trx, gitRepositoryId, ref, undefined);
    const { rows } = await sql<{ objectId: string }>`
      UPDATE tag_baselines b SET adopted_at = now(), adopted_by = ${actorName(actor)}
      WHERE b.git_repository_id = ${gitRepositoryId} AND b.ref = ${ref} AND b.adopted_at IS NULL
        AND NOT EXISTS (
          SELECT FROM tags t WHERE t.git_repository_id = b.git_repository_id AND t.ref = b.ref AND t.object_id = b.object_id
        )
      RETURNING b.object_id AS "objectId"`.execute(trx);
    const [adopted] = rows;
    if (adopted === undefined) {
      if (seen !== undefined) return { kind: 'known', tagId: seen.id, state: seen.state };
      return {
        kind: 'not-there',
        code: 'tag.not-in-baseline',
        reason: `${repository.name} had no tag ${release.name} when it was looked at first, and none was seen since`,
        remedy: `push it, and have it looked at: landfall tag notify ${repository.name} ${release.name}`,
      };
    }
    const recorded = await recordTag(
      trx,
      repository,
      { ref, objectId: adopted.objectId, release, archiveId: archive.archiveId },
      actorName(actor),
    );
    await enqueueDecision(trx, recorded.tagId, gitRepositoryId);
    await recordAudit(trx, {
      actor: actorName(actor),
      action: 'tag.adopted',
      subject: `tag ${recorded.tagId} (${ref})`,
      detail: { repository: repository.name, objectId: adopted.objectId },
    });
    return { kind: 'adopted', ...recorded };
  });
}

async function denialFor(
  deps: Pick<TagDeps, 'db'>,
  actor: Actor | SystemActor,
  archive: string,
): Promise<Extract<Adopted, { kind: 'denied' }> | undefined> {
  const administers = await mayAct(deps.db, actor, 'administer', { archive });
  if (administers.kind === 'allowed') return undefined;
  if (actor.kind === 'person') {
    const holder = await loadHolder(deps.db, actor.personId);
    const now = await databaseNow(deps.db);
    const releases = holder?.grants.some(
      (held) => held.action === 'release' && (held.archive === '*' || held.archive === archive) && isInForce(held, now),
    );
    if (holder?.active === true && releases === true) return undefined;
  }
  return {
    kind: 'denied',
    code: administers.code,
    reason: `${administers.reason} Whoever may release something to ${archive} can adopt a tag, too.`,
  };
}
