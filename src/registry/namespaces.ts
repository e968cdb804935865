/**
 * Namespaces: `https://forge/group/*` registered once, so that nobody keeps a list of Git repositories by hand. What lies below
 * and makes itself known by a notice becomes a Git repository of its own (a member), with the settings of the namespace and an
 * address made from its pattern. They are made and changed by apply/; members are also added by {@link registerMember}.
 */
import { sql } from 'kysely';
import type { Db, Trx } from '../platform/database.ts';
import { recordAudit, recordEvent } from '../platform/events.ts';
import type { QuiltMode } from '../platform/schema.ts';
import { isSourceName } from '../debian/names.ts';
import { isMemberPath, memberPath, memberUrl, placeOf } from './git-places.ts';

export interface GitNamespace {
  readonly id: number;
  readonly name: string;
  /** With `*` where the path goes. */
  readonly url: string;
  readonly maxDepth: number;
  readonly maxRepositories: number;
  readonly allowFile: boolean;
  readonly plainTags: boolean;
  readonly plainQuilt: QuiltMode | null;
  readonly maxPackBytes: number;
  readonly fetchDeadlineSeconds: number;
  readonly pollEverySeconds: number;
  readonly noticesPerMinute: number;
  readonly enabled: boolean;
}

export async function listNamespaces(db: Db): Promise<readonly GitNamespace[]> {
  return await db
    .selectFrom('git_namespaces')
    .select([
      'id',
      'name',
      'url',
      'max_depth as maxDepth',
      'max_repositories as maxRepositories',
      'allow_file as allowFile',
      'plain_tags as plainTags',
      'plain_quilt as plainQuilt',
      'max_pack_bytes as maxPackBytes',
      sql<number>`extract(epoch FROM fetch_deadline)::bigint`.as('fetchDeadlineSeconds'),
      sql<number>`extract(epoch FROM poll_every)::bigint`.as('pollEverySeconds'),
      'notices_per_minute as noticesPerMinute',
      'enabled',
    ])
    .orderBy('name')
    .execute();
}

/** The DISTRO prefixes of a namespace, which its members have. */
export async function distrosOfNamespace(
  db: Db,
  namespaceId: number,
): Promise<readonly { readonly distro: string; readonly archiveId: number; readonly archive: string }[]> {
  return await db
    .selectFrom('git_namespace_archives')
    .innerJoin('archives', 'archives.id', 'git_namespace_archives.archive_id')
    .select(['distro', 'archives.id as archiveId', 'archives.name as archive'])
    .where('git_namespace_id', '=', namespaceId)
    .orderBy('distro')
    .execute();
}

export interface MemberName {
  readonly namespace: GitNamespace;
  readonly path: string;
}

/** The member that `NAMESPACE/path` names, registered or not. */
export async function memberByName(db: Db, name: string): Promise<MemberName | undefined> {
  const slash = name.indexOf('/');
  if (slash < 0) return undefined;
  const namespace = await findNamespace(db, name.slice(0, slash));
  const path = name.slice(slash + 1);
  return namespace !== undefined && isMemberPath(path, namespace.maxDepth) ? { namespace, path } : undefined;
}

/** An enabled namespace by its name. */
export async function findNamespace(db: Db, name: string): Promise<GitNamespace | undefined> {
  return (await listNamespaces(db)).find((one) => one.enabled && one.name === name);
}

/** The member that lies at one of these addresses; of nested namespaces the inner one. */
export async function memberByAddress(db: Db, addresses: readonly string[]): Promise<MemberName | undefined> {
  const namespaces = (await listNamespaces(db))
    .filter(({ enabled }) => enabled)
    .sort((one, other) => other.url.length - one.url.length);
  for (const namespace of namespaces) {
    for (const address of addresses) {
      const path = memberPath(namespace.url, address, namespace.maxDepth);
      if (path !== undefined) return { namespace, path };
    }
  }
  return undefined;
}

export type RegisteredMember =
  | { readonly kind: 'added' | 'known'; readonly gitRepositoryId: number }
  /** The namespace is full, or the name is taken by a Git repository that was registered alone. */
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string; readonly remedy: string };

