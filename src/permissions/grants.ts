/** Grants: given and withdrawn under the rules of model.ts, each with its row in the audit. */
import { sql } from 'kysely';
import { databaseNow, type Db, type Trx } from '../platform/database.ts';
import { recordAudit } from '../platform/events.ts';
import { actorName, type Actor, type SystemActor } from './actors.ts';
import {
  describeGrant,
  grantProblem,
  mayGive,
  mayWithdraw,
  type Action,
  type GrantDenialCode,
  type ProposedGrant,
  type Receiver,
} from './model.ts';
import { administrators, findGroup, findPerson, loadHolder, membersOfGroup } from './store.ts';

/** `alice`, or `group:core`. */
export type ReceiverName = string;

export interface NewGrant {
  readonly to: ReceiverName;
  readonly action: Action;
  /** A name, or `*`. Default `*`. */
  readonly archive?: string | undefined;
  readonly suites?: string | undefined;
  readonly packages?: string | undefined;
  readonly validUntil?: Date | undefined;
}

export type GrantResult =
  | { readonly kind: 'granted'; readonly grantId: number }
  /** The same permission is held already, at least as long; nothing was written. */
  | { readonly kind: 'held'; readonly grantId: number }
  | {
      readonly kind: 'refused';
      readonly code:
        GrantDenialCode | 'permission.anonymous' | 'permission.unknown-receiver' | 'permission.last-administrator';
      readonly reason: string;
    };

export interface GrantFacts extends ProposedGrant {
  readonly id: number;
  readonly to: ReceiverName;
  readonly grantedBy: string;
  readonly createdAt: Date;
}

/** Gives a permission, if `by` may. Given again with another end, the old grant is withdrawn and a new one made. */
export async function grant(trx: Trx, wanted: NewGrant, by: Actor | SystemActor): Promise<GrantResult> {
  const proposed: ProposedGrant = {
    action: wanted.action,
    archive: wanted.archive ?? '*',
    suites: wanted.suites ?? '*',
    packages: wanted.packages ?? '*',
    validUntil: wanted.validUntil ?? null,
  };
  const receiver = await findReceiver(trx, wanted.to);
  if (receiver === undefined) {
    return refused('permission.unknown-receiver', `There is no person or group ${wanted.to}.`);
  }
  const ruling = await rule(trx, proposed, receiver, by);
  if (ruling.kind !== 'allowed') return { ...ruling, kind: 'refused' };

  await lockReceiver(trx, receiver);
  const current = await trx
    .selectFrom('grants')
    .select(['id', 'valid_until'])
    .where(sameReceiver(receiver))
    .where('action', '=', proposed.action)
    .where('archive', '=', proposed.archive)
    .where('suite_pattern', '=', proposed.suites)
    .where('package_pattern', '=', proposed.packages)
    .where('withdrawn_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
  if (current !== undefined) {
    if (current.valid_until?.getTime() === proposed.validUntil?.getTime()) return { kind: 'held', grantId: current.id };
    const now = await databaseNow(trx);
    if (
      proposed.validUntil !== null &&
      proposed.validUntil <= now &&
      (await isLastAdministrator(trx, current.id, now))
    ) {
      return refused('permission.last-administrator', NOBODY_LEFT);
    }
    await endGrant(trx, current.id);
  }
  const { id } = await trx
    .insertInto('grants')
    .values({
      person_id: receiver.personId,
      group_id: receiver.groupId,
      action: proposed.action,
      archive: proposed.archive,
      suite_pattern: proposed.suites,
      package_pattern: proposed.packages,
      valid_until: proposed.validUntil,
      granted_by: actorName(by),
      withdrawn_at: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await recordAudit(trx, {
    actor: actorName(by),
    action: 'grant.created',
    subject: wanted.to,
    detail: {
      grant: id,
      permission: describeGrant(proposed),
      validUntil: proposed.validUntil?.toISOString() ?? null,
      replaces: current?.id ?? null,
    },
  });
  return { kind: 'granted', grantId: id };
}

/** Takes a permission away, at once and for what is decided from now on. */
export async function withdrawGrant(
  trx: Trx,
  grantId: number,
  by: Actor | SystemActor,
): Promise<
  | { readonly kind: 'withdrawn' }
  | {
      readonly kind: 'refused';
      readonly code: 'permission.may-not-grant' | 'permission.no-such-grant' | 'permission.last-administrator';
      readonly reason: string;
    }
> {
  const facts = (await listGrants(trx)).find(({ id }) => id === grantId);
  if (facts === undefined) {
    return {
      kind: 'refused',
      code: 'permission.no-such-grant',
      reason: `There is no grant ${grantId} that still counts.`,
    };
  }
  if (by.kind !== 'system') {
    const holder = by.kind === 'person' ? await loadHolder(trx, by.personId) : undefined;
    if (holder === undefined || !mayWithdraw(holder, facts, await databaseNow(trx))) {
      return {
        kind: 'refused',
        code: 'permission.may-not-grant',
        reason: `${actorName(by)} may not take the permission to ${describeGrant(facts)} away from ${facts.to}.`,
      };
    }
  }
  // Two who withdraw each other's at the same moment come here one after the other.
  await sql`SELECT pg_advisory_xact_lock(hashtextextended('landfall administrators', 0))`.execute(trx);
  if (await isLastAdministrator(trx, grantId, await databaseNow(trx))) {
    return { kind: 'refused', code: 'permission.last-administrator', reason: NOBODY_LEFT };
  }
  await endGrant(trx, grantId);
  await recordAudit(trx, {
    actor: actorName(by),
    action: 'grant.withdrawn',
    subject: facts.to,
    detail: { grant: grantId, permission: describeGrant(facts) },
  });
  return { kind: 'withdrawn' };
}

const NOBODY_LEFT =
  'This is the last permission to administer everything: without it nobody could give any. Give it to somebody else first.';

/** True when somebody administers everything now, and nobody would without this grant. */
async function isLastAdministrator(db: Db, grantId: number, at: Date): Promise<boolean> {
  return (await administrators(db, at)).length > 0 && (await administrators(db, at, grantId)).length === 0;
}

/** All grants that are not withdrawn, also those whose time is over. */
export async function listGrants(db: Db): Promise<readonly GrantFacts[]> {
  const rows = await db
    .selectFrom('grants')
    .leftJoin('people', 'people.id', 'grants.person_id')
    .leftJoin('groups', 'groups.id', 'grants.group_id')
    .select([
      'grants.id',
      'grants.action',
      'grants.archive',
      'grants.suite_pattern',
      'grants.package_pattern',
      'grants.valid_until',
      'grants.granted_by',
      'grants.created_at',
      'people.handle',
      'groups.name as group',
    ])
    .where('grants.withdrawn_at', 'is', null)
    .orderBy('grants.id')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    to: row.group === null ? (row.handle ?? '') : `group:${row.group}`,
    action: row.action,
    archive: row.archive,
    suites: row.suite_pattern,
    packages: row.package_pattern,
    validUntil: row.valid_until,
    grantedBy: row.granted_by,
    createdAt: row.created_at,
  }));
}

