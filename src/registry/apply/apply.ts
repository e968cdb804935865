/**
 * Distribution files applied: plan, look at it, confirm, done — in one transaction, or not at all.
 *
 * {@link planApply} changes nothing and says what would change, with a hash. {@link applyPlan} takes the same files and that
 * hash, plans again under a lock, and goes on only when it comes to the same plan: what a person confirmed is what happens,
 * whatever others did in the meantime. Applying the same files again changes nothing.
 */
import { sql } from 'kysely';
import type { Actor, SystemActor } from '../../permissions/index.ts';
import { withTransaction, type Db } from '../../platform/database.ts';
import { refuseSteps, refuseStranger } from './authorize.ts';
import type { Declarations, DistributionFile } from './declarations.ts';
import { executeSteps, type StepRefused } from './execute.ts';
import { readDistributionFiles } from './files.ts';
import { readMaterials, type Materials } from './materials.ts';
import { makePlan, type Plan, type PlannedChange } from './plan.ts';
import type { ApplyProblem } from './problems.ts';
import { checkPeople } from './rules-people.ts';
import { checkRegistry } from './rules-registry.ts';
import { loadState, type State } from './state.ts';
import { resolve } from './wanted.ts';

export type PlanResult =
  | { readonly kind: 'plan'; readonly changes: readonly PlannedChange[]; readonly hash: string }
  | { readonly kind: 'problems'; readonly problems: readonly ApplyProblem[] }
  /** The actor that was given may not take one of the steps. */
  | StepRefused;

export type ApplyResult =
  | { readonly kind: 'applied'; readonly changes: readonly PlannedChange[] }
  /** The plan is not the one that was confirmed: files or world have changed since. This is what it would be now. */
  | { readonly kind: 'out-of-date'; readonly changes: readonly PlannedChange[]; readonly hash: string }
  | { readonly kind: 'problems'; readonly problems: readonly ApplyProblem[] }
  | StepRefused;

/**
 * What applying the files would change. Every problem of every file is returned. With `by`, also whether that actor may;
 * permissions that the plan gives are judged only when it is applied.
 */
export async function planApply(
  db: Db,
  files: readonly DistributionFile[],
  by?: Actor | SystemActor,
): Promise<PlanResult> {
  const stranger = by === undefined ? undefined : await refuseStranger(db, by);
  if (stranger !== undefined) return stranger;
  const read = await readFiles(files);
  if (read.kind === 'problems') return read;
  // One snapshot for all that is read, so that the plan is one of a world that was.
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (trx): Promise<PlanResult> => {
      const planned = await planFrom(trx, read);
      if (planned.kind === 'problems') return planned;
      const refused = by === undefined ? undefined : await refuseSteps(trx, planned.plan.steps, planned.state, by);
      return refused ?? { kind: 'plan', changes: changesOf(planned.plan), hash: planned.plan.hash };
    });
}

/** Applies the files, if that is still the plan with this hash and `by` may do all of it. */
export async function applyPlan(
  db: Db,
  files: readonly DistributionFile[],
  hash: string,
  by: Actor | SystemActor,
): Promise<ApplyResult> {
  const stranger = await refuseStranger(db, by);
  if (stranger !== undefined) return stranger;
  const read = await readFiles(files);
  if (read.kind === 'problems') return read;
  try {
    return await withTransaction(db, async (trx): Promise<ApplyResult> => {
      await sql`SELECT pg_advisory_xact_lock(hashtextextended('landfall apply', 0))`.execute(trx);
      // Others who change what permissions rest on wait; readers do not.
      await sql`LOCK TABLE people, groups, group_members, keys, grants IN SHARE ROW EXCLUSIVE MODE`.execute(trx);
      const planned = await planFrom(trx, read);
      if (planned.kind === 'problems') return planned;
      const { plan, state } = planned;
      if (plan.hash !== hash) return { kind: 'out-of-date', changes: changesOf(plan), hash: plan.hash };
      const refused =
        (await refuseSteps(trx, plan.steps, state, by)) ??
        (await executeSteps(
          trx,
          plan.steps.map(({ step }) => step),
          by,
        ));
      if (refused !== undefined) throw new RolledBack(refused);
      return { kind: 'applied', changes: changesOf(plan) };
    });
  } catch (error) {
    if (error instanceof RolledBack) return error.refused;
    throw error;
  }
}

/** Carries a refusal out of the transaction, which it undoes. */
class RolledBack extends Error {
  readonly refused: StepRefused;

  constructor(refused: StepRefused) {
    super(refused.reason);
    this.refused = refused;
  }
}

interface ReadFiles {
  readonly kind: 'read';
  readonly declarations: Declarations;
  readonly materials: Materials;
}

async function readFiles(
  files: readonly DistributionFile[],
): Promise<ReadFiles | { readonly kind: 'problems'; readonly problems: readonly ApplyProblem[] }> {
  const { declarations, problems } = readDistributionFiles(files);
  // A file that cannot be read whole would make everything that refers to it look wrong.
  if (problems.length > 0) return { kind: 'problems', problems };
  const materials = await readMaterials(declarations);
  return { kind: 'read', declarations, materials };
}

async function planFrom(
  db: Db,
  read: ReadFiles,
): Promise<
  | { readonly kind: 'planned'; readonly plan: Plan; readonly state: State }
  | { readonly kind: 'problems'; readonly problems: readonly ApplyProblem[] }
> {
  const state = await loadState(db);
  const { wanted, names, problems } = resolve(read.declarations, read.materials, state);
  const all = [
    ...read.materials.problems,
    ...problems,
    ...checkRegistry(wanted, names, state),
    ...checkPeople(wanted, names, state),
  ];
  if (all.length > 0) return { kind: 'problems', problems: all };
  return { kind: 'planned', plan: await makePlan(wanted, state), state };
}

function changesOf(plan: Plan): readonly PlannedChange[] {
  return plan.steps.map(({ change }) => change);
}
