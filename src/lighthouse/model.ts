/**
 * The states of a job and of its attempts, and every move between them. The database knows the same list (the triggers of
 * `jobs` and `attempts`) and refuses what is not in it; model.db.test.ts holds the two equal.
 *
 * A **job** is work that somebody asked for once (its key), done by a worker of one pool.
 *
 *     blocked → ready → leased → delivered → succeeded
 *                ↑        |          └→ failed (what was delivered was refused)
 *                └────────┘ the lease was lost, or the machine failed
 *
 * - `blocked`: it may not run yet; `blocked_because` says why.
 * - `ready`: any fitting worker may have it, from `not_before` on.
 * - `leased`: exactly one attempt is `running`.
 * - `delivered`: exactly one attempt is `delivered`; what it brought is being checked, and no worker may touch it again.
 * - `succeeded`: what was delivered was accepted. Nothing leads out of it: one accepted result per job (I3).
 * - `failed`: the work itself cannot be done, or its result was refused. Only a person gives it back.
 * - `quarantined`: it never came to a result: so many attempts were lost or failed by their machine that the job itself is
 *   suspected (H25, H30). Only a person gives it back. Where the worker can name what was away (a mirror, room on the disk,
 *   itself), nothing is counted against the job and it is tried again for as long as it takes.
 * - `cancelled`: nobody wants it any more. Nothing leads out of it.
 *
 * An **attempt** is one lease of a job by one worker. It is `running` while the worker's heartbeats move its expiry, and
 * ends once: `failed` (the work cannot be done), `infrastructure-failed` (the machine could not do it), `lost` (the lease
 * ran out, or the worker was revoked or began anew), `cancelled`, or by `delivered` and then the archive's verdict. Its token
 * is greater than that of every attempt before it; whoever comes with another token is refused (H22).
 */

export type JobState =
  'blocked' | 'ready' | 'leased' | 'delivered' | 'succeeded' | 'failed' | 'quarantined' | 'cancelled';

export type JobEvent =
  /** What it waited for is there. */
  | 'unblock'
  /** It must wait for something else first. */
  | 'block'
  /** A worker takes it. */
  | 'lease'
  /** The worker has brought all that it made. */
  | 'deliver'
  /** What was delivered is in the archive, or waits in NEW. */
  | 'accept'
  /** What was delivered was refused. */
  | 'refuse'
  /** What was delivered cannot be read any more, through no fault of its own: made once again. */
  | 'lose-delivery'
  /** The worker says that the work cannot be done. */
  | 'fail'
  /** The attempt ended without a result; another is worth it. */
  | 'retry'
  /** The attempt ended without a result, and so did too many before it. */
  | 'quarantine'
  /** A person wants it tried again. */
  | 'give-back'
  /** A person, or something newer, makes it unnecessary. */
  | 'cancel';

export type AttemptState =
  'running' | 'delivered' | 'succeeded' | 'failed' | 'lost' | 'infrastructure-failed' | 'cancelled';

export type AttemptEvent = 'deliver' | 'accept' | 'refuse' | 'fail' | 'fail-infrastructure' | 'lose' | 'cancel';

const JOB_MOVES: Readonly<Record<JobEvent, Readonly<Partial<Record<JobState, JobState>>>>> = {
  unblock: { blocked: 'ready' },
  block: { ready: 'blocked' },
  lease: { ready: 'leased' },
  deliver: { leased: 'delivered' },
  accept: { delivered: 'succeeded' },
  refuse: { delivered: 'failed' },
  'lose-delivery': { delivered: 'ready' },
  fail: { leased: 'failed' },
  retry: { leased: 'ready' },
  quarantine: { leased: 'quarantined' },
  'give-back': { failed: 'ready', quarantined: 'ready' },
  cancel: {
    blocked: 'cancelled',
    ready: 'cancelled',
    leased: 'cancelled',
    delivered: 'cancelled',
    failed: 'cancelled',
    quarantined: 'cancelled',
  },
};

const ATTEMPT_MOVES: Readonly<Record<AttemptEvent, Readonly<Partial<Record<AttemptState, AttemptState>>>>> = {
  deliver: { running: 'delivered' },
  accept: { delivered: 'succeeded' },
  refuse: { delivered: 'failed' },
  fail: { running: 'failed' },
  'fail-infrastructure': { running: 'infrastructure-failed' },
  lose: { running: 'lost' },
  cancel: { running: 'cancelled', delivered: 'cancelled' },
};

/** Where `event` leads from `state`; undefined when it may not happen there. */
export function nextJobState(state: JobState, event: JobEvent): JobState | undefined {
  return JOB_MOVES[event][state];
}

/** Where `event` leads from `state`; undefined when it may not happen there. */
export function nextAttemptState(state: AttemptState, event: AttemptEvent): AttemptState | undefined {
  return ATTEMPT_MOVES[event][state];
}

/** Every move of a job as `from>to`, sorted: the words of the database's trigger. */
export function jobTransitions(): readonly string[] {
  return transitions(JOB_MOVES);
}

/** Every move of an attempt as `from>to`, sorted. */
export function attemptTransitions(): readonly string[] {
  return transitions(ATTEMPT_MOVES);
}

/** The states in which a job does nothing more by itself. */
export type EndState = Extract<JobState, 'succeeded' | 'failed' | 'quarantined' | 'cancelled'>;

export function isEndState(state: JobState): state is EndState {
  return state === 'succeeded' || state === 'failed' || state === 'quarantined' || state === 'cancelled';
}

/** Attempts that may end without a result before the job is suspected of breaking machines. */
export const MAX_INFRASTRUCTURE_FAILURES = 3;

/** Seconds that a lease holds without a heartbeat. Workers should send one three or four times as often. */
export const LEASE_SECONDS = 60;

/**
 * Seconds until a job is tried again that lacked something on the way (a mirror that is away, a full disk), `times` in the last
 * hours counting this one: 30 s, doubling to a quarter of an hour. However often, it says nothing against the job.
 */
export function afterUnavailable(times: number): number {
  return Math.min(900, 30 * 2 ** Math.min(times - 1, 5));
}

/** What follows from one more attempt that ended without a result, `failures` of them counting this one. */
export function afterInfrastructureFailure(
  failures: number,
): { readonly event: 'retry'; readonly delaySeconds: number } | { readonly event: 'quarantine' } {
  if (failures >= MAX_INFRASTRUCTURE_FAILURES) return { event: 'quarantine' };
  return { event: 'retry', delaySeconds: 10 * 6 ** (failures - 1) };
}

function transitions(moves: Readonly<Record<string, Readonly<Partial<Record<string, string>>>>>): readonly string[] {
  const pairs = Object.values(moves).flatMap((move) =>
    Object.entries(move).map(([from, to]) => `${from}>${String(to)}`),
  );
  return [...new Set(pairs)].sort();
}
