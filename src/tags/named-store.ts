/** The SQL of looking at tags that notices name. */
import { sql } from 'kysely';
import type { Db, Trx } from '../platform/database.ts';
import { parseReleaseRef } from './release-ref.ts';
import { HAS_NO_TASK } from './scan-store.ts';

/** Of the newest notices those that a look takes names from. */
const MAX_NOTICES = 200;
/** The full look that finds what no notice named comes so long after one that only took names. */
const FULL_LOOK_SECONDS = 60;

/** True when tags of ours are among the names, none of which was ever seen, and the Git repository answered when it was looked at last. */
export async function areNewNames(trx: Trx, gitRepositoryId: number, refs: readonly string[]): Promise<boolean> {
  const releases = refs.flatMap((ref) => parseReleaseRef(ref) ?? []);
  if (releases.length === 0) return false;
  const { rows } = await sql<{ new: boolean }>`
    WITH named AS (
      SELECT n.ref
      FROM unnest(${releases.map(({ ref }) => ref)}::text[], ${releases.map(({ distro }) => distro)}::text[]) AS n (ref, distro)
      JOIN git_repository_archives a ON a.git_repository_id = ${gitRepositoryId} AND a.distro = n.distro
    )
    SELECT r.baseline_at IS NOT NULL AND r.failed_looks = 0 AND EXISTS (SELECT FROM named)
      AND NOT EXISTS (SELECT FROM named JOIN tags t ON t.git_repository_id = r.id AND t.ref = named.ref)
      AND NOT EXISTS (SELECT FROM named JOIN tag_baselines b ON b.git_repository_id = r.id AND b.ref = named.ref) AS new
    FROM git_repositories r WHERE r.id = ${gitRepositoryId}
  `.execute(trx);
  return rows[0]?.new === true;
}

/** Names of the newest notices under which nothing was ever seen, oldest first. */
export async function newNames(db: Db, gitRepositoryId: number, limit: number): Promise<readonly string[]> {
  const { rows } = await sql<{ ref: string }>`
    SELECT n.ref
    FROM (
      SELECT id, ref, received_at FROM notices
      WHERE git_repository_id = ${gitRepositoryId} ORDER BY id DESC LIMIT ${MAX_NOTICES}
    ) AS n, git_repositories r
    WHERE r.id = ${gitRepositoryId} AND r.baseline_at IS NOT NULL AND n.ref IS NOT NULL
      AND (r.last_scan_at IS NULL OR n.received_at > r.last_scan_at - interval '10 seconds')
      AND NOT EXISTS (SELECT FROM tags t WHERE t.git_repository_id = r.id AND t.ref = n.ref)
      AND NOT EXISTS (SELECT FROM tag_baselines b WHERE b.git_repository_id = r.id AND b.ref = n.ref)
    GROUP BY n.ref ORDER BY min(n.id) LIMIT ${limit}
  `.execute(db);
  return rows.map(({ ref }) => ref);
}

/** What was pushed beside what was named is found by a look at everything, soon. */
export async function lookSoon(trx: Trx, gitRepositoryId: number): Promise<void> {
  await sql`
    UPDATE git_repositories
    SET next_look_at = least(next_look_at, clock_timestamp() + make_interval(secs => ${FULL_LOOK_SECONDS}))
    WHERE id = ${gitRepositoryId}
  `.execute(trx);
}

/** Tags that are not decided, and for which no task waits or runs. */
export async function seenWithoutTask(db: Db, gitRepositoryId: number): Promise<readonly number[]> {
  const { rows } = await sql<{ id: number }>`
    SELECT t.id FROM tags t
    WHERE t.git_repository_id = ${gitRepositoryId} AND t.state = 'seen'
      AND ${HAS_NO_TASK}
    ORDER BY t.id
  `.execute(db);
  return rows.map(({ id }) => id);
}
