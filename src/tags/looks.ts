/**
 * When a Git repository is looked at again, and what kept a look from its end.
 *
 * A look that succeeds is followed by the next one after `poll-every`, a tenth more or less, so that repositories that were
 * registered together are not looked at together for ever. One that fails is tried again after a minute, two, four … at most
 * half an hour: when the forge is back, a tag whose notice was lost then waits no longer than that. A repository that is not
 * there for us any more (deleted, renamed, made private) is asked for every six hours at last. A notice is looked at at once,
 * whatever was planned.
 *
 * An obstacle stands in the repository's row from the first failed look to the next good one.
 */
import { sql } from 'kysely';
import type { Db, Trx } from '../platform/database.ts';
import { recordEvent } from '../platform/events.ts';
import type { RemoteObstacle } from '../platform/git.ts';
import type { GitRepository } from '../registry/index.ts';
import { audiencesOfGitRepository } from '../registry/index.ts';
import { sshObstacle, type SshObstacle } from './ssh-access.ts';

const FIRST_RETRY_SECONDS = 60;
const LAST_RETRY_SECONDS = 30 * 60;
const GONE_RETRY_SECONDS = 6 * 60 * 60;
/** No listing of tags takes longer, whatever a fetch may take: a forge that hangs holds up what waits behind it. */
export const LOOK_DEADLINE_SECONDS = 60;

/** What stands between us and the tags of a Git repository. */
export interface LookObstacle {
  readonly code:
    | 'repository.address'
    | 'repository.gone'
    | 'forge.unreachable'
    | 'forge.timeout'
    | 'forge.too-many-refs'
    | SshObstacle['code'];
  readonly sentence: string;
  readonly remedy: string;
}

/** Seconds until the next look, after `failedLooks` in a row that came to nothing. `random` is from [0, 1). */
export function secondsToNextLook(
  facts: { readonly pollEverySeconds: number; readonly failedLooks: number; readonly isGone: boolean },
  random: number,
): number {
  const jitter = 0.9 + random * 0.2;
  if (facts.failedLooks === 0) return facts.pollEverySeconds * jitter;
  const last = facts.isGone ? GONE_RETRY_SECONDS : LAST_RETRY_SECONDS;
  return Math.min(FIRST_RETRY_SECONDS * 2 ** Math.min(facts.failedLooks - 1, 20), last) * jitter;
}

/** What git said, as an obstacle in words. */
export function obstacleOf(repository: Pick<GitRepository, 'name' | 'url'>, problem: RemoteObstacle): LookObstacle {
  const { name } = repository;
  const ssh = sshObstacle(repository, problem.detail);
  if (ssh !== undefined) return ssh;
  switch (problem.kind) {
    case 'timeout':
      return {
        code: 'forge.timeout',
        sentence: `The tags of ${name} could not be listed: ${problem.detail}.`,
        remedy: `It is tried again by itself; at once with: landfall tag notify ${name}`,
      };
    case 'too-large':
      return {
        code: 'forge.too-many-refs',
        sentence: `The tags of ${name} could not be listed: ${problem.detail}.`,
        remedy: 'Remove tags of our prefixes that nobody needs, or give the packages Git repositories of their own.',
      };
    case 'unreachable':
      return isGone(problem.detail)
        ? {
            code: 'repository.gone',
            sentence: `${name} is not there, or not for us: ${problem.detail}.`,
            remedy:
              'If it was renamed or moved, correct its url in the distribution file; if it was made private, let the server ' +
              'read it (ssh:// and a deploy key); if it was deleted, say enabled = false; then: landfall apply',
          }
        : {
            code: 'forge.unreachable',
            sentence: `The forge of ${name} does not answer as it should: ${problem.detail}.`,
            remedy: `It is tried again by itself; at once with: landfall tag notify ${name}`,
          };
  }
}

export function addressObstacle(repository: Pick<GitRepository, 'name'>, fault: string): LookObstacle {
  return {
    code: 'repository.address',
    sentence: `The address of ${repository.name} is not usable: ${fault}.`,
    remedy: 'Correct it in the distribution file and apply it: landfall apply',
  };
}

