/**
 * `landfall tag check`: the verdict on a tag that is not pushed yet, by the very checks that decide a pushed one. The client
 * sends the tag's pack; nothing is recorded, no version is taken, and nothing of it stays.
 */
import { mkdir } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { databaseNow } from '../platform/database.ts';
import { withTemporaryDirectory } from '../platform/files.ts';
import { archiveForDistro, distrosOf, getArchive, getGitRepository } from '../registry/index.ts';
import type { TagDeps } from './deps.ts';
import type { Candidate } from './facts.ts';
import { CHECK_COUNT, type RecordedCheck } from './model.ts';
import { openPack } from './pack-source.ts';
import { isObjectId, objectFormatOf, parseReleaseRef, TAGS } from './release-ref.ts';
import { findRepository, type RepositoryName } from './notices.ts';
import { verifyTag, type Verdict } from './verify.ts';
import { listWords } from './words.ts';

/** What would be decided if the tag were pushed now. */
export interface TagVerdict {
  readonly kind: 'verdict';
  readonly outcome: 'accepted' | 'rejected' | 'obstructed';
  /** `accepted`, or the check that failed, or the obstacle. */
  readonly code: string;
  readonly sentence: string;
  readonly remedy: string | null;
  readonly checks: readonly RecordedCheck[];
  readonly source: string | null;
  readonly version: string | null;
  readonly suite: string | null;
}

export type CheckedTag =
  | TagVerdict
  | { readonly kind: 'unknown-repository' }
  /** The name is not one of a release to us: pushed, it would be passed over in silence. */
  | { readonly kind: 'not-ours'; readonly reason: string };

/** Makes the checks for the tag `objectId` that shall be pushed as `ref`. The pack is read to its end or to a fault. */
export async function checkTag(
  deps: TagDeps,
  request: {
    readonly repository: RepositoryName;
    readonly ref: string;
    readonly objectId: string;
    readonly pack: Readable;
    /** The commit that the upstream tag of the clone leads to; undefined when it has none, and the forge may. */
    readonly upstreamCommitId?: string | undefined;
    readonly signal: AbortSignal;
  },
): Promise<CheckedTag> {
  const found = await findRepository(deps, request.repository);
  if (found === undefined) return { kind: 'unknown-repository' };
  const repository = await getGitRepository(deps.db, found.id);
  const ref = parseReleaseRef(request.ref);
  const target = ref === undefined ? undefined : await archiveForDistro(deps.db, repository.id, ref.distro);
  if (ref === undefined || target === undefined || !isObjectId(request.objectId)) {
    const distros = (await distrosOf(deps.db, repository.id)).map(({ distro }) => `${TAGS}${distro}/VERSION`);
    return {
      kind: 'not-ours',
      reason: `A tag of ${repository.name} that asks for a release is named ${listWords(distros, 'or')}; others are passed over.`,
    };
  }
  const now = await databaseNow(deps.db);
  const candidate: Candidate = {
    repository,
    archive: await getArchive(deps.db, target.archiveId),
    leadsTo: target.archiveId,
    ref,
    objectId: request.objectId,
    objectFormat: objectFormatOf(request.objectId),
    seenAt: now,
    anyAge: false,
    decidedAgain: false,
    tagId: undefined,
    submissionId: undefined,
  };
  await mkdir(deps.paths.temporary, { recursive: true });
  return await withTemporaryDirectory(
    async (folder) => {
      const source = await openPack(folder, candidate, request.pack, request.signal, request.upstreamCommitId);
      try {
        return describe(await verifyTag(deps.db, candidate, source, now));
      } finally {
        await source.close();
      }
    },
    { prefix: 'check-', parent: deps.paths.temporary },
  );
}

function describe(verdict: Verdict): TagVerdict {
  const { checks } = verdict;
  if (verdict.kind === 'accepted') {
    const { claim, signer, suite } = verdict.verified;
    return {
      kind: 'verdict',
      outcome: 'accepted',
      code: 'accepted',
      sentence: `All ${CHECK_COUNT} checks passed: pushed now, it would release ${claim.source} ${claim.version} to ${suite.name} for ${signer.name} (${signer.handle}).`,
      remedy: null,
      checks,
      source: claim.source,
      version: claim.version,
      suite: suite.name,
    };
  }
  const { facts } = verdict;
  const said = verdict.kind === 'rejected' ? verdict.rejection : verdict.obstacle;
  return {
    kind: 'verdict',
    outcome: verdict.kind,
    code: said.code,
    sentence: said.sentence,
    remedy: said.remedy,
    checks,
    source: facts.claim?.source ?? null,
    version: facts.claim?.version ?? null,
    suite: facts.suite?.name ?? null,
  };
}
