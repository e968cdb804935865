/**
 * The mirror of a registered Git repository: a bare repository of ours below the git folder, filled tag by tag. It is only a
 * cache. It holds no history (each fetch takes one commit deep), and what it has is named by refs of our own:
 *
 *     refs/landfall/tags/OBJECT-ID                  a tag object, its commit, its trees and blobs
 *     refs/landfall/named/HASH                      the same, fetched by the name (its hash) that a notice gave
 *     refs/landfall/upstream/COMMIT-ID/HASH         an upstream commit, by the tag name (its hash) that led to it
 *     refs/landfall/pristine-tar/COMMIT-ID          a commit with pristine-tar's data
 *
 * A ref of these exists only when everything that it leads to is there: git makes it after it has checked that. The address comes
 * from the registry, and each fetch has the limits of the Git repository's row. One task at a time works on a mirror (the queue
 * of its repository); a process that was killed leaves at most lock files, which are removed when they are too old to be
 * anybody's.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isErrnoException, isFault } from '../platform/errors.ts';
import { systemClock } from '../platform/clock.ts';
import { ensureDirectory, exists, removeTree } from '../platform/files.ts';
import {
  fetchRefs,
  git,
  initBare,
  type FetchResult,
  type GitProtocol,
  type ObjectFormat,
  type RemoteRef,
  type RemoteOptions,
} from '../platform/git.ts';
import type { Candidate, Repository } from './facts.ts';
import type { FetchedCommit, FetchedUpstream, TagSource } from './git-objects.ts';
import { openGitReader, type GitReader } from './git-reader.ts';
import { LOOK_DEADLINE_SECONDS } from './looks.ts';
import { obstructed, passed, rejected, type CheckCode, type CheckResult, type Obstacle } from './model.ts';
import { sshEnvironment, sshObstacle } from './ssh-access.ts';
import { formatBytes, remakeTag, shortId } from './words.ts';

const LOCAL_DEADLINE_MS = 60_000;
const READ_DEADLINE_MS = 30 * 60_000;
const TAGS = 'refs/landfall/tags';
const NAMED = 'refs/landfall/named';
const UPSTREAM = 'refs/landfall/upstream';
const PRISTINE_TAR = 'refs/landfall/pristine-tar';
/** Packs beyond this are put together: each fetch brings one. */
const MAX_PACKS = 50;
/** No mirror takes so long to be made or to be removed. */
const LEFTOVER_AFTER_MS = 60 * 60_000;

/** Where the mirrors lie. */
export interface MirrorDeps {
  readonly paths: { readonly git: string; readonly ssh: string };
}

/** A mirror as a source of one tag's objects. Close it when the decision is made. */
export interface MirrorSource extends TagSource {
  close(): Promise<void>;
  /** Forgets a tag that was refused before its signer was known, so that nothing of it is kept. */
  forget(): Promise<void>;
}

/** The folder of a Git repository's mirror; one whose objects change their hash begins anew. */
export function mirrorPath(deps: MirrorDeps, repositoryId: number, format: ObjectFormat): string {
  return join(deps.paths.git, format === 'sha1' ? `${repositoryId}.git` : `${repositoryId}.sha256.git`);
}

/** Why the registered address is not one that we go to; undefined when it is. */
export function addressFault(repository: Pick<Repository, 'url' | 'allowFile'>): string | undefined {
  if (!/^(https|ssh|file):\/\/[\x21-\x7e]+$/.test(repository.url)) {
    return 'it is not an https, ssh or file URL in printable ASCII';
  }
  const rest = repository.url.slice(repository.url.indexOf('://') + 3);
  if (repository.url.startsWith('file:')) {
    if (!repository.allowFile) return 'it is a folder of this machine, and its row does not say allow-file';
    return rest.startsWith('/') ? undefined : 'the path of a file URL is absolute';
  }
  const [, host] = /^(?:[A-Za-z0-9._~%+-]+@)?([^/]*)\//.exec(rest) ?? [];
  if (host === undefined || !HOST.test(host)) return 'it names no host';
  return /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i.test(rest) ? 'its path climbs (“..”)' : undefined;
}

