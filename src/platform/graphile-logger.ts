/**
 * graphile-worker's log lines, sent to ours.
 */
import { Logger as GraphileLogger } from 'graphile-worker';
import type { Logger } from './log.ts';

/** Its debug and info lines are our debug: each task that ran is already an event or a row of ours. */
export function graphileLogger(logger: Logger): GraphileLogger {
  return new GraphileLogger((scope) => (level, message) => {
    const facts = { ...(scope.taskIdentifier === undefined ? {} : { task: scope.taskIdentifier }) };
    const severity: string = level;
    if (severity === 'error') logger.error(facts, message);
    else if (severity === 'warning') logger.warn(facts, message);
    else logger.debug(facts, message);
  });
}

export function silentGraphileLogger(): GraphileLogger {
  return new GraphileLogger(() => () => undefined);
}
