/**
 * Revoking a key: what it let in, what becomes of each, and what a person must do about the rest.
 *
 * {@link planRevocation} changes nothing and says what stands where; its hash stands for all of it. {@link revokeAndSuspend} looks
 * again under the archives' locks and goes on only when that is still so. From the revocation on, uploads of what the key let in
 * are rejected when they arrive; with `suspend` all that is not published yet ends at once.
 */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import {
  actorName,
  getKey,
  mayAct,
  revokeKey,
  type Actor,
  type KeyRow,
  type SystemActor,
} from '../permissions/index.ts';
import { withTransaction, type Db, type Trx } from '../platform/database.ts';
import { lockArchive } from './lock.ts';
import { suspend, type Ended } from './suspend.ts';

/**
 * - `under-way`: nothing of it can be read by apt; suspending ends it
 * - `partly-published`: some of it can, and builds, uploads or unpublished packages remain, which suspending ends
 * - `published`: apt reads it, in `publishedIn`
 * - `gone`: it was accepted, and no suite holds it now
 * - `ended`: it came to nothing by itself
 * - `suspended`: a person has stopped it
 */
export type LetInState = 'under-way' | 'partly-published' | 'published' | 'gone' | 'ended' | 'suspended';

export interface LetInRelease {
  readonly submissionId: number;
  readonly tagId: number;
  readonly archiveId: number;
  readonly archive: string;
  readonly suite: string;
  readonly audience: string;
  readonly source: string;
  readonly version: string;
  readonly decidedAt: Date;
  readonly state: LetInState;
  /** `ARCHIVE/SUITE` */
  readonly publishedIn: readonly string[];
  /** What to do about it; undefined when nothing. */
  readonly advice: string | undefined;
}

export interface RevocationPlan {
  readonly key: KeyRow & { readonly handle: string };
  /** The oldest first. */
  readonly releases: readonly LetInRelease[];
  readonly hash: string;
}

/** Undefined when there is no such key. */
export async function planRevocation(db: Db, keyId: number): Promise<RevocationPlan | undefined> {
  const key = await getKey(db, keyId);
  if (key === undefined) return undefined;
  const releases = await releasesOf(db, key.fingerprint);
  const facts = [key.id, key.revokedAt !== null, releases.map((one) => [one.submissionId, one.state, one.publishedIn])];
  return { key, releases, hash: createHash('sha256').update(JSON.stringify(facts)).digest('hex') };
}

/** True for those who administer everything, and for the person whose key it is. */
export async function mayRevoke(
  db: Db,
  actor: Actor | SystemActor,
  key: Pick<KeyRow, 'personId'>,
): Promise<{ readonly kind: 'allowed' } | { readonly kind: 'denied'; readonly code: string; readonly reason: string }> {
  if (actor.kind === 'person' && actor.personId === key.personId) return { kind: 'allowed' };
  const decision = await mayAct(db, actor, 'administer');
  if (decision.kind === 'allowed') return { kind: 'allowed' };
  return {
    ...decision,
    reason: `${decision.reason} A key is revoked by its owner, or by somebody who administers everything.`,
  };
}

export type Revocation =
  | {
      readonly kind: 'revoked' | 'already-revoked';
      readonly key: RevocationPlan['key'];
      /** As they stand now. */
      readonly releases: readonly LetInRelease[];
      readonly suspended: readonly { readonly submissionId: number; readonly ended: Ended }[];
    }
  | { readonly kind: 'unknown-key' }
  | { readonly kind: 'denied'; readonly code: string; readonly reason: string }
  /** What the key let in stands otherwise than when it was confirmed. Nothing was done. */
  | { readonly kind: 'out-of-date' };

export async function revokeAndSuspend(
  db: Db,
  request: {
    readonly keyId: number;
    readonly reason: string;
    readonly suspend: boolean;
    /** Of the plan that was confirmed. */
    readonly hash: string;
    readonly by: Actor | SystemActor;
  },
): Promise<Revocation> {
  const { by, reason } = request;
  return await withTransaction(db, async (trx): Promise<Revocation> => {
    const first = await planRevocation(trx, request.keyId);
    if (first === undefined) return { kind: 'unknown-key' };
    const allowed = await mayRevoke(trx, by, first.key);
    if (allowed.kind === 'denied') return allowed;
    if (request.suspend) {
      const archives = new Set(first.releases.map(({ archiveId }) => archiveId));
      for (const id of [...archives].sort((one, other) => one - other)) await lockArchive(trx, id);
    }
    const plan = await planRevocation(trx, request.keyId);
    if (plan?.hash !== request.hash) return { kind: 'out-of-date' };
    const revoked = await revokeKey(trx, plan.key.fingerprint, reason, by);
    if (revoked.kind === 'unknown-key') return revoked;
    const suspended = request.suspend ? await suspendAll(trx, plan, actorName(by), reason) : [];
    const after = await planRevocation(trx, request.keyId);
    return { kind: revoked.kind, key: after?.key ?? plan.key, releases: after?.releases ?? [], suspended };
  });
}

