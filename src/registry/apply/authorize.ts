/**
 * Who may apply a plan. Permissions are judged one by one as they are given or withdrawn (permissions/); everything else
 * needs somebody who administers: the archive that is changed, or everything.
 *
 * Joining a group is receiving its permissions, so nobody takes himself into a group that may do more than he may.
 */
import { coversGrant, isInForce, loadHolder, mayAct, type Actor, type SystemActor } from '../../permissions/index.ts';
import { databaseNow, type Db } from '../../platform/database.ts';
import type { StepRefused } from './execute.ts';
import type { PlannedStep, Step } from './plan.ts';
import type { State } from './state.ts';

/** The first step that the actor may not take; undefined when he may take all. */
export async function refuseSteps(
  db: Db,
  steps: readonly PlannedStep[],
  state: State,
  by: Actor | SystemActor,
): Promise<StepRefused | undefined> {
  if (by.kind === 'system') return undefined;
  const allowed = new Set<string>();
  for (const { change, step } of steps) {
    if (step.kind === 'grant' || step.kind === 'withdraw-grant') continue;
    const archive = archiveOf(step, state);
    const key = archive ?? '*';
    if (!allowed.has(key)) {
      const decision = await mayAct(db, by, 'administer', archive === undefined ? {} : { archive });
      if (decision.kind === 'denied') {
        return {
          kind: 'refused',
          code: decision.code,
          reason: `${decision.reason} It is needed to ${change.action} ${change.what}.`,
        };
      }
      allowed.add(key);
    }
    const own = await refuseJoining(db, step, state, by);
    if (own !== undefined) return own;
  }
  return undefined;
}

/** Who may apply nothing at all is told so before anything else: a plan and its problems name what exists. */
export async function refuseStranger(db: Db, by: Actor | SystemActor): Promise<StepRefused | undefined> {
  if (by.kind === 'system') return undefined;
  const decision = await mayAct(db, by, 'administer');
  if (decision.kind === 'allowed') return undefined;
  const refused = { kind: 'refused' as const, code: decision.code, reason: decision.reason };
  if (by.kind !== 'person') return refused;
  const holder = await loadHolder(db, by.personId);
  const now = await databaseNow(db);
  const mayPlan = holder?.grants.some(
    (held) => (held.action === 'administer' || held.action === 'grant') && isInForce(held, now),
  );
  return holder?.active === true && mayPlan === true ? undefined : refused;
}

/** The archive whose administrators may take this step; undefined where it takes one of everything. */
function archiveOf(step: Step, state: State): string | undefined {
  const name = step.kind === 'archive' ? step.wanted.name : step.kind === 'suite' ? step.wanted.archive : undefined;
  return name !== undefined && state.archives.has(name) ? name : undefined;
}

async function refuseJoining(db: Db, step: Step, state: State, by: Actor): Promise<StepRefused | undefined> {
  if (step.kind !== 'add-member' || by.kind !== 'person' || step.person !== by.handle) return undefined;
  if (state.administrators.length === 1 && state.administrators[0] === by.handle) return undefined;
  const holder = await loadHolder(db, by.personId);
  const gained = state.grants.find(
    (grant) =>
      grant.to === `group:${step.group}` &&
      (grant.validUntil === null || grant.validUntil > state.now) &&
      holder?.grants.some(
        (held) => isInForce(held, state.now) && held.action === grant.action && coversGrant(held, grant),
      ) !== true,
  );
  if (gained === undefined) return undefined;
  return {
    kind: 'refused',
    code: 'permission.own-rights',
    reason:
      `${by.handle} may not join the group ${step.group}, which may do more than ${by.handle} may: ` +
      'nobody widens their own rights. Another administrator can.',
  };
}