/** Forges say "not found" for what exists and may not be seen; git then asks for a name that nobody gives it. */
function isGone(detail: string): boolean {
  return /repository .*not (?:found|exist)|not found|does not exist|does not appear to be a git repository|could not read (?:Username|Password)|Authentication failed|access (?:denied|forbidden)|Permission denied|returned error: 40[134]|no such (?:project|repository)/i.test(
    detail,
  );
}

/** The look ended well: the next one is planned, and an obstacle that stood in the way is over. */
export async function recordGoodLook(
  trx: Trx,
  repository: GitRepository,
  startedAt: Date,
  random: number = Math.random(),
): Promise<void> {
  const seconds = secondsToNextLook({ ...repository, failedLooks: 0, isGone: false }, random);
  await trx
    .updateTable('git_repositories')
    .set({
      last_scan_at: startedAt,
      next_look_at: sql<Date>`clock_timestamp() + make_interval(secs => ${seconds})`,
      failed_looks: 0,
      obstacle_code: null,
      obstacle_sentence: null,
      obstacle_remedy: null,
      obstacle_since: null,
    })
    .where('id', '=', repository.id)
    .execute();
  if (repository.failedLooks > 0) await tell(trx, repository, 'git-repository.reachable', {});
}

/** The look came to nothing. Told as an event when it is the first one that did, or for another reason than the last. */
export async function recordFailedLook(
  trx: Trx,
  repository: GitRepository,
  obstacle: LookObstacle,
  random: number = Math.random(),
): Promise<void> {
  const failedLooks = repository.failedLooks + 1;
  const isGone = obstacle.code === 'repository.gone' || obstacle.code === 'repository.address';
  const seconds = secondsToNextLook({ ...repository, failedLooks, isGone }, random);
  const before = await trx
    .selectFrom('git_repositories')
    .select('obstacle_code')
    .where('id', '=', repository.id)
    .forUpdate()
    .executeTakeFirstOrThrow();
  await trx
    .updateTable('git_repositories')
    .set({
      next_look_at: sql<Date>`clock_timestamp() + make_interval(secs => ${seconds})`,
      failed_looks: failedLooks,
      obstacle_code: obstacle.code,
      obstacle_sentence: obstacle.sentence,
      obstacle_remedy: obstacle.remedy,
      obstacle_since: sql<Date>`coalesce(obstacle_since, clock_timestamp())`,
    })
    .where('id', '=', repository.id)
    .execute();
  if (before.obstacle_code !== obstacle.code) {
    await tell(trx, repository, 'git-repository.obstructed', { code: obstacle.code, sentence: obstacle.sentence });
  }
}

/**
 * Git repositories whose next look is due. Where more than half of a forge's repositories have an obstacle, the forge itself
 * is away: one of them is asked at a time, so that waiting for it holds up nobody else.
 */
export async function repositoriesToPoll(
  db: Db,
): Promise<readonly { readonly id: number; readonly lastScanAt: Date | null }[]> {
  const { rows } = await sql<{ id: number; lastScanAt: Date | null }>`
    WITH forge AS (
      SELECT split_part(coalesce(place, url), '/', 1) AS host,
        count(*) FILTER (WHERE obstacle_code IS NOT NULL) * 2 > count(*) AS away
      FROM git_repositories WHERE enabled GROUP BY 1
    ), due AS (
      SELECT id, last_scan_at, next_look_at, forge.away,
        row_number() OVER (PARTITION BY forge.host ORDER BY next_look_at NULLS FIRST, id) AS turn
      FROM git_repositories JOIN forge ON forge.host = split_part(coalesce(place, url), '/', 1)
      WHERE enabled AND (next_look_at IS NULL OR next_look_at <= clock_timestamp())
    )
    SELECT id, last_scan_at AS "lastScanAt" FROM due WHERE turn = 1 OR NOT away
    ORDER BY next_look_at NULLS FIRST, id
  `.execute(db);
  return rows;
}

async function tell(
  trx: Trx,
  repository: GitRepository,
  kind: string,
  data: Readonly<Record<string, string>>,
): Promise<void> {
  const audiences = await audiencesOfGitRepository(trx, repository.id);
  const audience = audiences.find((one) => one === 'public') ?? audiences[0] ?? 'public';
  await recordEvent(trx, { kind, actor: 'landfall', audience, data: { repository: repository.name, ...data } });
}
