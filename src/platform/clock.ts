/**
 * The one way to ask for the time outside the database. Rules take a {@link Clock}, so that a test can say what time it is.
 */

export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };

/** A clock that stands still until it is moved. */
export interface FixedClock extends Clock {
  set(date: Date): void;
  advance(milliseconds: number): void;
}

export function fixedClock(start: Date): FixedClock {
  let time = start.getTime();
  return {
    now: () => new Date(time),
    set: (date) => {
      time = date.getTime();
    },
    advance: (milliseconds) => {
      time += milliseconds;
    },
  };
}
