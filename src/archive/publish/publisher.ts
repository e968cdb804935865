/**
 * Publishing a suite: makes what the suite holds visible to apt, whole, by one rename. See ../model.ts for the states.
 *
 * Promises: one publisher per suite at a time; serial and Date only grow, at most one publication per second; a publication
 * that was cut off anywhere is finished with the same serial, Date and content; readers see the old publication or the new
 * one. Publishing twice, or when nothing changed, does nothing.
 */
import { sql } from 'kysely';
import { createChunkedIndexKeeper } from '../index-keeper/chunked.ts';
import { beginPublication, findOpenPublication } from './begin.ts';
import { archiveKey, keysThatMaySign } from '../keys.ts';
import type {
  FaultPoint,
  OpenPublication,
  PublishDeps,
  PublishReason,
  PublishResult,
  StepDeps,
} from './publication.ts';
import { removeOldPublications } from './retention.ts';
import { readSuite } from './settings.ts';
import { ensureFiles, sign, switchOver, write } from './steps.ts';

/** The space of advisory locks that publishers take, one per suite. */
const PUBLISHER_LOCKS = 0x4c50;

/**
 * Finishes the suite's unfinished publication, or makes the next one. Does not wait: who is told `busy` or `too-soon` comes
 * again later.
 * @throws LandfallError `signer.*`, `storage.*`, `publish.clock-behind`, …
 */
export async function publishSuite(deps: PublishDeps, suiteId: number, reason: PublishReason): Promise<PublishResult> {
  // The lock belongs to a connection and ends with it, so a publisher that is killed leaves none behind. All that follows uses
  // that one connection: a publisher that lost it, and with it the lock, can do nothing more.
  return await deps.db.connection().execute(async (connection) => {
    const { rows } = await sql<{ locked: boolean }>`
      SELECT pg_try_advisory_lock(${PUBLISHER_LOCKS}, ${suiteId}::integer) AS locked`.execute(connection);
    if (rows[0]?.locked !== true) return { kind: 'busy' };
    try {
      return await publishLocked({ ...deps, db: connection }, suiteId, reason);
    } finally {
      await sql`SELECT pg_advisory_unlock(${PUBLISHER_LOCKS}, ${suiteId}::integer)`.execute(connection);
    }
  });
}

async function publishLocked(deps: PublishDeps, suiteId: number, reason: PublishReason): Promise<PublishResult> {
  const fault = async (point: FaultPoint): Promise<void> => {
    await deps.fault?.(point);
  };
  const unfinished = await findOpenPublication(deps.db, suiteId);
  const begun = unfinished ?? (await begin(deps, suiteId, reason));
  if ('kind' in begun) return begun;
  if (unfinished === undefined) await fault('begun');
  const storage = await deps.storage(begun.settings.archive);
  const keeper = deps.keeper?.(storage) ?? createChunkedIndexKeeper(storage.chunks);
  const steps: StepDeps = { ...deps, fault, published: storage.published, keeper };
  if (begun.state !== 'writing') await ensureFiles(steps, begun);
  const written = begun.state === 'writing' ? await write(steps, begun) : begun;
  const signed = written.state === 'written' ? await sign(steps, written) : written;
  await switchOver(steps, signed);
  await fault('published');
  await removeOldPublications(steps, signed);
  return { kind: 'published', serial: signed.serial, resumed: unfinished !== undefined };
}

/** Asks the signer before the suite is locked: nobody's upload waits for it. */
async function begin(
  deps: PublishDeps,
  suiteId: number,
  reason: PublishReason,
): Promise<OpenPublication | Exclude<PublishResult, { kind: 'published' | 'busy' }>> {
  const suite = await readSuite(deps.db, suiteId);
  if (suite === undefined) return { kind: 'no-such-suite' };
  const { archive } = suite.settings;
  const { keys } = await archiveKey(deps, archive);
  return await beginPublication(deps.db, suiteId, reason, {
    changelogs: `${deps.publicUrl}/archive/${archive}/changelogs/@CHANGEPATH@_changelog`,
    snapshots: `${deps.publicUrl}/archive/${archive}/snapshots/@SNAPSHOTID@/`,
    signedBy: [...keysThatMaySign(keys)],
  });
}
