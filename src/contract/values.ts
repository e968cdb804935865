/**
 * The small values that the routes share. A response says `null` where something is not known, so that a reader sees every
 * field; a request may leave out what is optional.
 */
import { z } from '@hono/zod-openapi';

/** The number of a row. */
export const id = z.int().positive().openapi({ type: 'integer' });
/** A number in a path or a query. */
export const idInPath = z
  .string()
  .regex(/^[1-9]\d{0,15}$/, 'expected a number')
  .transform(Number)
  .openapi({ type: 'integer' });
export const offset = z
  .string()
  .regex(/^\d{1,15}$/, 'expected a number of bytes')
  .transform(Number)
  .openapi({ type: 'integer' });
/** RFC 3339, UTC. */
export const time = z.string().openapi({ format: 'date-time', example: '2025-01-31T12:00:00.000Z' });
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected a sha256 in lower-case hexadecimal');
/** Of an OpenPGP primary key, version 4 or 6. */
export const fingerprint = z
  .string()
  .regex(/^(?:[0-9A-F]{40}|[0-9A-F]{64})$/, 'expected a fingerprint in upper-case hexadecimal');
/** Names of archives, people, workers, pools. */
export const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,63}$/, 'expected lower-case letters, digits, dots and hyphens');
export const suiteName = z.string().regex(/^[a-z0-9][a-z0-9+.-]{0,63}$/, 'expected the name of a suite');
export const packageName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+.-]{0,254}$/, 'expected the name of a source or binary package');
/** A file name without folder; what begins with a dot, and every separator, is refused. */
export const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9+~_.:@%=-]{0,254}$/, 'expected a plain file name');
export const architecture = z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'expected the name of an architecture');
export const repositoryName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+./_-]{0,199}$/, 'expected the name of a registered Git repository');
export const objectId = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, 'expected a Git object id');

/** Words of a person or a worker: one line without control characters. */
export const line = (most: number): z.ZodString =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\p{Cc}]*$/u, 'expected one line of text');
/**
 * What a program said of a failure: cut and cleaned, never refused, because a worker that cannot say why it failed would look
 * lost. Line feeds and tabs stay.
 */
export const paragraph = (most: number) =>
  z
    .string()
    .min(1)
    .max(64 * 1024)
    .transform((text) => text.slice(0, most).replace(/[^\P{Cc}\n\t]/gu, '\uFFFD'))
    .openapi({ type: 'string' });

/** A file by its content. */
export const file = z.object({ name: z.string(), sha256, size: z.int().nonnegative() });

/** What a program or a worker says beside the typed fields: bounded, shown, never obeyed. */
export const facts = z
  .record(z.string().max(100), z.json())
  .refine((value) => JSON.stringify(value).length <= 256 * 1024, 'more than 256 KiB of facts')
  .openapi({ type: 'object', additionalProperties: true });

/** How many rows, at most; lists go on with `next`. */
export const limit = z
  .string()
  .regex(/^[1-9]\d{0,2}$/, 'expected a number from 1 to 999')
  .transform(Number)
  .openapi({ type: 'integer' });

/** One named check and what came of it. */
export const check = z
  .object({
    code: z.string(),
    outcome: z.enum(['passed', 'failed', 'held', 'obstructed', 'not-applicable', 'not-reached']),
    detail: z.string().nullable(),
  })
  .openapi('Check');

export const person = z.object({ handle: z.string(), name: z.string() }).openapi('Person');
