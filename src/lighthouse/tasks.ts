/** Background tasks of Lighthouse: leases that ran out, parts of uploads that nobody will finish. */
import type { Db } from '../platform/database.ts';
import type { Logger } from '../platform/log.ts';
import type { CronEntry, TaskHandlers } from '../platform/tasks.ts';
import { expireLeases } from './expiry.ts';
import { collectParts } from './files.ts';

export interface LighthouseTaskDeps {
  readonly db: Db;
  readonly log: Logger;
  readonly partsFolder: string;
  /** How long this process has been able to hear workers; default: since it started. */
  readonly uptimeMs?: () => number;
  /** See `ExpiryOptions`. */
  readonly settleSeconds?: number;
}

export const LIGHTHOUSE_CRON: readonly CronEntry[] = [
  { match: '* * * * *', task: 'lighthouse.expire-leases' },
  { match: '17 * * * *', task: 'lighthouse.collect-parts' },
];

export function lighthouseTasks(deps: LighthouseTaskDeps): TaskHandlers {
  return {
    'lighthouse.expire-leases': async () => {
      const ended = await expireLeases(deps.db, expiryOptions(deps));
      if (ended.length > 0) deps.log.warn({ attempts: ended }, 'leases ran out');
    },
    'lighthouse.collect-parts': async () => {
      await collectParts(deps.db, deps.partsFolder);
    },
  };
}

/**
 * Looks for leases that ran out every few seconds: the clock's tasks come once a minute. Returns what ends it. A failure is
 * logged; the next look is tried as ever.
 */
export function watchLeases(deps: LighthouseTaskDeps, everyMs: number = 5_000): () => void {
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    expireLeases(deps.db, expiryOptions(deps))
      .then((ended) => {
        if (ended.length > 0) deps.log.warn({ attempts: ended }, 'leases ran out');
      })
      .catch((error: unknown) => deps.log.warn({ error }, 'leases could not be looked through'))
      .finally(() => {
        looking = false;
      });
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

function expiryOptions(deps: LighthouseTaskDeps): { uptimeMs: number; settleSeconds?: number } {
  return {
    uptimeMs: (deps.uptimeMs ?? (() => performance.now()))(),
    ...(deps.settleSeconds === undefined ? {} : { settleSeconds: deps.settleSeconds }),
  };
}
