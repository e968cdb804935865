/** What the route files have in common. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { actorName, audiencesOf, type PersonActor } from '../../permissions/index.ts';
import type { WorkerIdentity } from '../../lighthouse/index.ts';
import { actorOf } from '../callers.ts';
import type { Caller, HttpEnv } from '../env.ts';
import { Refusal } from '../refusal.ts';

export type Api = OpenAPIHono<HttpEnv>;

/** The audiences whose things the caller may see. */
export function audiencesOfCaller(caller: Caller): string[] {
  return audiencesOf(actorOf(caller));
}

/** The person behind a request that the guard let in as one. */
export function requirePerson(caller: Caller): PersonActor {
  if (caller.kind === 'person') return caller;
  throw new Error(`the guard let ${caller.kind} in where a person is needed`);
}

/** The worker behind a request that the guard let in as one. */
export function requireWorker(caller: Caller): WorkerIdentity {
  if (caller.kind === 'worker') return caller;
  throw new Error(`the guard let ${caller.kind} in where a worker is needed`);
}

/** The caller as the audit and the events name it. */
export function nameOf(person: PersonActor): string {
  return actorName(person);
}

/** Passes a value on, or refuses with 404. */
export function orNotFound<T>(value: T | undefined, what: string): T {
  if (value !== undefined) return value;
  throw new Refusal({
    status: 404,
    code: 'not-found',
    detail: `there is no ${what}, or it is not for you to see`,
    remedy: 'look at the spelling; if it is meant for a group, send a token of a member',
  });
}

export { mutable } from '../mutable.ts';
