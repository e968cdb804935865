import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fieldOf,
  fieldProblem,
  foldText,
  formatParagraph,
  parseParagraph,
  parseParagraphs,
  splitStanzas,
  type Deb822Options,
} from './deb822.ts';

function reasonOf(input: string | Uint8Array, options?: Deb822Options): string {
  const result = parseParagraphs(input, options);
  return 'kind' in result ? result.reason : 'accepted';
}

describe('parseParagraphs', () => {
  it('keeps order, spelling and continuation lines, and finds names in any case', () => {
    const [first, second, ...more] = [
      ...valid('Package: hello\nDescription: greeting\n more\n .\n  code \n\n\nPackage: b\n'),
    ];
    expect(more).toEqual([]);
    expect(first?.fields).toEqual([
      { name: 'Package', value: 'hello', line: 1 },
      { name: 'Description', value: 'greeting\n more\n .\n  code', line: 2 },
    ]);
    expect(first?.get('description')).toBe(first?.get('DESCRIPTION'));
    expect(first?.has('Version')).toBe(false);
    expect(second?.line).toBe(8);
  });

  it('gives words, comma-separated lists and lines', () => {
    const [paragraph] = valid('Binary: a, b,\n c\nArchitecture: amd64  arm64\nFiles:\n x 1 y\n z 2 w\n');
    expect(paragraph?.list('Binary')).toEqual(['a', 'b', 'c']);
    expect(paragraph?.words('Architecture')).toEqual(['amd64', 'arm64']);
    expect(paragraph?.lines('Files')).toEqual(['x 1 y', 'z 2 w']);
    expect([paragraph?.list('No'), paragraph?.words('No'), paragraph?.lines('No')]).toEqual([[], [], []]);
  });

  it.each([
    ['A: 1\na: 2\n', 'twice'],
    [' x\n', 'no field before'],
    ['A: 1\n\n x\n', 'no field before'],
    ['A: 1\n \nB: 2\n', 'nothing but blanks'],
    ['A\n', 'neither'],
    [': x\n', 'neither'],
    ['A B: x\n', 'not a field name'],
    ['-A: x\n', 'not a field name'],
    ['#A: x\n', 'not a field name'],
    ['Ä: x\n', 'not a field name'],
    ['A: x\r\n', 'carriage return'],
    ['A: x\0\n', 'NUL'],
    ['A: \x1b[31m\n', 'control character'],
    ['A: \x85\n', 'control character'],
    ['\ufeffA: x\n', 'control character'],
    ['A: \ud800\n', 'Unicode'],
  ])('refuses %j', (text, word) => {
    expect(reasonOf(text)).toContain(word);
  });

  it('H47 refuses bytes that are not UTF-8, overlong forms among them', () => {
    expect(reasonOf(Buffer.from('A: \xff\n', 'latin1'))).toContain('UTF-8');
    expect(reasonOf(Buffer.from([65, 58, 32, 0xc0, 0x8a, 66, 58, 32, 49, 10]))).toContain('UTF-8');
    expect(reasonOf(Buffer.from('A: Łukasz\n'))).toBe('accepted');
  });

  it('does not take Unicode line separators for line ends', () => {
    const [paragraph] = valid('A: x\u2028B: y\n');
    expect(paragraph?.fields.length).toBe(1);
  });

  it('names the line of what it refuses', () => {
    expect(parseParagraphs('A: 1\n\nB: 2\nB: 3\n')).toMatchObject({ line: 4, field: 'B' });
    expect(parseParagraphs('A: 1\nB: \x01\n')).toMatchObject({ line: 2 });
  });

  it('H55 bounds size, fields and paragraphs', () => {
    expect(reasonOf(`A: ${'x'.repeat(100)}\n`, { maxBytes: 50 })).toContain('larger');
    expect(reasonOf('A: 1\nB: 2\n', { maxFields: 1 })).toContain('more than 1 fields');
    expect(reasonOf('A: 1\n\nB: 2\n', { maxParagraphs: 1 })).toContain('more than 1 paragraphs');
    expect(reasonOf(Buffer.alloc(9 * 1024 * 1024, 'A'))).toContain('larger');
  });

  it('takes comments and lines of blanks only where they are allowed', () => {
    const text = '# c\nA: 1\n# c\n more\n \t\nB: 2\n';
    expect(valid(text, { comments: true, blankSeparators: true }).map((paragraph) => [...paragraph])).toEqual([
      [['A', '1\n more']],
      [['B', '2']],
    ]);
    expect(reasonOf(text)).toContain('neither');
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void parseParagraphs(bytes)));
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('A', 'b', ':', ' ', '\t', '\n', '.', '#', '-', 'é'), maxLength: 60 }),
        (text) => {
          const result = parseParagraphs(text);
          if ('kind' in result) return;
          // What was accepted is written and read again as the same.
          const again = parseParagraphs(result.map((paragraph) => formatParagraph(paragraph)).join('\n'));
          expect('kind' in again ? again : again.map((paragraph) => [...paragraph])).toEqual(
            result.map((paragraph) => [...paragraph]),
          );
        },
      ),
    );
  });
});

