/**
 * Looking at a Git repository: its tags are listed (`git ls-remote`, nothing is fetched), and each tag object under a name of
 * ours that was never seen becomes a submission with a tag to decide.
 *
 * The first look is the baseline: what is there already was not meant for us, and decides nothing, also when a notice names it
 * (see adopt.ts for the way out). What leads here is only a hint; nothing of it is used but the name of a ref to look at.
 *
 * A look that comes to nothing is an obstacle of the repository and no fault: see looks.ts.
 */
import { databaseNow, withTransaction, type Trx } from '../platform/database.ts';
import { recordEvent } from '../platform/events.ts';
import { lsRemote, type RemoteRef } from '../platform/git.ts';
import { enqueue } from '../platform/tasks.ts';
import { createSubmission, distrosOf, getArchive, getGitRepository, type GitRepository } from '../registry/index.ts';
import type { TagDeps } from './deps.ts';
import {
  LOOK_DEADLINE_SECONDS,
  addressObstacle,
  obstacleOf,
  recordFailedLook,
  recordGoodLook,
  repositoriesToPoll,
  type LookObstacle,
} from './looks.ts';
import { addressFault, remoteOf } from './mirror.ts';
import { parseReleaseRef, TAGS, type ReleaseRef } from './release-ref.ts';
import {
  DECISION_KEY,
  addBaseline,
  addTag,
  lockScan,
  markNoticed,
  namedRefs,
  undecidedTags,
  unseenRefs,
} from './scan-store.ts';

/** New tags that one look takes in; the next look, which follows at once, takes the next ones. */
const MAX_NEW_TAGS = 200;

/** Between two looks at one Git repository. */
const MIN_PAUSE_MS = 1_000;

/** Decisions go one after another per Git repository: a mirror has one user at a time. */
export function queueOf(gitRepositoryId: number): string {
  return `git:${gitRepositoryId}`;
}

/** One look for however many hints, and at most one a second: the forge is somebody else's machine. */
export async function enqueueScan(trx: Trx, repository: Pick<GitRepository, 'id' | 'lastScanAt'>): Promise<void> {
  const { id, lastScanAt } = repository;
  await enqueue(
    trx,
    'tags.scan',
    { gitRepositoryId: id },
    {
      jobKey: `tags.scan:${id}`,
      // Not the mirror's queue: what a look finds can be decided while the look still ends.
      queueName: `look:${id}`,
      ...(lastScanAt === null ? {} : { runAt: new Date(lastScanAt.getTime() + MIN_PAUSE_MS) }),
    },
  );
}

/** A look at the tags that notices name and nobody has seen, by fetching them: see named.ts. It works on the mirror. */
export async function enqueueNamed(trx: Trx, gitRepositoryId: number): Promise<void> {
  await enqueue(
    trx,
    'tags.scan',
    { gitRepositoryId, named: true },
    { jobKey: `tags.scan-named:${gitRepositoryId}`, queueName: queueOf(gitRepositoryId) },
  );
}

export async function enqueueDecision(trx: Trx, tagId: number, gitRepositoryId: number, runAt?: Date): Promise<void> {
  await enqueue(
    trx,
    'tags.decide',
    { tagId },
    {
      jobKey: `${DECISION_KEY}${tagId}`,
      queueName: queueOf(gitRepositoryId),
      ...(runAt === undefined ? {} : { runAt }),
    },
  );
}

/** Enqueues a look at every Git repository that is due for one. */
export async function pollRepositories(deps: Pick<TagDeps, 'db'>): Promise<void> {
  for (const repository of await repositoriesToPoll(deps.db)) {
    await withTransaction(deps.db, async (trx) => await enqueueScan(trx, repository));
  }
}

