/**
 * Notices: hints that a Git repository has something new. Nothing in a notice is believed. Names and addresses in it only serve
 * to find what is registered; what follows is a look at the registered address, once for many notices. A secret, where one is
 * configured, says who may give hints at all; it makes none of them true.
 *
 * A notice can also make a Git repository known that lies below a registered namespace. Where the forge has proven itself, the
 * row is made at once; where nobody had to prove anything, only after the repository was read and has tags of ours, so that
 * invented names leave nothing behind.
 */
import { withTransaction, type Trx } from '../platform/database.ts';
import { enqueue } from '../platform/tasks.ts';
import {
  audiencesOfGitRepository,
  distrosOfNamespace,
  findGitRepositoriesByPlace,
  findGitRepositoryByName,
  findGitRepositoryByUrl,
  findHookSecret,
  findNamespace,
  getArchive,
  listGitRepositories,
  memberByAddress,
  memberByName,
  registerMember,
  type GitRepository,
  type HookSecret,
  type MemberName,
  type RegisteredMember,
} from '../registry/index.ts';
import type { TagDeps } from './deps.ts';
import { MAX_REF_LENGTH, TAGS, isTagName, parseReleaseRef } from './release-ref.ts';
import { areNewNames } from './named-store.ts';
import { enqueueNamed, enqueueScan } from './scan.ts';
import { addNotices } from './scan-store.ts';

/** How a notice names a Git repository. The address that it may bring along only serves to find the row. */
export type RepositoryName = { readonly id: number } | { readonly url: string } | { readonly name: string };

export interface Notice {
  readonly repository: RepositoryName;
  /** The ref that was pushed, as the sender says; anything that is no tag's name is left out of account. */
  readonly ref?: string | undefined;
  /** Where the hint came from: `hook`, `gitlab`, `poll`, `person:alice`. */
  readonly via: string;
}

/** Takes a hint that a Git repository has something new. Nothing in it is believed; it only causes a look, once for many. */
export async function receiveNotice(
  deps: Pick<TagDeps, 'db'>,
  notice: Notice,
): Promise<{ readonly kind: 'noted'; readonly gitRepositoryId: number } | { readonly kind: 'unknown-repository' }> {
  const repository = await findRepository(deps, notice.repository);
  if (repository?.enabled !== true) return { kind: 'unknown-repository' };
  await takeNotices(deps, repository, notice.ref === undefined ? [] : [notice.ref], notice.via);
  return { kind: 'noted', gitRepositoryId: repository.id };
}

/** What a notice is about, with what it must prove and who may know of it. */
export interface Noticed {
  readonly about:
    | { readonly kind: 'repository'; readonly repository: GitRepository }
    /** Not registered yet, below a namespace. */
    | ({ readonly kind: 'member' } & MemberName);
  /** Undefined: nobody has to prove anything. */
  readonly secret: HookSecret | undefined;
  readonly audiences: readonly string[];
}

/**
 * What is registered under a name (of a Git repository, of a member as NAMESPACE/PATH, of a namespace whose member the
 * addresses tell), or at one of the addresses where there is no name. Several rows where one place is registered twice.
 */
export async function findNoticed(
  deps: Pick<TagDeps, 'db'>,
  asked: { readonly name: string | undefined; readonly addresses: readonly string[] },
): Promise<readonly Noticed[]> {
  const { db } = deps;
  if (asked.name === undefined) {
    const known = (await findGitRepositoriesByPlace(db, asked.addresses)).filter(({ enabled }) => enabled);
    if (known.length > 0) return await Promise.all(known.map(async (one) => await noticedRepository(deps, one)));
    const member = await memberByAddress(db, asked.addresses);
    return member === undefined ? [] : [await noticedMember(deps, member)];
  }
  const named = await findGitRepositoryByName(db, asked.name);
  if (named !== undefined) return named.enabled ? [await noticedRepository(deps, named)] : [];
  const namespace = await findNamespace(db, asked.name);
  if (namespace === undefined) {
    const member = await memberByName(db, asked.name);
    if (member === undefined) return [];
    // The same place may be known by another spelling of its path.
    const known = await findGitRepositoryByName(db, `${member.namespace.name}/${member.path.toLowerCase()}`);
    if (known === undefined) return [await noticedMember(deps, member)];
    return known.enabled ? [await noticedRepository(deps, known)] : [];
  }
  const below = (await findGitRepositoriesByPlace(db, asked.addresses)).filter(
    ({ enabled, namespaceId }) => enabled && namespaceId === namespace.id,
  );
  if (below.length > 0) return await Promise.all(below.map(async (one) => await noticedRepository(deps, one)));
  const member = await memberByAddress(db, asked.addresses);
  return member?.namespace.id === namespace.id ? [await noticedMember(deps, member)] : [];
}

