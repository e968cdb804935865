/**
 * Publishing that tells at once when the database is behind what was published or signed (H18): no later try can succeed, and
 * a person has to decide. Over when the suite was published.
 */
import { clearAlert, raiseAlert } from '../platform/alerts.ts';
import { withTransaction } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import type { PublishDeps, PublishReason, PublishResult } from './publish/publication.ts';
import { publishSuite } from './publish/publisher.ts';

const BEHIND: ReadonlySet<string> = new Set(['signer.older-serial', 'signer.other-content', 'publish.older-serial']);

/** As {@link publishSuite}. */
export async function publishOrTell(deps: PublishDeps, suiteId: number, reason: PublishReason): Promise<PublishResult> {
  try {
    const result = await publishSuite(deps, suiteId, reason);
    if (result.kind === 'published') await tell(deps, suiteId, undefined);
    return result;
  } catch (error) {
    if (error instanceof LandfallError && BEHIND.has(error.code)) await tell(deps, suiteId, error);
    throw error;
  }
}

async function tell(deps: PublishDeps, suiteId: number, error: LandfallError | undefined): Promise<void> {
  await withTransaction(deps.db, async (trx) => {
    const suite = await trx
      .selectFrom('suites')
      .innerJoin('archives', 'archives.id', 'suites.archive_id')
      .select(['suites.name', 'archives.name as archive', 'suites.audience'])
      .where('suites.id', '=', suiteId)
      .executeTakeFirst();
    if (suite === undefined) return;
    const where = `${suite.archive}/${suite.name}`;
    const key = `suite.behind ${where}`;
    if (error === undefined) await clearAlert(trx, key);
    else {
      await raiseAlert(trx, {
        key,
        audience: suite.audience,
        sentence: `${where} cannot be published: ${error.reason}`,
        ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
        data: { archive: suite.archive, suite: suite.name, code: error.code },
      });
    }
  });
}
