/**
 * Every refusal and fault on the wire is one problem document: what kind, in words, and what mends it.
 * @see RFC 9457. `code`, and not the title, is what a program looks at; `remedy` is a sentence for a person.
 */
import { z } from '@hono/zod-openapi';

export const PROBLEM_TYPE = 'application/problem+json';

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int().min(400).max(599),
    code: z.string(),
    detail: z.string(),
    remedy: z.string().nullable(),
    /** Which request it was, as the server's log names it. */
    requestId: z.string().nullable(),
  })
  .openapi('Problem');

export type Problem = z.infer<typeof problemSchema>;

export interface ProblemFacts {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly remedy?: string | null | undefined;
  readonly requestId?: string | null | undefined;
}

const TITLES: ReadonlyMap<number, string> = new Map([
  [400, 'The request cannot be read'],
  [401, 'Who asks is not known'],
  [403, 'Not allowed'],
  [404, 'Not found'],
  [405, 'Not that method'],
  [409, 'Not in this state'],
  [410, 'No longer valid'],
  [413, 'Too large'],
  [415, 'Not that kind of content'],
  [416, 'No such range'],
  [422, 'Refused'],
  [426, 'Another version is needed'],
  [429, 'Too many requests'],
  [451, 'Not available for legal reasons'],
  [500, 'A fault of the server'],
  [503, 'Not available now'],
  [507, 'No room'],
]);

export function problem(facts: ProblemFacts): Problem {
  return {
    type: `urn:landfall:problem:${facts.code}`,
    title: TITLES.get(facts.status) ?? 'Problem',
    status: facts.status,
    code: facts.code,
    detail: facts.detail,
    remedy: facts.remedy ?? null,
    requestId: facts.requestId ?? null,
  };
}
