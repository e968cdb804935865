/** Tells the demo's story on a terminal: chapters, what was done and how long it took, and the words of others. */
import type { Teller } from './demo.ts';

const WIDTH = 92;

export function createTeller(out: { write(text: string): unknown }, colours: boolean): Teller {
  const paint = (code: string, text: string): string => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  return {
    chapter: (title) => out.write(`\n${paint('1', title)}\n`),
    done: (what, seconds) => {
      const time = seconds === undefined ? '' : `${seconds.toFixed(1)} s`;
      const gap = ' '.repeat(Math.max(1, WIDTH - 4 - what.length - time.length));
      out.write(`  ${paint('32', '✓')} ${what}${time === '' ? '' : gap + paint('2', time)}\n`);
    },
    quote: (text) => {
      for (const line of text.trimEnd().split('\n')) out.write(`    ${paint('2', '│')} ${inert(line)}\n`);
    },
  };
}

/** Output of other programs, without what would move the terminal's cursor or change its colours. */
function inert(line: string): string {
  return line.replace(/\p{Cc}/gu, '').trimEnd();
}
