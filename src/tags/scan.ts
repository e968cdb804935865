/**
 * Looking at a Git repository: its tags are listed (`git ls-remote`, nothing is fetched), and each tag object under a name of
 * ours that was never seen becomes a submission with a tag to decide.
 *
 * The first look is the baseline: what is there already was not meant for us, and decides nothing, except a tag that the notice
 * itself names. What leads here is only a hint; nothing of it is used but the name of a ref to look at.
 */
import { databaseNow, withTransaction, type Trx } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import { recordEvent } from '../platform/events.ts';
import { lsRemote, type RemoteRef } from '../platform/git.ts';
import { enqueue } from '../platform/tasks.ts';
import { createSubmission, distrosOf, getGitRepository, type GitRepository } from '../registry/index.ts';
import type { TagDeps } from './deps.ts';
import { addressFault, protocolsOf } from './mirror.ts';
import { parseReleaseRef, TAGS, type ReleaseRef } from './release-ref.ts';
import {
  addBaseline,
  addTag,
  lockScan,
  markScanned,
  namedRefs,
  repositoriesToPoll,
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

export async function enqueueDecision(trx: Trx, tagId: number, gitRepositoryId: number, runAt?: Date): Promise<void> {
  await enqueue(
    trx,
    'tags.decide',
    { tagId },
    {
      jobKey: `tags.decide:${tagId}`,
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

/**
 * Lists the tags and records new ones. Refs that notices named since the last look are taken out of the baseline and tried again.
 * @throws LandfallError `forge.unreachable`, `forge.timeout`, `forge.too-many-refs`, `repository.address`: tried again later.
 */
export async function scanRepository(deps: TagDeps, gitRepositoryId: number, signal: AbortSignal): Promise<void> {
  // What is pushed while the tags are listed belongs to the next look.
  const startedAt = await databaseNow(deps.db);
  const repository = await getGitRepository(deps.db, gitRepositoryId);
  const doing = `list the tags of ${repository.name}`;
  if (!repository.enabled) return;
  const distros = new Map(
    (await distrosOf(deps.db, repository.id)).map(({ distro, archiveId }) => [distro, archiveId]),
  );
  const fault = addressFault(repository);
  if (fault !== undefined) {
    throw new LandfallError({
      code: 'repository.address',
      doing,
      reason: `its address is not usable: ${fault}`,
      remedy: 'correct it in the distribution file and apply it',
    });
  }
  const listed = await lsRemote({
    url: repository.url,
    protocols: protocolsOf(repository),
    patterns: [...distros.keys()].map((distro) => `${TAGS}${distro}/*`),
    deadlineMs: repository.fetchDeadlineSeconds * 1000,
    signal,
  });
  if (listed.kind !== 'refs') {
    const code = listed.kind === 'too-large' ? 'too-many-refs' : listed.kind;
    throw new LandfallError({ code: `forge.${code}`, doing, reason: listed.detail });
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
    const fresh = ours.filter(({ ref }) => unseen.get(ref) === false || (unseen.has(ref) && named.has(ref)));
    for (const tag of fresh.slice(0, MAX_NEW_TAGS)) await recordTag(trx, repository, tag);
    for (const tag of await undecidedTags(trx, repository.id, ours.map(plainRef))) {
      // Named again, or tried for the last time long ago: somebody cares for it now.
      const asked = named.has(tag.ref) || tag.retryAt === null;
      if (tag.state === 'obstructed' && asked) await enqueueDecision(trx, tag.id, repository.id);
    }
    await markScanned(trx, repository.id, startedAt);
    if (fresh.length > MAX_NEW_TAGS) await enqueueScan(trx, { id: repository.id, lastScanAt: startedAt });
    return fresh.length;
  });
  if (more > 0) deps.log.info({ repository: repository.name, tags: more }, 'new tags');
}

async function recordTag(
  trx: Trx,
  repository: { readonly id: number; readonly name: string },
  tag: RemoteRef & { readonly release: ReleaseRef; readonly archiveId: number },
): Promise<void> {
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
    actor: 'landfall',
    data: { tagId, repository: repository.name, name: tag.release.name, objectId: tag.objectId },
  });
  await enqueueDecision(trx, tagId, repository.id);
}

function plainRef({ ref, objectId }: RemoteRef): RemoteRef {
  return { ref, objectId };
}
