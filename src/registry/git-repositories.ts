/** Git repositories as they are registered. They are made and changed by apply/ alone. */
import { sql } from 'kysely';
import type { Db } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import { placeOf } from './git-places.ts';
import type { GitRepository } from './model.ts';

const MAX_AT_ONE_PLACE = 5;

/** @throws LandfallError `registry.no-such-git-repository` */
export async function getGitRepository(db: Db, id: number): Promise<GitRepository> {
  const [found] = await selectGitRepositories(db).where('id', '=', id).execute();
  if (found !== undefined) return found;
  throw new LandfallError({
    code: 'registry.no-such-git-repository',
    doing: `look up Git repository ${id}`,
    reason: 'there is none',
  });
}

export async function findGitRepositoryByName(db: Db, name: string): Promise<GitRepository | undefined> {
  return await selectGitRepositories(db).where('name', '=', name).executeTakeFirst();
}

/** By the URL exactly as it is registered: a hint that spells it otherwise names nothing. */
export async function findGitRepositoryByUrl(db: Db, url: string): Promise<GitRepository | undefined> {
  return await selectGitRepositories(db).where('url', '=', url).executeTakeFirst();
}

/** Those that lie at one of these addresses, however they are spelled; one repository may be registered by https and by ssh. */
export async function findGitRepositoriesByPlace(
  db: Db,
  addresses: readonly string[],
): Promise<readonly GitRepository[]> {
  const places = addresses.flatMap((address) => placeOf(address) ?? []);
  if (places.length === 0) return [];
  return await selectGitRepositories(db).where('place', 'in', places).orderBy('id').limit(MAX_AT_ONE_PLACE).execute();
}

/** The audiences of the archives that its tags may enter: who belongs to one of them may know of the Git repository. */
export async function audiencesOfGitRepository(db: Db, gitRepositoryId: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('git_repository_archives')
    .innerJoin('archives', 'archives.id', 'git_repository_archives.archive_id')
    .select('archives.audience')
    .distinct()
    .where('git_repository_id', '=', gitRepositoryId)
    .orderBy('archives.audience')
    .execute();
  return rows.map(({ audience }) => audience);
}

export async function listGitRepositories(db: Db): Promise<readonly GitRepository[]> {
  return await selectGitRepositories(db).orderBy('name').execute();
}

/** The archive that the tags `DISTRO/…` of a Git repository ask to enter; undefined when the prefix is not one of ours. */
export async function archiveForDistro(
  db: Db,
  gitRepositoryId: number,
  distro: string,
): Promise<{ readonly archiveId: number; readonly archive: string; readonly audience: string } | undefined> {
  return await db
    .selectFrom('git_repository_archives')
    .innerJoin('archives', 'archives.id', 'git_repository_archives.archive_id')
    .select(['archives.id as archiveId', 'archives.name as archive', 'archives.audience'])
    .where('git_repository_id', '=', gitRepositoryId)
    .where('distro', '=', distro)
    .executeTakeFirst();
}

/** All DISTRO prefixes of a Git repository. */
export async function distrosOf(
  db: Db,
  gitRepositoryId: number,
): Promise<readonly { readonly distro: string; readonly archiveId: number; readonly archive: string }[]> {
  return await db
    .selectFrom('git_repository_archives')
    .innerJoin('archives', 'archives.id', 'git_repository_archives.archive_id')
    .select(['distro', 'archives.id as archiveId', 'archives.name as archive'])
    .where('git_repository_id', '=', gitRepositoryId)
    .orderBy('distro')
    .execute();
}

function selectGitRepositories(db: Db) {
  return db
    .selectFrom('git_repositories')
    .select([
      'id',
      'name',
      'url',
      'allow_file as allowFile',
      'plain_tags as plainTags',
      'plain_source as plainSource',
      'plain_quilt as plainQuilt',
      'max_pack_bytes as maxPackBytes',
      sql<number>`extract(epoch FROM fetch_deadline)::bigint`.as('fetchDeadlineSeconds'),
      sql<number>`extract(epoch FROM poll_every)::bigint`.as('pollEverySeconds'),
      'last_scan_at as lastScanAt',
      'baseline_at as baselineAt',
      'enabled',
      'namespace_id as namespaceId',
      'notices_per_minute as noticesPerMinute',
      'failed_looks as failedLooks',
    ]);
}