describe('parseParagraph', () => {
  it('accepts exactly one', () => {
    expect(parseParagraph('\n\nA: 1\n\n')).toMatchObject({ line: 3 });
    expect(parseParagraph('')).toMatchObject({ kind: 'deb822-problem' });
    expect(parseParagraph('A: 1\n\nB: 2\n')).toMatchObject({ kind: 'deb822-problem', line: 3 });
    expect(parseParagraph('A: 1\n\nB: 2\n\nC: 3\n')).toMatchObject({ kind: 'deb822-problem' });
  });
});

describe('formatParagraph', () => {
  it('writes what is read back as the same', () => {
    const text = 'Package: hello\nFiles:\n a 1 b\n c 2 d\nEmpty:\nDescription: x\n .\n y\n';
    const paragraph = parseParagraph(text);
    expect('kind' in paragraph ? paragraph : formatParagraph(paragraph)).toBe(text);
  });

  it.each([
    ['A', 'x\nB: y'],
    ['A', 'x\n\nPackage: evil'],
    ['A', 'x\n'],
    ['A', '\n'],
    ['A', 'x\n \nB: y'],
    ['A', 'x\r\nB: y'],
    ['A', 'x\0'],
    ['A', ' x'],
    ['A', 'x '],
    ['A: x\nB', 'y'],
    ['A B', 'y'],
    ['', 'y'],
    ['#A', 'y'],
  ])('H46 refuses the field %j with the value %j', (name, value) => {
    expect(fieldProblem(name, value)).toBeTypeOf('string');
    expect(() => formatParagraph([[name, value]])).toThrow(RangeError);
  });

  it('refuses one name twice', () => {
    expect(() =>
      formatParagraph([
        ['A', '1'],
        ['a', '2'],
      ]),
    ).toThrow('twice');
  });

  it('H46 makes one paragraph of exactly the given fields, or throws', () => {
    const name = fc.string({ unit: fc.constantFrom('A', 'b', '-', ':', '\n', ' ', '#'), minLength: 1, maxLength: 4 });
    const value = fc.string({ unit: fc.constantFrom('x', ' ', '\n', '\t', ':', '.', '\r', 'B: '), maxLength: 8 });
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 4 }), (fields) => {
        let text: string;
        try {
          text = formatParagraph(fields);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          return;
        }
        const again = parseParagraph(text);
        expect('kind' in again ? again : [...again]).toEqual(fields);
      }),
      { numRuns: 500 },
    );
  });

  it('folds any clean text into a value that holds it whole', () => {
    expect(foldText(' a \n\nB: c\n  d')).toBe('a\n .\n B: c\n   d');
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('x', ' ', '\n', ':', '.') }), (text) => {
        expect(parseParagraph(formatParagraph([['A', foldText(text)]]))).toMatchObject({ fields: [{ name: 'A' }] });
      }),
    );
  });
});

describe('splitStanzas and fieldOf', () => {
  const index = 'Package: a\nVersion: 1\nDescription: x\n Version: 2\n\n\nPackage: b\nversion:2\n';

  it('gives each stanza and finds its fields', () => {
    const stanzas = [...splitStanzas(index)];
    expect(stanzas).toEqual(['Package: a\nVersion: 1\nDescription: x\n Version: 2', 'Package: b\nversion:2']);
    expect(stanzas.map((stanza) => fieldOf(stanza, 'Version'))).toEqual(['1', '2']);
    expect(fieldOf(stanzas[0] ?? '', 'Description')).toBe('x\n Version: 2');
    expect(fieldOf(stanzas[0] ?? '', 'Size')).toBeUndefined();
    expect([...splitStanzas('')]).toEqual([]);
    expect([...splitStanzas('\n\n\n')]).toEqual([]);
  });

  it('agrees with the strict reader on everything that one accepts', () => {
    const value = fc.string({ unit: fc.constantFrom('x', 'A:', '.', 'é'), maxLength: 4 });
    const stanza = fc.uniqueArray(fc.tuple(fc.constantFrom('A', 'Bc', 'D-e'), value), {
      selector: ([name]) => name,
      minLength: 1,
    });
    fc.assert(
      fc.property(fc.array(stanza, { maxLength: 4 }), (stanzas) => {
        const text = stanzas.map((fields) => formatParagraph(fields)).join('\n');
        const found = [...splitStanzas(text)].map((one) => ['A', 'Bc', 'D-e'].map((name) => fieldOf(one, name)));
        const wanted = valid(text).map((one) => ['A', 'Bc', 'D-e'].map((name) => one.get(name)));
        expect(found).toEqual(wanted);
      }),
    );
  });
});

function valid(text: string, options?: Deb822Options): Exclude<ReturnType<typeof parseParagraphs>, { kind: string }> {
  const result = parseParagraphs(text, options);
  if ('kind' in result) throw new Error(result.reason);
  return result;
}
