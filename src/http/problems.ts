/**
 * Every error answer is a problem document: refusals with their own words, faults with a code and the id under which the
 * server's log tells more. What a fault says of the machine is shown to administrators only.
 */
import type { Context, ErrorHandler, NotFoundHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { z } from '@hono/zod-openapi';
import { PROBLEM_TYPE, problem, type ProblemFacts } from '../contract/problem.ts';
import { LandfallError, describeError } from '../platform/errors.ts';
import { redactSecrets, type Logger } from '../platform/log.ts';
import type { Caller, HttpEnv } from './env.ts';
import { Refusal } from './refusal.ts';

export interface ProblemDeps {
  readonly log: Logger;
  /** True for the errors of a database that is away for the moment. */
  readonly isDatabaseAway: (error: unknown) => boolean;
  /** True for the errors of a database that has no room to write. */
  readonly isDatabaseFull?: (error: unknown) => boolean;
}

/** Answers whatever was thrown. */
export function problemHandler(deps: ProblemDeps): ErrorHandler<HttpEnv> {
  return (error, c) => {
    if (error instanceof Refusal) {
      const { headers, ...facts } = error.facts;
      return problemResponse(c, facts, headers);
    }
    if (error instanceof HTTPException) return problemResponse(c, exceptionFacts(error));
    if (deps.isDatabaseAway(error)) {
      deps.log.warn({ error, requestId: c.get('requestId') }, 'the database is away');
      return problemResponse(
        c,
        { status: 503, code: 'database.away', detail: 'the database does not answer', remedy: 'try again in a moment' },
        { 'retry-after': '2' },
      );
    }
    if (deps.isDatabaseFull?.(error) === true) {
      deps.log.warn({ error, requestId: c.get('requestId') }, 'the database has no room');
      return problemResponse(
        c,
        {
          status: 503,
          code: 'database.full',
          detail: 'there is no room left for the database: nothing of the request was done',
          remedy: 'an administrator must free some space where the database lies; it goes on by itself then',
        },
        { 'retry-after': '10' },
      );
    }
    deps.log.error(
      { error, requestId: c.get('requestId'), method: c.req.method, path: c.req.path },
      'a request failed',
    );
    const full = error instanceof LandfallError && error.code === 'storage.full';
    return problemResponse(c, {
      status: full ? 507 : 500,
      code: error instanceof LandfallError ? error.code : 'server.fault',
      detail: mayKnowFaults(callerOf(c))
        ? redactSecrets(describeError(error))
        : full
          ? 'there is no room left on the server'
          : 'the server could not do it',
      remedy: full
        ? 'an administrator must free some space; it goes on by itself then'
        : `an administrator finds the reason in the server's log under request ${c.get('requestId')}`,
    });
  };
}

export const notFoundHandler: NotFoundHandler<HttpEnv> = (c) =>
  problemResponse(c, {
    status: 404,
    code: 'not-found',
    detail: `there is nothing at ${c.req.path.slice(0, 200)}`,
    remedy: '/openapi.json lists what there is',
  });

/** Called by the routes' validators; what does not fit the contract is 400, with every field that is wrong. */
export function invalidRequest(result: { readonly success: boolean; readonly error?: z.ZodError }): void {
  if (result.success) return;
  const issues = (result.error?.issues ?? []).slice(0, 10);
  const words = issues.map((issue) => {
    const field = issue.path.map(String).join('.');
    return field === '' ? issue.message : `${field}: ${issue.message}`;
  });
  throw new Refusal({
    status: 400,
    code: 'request.invalid',
    detail: words.join('; ') || 'the request does not fit the contract',
    remedy: '/openapi.json describes what each request takes',
  });
}

export function problemResponse(
  c: Context<HttpEnv>,
  facts: Omit<ProblemFacts, 'requestId'>,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const body = problem({ ...facts, requestId: c.get('requestId') });
  return new Response(JSON.stringify(body), {
    status: body.status,
    headers: {
      'content-type': PROBLEM_TYPE,
      'cache-control': 'no-store',
      ...(body.status === 401 ? { 'www-authenticate': 'Bearer realm="landfall"' } : {}),
      ...headers,
    },
  });
}

function exceptionFacts(error: HTTPException): Omit<ProblemFacts, 'requestId'> {
  const { status } = error;
  if (status === 415) {
    return {
      status,
      code: 'request.content-type',
      detail: 'the body is not of the kind that is expected here',
      remedy: 'send Content-Type: application/json, or application/octet-stream for plain bytes',
    };
  }
  if (status === 413) return { status, code: 'request.too-large', detail: 'the body is larger than is accepted here' };
  if (status === 400) return { status, code: 'request.malformed', detail: 'the body is not valid JSON' };
  return {
    status,
    code: `http.${status}`,
    detail: error.message === '' ? 'the request cannot be served' : error.message,
  };
}

function callerOf(c: Context<HttpEnv>): Caller | undefined {
  // An error in front of the guard leaves it unset, whatever its type says.
  return c.get('caller');
}

function mayKnowFaults(caller: Caller | undefined): boolean {
  return caller?.kind === 'person' && caller.administrator;
}
