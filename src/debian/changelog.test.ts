import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChangelog, parseTopEntry } from './changelog.ts';

const ENTRY = `hello (1:2.10-3land1) landing; urgency=medium, binary-only=no

  * New greeting. (Closes: #12, #7)
    - closes: bug#99
  [ Łukasz ]

  * Last.

 -- Ann Maintainer <ann@example.org>  Sun, 22 Nov 2026 14:00:01 +0100
`;
const OLDER = ENTRY.replace('1:2.10-3land1', '2.9-1').replace('landing', 'unstable');

function reasonOf(text: string | Uint8Array): string {
  const result = parseTopEntry(text);
  return 'kind' in result ? `${result.line ?? 0}: ${result.reason}` : 'accepted';
}

describe('parseTopEntry', () => {
  it('reads the first entry', () => {
    const entry = parseTopEntry(`\n${ENTRY}\n${OLDER}`);
    expect(entry).toMatchObject({
      source: 'hello',
      version: '1:2.10-3land1',
      distributions: ['landing'],
      urgency: 'medium',
      maintainer: { name: 'Ann Maintainer', email: 'ann@example.org' },
      date: 'Sun, 22 Nov 2026 14:00:01 +0100',
      timestamp: Date.UTC(2026, 10, 22, 13, 0, 1) / 1000,
      closes: [7, 12, 99],
      line: 2,
    });
    if ('kind' in entry) return;
    expect(entry.metadata).toEqual(
      new Map([
        ['urgency', 'medium'],
        ['binary-only', 'no'],
      ]),
    );
    expect(entry.changes.split('\n')).toEqual([
      '  * New greeting. (Closes: #12, #7)',
      '    - closes: bug#99',
      '  [ Łukasz ]',
      '',
      '  * Last.',
    ]);
  });

  it('does not look at what follows the first entry', () => {
    expect(reasonOf(Buffer.concat([Buffer.from(ENTRY), Buffer.from('\xff garbage \0', 'latin1')]))).toBe('accepted');
  });

  it.each([
    ['an empty file', '', 'no entry'],
    ['a comment before the entry', `# x\n${ENTRY}`, 'first line'],
    ['a changelog in another format', 'Sat Jan  1 2000  Ann\n', 'first line'],
    ['no distribution', ENTRY.replace(' landing;', ';'), 'first line'],
    ['an upper-case source', ENTRY.replace('hello', 'Hello'), 'source package'],
    ['a path as source', ENTRY.replace('hello', '../../x'), 'source package'],
    ['a malformed version', ENTRY.replace('1:2.10', '1:x'), 'not a version'],
    ['a path as version', ENTRY.replace('2.10-3', '2/../3'), 'not a version'],
    ['a path as distribution', ENTRY.replace('landing', 'a/../b'), 'suite'],
    ['metadata without value', ENTRY.replace('urgency=medium', 'urgency'), 'key=value'],
    [
      'a blank before the semicolon, which dpkg skips for the next entry',
      ENTRY.replace('landing;', 'landing ;'),
      'first line',
    ],
    ['metadata given twice', ENTRY.replace('binary-only', 'Urgency'), 'twice'],
    ['an unindented line', ENTRY.replace('  * Last', '* Last'), '7: "* Last." is not indented'],
    ['a second header inside', ENTRY.replace('  * Last.', OLDER.split('\n')[0] ?? ''), 'not indented'],
    ['no trailer', ENTRY.replace(/ -- .*\n/, ''), 'no last line'],
    ['a malformed trailer', ENTRY.replace('  Sun', ' yesterday Sun'), 'last line'],
    ['an impossible date', ENTRY.replace('22 Nov', '31 Nov'), 'not a date'],
    ['an impossible time', ENTRY.replace('14:00', '25:00'), 'not a date'],
    ['a carriage return', ENTRY.replaceAll('\n', '\r\n'), 'carriage return'],
    ['an escape sequence', ENTRY.replace('Last', '\x1b]8;;x\x07'), 'control character'],
    ['a NUL', ENTRY.replace('Last', 'L\0st'), '7: it holds a NUL'],
  ])('refuses %s', (_, text, word) => {
    expect(reasonOf(text)).toContain(word);
  });

  it('H47 refuses a first entry that is not UTF-8', () => {
    expect(reasonOf(Buffer.from(ENTRY.replace('Ł', '\xff'), 'latin1'))).toContain('UTF-8');
  });

  it('H55 bounds file and entry', () => {
    expect(reasonOf(Buffer.alloc(17 * 1024 * 1024, ' '))).toContain('larger');
    expect(reasonOf(ENTRY.replace('  * Last.\n', '  * Last.\n'.repeat(200_000)))).toContain('entry is larger');
  });

  it('never throws', () => {
    const piece = fc.constantFrom(
      'hello',
      ' (1.0)',
      ' unstable',
      '; urgency=low',
      '\n',
      '\n\n  * x',
      '\n -- A <a@b>',
      '  Sun, 22 Nov 2026 14:00:01 +0100',
      '\0',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => void parseTopEntry(pieces.join(''))),
      { numRuns: Number(process.env.LANDFALL_FUZZ_RUNS ?? 1_000) },
    );
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => void parseChangelog(bytes)),
      { numRuns: Number(process.env.LANDFALL_FUZZ_RUNS ?? 100) },
    );
  });
});

describe('parseChangelog', () => {
  it('reads all entries, up to an editor’s variables', () => {
    const all = parseChangelog(`${ENTRY}\n${OLDER}\nLocal variables:\nmode: debian-changelog\nEnd:\n`);
    expect('kind' in all ? all : all.map((entry) => [entry.version, entry.line])).toEqual([
      ['1:2.10-3land1', 1],
      ['2.9-1', 11],
    ]);
  });

  it('names the line of a malformed older entry', () => {
    expect(parseChangelog(`${ENTRY}\n${OLDER.replace('2.9-1', 'x')}`)).toMatchObject({
      kind: 'changelog-problem',
      line: 11,
    });
    expect(parseChangelog('\n\n')).toMatchObject({ kind: 'changelog-problem' });
  });
});
