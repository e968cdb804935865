import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chainLine, checkLine, EMPTY_CHAIN, type ChainHead } from './hash-chain.ts';

function chain(entries: readonly object[]): string[] {
  let head: ChainHead = EMPTY_CHAIN;
  return entries.map((entry) => {
    const made = chainLine(head, entry);
    head = made.head;
    return made.text;
  });
}

function firstBroken(lines: readonly string[]): number | undefined {
  let head: ChainHead = EMPTY_CHAIN;
  for (const text of lines) {
    const checked = checkLine(head, text);
    if (checked.kind === 'broken') return checked.line;
    head = checked.head;
  }
  return undefined;
}

const entries = fc.array(fc.record({ kind: fc.string(), serial: fc.integer(), words: fc.string() }), {
  minLength: 1,
  maxLength: 8,
});

describe('a chain of lines', () => {
  it('reads back what was written, whatever it says', () => {
    fc.assert(
      fc.property(entries, (all) => {
        expect(firstBroken(chain(all))).toBeUndefined();
      }),
    );
  });

  it('is broken by any change of one character, at that line', () => {
    fc.assert(
      fc.property(entries, fc.nat(), fc.nat(), (all, which, where) => {
        const lines = chain(all);
        const at = which % lines.length;
        const text = lines[at] ?? '';
        const position = where % text.length;
        const other = text[position] === 'x' ? 'y' : 'x';
        lines[at] = text.slice(0, position) + other + text.slice(position + 1);
        expect(firstBroken(lines)).toBe(at + 1);
      }),
    );
  });

  it('is broken by a line that was taken out, put in or moved', () => {
    const lines = chain([{ a: 1 }, { a: 2 }, { a: 3 }]);
    expect(firstBroken(lines.toSpliced(1, 1))).toBe(2);
    expect(firstBroken(lines.toSpliced(1, 0, lines[0] ?? ''))).toBe(2);
    expect(firstBroken(lines.toReversed())).toBe(1);
  });

  it('is broken by a line that is not ours', () => {
    for (const text of ['', '{', 'null', '[]', '{"line":1}']) expect(checkLine(EMPTY_CHAIN, text).kind).toBe('broken');
  });
});