/** A name or an address, and a port: nothing that a shell in somebody's ssh configuration would read as more than that. */
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;

/** What git may speak to this repository, and nothing else. */
function protocolsOf(repository: Pick<Repository, 'url' | 'allowFile'>): readonly GitProtocol[] {
  if (repository.url.startsWith('file:')) return repository.allowFile ? ['file'] : [];
  return repository.url.startsWith('ssh:') ? ['ssh'] : ['https'];
}

/** Where to go and how, for git. */
export function remoteOf(
  deps: MirrorDeps,
  repository: Pick<Repository, 'url' | 'allowFile'>,
): Pick<RemoteOptions, 'url' | 'protocols' | 'env'> {
  const { url } = repository;
  const isSsh = url.startsWith('ssh:');
  return { url, protocols: protocolsOf(repository), ...(isSsh ? { env: sshEnvironment(deps.paths.ssh) } : {}) };
}

/** An address that nobody can fetch from, as an obstacle: it is the administrator's to mend. */
export function badAddress(repository: Repository, fault: string): Obstacle {
  return obstructed(
    'fetch.ok',
    'repository.address',
    `The address of the Git repository ${repository.name} is not usable: ${fault}.`,
    'An administrator corrects it in the distribution file (landfall apply); the tag is then tried again by itself.',
  );
}

/** A mirror that is open for several decisions, one after another. Whoever opened it closes it. */
export interface OpenedMirror {
  readonly gitDir: string;
  readonly reader: GitReader;
  /** The objects that were fetched by name, by their refs. */
  readonly fetched: ReadonlyMap<string, string>;
}

/** The mirror's folder, made when it is not there, and without the locks of processes that were killed. */
export async function prepareMirror(deps: MirrorDeps, repository: Repository, format: ObjectFormat): Promise<string> {
  const gitDir = mirrorPath(deps, repository.id, format);
  if (!(await exists(join(gitDir, 'HEAD')))) await makeMirror(deps, gitDir, format);
  await removeStaleLocks(gitDir, repository.fetchDeadlineSeconds * 1000);
  return gitDir;
}

/** Made beside its place, so that it is whole when it gets its name, and of two that are made at one moment one stays. */
async function makeMirror(deps: MirrorDeps, gitDir: string, format: ObjectFormat): Promise<void> {
  await ensureDirectory(deps.paths.git, 0o750);
  await removeLeftovers(gitDir);
  const beside = `${gitDir}.${randomBytes(6).toString('hex')}.new`;
  try {
    await initBare(beside, { objectFormat: format });
    await rename(beside, gitDir);
  } catch (error) {
    await removeTree(beside);
    if (!isErrnoException(error) || (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST')) throw error;
    if (await exists(join(gitDir, 'HEAD'))) return;
    // What stands there was left half made.
    await discardMirror(gitDir);
    await makeMirror(deps, gitDir, format);
  }
}

/** What processes that were killed left beside a mirror. */
async function removeLeftovers(gitDir: string): Promise<void> {
  const name = basename(gitDir);
  for (const found of await readdir(dirname(gitDir))) {
    if (!found.startsWith(`${name}.`) || !/\.[0-9a-f]{12}\.(?:new|discarded)$/.test(found)) continue;
    const path = join(dirname(gitDir), found);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.NaN }));
    if (systemClock.now().getTime() - mtimeMs > LEFTOVER_AFTER_MS) await removeTree(path);
  }
}

/** Reads a mirror, for as long as one tag, its upstream and its pristine-tar commit may take to be fetched. */
function openReader(gitDir: string, repository: Repository): GitReader {
  return openGitReader(gitDir, READ_DEADLINE_MS + 4 * repository.fetchDeadlineSeconds * 1000);
}

/** Where a tag is kept that was fetched by its name. */
function namedRef(ref: string): string {
  return `${NAMED}/${createHash('sha256').update(ref).digest('hex').slice(0, 40)}`;
}

