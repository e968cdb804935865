import { existsSync, readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  AcceptedLicences,
  describeLicence,
  isLicence,
  parseCopyright,
  parseLicenceExpression,
  type LicenceExpression,
} from './copyright.ts';
import { describeProblem, isProblem } from './problem.ts';

const FORMAT = 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n';

/** With every conjunction in parentheses. */
function written(expression: LicenceExpression): string {
  if ('licence' in expression) return describeLicence(expression.licence);
  return `(${expression.operands.map(written).join(` ${expression.operator} `)})`;
}

function read(text: string): string {
  const found = parseLicenceExpression(text);
  return 'kind' in found ? `! ${found.reason}` : written(found);
}

function file(text: string): string {
  const found = parseCopyright(text);
  if ('kind' in found) return `! ${describeProblem(found)}`;
  return found.files
    .map(({ patterns, license }) => `${patterns.join(' ')}: ${license.synopsis} (${license.line})`)
    .join('; ');
}

test('files and their licences are read, with what the header says of the whole', () => {
  const text = [
    `${FORMAT}Upstream-Name: hello`,
    'License: GPL-3+',
    '',
    '### the rest ###',
    '',
    'Files: *',
    'Copyright: 2026 Alice',
    'License: GPL-3+',
    ' This program is free …',
    ' .',
    ' Really.',
    ' ',
    'Files: debian/*',
    ' m4/*.m4',
    'copyright: Bob',
    'license: Expat or GPL-2+ with Autoconf exception',
    '',
    'License: Expat',
    ' Permission is hereby granted …',
    '',
  ].join('\n');
  expect(file(text)).toBe('*: GPL-3+ (9); debian/* m4/*.m4: Expat or GPL-2+ with Autoconf exception (17)');
  const found = parseCopyright(text);
  expect('kind' in found ? found : [found.whole?.synopsis, found.texts.map(({ synopsis }) => synopsis)]).toEqual([
    'GPL-3+',
    ['Expat'],
  ]);
});

test.each([
  ['This package was debianized by hand.\n', /neither a field nor/],
  ['', /no paragraph/],
  [`Files: *\nLicense: GPL-3+\n`, /line 1: it does not begin with Format/],
  [
    'Format: http://dep.debian.net/deps/dep5\n\nFiles: *\nLicense: GPL-3+\n',
    /Format is "http:.*dep5", not version 1.0/,
  ],
  [FORMAT, /no paragraph has Files/],
  [`${FORMAT}Files: *\nLicense: GPL-3+\n`, /its header has Files/],
  [`${FORMAT}\nFiles: *\nLicence: GPL-3+\n`, /line 3: a paragraph with Files has no License/],
  [`${FORMAT}\nFiles:\nLicense: GPL-3+\n`, /line 3, field Files: it names no file/],
  [`${FORMAT}\nFiles: *\nLicense: GPL-3+\n\nCopyright: Bob\n`, /line 6: a paragraph has neither Files nor License/],
  [`${FORMAT}\nFiles: *\nLicense: GPL-3+\nLicense: Expat\n`, /License: the field stands twice/],
  [`${FORMAT}\nFiles: *\nLicense: GPL-3+\0\n`, /NUL/],
  [`${FORMAT}${'#'.repeat(9 * 1024 * 1024)}\n`, /larger than 8388608 bytes/],
  [`${FORMAT}\n${'Files: *\nLicense: a1\n\n'.repeat(20_001)}`, /more than 20000 paragraphs/],
])('a file that says nothing certain is refused (%#)', (text, reason) => {
  expect(file(text)).toMatch(/^! /);
  expect(file(text)).toMatch(reason);
});

