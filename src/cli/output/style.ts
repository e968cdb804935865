/** How output looks on a given stream: colours only on a terminal that wants them, symbols only where the locale has them. */
import type { CliContext, Output } from '../context.ts';

export type Tone = 'good' | 'bad' | 'busy' | 'waiting' | 'faint' | 'strong' | 'plain';

export interface Style {
  paint(tone: Tone, text: string): string;
  readonly symbols: Symbols;
  /** Columns to fill; 0 when lines are not to be broken. */
  readonly width: number;
}

export interface Symbols {
  readonly done: string;
  readonly running: string;
  readonly waiting: string;
  readonly failed: string;
  readonly skipped: string;
  readonly arrow: string;
}

const UNICODE: Symbols = { done: '✓', running: '▶', waiting: '…', failed: '✗', skipped: '–', arrow: '→' };
const ASCII: Symbols = { done: '+', running: '>', waiting: '.', failed: 'x', skipped: '-', arrow: '->' };
const CODES: Readonly<Record<Tone, string>> = {
  good: '32',
  bad: '31',
  busy: '36',
  waiting: '33',
  faint: '2',
  strong: '1',
  plain: '',
};

export function styleOf(output: Output, environment: CliContext['environment']): Style {
  const terminal = output.isTTY === true;
  const coloured = terminal && (environment.NO_COLOR ?? '') === '' && environment.TERM !== 'dumb';
  return {
    paint: (tone, text) =>
      coloured && CODES[tone] !== '' && text !== '' ? `\u001b[${CODES[tone]}m${text}\u001b[0m` : text,
    symbols: speaksUnicode(environment) ? UNICODE : ASCII,
    width: terminal ? Math.max(40, output.columns ?? 80) : 0,
  };
}

function speaksUnicode(environment: CliContext['environment']): boolean {
  const locale = [environment.LC_ALL, environment.LC_CTYPE, environment.LANG].find((value) => (value ?? '') !== '');
  return /utf-?8/i.test(locale ?? '');
}