/**
 * Fetches tags by their names alone, all at once, and tells which objects they are. What is told is what is there: nothing can
 * change between seeing a tag and fetching it. Undefined when it could not be done for all of them; then nothing is known.
 */
export async function fetchNamed(
  deps: MirrorDeps,
  repository: Repository,
  refs: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly opened: OpenedMirror; readonly tags: readonly RemoteRef[] } | undefined> {
  if (addressFault(repository) !== undefined) return undefined;
  const isSha256 = await exists(mirrorPath(deps, repository.id, 'sha256'));
  const gitDir = await prepareMirror(deps, repository, isSha256 ? 'sha256' : 'sha1');
  const reader = openReader(gitDir, repository);
  // It starts while git fetches, and sees what comes.
  reader.begin();
  let tags: readonly RemoteRef[] | undefined;
  try {
    const result = await fetchRefs({
      gitDir,
      ...remoteOf(deps, repository),
      refspecs: refs.map((ref) => `+${ref}:${namedRef(ref)}`),
      depth: 1,
      deadlineMs: Math.min(repository.fetchDeadlineSeconds, LOOK_DEADLINE_SECONDS) * 1000,
      maxPackBytes: repository.maxPackBytes,
      signal,
    });
    if (result.kind === 'fetched') tags = await readNamed(reader, refs);
  } finally {
    if (tags === undefined) await reader.close();
  }
  if (tags === undefined) return undefined;
  return { opened: { gitDir, reader, fetched: new Map(tags.map(({ ref, objectId }) => [ref, objectId])) }, tags };
}

async function readNamed(reader: GitReader, refs: readonly string[]): Promise<readonly RemoteRef[] | undefined> {
  const found = await Promise.all(refs.map(async (ref) => ({ ref, objectId: await reader.resolve(namedRef(ref)) })));
  const tags = found.flatMap(({ ref, objectId }) => (objectId === undefined ? [] : [{ ref, objectId }]));
  return tags.length === refs.length ? tags : undefined;
}

