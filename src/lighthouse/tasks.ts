/** Background tasks of Lighthouse: leases that ran out, parts of uploads that nobody will finish. */
import { databaseNow, type Db } from '../platform/database.ts';
import type { Logger } from '../platform/log.ts';
import type { CronEntry, TaskHandlers } from '../platform/tasks.ts';
import { expireLeases } from './expiry.ts';
import { collectParts } from './files.ts';
import { createSteadiness, type Steadiness } from './steadiness.ts';

export interface LighthouseTaskDeps {
  readonly db: Db;
  readonly log: Logger;
  readonly partsFolder: string;
  /** Milliseconds since this process began, by a clock that nobody sets. */
  readonly monotonicMs?: () => number;
  /** See `ExpiryOptions`. */
  readonly settleSeconds?: number;
}

export const LIGHTHOUSE_CRON: readonly CronEntry[] = [
  { match: '* * * * *', task: 'lighthouse.expire-leases' },
  { match: '17 * * * *', task: 'lighthouse.collect-parts' },
];

export function lighthouseTasks(deps: LighthouseTaskDeps): TaskHandlers {
  const steadiness = steadinessOf(deps);
  return {
    'lighthouse.expire-leases': async () => await takeBack(deps, steadiness),
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
  const steadiness = steadinessOf(deps);
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    takeBack(deps, steadiness)
      .catch((error: unknown) => deps.log.warn({ error }, 'leases could not be looked through'))
      .finally(() => {
        looking = false;
      });
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

async function takeBack(deps: LighthouseTaskDeps, steadiness: Steadiness): Promise<void> {
  const ended = await expireLeases(deps.db, {
    steadyMs: steadiness.observe(await databaseNow(deps.db)),
    ...(deps.settleSeconds === undefined ? {} : { settleSeconds: deps.settleSeconds }),
  });
  if (ended.length > 0) deps.log.warn({ attempts: ended }, 'leases ran out');
}

function steadinessOf(deps: LighthouseTaskDeps): Steadiness {
  return createSteadiness({
    monotonicMs: deps.monotonicMs ?? (() => performance.now()),
    onJump: (byMs) =>
      deps.log.error(
        { byMs },
        "the database's clock jumped; no lease is taken back until workers had time to be heard",
      ),
  });
}
