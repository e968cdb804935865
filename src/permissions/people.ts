/** People and groups: made, changed, put together. Each change leaves its row in the audit. */
import { isUniqueViolation, type Trx } from '../platform/database.ts';
import { recordAudit } from '../platform/events.ts';
import { LandfallError } from '../platform/errors.ts';
import { actorName, type Actor, type SystemActor } from './actors.ts';

export interface NewPerson {
  /** Lower-case letters, digits, dots, hyphens: how commands and pages call the person. */
  readonly handle: string;
  readonly name: string;
  readonly email: string;
  readonly active?: boolean | undefined;
}

/** @throws LandfallError `permissions.handle-taken` */
export async function createPerson(
  trx: Trx,
  person: NewPerson,
  by: Actor | SystemActor,
): Promise<{ readonly id: number }> {
  const created = await trx
    .insertInto('people')
    .values({ handle: person.handle, name: person.name, email: person.email, active: person.active ?? true })
    .returning('id')
    .executeTakeFirstOrThrow()
    .catch((error: unknown) => {
      if (!isUniqueViolation(error, 'people_handle_key')) throw error;
      throw new LandfallError({
        code: 'permissions.handle-taken',
        doing: `register ${person.handle}`,
        reason: 'somebody is registered under this name already',
        remedy: 'choose another handle',
        cause: error,
      });
    });
  await recordAudit(trx, {
    actor: actorName(by),
    action: 'person.created',
    subject: `person ${person.handle}`,
    detail: { name: person.name, email: person.email, active: person.active ?? true },
  });
  return created;
}

/** Changes name, address, or whether the person may still do anything. Handles never change: the audit speaks of them. */
export async function changePerson(
  trx: Trx,
  handle: string,
  change: { readonly name?: string; readonly email?: string; readonly active?: boolean },
  by: Actor | SystemActor,
): Promise<void> {
  if (Object.keys(change).length === 0) return;
  await trx.updateTable('people').set(change).where('handle', '=', handle).execute();
  await recordAudit(trx, {
    actor: actorName(by),
    action: 'person.changed',
    subject: `person ${handle}`,
    detail: { ...change },
  });
}

export async function createGroup(trx: Trx, name: string, by: Actor | SystemActor): Promise<{ readonly id: number }> {
  const created = await trx.insertInto('groups').values({ name }).returning('id').executeTakeFirstOrThrow();
  await recordAudit(trx, { actor: actorName(by), action: 'group.created', subject: `group ${name}` });
  return created;
}

export interface Membership {
  readonly groupId: number;
  readonly group: string;
  readonly personId: number;
  readonly person: string;
}

/** Who is a member already stays one, without a second entry in the audit. */
export async function addMember(trx: Trx, membership: Membership, by: Actor | SystemActor): Promise<void> {
  const added = await trx
    .insertInto('group_members')
    .values({ group_id: membership.groupId, person_id: membership.personId })
    .onConflict((conflict) => conflict.doNothing())
    .returning('group_id')
    .executeTakeFirst();
  if (added === undefined) return;
  await recordAudit(trx, {
    actor: actorName(by),
    action: 'group.member-added',
    subject: `group ${membership.group}`,
    detail: { person: membership.person },
  });
}

export async function removeMember(trx: Trx, membership: Membership, by: Actor | SystemActor): Promise<void> {
  const removed = await trx
    .deleteFrom('group_members')
    .where('group_id', '=', membership.groupId)
    .where('person_id', '=', membership.personId)
    .returning('group_id')
    .executeTakeFirst();
  if (removed === undefined) return;
  await recordAudit(trx, {
    actor: actorName(by),
    action: 'group.member-removed',
    subject: `group ${membership.group}`,
    detail: { person: membership.person },
  });
}
