/**
 * Wakes those of this process who wait for the database: for a job to become ready, for a log to grow. One connection
 * listens for all of them (platform/notifications.ts) and hands what it hears to {@link Signals.notify}. A signal is a hint
 * that may be lost, so whoever waits also looks again after a while.
 */
import { ATTEMPT_LOG, JOBS_READY } from './store.ts';

/** The channels that must be listened to. */
export const LIGHTHOUSE_CHANNELS: readonly string[] = [JOBS_READY, ATTEMPT_LOG];

export interface Signals {
  /** Something was heard; with an empty payload everyone on the channel is woken, as after a reconnection. */
  readonly notify: (channel: string, payload: string) => void;
  /** Calls `wake` at every signal for `channel` (and `payload`, when given) until the returned function is called. */
  subscribe(channel: string, payload: string | undefined, wake: () => void): () => void;
}

interface Subscription {
  readonly payload: string | undefined;
  readonly wake: () => void;
}

export function createSignals(): Signals {
  const channels = new Map<string, Set<Subscription>>();
  return {
    notify: (channel, payload) => {
      for (const subscription of channels.get(channel) ?? []) {
        if (payload === '' || subscription.payload === undefined || subscription.payload === payload) {
          subscription.wake();
        }
      }
    },
    subscribe: (channel, payload, wake) => {
      const subscriptions = channels.get(channel) ?? new Set();
      channels.set(channel, subscriptions);
      const subscription = { payload, wake };
      subscriptions.add(subscription);
      return () => {
        subscriptions.delete(subscription);
      };
    },
  };
}

/** Resolves at the next call of the returned `wake`, after `ms`, or when `signal` is aborted. Calls before `wait` count. */
export function createWaiter(): { readonly wake: () => void; wait(ms: number, signal?: AbortSignal): Promise<void> } {
  let pending = false;
  let resolveNow: (() => void) | undefined;
  return {
    wake: () => {
      pending = true;
      resolveNow?.();
    },
    wait: async (ms, signal) => {
      if (!pending && signal?.aborted !== true) {
        await new Promise<void>((resolve) => {
          const finish = (): void => {
            clearTimeout(timer);
            signal?.removeEventListener('abort', finish);
            resolve();
          };
          const timer = setTimeout(finish, ms);
          signal?.addEventListener('abort', finish, { once: true });
          resolveNow = finish;
        });
      }
      resolveNow = undefined;
      pending = false;
    },
  };
}