/** Registers a member, with the settings of its namespace. The caller enqueues the first look. */
export async function registerMember(trx: Trx, { namespace, path }: MemberName): Promise<RegisteredMember> {
  // One at a time in a namespace, so that its limit holds.
  await trx.selectFrom('git_namespaces').select('id').where('id', '=', namespace.id).forUpdate().execute();
  const name = `${namespace.name}/${path.toLowerCase()}`;
  const url = memberUrl(namespace.url, path);
  const taken = await trx
    .selectFrom('git_repositories')
    .select(['id', 'namespace_id'])
    .where((where) => where.or([where('name', '=', name), where('url', '=', url)]))
    .executeTakeFirst();
  if (taken !== undefined) {
    if (taken.namespace_id === namespace.id) return { kind: 'known', gitRepositoryId: taken.id };
    return {
      kind: 'refused',
      code: 'git-namespace.name-taken',
      reason: `another Git repository is registered as ${name}, or with this address`,
      remedy: `an administrator gives that one another name in the distribution file (landfall apply)`,
    };
  }
  const { count } = await trx
    .selectFrom('git_repositories')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('namespace_id', '=', namespace.id)
    .executeTakeFirstOrThrow();
  if (count >= namespace.maxRepositories) {
    return {
      kind: 'refused',
      code: 'git-namespace.full',
      reason: `${namespace.name} may have ${namespace.maxRepositories} Git repositories, and has them`,
      remedy: `an administrator raises max-repositories of [git-namespace."${namespace.name}"] (landfall apply)`,
    };
  }
  const { id } = await trx
    .insertInto('git_repositories')
    .values({ name, namespace_id: namespace.id, namespace_path: path, ...memberSettings(namespace, path) })
    .returning('id')
    .executeTakeFirstOrThrow();
  const distros = await distrosOfNamespace(trx, namespace.id);
  for (const { distro, archiveId } of distros) {
    await trx
      .insertInto('git_repository_archives')
      .values({ git_repository_id: id, distro, archive_id: archiveId })
      .execute();
  }
  await recordAudit(trx, {
    actor: 'landfall',
    action: 'git-repository.created',
    subject: `Git repository ${name}`,
    detail: { namespace: namespace.name, url },
  });
  await recordEvent(trx, {
    kind: 'git-repository.registered',
    actor: 'landfall',
    audience: await audienceOf(trx, distros),
    data: { repository: name, namespace: namespace.name },
  });
  return { kind: 'added', gitRepositoryId: id };
}

/** The columns of a member's row that come from its namespace. */
export function memberSettings(
  namespace: Omit<GitNamespace, 'id' | 'name' | 'maxDepth' | 'maxRepositories'>,
  path: string,
) {
  const url = memberUrl(namespace.url, path);
  const last = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  // A plain tag says no source name: it is the repository's own, where that can be one.
  const plain = namespace.plainTags && isSourceName(last);
  return {
    url,
    place: placeOf(url) ?? null,
    allow_file: namespace.allowFile,
    plain_tags: plain,
    plain_source: plain ? last : null,
    plain_quilt: plain ? namespace.plainQuilt : null,
    max_pack_bytes: namespace.maxPackBytes,
    fetch_deadline: `${namespace.fetchDeadlineSeconds} seconds`,
    poll_every: `${namespace.pollEverySeconds} seconds`,
    notices_per_minute: namespace.noticesPerMinute,
    enabled: namespace.enabled,
  };
}

/** Whoever may see one of the archives may see the Git repository; everybody, where one of them is public. */
async function audienceOf(db: Db, distros: readonly { readonly archiveId: number }[]): Promise<string> {
  if (distros.length === 0) return 'public';
  const rows = await db
    .selectFrom('archives')
    .select('audience')
    .where(
      'id',
      'in',
      distros.map(({ archiveId }) => archiveId),
    )
    .orderBy('audience')
    .execute();
  return rows.find(({ audience }) => audience === 'public')?.audience ?? rows[0]?.audience ?? 'public';
}
