/** The parts that route definitions are made of. */
import type { z } from '@hono/zod-openapi';
import { PROBLEM_TYPE, problemSchema } from './problem.ts';

/** A JSON answer. */
export function json<S extends z.ZodType>(
  schema: S,
  description: string,
): { content: { 'application/json': { schema: S } }; description: string } {
  return { content: { 'application/json': { schema } }, description };
}

/** A JSON request body; always required, because an absent one would otherwise pass unchecked. */
export function jsonBody<S extends z.ZodType>(
  schema: S,
): { content: { 'application/json': { schema: S } }; required: true } {
  return { content: { 'application/json': { schema } }, required: true };
}

const octetSchema = { type: 'string', format: 'binary' } as const;

/** A body of plain bytes, read as a stream. */
export const octetBody = {
  content: { 'application/octet-stream': { schema: octetSchema } },
  required: true,
} as const;

export function octets(description: string): {
  content: { 'application/octet-stream': { schema: typeof octetSchema } };
  description: string;
} {
  return { content: { 'application/octet-stream': { schema: octetSchema } }, description };
}

/** Any refusal or fault. */
export const refusals = {
  default: { content: { [PROBLEM_TYPE]: { schema: problemSchema } }, description: 'A refusal, or a fault, in words' },
} as const;