/** Lists the tags and records new ones; obstructed tags that notices named since the last look are tried again. */
export async function scanRepository(deps: TagDeps, gitRepositoryId: number, signal: AbortSignal): Promise<void> {
  // What is pushed while the tags are listed belongs to the next look.
  const startedAt = await databaseNow(deps.db);
  const repository = await getGitRepository(deps.db, gitRepositoryId);
  if (!repository.enabled) return;
  const distros = new Map(
    (await distrosOf(deps.db, repository.id)).map(({ distro, archiveId }) => [distro, archiveId]),
  );
  const fault = addressFault(repository);
  const failed = async (obstacle: LookObstacle): Promise<void> => {
    deps.log.info({ repository: repository.name, code: obstacle.code }, 'a look came to nothing');
    await withTransaction(deps.db, async (trx) => await recordFailedLook(trx, repository, obstacle));
  };
  if (fault !== undefined) {
    await failed(addressObstacle(repository, fault));
    return;
  }
  const listed = await lsRemote({
    ...remoteOf(deps, repository),
    patterns: [...distros.keys()].map((distro) => `${TAGS}${distro}/*`),
    deadlineMs: Math.min(repository.fetchDeadlineSeconds, LOOK_DEADLINE_SECONDS) * 1000,
    signal,
  });
  if (listed.kind !== 'refs') {
    await failed(obstacleOf(repository, listed));
    return;
  }
  const ours = listed.refs.flatMap((remote) => {
    const ref = parseReleaseRef(remote.ref);
    const archiveId = ref === undefined ? undefined : distros.get(ref.distro);
    return ref === undefined || archiveId === undefined ? [] : [{ ...remote, release: ref, archiveId }];
  });

  const more = await withTransaction(deps.db, async (trx) => {
    const { hasBaseline } = await lockScan(trx, repository.id);
    const named = new Set(await namedRefs(trx, repository.id));
    if (!hasBaseline) await addBaseline(trx, repository.id, ours.map(plainRef));
    const unseen = new Map(
      (await unseenRefs(trx, repository.id, ours.map(plainRef))).map((one) => [one.ref, one.inBaseline]),
    );
    const fresh = ours.filter(({ ref }) => unseen.get(ref) === false);
    for (const tag of fresh.slice(0, MAX_NEW_TAGS)) {
      await enqueueDecision(trx, (await recordTag(trx, repository, tag, 'landfall')).tagId, repository.id);
    }
    for (const tag of ours) {
      if (named.has(tag.ref) && unseen.get(tag.ref) === true) await tellPassedOver(trx, repository, tag);
    }
    for (const tag of await undecidedTags(trx, repository.id, ours.map(plainRef))) {
      // Named again, or tried for the last time long ago: somebody cares for it now. And nothing that was seen is forgotten.
      const asked = named.has(tag.ref) || tag.retryAt === null;
      if (tag.state === 'seen' || asked) await enqueueDecision(trx, tag.id, repository.id);
    }
    await recordGoodLook(trx, repository, startedAt);
    if (fresh.length > MAX_NEW_TAGS) await enqueueScan(trx, { id: repository.id, lastScanAt: startedAt });
    return fresh.length;
  });
  if (more > 0) deps.log.info({ repository: repository.name, tags: more }, 'new tags');
}

/** Somebody cares for a tag of the baseline, and it decides nothing: it must not wait in silence. Told once for each. */
async function tellPassedOver(trx: Trx, repository: GitRepository, tag: ListedTag): Promise<void> {
  if (!(await markNoticed(trx, repository.id, plainRef(tag)))) return;
  const { audience } = await getArchive(trx, tag.archiveId);
  await recordEvent(trx, {
    kind: 'tag.passed-over',
    actor: 'landfall',
    audience,
    data: {
      repository: repository.name,
      name: tag.release.name,
      objectId: tag.objectId,
      sentence: `${tag.release.name} was there when ${repository.name} was looked at for the first time, so it decides nothing by itself.`,
      remedy: `landfall tag adopt ${repository.name} ${tag.release.name}`,
    },
  });
}

type ListedTag = RemoteRef & { readonly release: ReleaseRef; readonly archiveId: number };

/** The rows of a tag object that is to be decided. Who calls this sees to it that it is: {@link enqueueDecision}. */
export async function recordTag(
  trx: Trx,
  repository: { readonly id: number; readonly name: string },
  tag: ListedTag,
  actor: string,
): Promise<{ readonly tagId: number; readonly submissionId: number }> {
  const submissionId = await createSubmission(trx, { origin: 'tag', archiveId: tag.archiveId });
  const tagId = await addTag(trx, {
    gitRepositoryId: repository.id,
    submissionId,
    ref: tag.ref,
    objectId: tag.objectId,
    distro: tag.release.distro,
  });
  await recordEvent(trx, {
    kind: 'tag.seen',
    submissionId,
    actor,
    data: { tagId, repository: repository.name, name: tag.release.name, objectId: tag.objectId },
  });
  return { tagId, submissionId };
}

function plainRef({ ref, objectId }: RemoteRef): RemoteRef {
  return { ref, objectId };
}
