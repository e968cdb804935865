/** The decisions that other modules ask for, made by the rules of model.ts from what the database holds now. */
import { databaseNow, type Db } from '../platform/database.ts';
import type { Actor, SystemActor } from './actors.ts';
import { decideFor, type Action, type Decision } from './model.ts';
import { loadHolder } from './store.ts';

export interface Question {
  readonly personId: number;
  readonly action: Action;
  readonly archive: string;
  readonly suite: string;
  readonly package: string;
  /** As of when the time limits of grants are judged. A grant withdrawn since does not count. */
  readonly at: Date;
}

/** May this person do this to this package, in this suite of this archive? Denied unless a grant says so. */
export async function decide(db: Db, question: Question): Promise<Decision> {
  return decideFor(await loadHolder(db, question.personId), question, question.at);
}

/** What an action is about. A part that is absent means all of them, which only a grant for all allows. */
export interface ActionScope {
  readonly archive?: string | undefined;
  readonly suite?: string | undefined;
  readonly package?: string | undefined;
}

/** May whoever stands behind a request do this, now? */
export async function mayAct(
  db: Db,
  actor: Actor | SystemActor,
  action: Action,
  scope: ActionScope = {},
): Promise<Decision | { readonly kind: 'allowed'; readonly grantId: undefined }> {
  if (actor.kind === 'system') return { kind: 'allowed', grantId: undefined };
  if (actor.kind === 'anonymous') {
    return {
      kind: 'denied',
      code: 'permission.anonymous',
      reason: 'This needs a permission, and no access token was shown.',
    };
  }
  const holder = await loadHolder(db, actor.personId);
  return decideFor(holder, { action, ...scope }, await databaseNow(db));
}
