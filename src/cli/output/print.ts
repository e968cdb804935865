/** The two ways to answer: for people, laid out; for programs, the same facts as the API gives them. */
import type { CliContext } from '../context.ts';
import { styleOf, type Style } from './style.ts';

/** Prints `value` as JSON when asked to, else what `render` makes of it. */
export function answer(
  context: CliContext,
  asJson: boolean | undefined,
  value: unknown,
  render: (style: Style) => string,
): void {
  context.stdout.write(
    asJson === true ? `${JSON.stringify(value, undefined, 2)}\n` : render(styleOf(context.stdout, context.environment)),
  );
}

/** A line that tells what goes on; only a terminal gets to see it. */
export function progress(context: CliContext, text: string): void {
  if (context.stderr.isTTY === true) context.stderr.write(`${text}\n`);
}
