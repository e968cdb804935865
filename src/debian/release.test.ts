import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDebControl } from './deb.ts';
import { parseDsc } from './dsc.ts';
import { descriptionMd5, formatPackagesStanza, formatTranslationStanza } from './packages.ts';
import { formatDate, formatRelease, parseDate, parseRelease, releaseFault, type Release } from './release.ts';
import { formatSourcesStanza } from './sources.ts';

const SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const MD5 = 'd41d8cd98f00b204e9800998ecf8427e';
const RELEASE: Release = {
  origin: 'Landfall',
  label: 'Landfall',
  suite: 'landing',
  version: '1.0',
  codename: 'landing',
  changelogs: 'https://archive.example.org/changelogs/@CHANGEPATH@_changelog',
  date: new Date('2026-11-22T13:00:01Z'),
  validUntil: new Date('2026-11-29T13:00:01Z'),
  notAutomatic: true,
  butAutomaticUpgrades: true,
  acquireByHash: true,
  noSupportForArchitectureAll: 'Packages',
  architectures: ['all', 'amd64', 'arm64'],
  components: ['main'],
  description: 'Where tags land',
  snapshots: 'https://archive.example.org/@SNAPSHOTID@',
  signedBy: ['A'.repeat(40), `${'B'.repeat(40)}!`],
  files: [{ path: 'main/binary-amd64/Packages.xz', size: 12, sha256: SHA256 }],
};

function stanzaOf(
  text: string,
  ...rest: Parameters<typeof formatPackagesStanza> extends [unknown, ...infer Rest] ? Rest : never
): string {
  const control = parseDebControl(text);
  if ('kind' in control) throw new Error(control.reason);
  return formatPackagesStanza(control, ...rest);
}

describe('formatRelease', () => {
  it('writes the fields in the order of Debian', () => {
    expect(formatRelease(RELEASE)).toBe(`Origin: Landfall
Label: Landfall
Suite: landing
Version: 1.0
Codename: landing
Changelogs: https://archive.example.org/changelogs/@CHANGEPATH@_changelog
Date: Sun, 22 Nov 2026 13:00:01 UTC
Valid-Until: Sun, 29 Nov 2026 13:00:01 UTC
NotAutomatic: yes
ButAutomaticUpgrades: yes
Acquire-By-Hash: yes
No-Support-for-Architecture-all: Packages
Architectures: all amd64 arm64
Components: main
Description: Where tags land
Snapshots: https://archive.example.org/@SNAPSHOTID@
Signed-By: ${'A'.repeat(40)},${'B'.repeat(40)}!
SHA256:
 ${SHA256}               12 main/binary-amd64/Packages.xz
`);
  });

  it('reads back what it writes', () => {
    expect(parseRelease(formatRelease(RELEASE))).toEqual(RELEASE);
    const path = fc.array(fc.constantFrom('main', 'binary-amd64', 'Packages.xz', 'by-hash', 'a+b~c_d'), {
      minLength: 1,
      maxLength: 4,
    });
    const file = fc.record({ path: path.map((parts) => parts.join('/')), size: fc.nat(), sha256: fc.constant(SHA256) });
    fc.assert(
      fc.property(
        fc.uniqueArray(file, { selector: ({ path: one }) => one }),
        fc.nat({ max: 4_000_000_000 }),
        (files, second) => {
          const release: Release = {
            origin: 'x',
            label: 'y',
            suite: 's',
            codename: 'c',
            date: new Date(second * 1000),
            architectures: [],
            components: [],
            files,
          };
          expect(parseRelease(formatRelease(release))).toEqual(release);
        },
      ),
    );
  });

  it.each([
    ['a suite that is a path', { suite: '../x' }],
    ['a component that is a path', { components: ['../main'] }],
    ['an architecture with a newline', { architectures: ['amd64\nX'] }],
    ['a file outside', { files: [{ path: '../../etc/passwd', size: 1, sha256: SHA256 }] }],
    ['an absolute file', { files: [{ path: '/etc/passwd', size: 1, sha256: SHA256 }] }],
    ['a file with a blank', { files: [{ path: 'a b', size: 1, sha256: SHA256 }] }],
    ['a file twice', { files: [RELEASE.files[0] ?? { path: '', size: 0, sha256: '' }, ...RELEASE.files] }],
    ['half a digest', { files: [{ path: 'a', size: 1, sha256: 'ab' }] }],
    ['a negative size', { files: [{ path: 'a', size: -1, sha256: SHA256 }] }],
    ['Valid-Until before Date', { validUntil: new Date('2026-11-22T13:00:01Z') }],
    ['half a second', { date: new Date('2026-11-22T13:00:01.500Z') }],
    ['no date', { date: new Date(Number.NaN) }],
    ['a key that is no fingerprint', { signedBy: ['ABCD'] }],
  ] satisfies [string, Partial<Release>][])('refuses %s', (_, part) => {
    const release: Release = { ...RELEASE, ...part };
    expect(releaseFault(release)).toBeTypeOf('string');
    expect(() => formatRelease(release)).toThrow(RangeError);
  });

  it('H46 refuses a newline in a free field', () => {
    for (const text of ['x\nSHA256: y', 'x\n y', 'x\r', ' x']) {
      expect(() => formatRelease({ ...RELEASE, description: text })).toThrow(RangeError);
      expect(() => formatRelease({ ...RELEASE, origin: text })).toThrow(RangeError);
    }
  });
});

