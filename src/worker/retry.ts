/** Trying again, with growing pauses and a little chance in them, so that many workers do not come back in step. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryOptions {
  readonly signal: AbortSignal;
  /** Whether another try may help. */
  readonly isTransient: (error: unknown) => boolean;
  /** Told before each pause. */
  readonly onRetry?: (error: unknown, pauseMs: number) => void;
  readonly firstPauseMs?: number;
  readonly longestPauseMs?: number;
}

/** Runs `attempt` until it succeeds or fails for good. @throws what it threw, or the signal's reason */
export async function persistently<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const longest = options.longestPauseMs ?? 30_000;
  let pause = options.firstPauseMs ?? 500;
  for (;;) {
    options.signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (options.signal.aborted || !options.isTransient(error)) throw error;
      const wait = Math.round(pause * (0.75 + Math.random() / 2));
      options.onRetry?.(error, wait);
      await sleep(wait, undefined, { signal: options.signal });
      pause = Math.min(pause * 2, longest);
    }
  }
}
