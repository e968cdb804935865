/**
 * How many notices are taken: a bucket of tokens for each Git repository (and for each namespace, for what it does not know
 * yet), filled evenly, holding a minute's worth.
 *
 * The buckets are in memory, one set for each `serve`: what they protect is the process and its database from a flood, so asking
 * the database about each notice would be the very cost that they save. Several replicas take so much more together, which
 * does no harm: the looks that notices cause are one in the queue, whoever asks how often.
 */

export type Admission =
  | { readonly kind: 'taken' }
  | {
      readonly kind: 'limited';
      readonly retryAfterSeconds: number;
      /** The first one that was turned away since the last one that was taken: whoever gets it plans the look for all of them. */
      readonly isFirst: boolean;
    };

export interface NoticeLimiter {
  /** Takes a token of the bucket `key`, which gets `perMinute` of them in a minute. */
  take(key: string, perMinute: number): Admission;
}

interface Bucket {
  tokens: number;
  at: number;
  limited: boolean;
}

/** Buckets that are remembered; the one that was used longest ago is forgotten first, which makes it full. */
const MAX_BUCKETS = 10_000;

/** `now` gives milliseconds that only grow. */
export function createNoticeLimiter(now: () => number = () => performance.now()): NoticeLimiter {
  const buckets = new Map<string, Bucket>();
  return {
    take: (key, perMinute) => {
      const at = now();
      const before = buckets.get(key);
      const perMs = perMinute / 60_000;
      const tokens = before === undefined ? perMinute : Math.min(perMinute, before.tokens + (at - before.at) * perMs);
      const isTaken = tokens >= 1;
      // Set anew, it becomes the youngest of the map.
      buckets.delete(key);
      buckets.set(key, { tokens: isTaken ? tokens - 1 : tokens, at, limited: !isTaken });
      const oldest = buckets.keys().next();
      if (buckets.size > MAX_BUCKETS && oldest.done !== true) buckets.delete(oldest.value);
      if (isTaken) return { kind: 'taken' };
      return {
        kind: 'limited',
        retryAfterSeconds: Math.max(1, Math.ceil((1 - tokens) / perMs / 1000)),
        isFirst: before?.limited !== true,
      };
    },
  };
}