describe('parseRelease', () => {
  it.each([
    ['no date', /Date.*\n/, '', 'not a date'],
    ['an impossible date', /22 Nov/, '32 Nov', 'not a date'],
    ['a malformed flag', /NotAutomatic: yes/, 'NotAutomatic: maybe', 'neither yes nor no'],
    ['no sums', /SHA256:\n.*\n/, '', 'no list'],
    ['a malformed sum', / 12 /, ' x ', 'not a line'],
    ['a path that leads outside', /main\/binary/, '../binary', 'safe path'],
  ])('refuses %s', (_, pattern, replacement, word) => {
    const result = parseRelease(formatRelease(RELEASE).replace(pattern, replacement));
    expect('kind' in result ? result.reason : result).toContain(word);
  });

  it('never throws', () => {
    const lines = formatRelease(RELEASE).split('\n');
    fc.assert(
      fc.property(
        fc.nat({ max: lines.length - 1 }),
        fc.string({ maxLength: 20 }),
        (at, text) => void parseRelease(lines.with(at, text).join('\n')),
      ),
    );
  });
});

it('writes and reads dates as apt does', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date(0), max: new Date('2200-01-01'), noInvalidDate: true }), (date) => {
      const second = new Date(Math.floor(date.getTime() / 1000) * 1000);
      expect(parseDate(formatDate(second))).toEqual(second);
    }),
  );
  expect(parseDate('Sat, 11 Jul 2026  9:16:37 UTC')).toBeUndefined();
  expect(
    ['', 'now', '2026-11-22T13:00:01Z', 'Sun, 22 Nov 2026 13:00:01 +0100', 'Sun, 22 Nov 2026 24:00:00 UTC'].map(
      parseDate,
    ),
  ).toEqual(Array(5).fill(undefined));
});

describe('formatPackagesStanza', () => {
  const CONTROL =
    'Package: hello\nSource: hi (1.0)\nVersion: 1.0+b1\nX-Extra: x\nArchitecture: amd64\nMaintainer: A <a@b>\nSection: misc\nDescription: greeting\n more\n';
  const FILE = { filename: 'pool/main/h/hi/hello_1.0+b1_amd64.deb', size: 5, sha256: SHA256, md5: MD5 };

  it('adds the facts of the file and lets the override win', () => {
    expect(stanzaOf(CONTROL, FILE, { section: 'utils', priority: 'optional' })).toBe(
      'Package: hello\nArchitecture: amd64\nVersion: 1.0+b1\nPriority: optional\nSection: utils\nSource: hi (1.0)\nMaintainer: A <a@b>\n' +
        `Filename: ${FILE.filename}\nSize: 5\nMD5sum: ${MD5}\nSHA256: ${SHA256}\nDescription: greeting\n more\nX-Extra: x\n`,
    );
  });

  it('does not let a package speak for the archive', () => {
    const hostile = `${CONTROL}Filename: ../../evil\nSHA256: 00\nSize: 1\nSHA512: 00\nStatus: install ok installed\nConffiles:\n /etc/x y\nPackage-Type: deb\nDescription-md5: 00\n`;
    expect(stanzaOf(hostile, FILE)).toBe(stanzaOf(CONTROL, FILE));
  });

  it('H46 refuses facts that would make further fields', () => {
    expect(() => stanzaOf(CONTROL, { ...FILE, filename: 'x\nSHA1: y' })).toThrow(RangeError);
    expect(() => stanzaOf(CONTROL, FILE, { section: 'x\n\nPackage: evil' })).toThrow(RangeError);
  });

  it('can leave the long description to Translation-en', () => {
    const stanza = stanzaOf(CONTROL, FILE, {}, { description: 'short' });
    expect(stanza).toContain(
      `Description: greeting\nDescription-md5: ${descriptionMd5('greeting\n more')}\nX-Extra: x\n`,
    );
    const control = parseDebControl(CONTROL);
    expect('kind' in control ? control : formatTranslationStanza(control)).toBe(
      `Package: hello\nDescription-md5: ${descriptionMd5('greeting\n more')}\nDescription-en: greeting\n more\n`,
    );
  });
});

describe('formatSourcesStanza', () => {
  const DSC = `Format: 3.0 (native)\nSource: hello\nBinary: hello\nArchitecture: any\nVersion: 1.0\nMaintainer: A <a@b>\nDirectory: ../evil\nX-Extra: x\nChecksums-Sha256:\n ${SHA256} 5 hello_1.0.tar.xz\nFiles:\n ${MD5} 5 hello_1.0.tar.xz\n`;

  it('begins with Package, puts the .dsc first in the lists, and says where the files lie', () => {
    const dsc = parseDsc(DSC);
    if ('kind' in dsc) throw new Error(dsc.reason);
    const file = { name: 'hello_1.0.dsc', size: 7, sha256: SHA256, md5: MD5 };
    expect(formatSourcesStanza(dsc, file, 'pool/main/h/hello', { section: 'utils', priority: 'optional' })).toBe(
      'Package: hello\nFormat: 3.0 (native)\nBinary: hello\nArchitecture: any\nVersion: 1.0\nPriority: optional\nSection: utils\nMaintainer: A <a@b>\n' +
        `Directory: pool/main/h/hello\nFiles:\n ${MD5} 7 hello_1.0.dsc\n ${MD5} 5 hello_1.0.tar.xz\n` +
        `Checksums-Sha256:\n ${SHA256} 7 hello_1.0.dsc\n ${SHA256} 5 hello_1.0.tar.xz\nX-Extra: x\n`,
    );
    expect(formatSourcesStanza(dsc, { name: 'hello_1.0.dsc', size: 7, sha256: SHA256 }, 'x')).not.toContain('Files:');
  });
});
