/**
 * A build that still waits when a newer version of the same source is to be built for the same suite and architecture has
 * nobody left who wants it: it is cancelled, in the words "superseded by". One that runs is let finish, and what an older
 * version has built stays in the suite until the newer one's is there.
 */
import { compareVersionTexts } from '../debian/version.ts';
import { cancel } from '../lighthouse/index.ts';
import type { Trx } from '../platform/database.ts';

/** Cancels what waits for nothing any more; the same answer however often, and in whatever order versions are planned. */
export async function cancelSuperseded(
  trx: Trx,
  suite: { readonly id: number; readonly source: string },
): Promise<void> {
  const rows = await trx
    .selectFrom('builds as b')
    .innerJoin('submissions as s', 's.id', 'b.submission_id')
    .innerJoin('jobs as j', 'j.id', 'b.job_id')
    .select(['j.id as jobId', 'j.state', 'b.architecture', 's.version'])
    .where('s.suite_id', '=', suite.id)
    .where('s.source', '=', suite.source)
    .where('b.kind', '=', 'binary')
    .where('j.state', '<>', 'cancelled')
    .orderBy('j.id')
    // Held, so that no worker takes one between this look and its end.
    .forNoKeyUpdate('j')
    .execute();
  const builds = rows.flatMap(({ version, ...row }) => (version === null ? [] : [{ ...row, version }]));
  for (const build of builds) {
    if (build.state !== 'ready' && build.state !== 'blocked') continue;
    const newer = builds.find(
      (other) => other.architecture === build.architecture && compareVersionTexts(other.version, build.version) > 0,
    );
    if (newer !== undefined) await cancel(trx, build.jobId, 'landfall', `superseded by ${newer.version}`);
  }
}
