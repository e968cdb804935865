/**
 * Taking one version down: malware, or bytes that nobody may hand out. It is planned in words and confirmed by the plan's hash.
 * One transaction then takes the version out of every suite of every archive that has it, stops whatever of it is still under way,
 * records who, when, why and which bytes, and asks for the suites to be published and the bytes to be removed (remove.ts). From
 * that moment the files are answered with the reason, and their bytes are accepted nowhere again.
 *
 * What was signed stays as it was: snapshots name files that are not there. Files that other versions share (an upstream tarball)
 * stay, since those versions are not taken down.
 */
import { sql } from 'kysely';
import { jsonText, withTransaction, type Db, type Trx } from '../../platform/database.ts';
import { recordAudit, recordEvent } from '../../platform/events.ts';
import { sha256 as hashOf } from '../../platform/files.ts';
import { enqueue } from '../../platform/tasks.ts';
import { enqueuePublication } from '../accept.ts';
import { lockArchive } from '../lock.ts';
import { holdOpenSerial } from '../suite-content.ts';
import { suspend } from '../suspend.ts';
import { readTarget, type Target, type TargetFile } from './target.ts';

export const REMOVE_TASK = 'archive.remove-taken-down';

export interface TakedownRequest {
  readonly source: string;
  readonly version: string;
  readonly reason: string;
  readonly legal: boolean;
  /** Upstream tarballs are harmless: later versions may bring them again. */
  readonly keepUpstream: boolean;
  /** As the audit names people. */
  readonly by: string;
  /** What the person may see: a version that is only in archives of others does not exist for them. */
  readonly audiences: readonly string[];
}

export interface TakedownPlan {
  readonly kind: 'plan';
  /** Those that the person may see; it leaves all others too. */
  readonly archives: readonly string[];
  /** `ARCHIVE/SUITE` that have it now: each gets a publication without it. */
  readonly suites: readonly string[];
  /** What is removed for ever. */
  readonly files: readonly TargetFile[];
  /** What other versions need, and stays. */
  readonly shared: readonly TargetFile[];
  readonly hash: string;
}

export type TakedownRefusal =
  { readonly kind: 'unknown' } | { readonly kind: 'taken-down'; readonly at: Date; readonly by: string };

/** What taking it down would do. */
export async function planTakedown(
  db: Db,
  version: Pick<TakedownRequest, 'source' | 'version' | 'keepUpstream' | 'audiences'>,
): Promise<TakedownPlan | TakedownRefusal> {
  const target = await readTarget(db, version);
  if (target?.archives.some(({ audience }) => version.audiences.includes(audience)) !== true)
    return { kind: 'unknown' };
  const before = await db
    .selectFrom('takedowns')
    .select(['at', 'actor'])
    .where('source', '=', version.source)
    .where('version', '=', version.version)
    .executeTakeFirst();
  if (before !== undefined) return { kind: 'taken-down', at: before.at, by: before.actor };
  return planOf(target, version.audiences);
}

export type TakedownResult =
  | (Omit<TakedownPlan, 'kind'> & { readonly kind: 'done' })
  /** What would be done is no longer what was confirmed. */
  | { readonly kind: 'out-of-date' }
  | TakedownRefusal;

/** Does what was planned. */
export async function takeDown(db: Db, request: TakedownRequest, hash: string): Promise<TakedownResult> {
  return await withTransaction(db, async (trx) => {
    const held = await sql<{ id: number }>`
      SELECT DISTINCT archive_id AS id FROM source_packages
      WHERE name = ${request.source} AND version = ${request.version} ORDER BY archive_id`.execute(trx);
    // Behind the locks nothing of the version is decided or added any more.
    for (const { id } of held.rows) await lockArchive(trx, id);
    const plan = await planTakedown(trx, request);
    if (plan.kind !== 'plan') return plan;
    if (plan.hash !== hash) return { kind: 'out-of-date' };
    const target = await readTarget(trx, request);
    if (target === undefined) return { kind: 'unknown' };
    await carryOut(trx, request, target);
    return { ...plan, kind: 'done' };
  });
}

async function carryOut(trx: Trx, request: TakedownRequest, target: Target): Promise<void> {
  const { source, version, reason, legal, by } = request;
  for (const submissionId of target.submissions) {
    await suspend(trx, { submissionId, actor: by, reason: `taken down: ${reason}` });
  }
  for (const { id } of target.suites) {
    await removeFromSuite(trx, id, target.sourcePackages);
    await enqueuePublication(trx, id);
  }
  for (const archive of target.archives) {
    const detail = {
      suites: target.suites.filter((suite) => suite.archiveId === archive.id).map(({ name }) => name),
      files: target.files.map(plain),
      shared: target.shared.map(plain),
    };
    const { id } = await trx
      .insertInto('takedowns')
      .values({ archive_id: archive.id, source, version, legal, reason, actor: by, detail: jsonText(detail) })
      .returning('id')
      .executeTakeFirstOrThrow();
    if (target.files.length > 0) {
      await trx
        .insertInto('taken_down_files')
        .values(target.files.map((file) => ({ takedown_id: id, ...plain(file) })))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
    // The names stay, and stand for bytes that are gone.
    await sql`
      INSERT INTO collected_pool_files (pool_file_id)
      SELECT p.id FROM pool_files p JOIN taken_down_files f ON f.sha256 = p.sha256 AND f.takedown_id = ${id}
      ON CONFLICT DO NOTHING`.execute(trx);
    await recordAudit(trx, {
      actor: by,
      action: 'version.taken-down',
      subject: `${source} ${version} of ${archive.name}`,
      detail: { reason, legal, ...detail },
    });
    await recordEvent(trx, {
      kind: 'version.taken-down',
      audience: archive.audience,
      actor: by,
      data: { archive: archive.name, source, version, reason, legal, suites: detail.suites },
    });
    await enqueue(trx, REMOVE_TASK, { takedownId: id }, { jobKey: `remove-taken-down:${id}` });
  }
}

async function removeFromSuite(trx: Trx, suiteId: number, sourcePackages: readonly number[]): Promise<void> {
  const serial = await holdOpenSerial(trx, suiteId);
  await sql`
    UPDATE suite_sources SET removed_serial = ${serial}
    WHERE suite_id = ${suiteId} AND removed_serial IS NULL
      AND source_package_id = ANY (${[...sourcePackages]}::bigint[])`.execute(trx);
  await sql`
    UPDATE suite_binaries m SET removed_serial = ${serial} FROM binary_packages b
    WHERE m.suite_id = ${suiteId} AND m.removed_serial IS NULL AND b.id = m.binary_package_id
      AND b.source_package_id = ANY (${[...sourcePackages]}::bigint[])`.execute(trx);
}

function planOf(target: Target, audiences: readonly string[]): TakedownPlan {
  const seen = target.archives.filter(({ audience }) => audiences.includes(audience));
  const archives = seen.map(({ name }) => name);
  const suites = target.suites
    .filter((suite) => audiences.includes(suite.audience) && seen.some(({ id }) => id === suite.archiveId))
    .map(({ name }) => name);
  const { files, shared } = target;
  const all = [target.sourcePackages, target.suites.map(({ id }) => id), files.map(plain), shared.map(plain)];
  return { kind: 'plan', archives, suites, files, shared, hash: hashOf(JSON.stringify(all)) };
}

function plain({ path, sha256, size }: TargetFile) {
  return { path, sha256, size };
}