/** Keeps the hints and plans one look for all of them. */
export async function takeNotices(
  deps: Pick<TagDeps, 'db'>,
  repository: Pick<GitRepository, 'id' | 'lastScanAt'>,
  refs: readonly string[],
  via: string,
): Promise<void> {
  await withTransaction(deps.db, async (trx) => await noteAndLook(trx, repository, refs, via));
}

/**
 * Notices that were turned away lose nothing: a look is planned for when the next one would be taken. It has a key of its own,
 * so that it does not put off one that waits already.
 */
export async function planLook(
  deps: Pick<TagDeps, 'db'>,
  repository: Pick<GitRepository, 'id'>,
  afterSeconds: number,
): Promise<void> {
  await withTransaction(deps.db, async (trx) => {
    await enqueue(
      trx,
      'tags.scan',
      { gitRepositoryId: repository.id },
      {
        jobKey: `tags.scan-later:${repository.id}`,
        queueName: `git:${repository.id}`,
        runAt: new Date(Date.now() + afterSeconds * 1000),
      },
    );
  });
}

/**
 * Registers a member whose forge has proven itself, and plans its first look. A tag of another prefix is no reason to: a hook of
 * a whole group tells of every tag of every repository.
 */
export async function takeFirstNotice(
  deps: Pick<TagDeps, 'db'>,
  member: MemberName,
  refs: readonly string[],
  via: string,
): Promise<RegisteredMember | { readonly kind: 'not-ours' }> {
  const distros = (await distrosOfNamespace(deps.db, member.namespace.id)).map(({ distro }) => distro);
  if (!refs.some((ref) => distros.includes(parseReleaseRef(ref)?.distro ?? ''))) return { kind: 'not-ours' };
  return await withTransaction(deps.db, async (trx) => {
    const added = await registerMember(trx, member);
    if (added.kind !== 'refused') {
      await noteAndLook(trx, { id: added.gitRepositoryId, lastScanAt: null }, refs, via);
    }
    return added;
  });
}

/** Has a member looked for that nobody vouched for; see discover.ts. */
export async function planDiscovery(
  deps: Pick<TagDeps, 'db'>,
  { namespace, path }: MemberName,
  refs: readonly string[],
  via: string,
): Promise<void> {
  await withTransaction(deps.db, async (trx) => {
    await enqueue(
      trx,
      'tags.discover',
      { namespaceId: namespace.id, path, refs: refs.filter(isTagRef).slice(0, 20), via },
      { jobKey: `tags.discover:${namespace.id}:${path.toLowerCase()}`, queueName: 'tags.discover', maxAttempts: 6 },
    );
  });
}

export async function noteAndLook(
  trx: Trx,
  repository: Pick<GitRepository, 'id' | 'lastScanAt'>,
  refs: readonly string[],
  via: string,
): Promise<void> {
  const names = refs.filter(isTagRef);
  // A flood is answered like a drop: the look that is due anyway finds what there is.
  const isNoted = await addNotices(trx, repository.id, names, via);
  if (isNoted && (await areNewNames(trx, repository.id, names))) await enqueueNamed(trx, repository.id);
  else await enqueueScan(trx, repository);
}

/** The row that a notice or a question is about. */
export async function findRepository(
  deps: Pick<TagDeps, 'db'>,
  name: RepositoryName,
): Promise<GitRepository | undefined> {
  if ('id' in name) return (await listGitRepositories(deps.db)).find(({ id }) => id === name.id);
  return 'url' in name
    ? await findGitRepositoryByUrl(deps.db, name.url)
    : await findGitRepositoryByName(deps.db, name.name);
}

function isTagRef(ref: string): boolean {
  return ref.length <= MAX_REF_LENGTH && ref.startsWith(TAGS) && isTagName(ref.slice(TAGS.length));
}

async function noticedRepository(deps: Pick<TagDeps, 'db'>, repository: GitRepository): Promise<Noticed> {
  const own = await findHookSecret(deps.db, { gitRepositoryId: repository.id });
  const secret =
    own ??
    (repository.namespaceId === null
      ? undefined
      : await findHookSecret(deps.db, { gitNamespaceId: repository.namespaceId }));
  return {
    about: { kind: 'repository', repository },
    secret,
    audiences: await audiencesOfGitRepository(deps.db, repository.id),
  };
}

async function noticedMember(deps: Pick<TagDeps, 'db'>, member: MemberName): Promise<Noticed> {
  const audiences = new Set<string>();
  for (const { archiveId } of await distrosOfNamespace(deps.db, member.namespace.id)) {
    audiences.add((await getArchive(deps.db, archiveId)).audience);
  }
  return {
    about: { kind: 'member', ...member },
    secret: await findHookSecret(deps.db, { gitNamespaceId: member.namespace.id }),
    audiences: [...audiences],
  };
}