/** Opens the mirror for deciding `candidate`, making it when it is not there. */
export async function openMirror(
  deps: MirrorDeps,
  candidate: Candidate,
  signal: AbortSignal,
  options: { readonly mayBeThere: boolean; readonly opened?: OpenedMirror | undefined } = { mayBeThere: true },
): Promise<MirrorSource> {
  const { repository, ref, objectId } = candidate;
  const deadlineMs = repository.fetchDeadlineSeconds * 1000;
  const { opened } = options;
  const gitDir = opened?.gitDir ?? (await prepareMirror(deps, repository, candidate.objectFormat));
  const reader = opened?.reader ?? openReader(gitDir, repository);
  reader.begin();

  const fetch = async (refspec: string, depth = 1): Promise<FetchResult> =>
    await fetchRefs({
      gitDir,
      ...remoteOf(deps, repository),
      refspecs: [refspec],
      depth,
      deadlineMs,
      maxPackBytes: repository.maxPackBytes,
      signal,
    });

  return {
    objects: reader,
    close: async () => {
      if (opened === undefined) await reader.close();
    },
    forget: async () => {
      await deleteRef(gitDir, `${TAGS}/${objectId}`);
      if ((await reader.resolve(namedRef(ref.ref))) === objectId) await deleteRef(gitDir, namedRef(ref.ref));
    },

    fetchTag: async (): Promise<CheckResult<undefined>> => {
      const kept = `${TAGS}/${objectId}`;
      if (opened?.fetched.get(ref.ref) === objectId) {
        return passed(undefined, `fetched from ${repository.name} when it was noticed`);
      }
      // A tag that is looked at for the first time is hardly there; to fetch it again does no harm.
      if (options.mayBeThere && (await reader.resolve(kept)) === objectId) {
        return passed(undefined, 'in the mirror already');
      }
      const fault = addressFault(repository);
      if (fault !== undefined) return badAddress(repository, fault);
      const result = await fetch(`+${ref.ref}:${kept}`);
      switch (result.kind) {
        case 'missing-ref':
          return obstructed(
            'fetch.ok',
            'tag.gone',
            `The tag ${ref.name} is not in ${repository.name} any more.`,
            `Push it again, or leave it: git push REMOTE ${ref.ref}.`,
          );
        case 'too-large':
          return rejected(
            'fetch.ok',
            `At most ${formatBytes(repository.maxPackBytes)} are fetched for one tag of ${repository.name}, and this one brings more.`,
            `Take large files out of the tree, or have an administrator raise max-pack of this Git repository; then: ${remakeTag(ref, repository.plainTags)}`,
          );
        case 'refused':
          if (isObjectFault(result.detail)) {
            return rejected(
              'fetch.ok',
              `Objects that pass git's checks were expected, and ${repository.name} sent others: ${result.detail}.`,
              `Run git fsck --strict on your clone, and mend what it names. ${remakeTag(ref, repository.plainTags)}`,
            );
          }
          return remoteObstacle('fetch.ok', repository, { kind: 'unreachable', detail: result.detail });
        case 'unreachable':
        case 'timeout':
          return remoteObstacle('fetch.ok', repository, result);
        case 'fetched':
          break;
      }
      const found = await reader.resolve(kept);
      if (found === objectId) return passed(undefined, `fetched from ${repository.name}`);
      await deleteRef(gitDir, kept);
      return rejected(
        'fetch.ok',
        `The tag ${ref.name} was ${shortId(objectId)} when it was seen, and ${found === undefined ? 'nothing' : shortId(found)} when it was fetched: it was changed in between.`,
        `The tag that is there now is looked at by itself; see which it is with git ls-remote REMOTE ${ref.ref}.`,
      );
    },

    fetchUpstream: async (binding): Promise<FetchedUpstream> => {
      const kept = `${UPSTREAM}/${binding.commitId}/${createHash('sha256').update(binding.tag).digest('hex').slice(0, 16)}`;
      const known = await reader.resolve(kept, 'commit');
      if (known === binding.commitId) return { kind: 'resolved', commitId: known };
      const result = await tryFetch(async () => await fetch(`+refs/tags/${binding.tag}:${kept}`));
      if (result.kind !== 'fetched') return fromFetch(result, 'upstream.bound', repository);
      // A tree or a file too: that it is no commit is said where it is read.
      const commitId = await reader.resolve(kept, 'untagged');
      if (commitId !== binding.commitId) await deleteRef(gitDir, kept);
      return commitId === undefined ? { kind: 'absent' } : { kind: 'resolved', commitId };
    },

    fetchPristineTar: async (commitId): Promise<FetchedCommit> => {
      const kept = `${PRISTINE_TAR}/${commitId}`;
      if ((await reader.resolve(kept, 'commit')) === commitId) return { kind: 'there' };
      // Servers of protocol 2 give any object by its id; others only what their branch leads to.
      const direct = await fetch(`+${commitId}:${kept}`);
      if (direct.kind === 'fetched') return { kind: 'there' };
      if (direct.kind !== 'missing-ref') return fromFetch(direct, 'upstream.bound', repository);
      for (const depth of [1, 100]) {
        const result = await fetch('+refs/heads/pristine-tar:refs/landfall/pristine-tar-branch', depth);
        if (result.kind !== 'fetched') return fromFetch(result, 'upstream.bound', repository);
        if (!(await reader.isCommit(commitId))) continue;
        await git(['update-ref', kept, commitId], { gitDir, deadlineMs: LOCAL_DEADLINE_MS });
        return { kind: 'there' };
      }
      return { kind: 'absent' };
    },
  };
}

/**
 * Throws a mirror away: it is only a cache, and the next fetch fills a new one. First it loses its name, so that a death in
 * between leaves no half of it in its place.
 */
export async function discardMirror(gitDir: string): Promise<void> {
  const aside = `${gitDir}.${randomBytes(6).toString('hex')}.discarded`;
  try {
    await rename(gitDir, aside);
  } catch (error) {
    if (isErrnoException(error) && error.code === 'ENOENT') return;
    throw error;
  }
  await removeTree(aside);
}

