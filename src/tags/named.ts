/**
 * The short way of a notice that names a tag which nobody has seen: the tag is fetched at once, by its name, together with all
 * others that were named meanwhile; what came is recorded as seen, and decided from there. The notice is not believed: where a
 * name leads is what the registered address gives, and a tag of the baseline, or one that was seen before, is never taken here.
 *
 * What the long way (scan.ts) does, listing first and fetching then, this does in one: the object that is seen is the object that
 * was fetched. One that replaces it later is another tag. Whatever does not go smoothly is left to the long way, which finds the
 * words for it; and so is a tag that no notice named, by the look that follows soon.
 *
 * Each tag has its own task as well, in the same transaction in which it is recorded. So when this process dies, nothing is lost;
 * when a tag was decided here, its task is taken back.
 */
import { databaseNow, withTransaction } from '../platform/database.ts';
import { distrosOf, getGitRepository } from '../registry/index.ts';
import { decideTag } from './decide.ts';
import type { TagDeps } from './deps.ts';
import { fetchNamed, tidyMirror } from './mirror.ts';
import { lookSoon, newNames } from './named-store.ts';
import { parseReleaseRef } from './release-ref.ts';
import { enqueueNamed, enqueueScan, recordTag } from './scan.ts';
import { lockScan, unseenRefs } from './scan-store.ts';

/** Tags that are fetched together. */
const MAX_TOGETHER = 20;
/** When a tag is decided by its own task: where this one came to its end, that is never. */
const OWN_TASK_AFTER_MS = 15_000;

/** Takes in and decides the tags that notices named and that were never seen. */
export async function takeNamedTags(deps: TagDeps, gitRepositoryId: number, signal: AbortSignal): Promise<void> {
  const { db } = deps;
  const repository = await getGitRepository(db, gitRepositoryId);
  if (!repository.enabled) return;
  const archives = new Map((await distrosOf(db, gitRepositoryId)).map(({ distro, archiveId }) => [distro, archiveId]));
  const named = await newNames(db, gitRepositoryId, MAX_TOGETHER + 1);
  const ours = named.flatMap((ref) => {
    const release = parseReleaseRef(ref);
    const archiveId = release === undefined ? undefined : archives.get(release.distro);
    return release === undefined || archiveId === undefined ? [] : [{ release, archiveId }];
  });
  const now = ours.slice(0, MAX_TOGETHER);
  if (now.length === 0) return;
  const refs = now.map(({ release }) => release.ref);
  const fetched = await fetchNamed(deps, repository, refs, signal);
  if (fetched === undefined) {
    await withTransaction(db, async (trx) => await enqueueScan(trx, repository));
    return;
  }
  const { opened, tags } = fetched;
  try {
    const ownTaskAt = new Date((await databaseNow(db)).getTime() + OWN_TASK_AFTER_MS);
    const seen = await withTransaction(db, async (trx) => {
      await lockScan(trx, gitRepositoryId);
      const fresh = (await unseenRefs(trx, gitRepositoryId, tags)).filter(({ inBaseline }) => !inBaseline);
      const recorded: number[] = [];
      for (const { ref, objectId } of fresh) {
        const facts = now.find(({ release }) => release.ref === ref);
        if (facts === undefined) continue;
        const tag = { ref, objectId, ...facts };
        recorded.push((await recordTag(trx, repository, tag, 'landfall', ownTaskAt)).tagId);
      }
      await lookSoon(trx, gitRepositoryId);
      if (named.length > MAX_TOGETHER) await enqueueNamed(trx, gitRepositoryId);
      return recorded;
    });
    deps.log.info({ repository: repository.name, tags: seen.length }, 'new tags');
    for (const tagId of seen) {
      if (signal.aborted) return;
      const went = await decideTag(deps, tagId, signal, undefined, opened);
      // A mirror that was thrown away is not the one that is open here.
      if (went === 'mirror-discarded') return;
    }
  } finally {
    await opened.reader.close();
  }
  await tidyMirror(opened.gitDir);
}
