/** Asking a person before something is done. */
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { CliContext } from './context.ts';
import { UsageError } from './failures.ts';

/** True when the person says yes. @throws UsageError when there is nobody to ask */
export async function confirm(context: CliContext, question: string): Promise<boolean> {
  if (context.stdin.isTTY !== true) {
    throw new UsageError('there is nobody to ask: say --yes to do it, or --dry-run to see the plan only');
  }
  const prompt = createInterface({ input: Readable.from(context.stdin) });
  context.stderr.write(`${question} [y/N] `);
  try {
    for await (const line of prompt) return /^y(es)?$/i.test(line.trim());
    return false;
  } finally {
    prompt.close();
  }
}