/** Puts the packs of a mirror together when there are more than `maxPacks`. Only while no other task works on it. */
export async function tidyMirror(gitDir: string, maxPacks: number = MAX_PACKS): Promise<void> {
  const names = await readdir(join(gitDir, 'objects', 'pack')).catch(() => []);
  if (names.filter((name) => name.endsWith('.pack')).length <= maxPacks) return;
  await git(['repack', '-a', '-d', '-q'], { gitDir, doing: 'tidy a mirror', deadlineMs: 30 * 60_000 });
  await git(['pack-refs', '--all'], { gitDir, doing: 'tidy a mirror', deadlineMs: LOCAL_DEADLINE_MS });
}

/** What keeps us from a forge, in words. */
export function remoteObstacle(
  at: CheckCode,
  repository: Repository,
  problem: { readonly kind: 'unreachable' | 'timeout'; readonly detail: string },
): Obstacle {
  const ssh = sshObstacle(repository, problem.detail);
  if (ssh !== undefined) return obstructed(at, ssh.code, ssh.sentence, ssh.remedy);
  return problem.kind === 'timeout'
    ? obstructed(
        at,
        'forge.timeout',
        `Fetching from ${repository.name} did not end in time: ${problem.detail}.`,
        'It is tried again by itself. If the repository is large, an administrator raises its fetch-deadline.',
      )
    : obstructed(
        at,
        'forge.unreachable',
        `The Git repository ${repository.name} cannot be fetched from: ${problem.detail}.`,
        'It is tried again by itself, with the same tag; nothing need be pushed again. Ask for it at once with: landfall tag retry ID.',
      );
}

function fromFetch(
  result: Exclude<FetchResult, { kind: 'fetched' }>,
  at: CheckCode,
  repository: Repository,
): { readonly kind: 'absent' } | { readonly kind: 'refused'; readonly reason: string } | Obstacle {
  switch (result.kind) {
    case 'missing-ref':
      return { kind: 'absent' };
    case 'too-large':
      return { kind: 'refused', reason: `more than ${formatBytes(repository.maxPackBytes)} would have to be fetched` };
    case 'refused':
      return isObjectFault(result.detail)
        ? { kind: 'refused', reason: result.detail }
        : remoteObstacle(at, repository, { kind: 'unreachable', detail: result.detail });
    case 'unreachable':
    case 'timeout':
      return remoteObstacle(at, repository, result);
  }
}

/** True when git refused an object for what it is; a connection that broke leaves a broken pack, and is no fault of the tag. */
function isObjectFault(detail: string): boolean {
  return /fsck error|fsckError|error in (?:object|tag|commit|tree|blob)|error: object [0-9a-f]+: |COLLISION|collision attack/.test(
    detail,
  );
}

/** A name of a ref that git would take and that we do not hand to it is a ref that is not there. */
async function tryFetch(fetch: () => Promise<FetchResult>): Promise<FetchResult> {
  try {
    return await fetch();
  } catch (error) {
    if (isFault(error, 'git.ref')) return { kind: 'missing-ref', detail: error.reason };
    throw error;
  }
}

async function deleteRef(gitDir: string, ref: string): Promise<void> {
  await git(['update-ref', '--no-deref', '-d', ref], {
    gitDir,
    doing: 'forget a ref of a mirror',
    deadlineMs: LOCAL_DEADLINE_MS,
  });
}

/** Removes lock files that a killed git left behind: those older than any git of ours may run. */
async function removeStaleLocks(gitDir: string, deadlineMs: number): Promise<void> {
  const limit = systemClock.now().getTime() - deadlineMs - 10 * 60_000;
  for (const name of ['HEAD.lock', 'config.lock', 'packed-refs.lock', 'shallow.lock']) {
    const path = join(gitDir, name);
    const facts = await stat(path).catch(() => undefined);
    if (facts !== undefined && facts.mtimeMs < limit) await unlink(path).catch(() => undefined);
  }
}
