/**
 * Looking for a Git repository below a namespace that a notice named and nobody vouched for. It is registered only when it can be
 * read and has a tag of ours; otherwise nothing of the notice is left.
 */
import { withTransaction } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import { lsRemote } from '../platform/git.ts';
import { distrosOfNamespace, listNamespaces, memberUrl, registerMember } from '../registry/index.ts';
import type { TagDeps } from './deps.ts';
import { LOOK_DEADLINE_SECONDS, obstacleOf } from './looks.ts';
import { addressFault, remoteOf } from './mirror.ts';
import { noteAndLook } from './notices.ts';
import { parseReleaseRef, TAGS } from './release-ref.ts';

export interface Discovery {
  readonly namespaceId: number;
  readonly path: string;
  readonly refs: readonly string[];
  readonly via: string;
}

/** @throws LandfallError `forge.unreachable`, `forge.timeout`: tried again, a few times. */
export async function discoverMember(deps: TagDeps, discovery: Discovery, signal: AbortSignal): Promise<void> {
  const namespace = (await listNamespaces(deps.db)).find(({ id }) => id === discovery.namespaceId);
  if (namespace?.enabled !== true) return;
  const { path, refs, via } = discovery;
  const name = `${namespace.name}/${path}`;
  const address = { url: memberUrl(namespace.url, path), allowFile: namespace.allowFile };
  if (addressFault(address) !== undefined) return;
  const distros = (await distrosOfNamespace(deps.db, namespace.id)).map(({ distro }) => distro);
  const listed = await lsRemote({
    ...remoteOf(deps, address),
    patterns: distros.map((distro) => `${TAGS}${distro}/*`),
    deadlineMs: Math.min(namespace.fetchDeadlineSeconds, LOOK_DEADLINE_SECONDS) * 1000,
    signal,
  });
  if (listed.kind !== 'refs') {
    const obstacle = obstacleOf({ name, url: address.url }, listed);
    if (obstacle.code === 'repository.gone' || obstacle.code === 'forge.too-many-refs') {
      deps.log.info({ repository: name, code: obstacle.code }, 'a notice named a Git repository that cannot be read');
      return;
    }
    throw new LandfallError({ code: obstacle.code, doing: `look for ${name}`, reason: obstacle.sentence });
  }
  const isOurs = listed.refs.some(({ ref }) => distros.includes(parseReleaseRef(ref)?.distro ?? ''));
  if (!isOurs) {
    deps.log.info({ repository: name }, 'a notice named a Git repository without a tag of ours');
    return;
  }
  const added = await withTransaction(deps.db, async (trx) => {
    const registered = await registerMember(trx, { namespace, path });
    if (registered.kind !== 'refused') {
      await noteAndLook(trx, { id: registered.gitRepositoryId, lastScanAt: null }, refs, via);
    }
    return registered;
  });
  if (added.kind === 'refused') deps.log.warn({ repository: name, code: added.code }, added.reason);
}