async function suspendAll(trx: Trx, plan: RevocationPlan, actor: string, reason: string) {
  const suspended: { submissionId: number; ended: Ended }[] = [];
  for (const { submissionId, state } of plan.releases) {
    if (state !== 'under-way' && state !== 'partly-published') continue;
    const because = `the key ${plan.key.fingerprint} of ${plan.key.handle} was revoked (${reason})`;
    const ended = await suspend(trx, { submissionId, actor, reason: because, keyId: plan.key.id });
    if (ended !== undefined) suspended.push({ submissionId, ended });
  }
  return suspended;
}

interface ReleaseRow {
  readonly submission_id: number;
  readonly tag_id: number;
  readonly archive_id: number;
  readonly archive: string;
  readonly suite: string;
  readonly audience: string;
  readonly source: string;
  readonly version: string;
  readonly decided_at: Date;
  readonly version_state: 'reserved' | 'freed' | 'accepted' | null;
  readonly open: number;
  readonly unpublished: number;
  readonly published_in: string[];
  readonly suspended: boolean;
}

/** Everything that a key let in, with how it stands. What is stamped with a suite's open serial, no publication has shown. */
async function releasesOf(db: Db, fingerprint: string): Promise<LetInRelease[]> {
  const { rows } = await sql<ReleaseRow>`
    WITH let_in AS (
      SELECT d.id, d.tag_id, t.submission_id, d.suite_id, d.source, d.version, d.decided_at
      FROM tag_decisions d JOIN tags t ON t.id = d.tag_id
      WHERE d.key_fingerprint = ${fingerprint} AND d.outcome = 'accepted'
    ), placed AS (
      SELECT p.submission_id, m.suite_id, m.added_serial FROM suite_sources m
      JOIN source_packages p ON p.id = m.source_package_id
      WHERE m.removed_serial IS NULL AND p.submission_id IN (SELECT submission_id FROM let_in)
      UNION ALL
      SELECT u.submission_id, m.suite_id, m.added_serial FROM suite_binaries m
      JOIN binary_packages p ON p.id = m.binary_package_id JOIN uploads u ON u.id = p.upload_id
      WHERE m.removed_serial IS NULL AND u.submission_id IN (SELECT submission_id FROM let_in)
    ), member AS (
      SELECT placed.submission_id, a.name || '/' || s.name AS suite, placed.added_serial >= s.open_serial AS unpublished
      FROM placed JOIN suites s ON s.id = placed.suite_id JOIN archives a ON a.id = s.archive_id
    )
    SELECT l.submission_id, l.tag_id, a.id AS archive_id, a.name AS archive, suites.name AS suite, s.audience, l.source,
      l.version, l.decided_at,
      (SELECT v.state FROM versions v WHERE v.submission_id = s.id ORDER BY v.id DESC LIMIT 1) AS version_state,
      (SELECT count(*) FROM builds b JOIN jobs j ON j.id = b.job_id
        WHERE b.submission_id = s.id AND j.state NOT IN ('succeeded', 'cancelled', 'failed'))
      + (SELECT count(*) FROM uploads u WHERE u.submission_id = s.id AND u.state IN ('received', 'held')) AS open,
      (SELECT count(*) FROM member WHERE member.submission_id = s.id AND member.unpublished) AS unpublished,
      ARRAY(SELECT DISTINCT member.suite FROM member
        WHERE member.submission_id = s.id AND NOT member.unpublished ORDER BY 1) AS published_in,
      EXISTS (SELECT FROM suspensions WHERE suspensions.submission_id = s.id) AS suspended
    FROM let_in l
    JOIN submissions s ON s.id = l.submission_id
    JOIN archives a ON a.id = s.archive_id
    JOIN suites ON suites.id = l.suite_id
    ORDER BY l.id`.execute(db);
  return rows.map(toRelease);
}

function toRelease(row: ReleaseRow): LetInRelease {
  const state = stateOf(row);
  return {
    submissionId: row.submission_id,
    tagId: row.tag_id,
    archiveId: row.archive_id,
    archive: row.archive,
    suite: row.suite,
    audience: row.audience,
    source: row.source,
    version: row.version,
    decidedAt: row.decided_at,
    state,
    publishedIn: row.published_in,
    advice: adviceFor(state, row),
  };
}

function stateOf(row: ReleaseRow): LetInState {
  const published = row.published_in.length > 0;
  const moves = row.version_state === 'reserved' || row.open > 0 || row.unpublished > 0;
  if (moves && !row.suspended) return published ? 'partly-published' : 'under-way';
  if (published) return 'published';
  if (row.suspended) return 'suspended';
  return row.version_state === 'accepted' ? 'gone' : 'ended';
}

function adviceFor(state: LetInState, row: ReleaseRow): string | undefined {
  const read = `read what it changed (landfall tag show ${row.tag_id}, landfall where ${row.source})`;
  const replace = `have somebody else release a newer version, which replaces it in ${row.published_in.join(' and ')}`;
  switch (state) {
    case 'under-way':
      return 'end it now with --suspend; otherwise it ends when its next upload arrives';
    case 'partly-published':
      return `end what is left of it with --suspend; for what apt reads already: ${read}, and ${replace}`;
    case 'published':
      return `${read}, and ${replace}`;
    case 'gone':
      return 'no suite holds it now; snapshots and machines that installed it may';
    case 'ended':
    case 'suspended':
      return undefined;
  }
}
