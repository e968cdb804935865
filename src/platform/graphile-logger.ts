/**
 * graphile-worker's log lines, sent to ours.
 */
import { Logger as GraphileLogger } from 'graphile-worker';
import type { Logger } from './log.ts';

/** Its debug and info lines are our debug: each task that ran is already an event or a row of ours. */
export function graphileLogger(logger: Logger): GraphileLogger {
  return new GraphileLogger((scope) => (level, message) => {
    const facts = { ...(scope.taskIdentifier === undefined ? {} : { task: scope.taskIdentifier }) };
    if (level === 'error') logger.error(facts, message);
    else if (level === 'warning') logger.warn(facts, message);
    else logger.debug(facts, message);
  });
}

export function silentGraphileLogger(): GraphileLogger {
  return new GraphileLogger(() => () => undefined);
}