interface FoundReceiver extends Receiver {
  readonly personId: number | null;
  readonly groupId: number | null;
}

async function findReceiver(db: Db, name: ReceiverName): Promise<FoundReceiver | undefined> {
  if (name.startsWith('group:')) {
    const group = await findGroup(db, name.slice('group:'.length));
    if (group === undefined) return undefined;
    return { name, personId: null, groupId: group.id, personIds: await membersOfGroup(db, group.id) };
  }
  const person = await findPerson(db, name);
  return person === undefined ? undefined : { name, personId: person.id, groupId: null, personIds: [person.id] };
}

/** One at a time: of two who give the same permission at the same moment, the second finds it held. */
async function lockReceiver(trx: Trx, receiver: FoundReceiver): Promise<void> {
  if (receiver.personId !== null) {
    await trx.selectFrom('people').select('id').where('id', '=', receiver.personId).forNoKeyUpdate().execute();
  }
  if (receiver.groupId !== null) {
    await trx.selectFrom('groups').select('id').where('id', '=', receiver.groupId).forNoKeyUpdate().execute();
  }
}

function sameReceiver(receiver: FoundReceiver) {
  return sql<boolean>`(coalesce(person_id, 0), coalesce(group_id, 0)) = (${receiver.personId ?? 0}, ${receiver.groupId ?? 0})`;
}

async function rule(
  db: Db,
  proposed: ProposedGrant,
  receiver: Receiver,
  by: Actor | SystemActor,
): Promise<
  | { readonly kind: 'allowed' }
  | { readonly kind: 'denied'; readonly code: GrantDenialCode | 'permission.anonymous'; readonly reason: string }
> {
  if (by.kind === 'system') {
    const malformed = grantProblem(proposed);
    return malformed === undefined
      ? { kind: 'allowed' }
      : { kind: 'denied', code: 'permission.malformed-grant', reason: `This grant is not well-formed: ${malformed}.` };
  }
  const holder = by.kind === 'person' ? await loadHolder(db, by.personId) : undefined;
  if (holder === undefined) {
    return { kind: 'denied', code: 'permission.anonymous', reason: 'Nobody in particular can give no permissions.' };
  }
  const now = await databaseNow(db);
  const others = (await administrators(db, now)).filter(({ id }) => id !== holder.personId);
  return mayGive(holder, proposed, receiver, now, others.length === 0);
}

async function endGrant(trx: Trx, grantId: number): Promise<void> {
  await trx
    .updateTable('grants')
    .set({ withdrawn_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', grantId)
    .where('withdrawn_at', 'is', null)
    .execute();
}

function refused(code: Extract<GrantResult, { kind: 'refused' }>['code'], reason: string): GrantResult {
  return { kind: 'refused', code, reason };
}