test.each([
  ['GPL-3+', 'GPL-3+'],
  ['A or B and C', '(A or (B and C))'],
  ['A and B or C', '((A and B) or C)'],
  ['A or B, and C', '((A or B) and C)'],
  ['A and B, or C and D', '((A and B) or (C and D))'],
  ['Apache-2.0 OR BSD-2', '(Apache-2.0 or BSD-2)'],
  ['GPL-2+ with OpenSSL exception', 'GPL-2+ with OpenSSL exception'],
  [
    'FSF-unlimited and GPL-2+ with the Libtool exception, and GPL-3+',
    '((FSF-unlimited and GPL-2+ with the Libtool exception) and GPL-3+)',
  ],
  ['GPL-2.0-only WITH Classpath-exception-2.0 OR MIT', '(GPL-2.0-only with Classpath-exception-2.0 or MIT)'],
  ['', '! it names no licence'],
  ['A and', '! the short name of a licence was expected, and it ends'],
  ['or A', '! the short name of a licence was expected, and "or" was found'],
  ['A and/or B', '! "and" or "or" was expected before "and/or"'],
  ['A, B and C', '! "and" or "or" was expected before "B"'],
  ['(A or B) and C', '! the short name of a licence was expected, and "(A" was found'],
  ['GPL version 2', '! "and" or "or" was expected before "version"'],
  ['A, and B, or C', '! ", and" stands beside ", or", and which of them comes first is not defined'],
  ['GPL-2+ with OpenSSL', '! behind "GPL-2+ with" the name of an exception was expected, and the word "exception"'],
  ['GPL-2+ with exception', '! behind "GPL-2+ with" the name of an exception was expected, and the word "exception"'],
  ['GРL-3+', '! the short name of a licence was expected, and "G\\u{420}L-3+" was found'],
  ['A,', '! "and" or "or" was expected before "the end"'],
])('the expression %j', (text, expected) => {
  expect(read(text)).toBe(expected);
});

