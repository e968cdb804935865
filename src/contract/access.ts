/**
 * Who may use a route, written in the route itself: the server's one guard reads it there, the description shows it, and the
 * generated test holds every route against every kind of caller.
 *
 * What is said here is the door; rights on the single thing (this package, this suite) are judged in the room. What a
 * caller's audience may not see is answered as if it did not exist.
 */

export const ACCESS_FIELD = 'x-landfall-access';

/**
 * - `anyone`: no credentials needed; the answer holds what the caller's audience may see
 * - `person`: any person with a valid token; rights on the object are judged by the service
 * - `operator`: a person with the right `operate` (or `administer`)
 * - `administrator`: a person with the right `administer`
 * - `worker`: a worker that joined
 * - `join-token`: the holder of a one-time join token
 * - `enrolment-code`: the holder of a person's one-time code
 */
export type Access = 'anyone' | 'person' | 'operator' | 'administrator' | 'worker' | 'join-token' | 'enrolment-code';

const ALL: ReadonlySet<string> = new Set<Access>([
  'anyone',
  'person',
  'operator',
  'administrator',
  'worker',
  'join-token',
  'enrolment-code',
]);

/** The field of a route that says who may use it. */
export function access<const A extends Access>(
  who: A,
): { readonly 'x-landfall-access': A; security: Record<string, string[]>[] } {
  return { [ACCESS_FIELD]: who, security: who === 'anyone' ? [{}, { bearer: [] }] : [{ bearer: [] }] };
}

/** Who may use `route`; a route that does not say it is a fault of ours. */
export function accessOf(route: {
  readonly method: string;
  readonly path: string;
  readonly [ACCESS_FIELD]?: unknown;
}): Access {
  const who = route[ACCESS_FIELD];
  if (isAccess(who)) return who;
  throw new Error(`the route ${route.method} ${route.path} does not say who may use it`);
}

function isAccess(value: unknown): value is Access {
  return typeof value === 'string' && ALL.has(value);
}
