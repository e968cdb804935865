/**
 * The short way of a notice that names a tag which nobody has seen: the tag is fetched at once, by its name, together with all
 * others that were named meanwhile; what came is recorded as seen, and decided from there. The notice is not believed: where a
 * name leads is what the registered address gives, and a tag of the baseline, or one that was seen before, is never taken here.
 *
 * What the long way (scan.ts) does, listing first and fetching then, this does in one: the object that is seen is the object that
 * was fetched. One that replaces it later is another tag. Whatever does not go smoothly is left to the long way, which finds the
 * words for it; and so is a tag that no notice named, by the look that follows soon.
 *
 * A tag that is recorded here has no task of its own: this one is run again until it comes to its end, and begins with what it
 * left behind. So when this process dies, nothing is lost.
 */
import { withTransaction } from '../platform/database.ts';
import { distrosOf, getArchive, getGitRepository, type Archive } from '../registry/index.ts';
import { decideTag } from './decide.ts';
import type { TagDeps } from './deps.ts';
import { fetchNamed, tidyMirror } from './mirror.ts';
import { lookSoon, newNames, seenWithoutTask } from './named-store.ts';
import { parseReleaseRef } from './release-ref.ts';
import { enqueueDecision, enqueueNamed, enqueueScan, recordTag } from './scan.ts';
import { lockScan, unseenRefs } from './scan-store.ts';

/** Tags that are fetched together. */
const MAX_TOGETHER = 20;

/** Takes in and decides the tags that notices named and that were never seen. */
export async function takeNamedTags(deps: TagDeps, gitRepositoryId: number, signal: AbortSignal): Promise<void> {
  const { db } = deps;
  await decideByThemselves(deps, gitRepositoryId);
  const repository = await getGitRepository(db, gitRepositoryId);
  if (!repository.enabled) return;
  const archives = new Map<string, Archive>();
  for (const { distro, archiveId } of await distrosOf(db, gitRepositoryId)) {
    archives.set(distro, await getArchive(db, archiveId));
  }
  const named = await newNames(db, gitRepositoryId, MAX_TOGETHER + 1);
  const ours = named.flatMap((ref) => {
    const release = parseReleaseRef(ref);
    const archive = release === undefined ? undefined : archives.get(release.distro);
    return release === undefined || archive === undefined ? [] : [{ release, archiveId: archive.id }];
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
    const seen = await withTransaction(db, async (trx) => {
      await lockScan(trx, gitRepositoryId);
      const fresh = (await unseenRefs(trx, gitRepositoryId, tags)).filter(({ inBaseline }) => !inBaseline);
      const recorded: number[] = [];
      for (const { ref, objectId } of fresh) {
        const facts = now.find(({ release }) => release.ref === ref);
        if (facts === undefined) continue;
        const tag = { ref, objectId, ...facts };
        recorded.push((await recordTag(trx, repository, tag, 'landfall')).tagId);
      }
      await lookSoon(trx, gitRepositoryId);
      if (named.length > MAX_TOGETHER) await enqueueNamed(trx, gitRepositoryId);
      return recorded;
    });
    deps.log.info({ repository: repository.name, tags: seen.length }, 'new tags');
    for (const tagId of seen) {
      const went = signal.aborted
        ? 'stopped'
        : await decideTag(deps, tagId, signal, undefined, { opened, repository, archives });
      if (went === 'done') continue;
      // A mirror that was thrown away is not the one that is open here.
      await decideByThemselves(deps, gitRepositoryId);
      return;
    }
  } finally {
    await opened.reader.close();
  }
  await tidyMirror(opened.gitDir);
}

/** Gives each tag that was seen, and has no task, one of its own. Nobody decides tags of this Git repository meanwhile. */
async function decideByThemselves(deps: TagDeps, gitRepositoryId: number): Promise<void> {
  const left = await seenWithoutTask(deps.db, gitRepositoryId);
  if (left.length === 0) return;
  await withTransaction(deps.db, async (trx) => {
    for (const tagId of left) await enqueueDecision(trx, tagId, gitRepositoryId);
  });
}
