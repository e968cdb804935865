/**
 * How long leases could be judged fairly: since this process runs, and since the database's clock last ran as a clock should.
 *
 * Leases end by the database's clock. When somebody sets that clock, or the machine slept, all of them seem to have ended at
 * once although every worker is well (H28). So its pace is held against the process's own monotonic clock, which nobody sets.
 */

export interface Steadiness {
  /** Takes note of the database's time; returns for how many milliseconds all has been steady. */
  readonly observe: (databaseNow: Date) => number;
}

/** A clock that strayed further than this between two looks was set. */
const MAX_STRAY_MS = 10_000;

export function createSteadiness(options: {
  /** Milliseconds since the process began. */
  readonly monotonicMs: () => number;
  /** Told by how much the clock jumped. */
  readonly onJump: (byMs: number) => void;
}): Steadiness {
  let steadySince = 0;
  let last: { readonly monotonic: number; readonly database: number } | undefined;
  return {
    observe: (databaseNow) => {
      const current = { monotonic: options.monotonicMs(), database: databaseNow.getTime() };
      if (last !== undefined) {
        const stray = current.database - last.database - (current.monotonic - last.monotonic);
        if (Math.abs(stray) > MAX_STRAY_MS) {
          steadySince = current.monotonic;
          options.onJump(stray);
        }
      }
      last = current;
      return current.monotonic - steadySince;
    },
  };
}