test('an expression is accepted when its licences are, whatever their spelling', () => {
  const accepted = new AcceptedLicences(['GPL-3+', 'Expat', 'Apache-2.0', 'LGPL-2.1+ with Qt exception']);
  const refused = (text: string): string => {
    const found = parseLicenceExpression(text);
    return 'kind' in found ? found.reason : accepted.refused(found).map(describeLicence).join(' ');
  };
  for (const text of [
    'gpl-3+',
    'GPL-3.0+',
    'GPL-3.0-or-later',
    'Expat and GPL-3+',
    'Proprietary or Expat',
    'GPL-3+ with OpenSSL exception',
    'Apache-2',
    'LGPL-2.1-or-later WITH Qt-exception-1.1',
    'Secret or Expat, and Apache-2.0',
  ]) {
    expect(`${text}: ${refused(text)}`).toBe(`${text}: `);
  }
  expect(refused('GPL-3')).toBe('GPL-3');
  expect(refused('GPL-2+')).toBe('GPL-2+');
  expect(refused('Secret and Expat and Secret')).toBe('Secret');
  expect(refused('Secret or Own, and Expat')).toBe('Secret Own');
  expect(refused('LGPL-2.1+')).toBe('LGPL-2.1+');
  expect(['GPL-3+', 'GPL-2+ with OpenSSL exception', 'A or B', '', 'a b'].map(isLicence)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});

test('every copyright file of this machine that declares the format is read, or breaks a rule of it', () => {
  const seen = new Map<string, string>();
  for (const name of readdirSync('/usr/share/doc')) {
    const path = `/usr/share/doc/${name}/copyright`;
    if (!existsSync(path)) continue;
    const bytes = readFileSync(path);
    if (
      bytes.length > 300_000 ||
      !/^Format: *https?:\/\/www.debian.org\/doc.*1\.0/.test(bytes.toString('latin1', 0, 200))
    )
      continue;
    seen.set(bytes.toString('latin1'), path);
  }
  let readable = 0;
  let licences = 0;
  const strange: string[] = [];
  for (const [text, path] of seen) {
    const found = parseCopyright(Buffer.from(text, 'latin1'));
    if (isProblem(found)) {
      // elfutils and LLVM in Debian 12.
      expect(`${path}: ${found.reason}`).toMatch(/: (?:a paragraph with Files has no License|the field stands twice)/);
      continue;
    }
    readable++;
    for (const { license } of found.files) {
      licences++;
      const expression = parseLicenceExpression(license.synopsis);
      if ('kind' in expression) strange.push(license.synopsis);
    }
  }
  expect(readable).toBeGreaterThanOrEqual(Math.floor(seen.size * 0.97));
  expect(strange.length, strange.join('\n')).toBeLessThanOrEqual(licences * 0.02);
});

const RUNS = Number(process.env.LANDFALL_FUZZ_RUNS ?? 300);

test('any text gives a file or a problem, and what is read stands in it', () => {
  const piece = fc.constantFrom(
    FORMAT,
    'Files: *\n',
    'Files: a\n b\n',
    'License: GPL-2+\n',
    'License:\n text\n',
    'Copyright: x\n',
    '\n',
    ' \n',
    '# c\n',
    ' .\n',
    'License',
    '\0',
  );
  const head = fc.constantFrom('', `${FORMAT}\n`, `${FORMAT}\nFiles: *\n`);
  let files = 0;
  fc.assert(
    fc.property(
      head,
      fc.array(fc.oneof({ weight: 4, arbitrary: piece }, fc.string({ maxLength: 12 })), { maxLength: 8 }),
      (first, pieces) => {
        const text = first + pieces.join('');
        const found = parseCopyright(text);
        if (isProblem(found)) {
          expect(found.reason.length).toBeLessThan(300);
          return;
        }
        files++;
        const lines = text.split('\n');
        expect(text.replace(/^(?:(?:#.*|[ \t]*)\n)*/, '')).toMatch(/^format:/i);
        for (const { patterns, license } of found.files) {
          expect(patterns.length).toBeGreaterThan(0);
          expect(lines[license.line - 1]?.toLowerCase()).toMatch(/^license:/);
          expect(lines[license.line - 1]).toContain(license.synopsis);
        }
      },
    ),
    { numRuns: RUNS },
  );
  expect(files).toBeGreaterThan(0);
});

test('an expression is accepted exactly when its truth table says so', () => {
  const name = fc.constantFrom('A1', 'B2', 'C3', 'D4');
  const joint = fc.constantFrom(' and ', ' or ', ', and ', ', or ');
  fc.assert(
    fc.property(
      name,
      fc.array(fc.tuple(joint, name), { maxLength: 6 }),
      fc.subarray(['A1', 'B2', 'C3', 'D4']),
      (first, rest, good) => {
        const text = first + rest.map(([word, next]) => word + next).join('');
        const found = parseLicenceExpression(text);
        if ('kind' in found) {
          expect(rest.some(([word]) => word === ', and ') && rest.some(([word]) => word === ', or ')).toBe(true);
          return;
        }
        // Splitting the text itself: at commas, then at "or", then at "and".
        const all = (part: string): boolean => part.split(' and ').every((one) => good.includes(one));
        const any = (part: string): boolean => part.split(' or ').some(all);
        const expected = text.includes(', and ') ? text.split(', and ').every(any) : text.split(', or ').some(any);
        expect(new AcceptedLicences(good).refused(found).length === 0).toBe(expected);
      },
    ),
    { numRuns: RUNS },
  );
});

test('any synopsis gives an expression or a problem', () => {
  const word = fc.constantFrom('GPL-2+', 'and', 'or', ',', 'with', 'exception', 'x-exception', '(', ' ', 'Ω');
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string({ maxLength: 5 })), { maxLength: 12 }), (words) => {
      const text = words.join(' ');
      const found = parseLicenceExpression(text);
      if ('kind' in found) return;
      const again = parseLicenceExpression(text.toUpperCase());
      expect('kind' in again).toBe(false);
    }),
    { numRuns: RUNS },
  );
});
