/**
 * The one door of the API: it reads from the route who may use it (contract/access.ts) and lets in or refuses, before the
 * request is looked at any further. Rights on the single package, suite or worker are judged behind it, by the services.
 */
import type { MiddlewareHandler } from 'hono';
import type { Access } from '../contract/access.ts';
import { mayAct } from '../permissions/index.ts';
import { authenticate } from './callers.ts';
import type { HttpDeps } from './deps.ts';
import type { Caller, HttpEnv } from './env.ts';
import { Refusal } from './refusal.ts';

export function guard(deps: HttpDeps, access: Access): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const caller = await authenticate(deps, c.req.header('authorization'));
    c.set('caller', caller);
    await admit(deps, access, caller);
    await next();
  };
}

async function admit(deps: HttpDeps, access: Access, caller: Caller): Promise<void> {
  switch (access) {
    case 'anyone':
      if (caller.kind === 'join') throw wrongKind('a join token opens nothing but the joining of a worker');
      if (caller.kind === 'enrolment') throw wrongKind('an enrolment code is good for one token and nothing else');
      return;
    case 'worker':
      if (caller.kind === 'worker') return;
      throw caller.kind === 'anonymous' ? unknownCaller('a worker') : wrongKind('this is for workers only');
    case 'join-token':
      if (caller.kind === 'join') return;
      throw caller.kind === 'anonymous' ? unknownCaller('a join token') : wrongKind('this takes a join token');
    case 'enrolment-code':
      if (caller.kind === 'enrolment') return;
      throw caller.kind === 'anonymous'
        ? unknownCaller('an enrolment code')
        : wrongKind('this takes an enrolment code');
    case 'person':
      requirePerson(caller);
      return;
    case 'operator':
      await requireRight(deps, caller, 'operate');
      return;
    case 'administrator':
      await requireRight(deps, caller, 'administer');
      return;
  }
}

function requirePerson(caller: Caller): asserts caller is Extract<Caller, { kind: 'person' }> {
  if (caller.kind === 'person') return;
  throw caller.kind === 'anonymous' ? unknownCaller('a person') : wrongKind('this is for people only');
}

async function requireRight(deps: HttpDeps, caller: Caller, action: 'operate' | 'administer'): Promise<void> {
  requirePerson(caller);
  if ((await mayAct(deps.db, caller, action)).kind === 'allowed') return;
  throw new Refusal({
    status: 403,
    code: 'permission.missing',
    detail: `${caller.handle} does not have the right to ${action}`,
    remedy: `an administrator can grant it: [[grant]] to="${caller.handle}" action="${action}"`,
  });
}

function unknownCaller(expected: string): Refusal {
  return new Refusal({
    status: 401,
    code: 'credentials.missing',
    detail: `this needs the token of ${expected}`,
    remedy: 'send it as Authorization: Bearer TOKEN',
  });
}

function wrongKind(detail: string): Refusal {
  return new Refusal({ status: 403, code: 'credentials.wrong-kind', detail });
}
