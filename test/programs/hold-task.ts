/**
 * Argument: a database connection as JSON. Runs tasks named `hold`, says `holding` when one began, and never finishes it.
 */
import { createLogger } from '../../src/platform/log.ts';
import { startTasks } from '../../src/platform/tasks.ts';
import { z } from 'zod';

const connection = z
  .object({ host: z.string(), port: z.number(), database: z.string(), user: z.string() })
  .parse(JSON.parse(process.argv[2] ?? ''));
const tasks = await startTasks({
  connection,
  logger: createLogger({ role: 'child', level: 'warn' }),
  handlers: {
    hold: async () => {
      process.stdout.write('holding\n');
      await new Promise(() => undefined);
    },
  },
});
process.stdout.write(`pool ${tasks.poolId}\n`);
