import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBuildinfo } from './buildinfo.ts';
import { parseChanges, parseSourceField } from './changes.ts';
import { parseDsc } from './dsc.ts';
import { parseBinaryFileName, parseDscFileName, sourceFileRole } from './file-names.ts';

const MD5 = 'd41d8cd98f00b204e9800998ecf8427e';
const SHA1 = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';
const SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

const DSC = `Format: 3.0 (quilt)
Source: hello
Binary: hello, hello-doc
Architecture: any all
Version: 1:2.10-3
Maintainer: Ann <ann@example.org>
Git-Tag-Info: tag=${SHA1} fp=${SHA1.toUpperCase()}
Git-Tag-Tagger: Ann <ann@example.org>
Dgit: ${SHA1} landing debian/2.10-3 no-url
Checksums-Sha1:
 ${SHA1} 10 hello_2.10.orig.tar.gz
 ${SHA1} 20 hello_2.10-3.debian.tar.xz
Checksums-Sha256:
 ${SHA256} 10 hello_2.10.orig.tar.gz
 ${SHA256} 20 hello_2.10-3.debian.tar.xz
Files:
 ${MD5} 10 hello_2.10.orig.tar.gz
 ${MD5} 20 hello_2.10-3.debian.tar.xz
`;

const CHANGES = `Format: 1.8
Date: Sun, 22 Nov 2026 14:00:01 +0100
Source: hello (1:2.10-3)
Binary: hello
 hello-dbgsym
Architecture: source amd64
Version: 1:2.10-3+b1
Distribution: landing
Urgency: medium
Maintainer: Ann <ann@example.org>
Changed-By: Bob <bob@example.org>
Binary-Only: yes
Closes: 1 2
Changes:
 hello (1:2.10-3) landing; urgency=medium
 .
   * x
Checksums-Sha1:
 ${SHA1} 1 hello_2.10-3.dsc
 ${SHA1} 2 hello_2.10-3+b1_amd64.deb
 ${SHA1} 3 hello_2.10-3+b1_amd64.buildinfo
Checksums-Sha256:
 ${SHA256} 1 hello_2.10-3.dsc
 ${SHA256} 2 hello_2.10-3+b1_amd64.deb
 ${SHA256} 3 hello_2.10-3+b1_amd64.buildinfo
Files:
 ${MD5} 1 devel optional hello_2.10-3.dsc
 ${MD5} 2 devel optional hello_2.10-3+b1_amd64.deb
 ${MD5} 3 devel optional hello_2.10-3+b1_amd64.buildinfo
`;

const BUILDINFO = `Format: 1.0
Source: hello
Binary: hello
Architecture: amd64
Version: 2.10-3
Checksums-Md5:
 ${MD5} 2 hello_2.10-3_amd64.deb
Checksums-Sha256:
 ${SHA256} 2 hello_2.10-3_amd64.deb
Build-Origin: Debian
Build-Architecture: amd64
Build-Date: Sun, 22 Nov 2026 14:00:01 +0100
Build-Path: /build/hello
Installed-Build-Depends:
 autoconf (= 2.71-3),
 gcc-12-base:amd64 (= 12.2.0-14)
Environment:
 DEB_BUILD_OPTIONS="parallel=2"
 LANG="C\\"x"
`;

type Reader = (text: string) => object;
const reasonOf = (read: Reader, text: string): string => {
  const result = read(text);
  return 'reason' in result ? String(result.reason) : 'accepted';
};

describe('parseDsc', () => {
  it('reads fields, files with their roles, and the tag that the source came from', () => {
    expect(parseDsc(DSC)).toMatchObject({
      format: '3.0 (quilt)',
      source: 'hello',
      version: '1:2.10-3',
      binaries: ['hello', 'hello-doc'],
      architectures: ['any', 'all'],
      files: [
        { name: 'hello_2.10.orig.tar.gz', size: 10, sha256: SHA256, md5: MD5, sha1: SHA1, role: 'orig' },
        { name: 'hello_2.10-3.debian.tar.xz', size: 20, role: 'debian' },
      ],
      gitTagInfo: `tag=${SHA1} fp=${SHA1.toUpperCase()}`,
      gitTagTagger: 'Ann <ann@example.org>',
      dgit: `${SHA1} landing debian/2.10-3 no-url`,
    });
  });

  it.each([
    ['a path as file', DSC.replaceAll('hello_2.10.orig', '../hello_2.10.orig'), 'not a safe file name'],
    ['another package’s file', DSC.replaceAll('hello_2.10.orig', 'bash_2.10.orig'), 'not a file of hello'],
    ['another version’s file', DSC.replaceAll('hello_2.10.orig', 'hello_2.11.orig'), 'not a file of hello'],
    ['a hidden file', DSC.replaceAll('hello_2.10.orig', '.hello_2.10.orig'), 'not a safe file name'],
    ['lists with different sizes', DSC.replace(`${MD5} 10`, `${MD5} 11`), 'disagrees'],
    ['lists with different names', DSC.replace(` ${SHA1} 10 hello_2.10.orig.tar.gz\n`, ''), 'disagrees'],
    ['no SHA256 list', DSC.replace('Checksums-Sha256', 'X'), 'missing'],
    [
      'a file twice',
      DSC.replace(` ${SHA256} 20 hello_2.10-3.debian.tar.xz`, ` ${SHA256} 20 hello_2.10.orig.tar.gz`),
      'twice',
    ],
    ['a digest of another length', DSC.replace(`${SHA256} 10`, `${SHA1} 10`), 'not a digest'],
    ['a negative size', DSC.replaceAll(' 10 ', ' -10 '), 'not a size'],
    ['too many words', DSC.replace(`${SHA256} 10`, `${SHA256} 10 x`), 'words'],
    ['a malformed version', DSC.replace('1:2.10-3', '1:2.10/3'), 'character'],
    ['an unsafe source', DSC.replace('Source: hello', 'Source: hello/x'), 'source package'],
    ['an unsafe binary', DSC.replace('hello-doc', '../doc'), 'binary package'],
    ['an unknown format', DSC.replace('3.0 (quilt)', '3.0 quilt'), 'source format'],
    ['a second paragraph', `${DSC}\nSource: evil\n`, 'more than one paragraph'],
    ['no files', DSC.replaceAll(/ \w+ [12]0 .*\n/g, ''), 'no file'],
  ])('refuses %s', (_, text, word) => {
    expect(reasonOf(parseDsc, text)).toContain(word);
  });
});

describe('parseChanges', () => {
  it('reads an upload', () => {
    expect(parseChanges(CHANGES)).toMatchObject({
      source: 'hello',
      sourceVersion: '1:2.10-3',
      version: '1:2.10-3+b1',
      binaries: ['hello', 'hello-dbgsym'],
      architectures: ['source', 'amd64'],
      distributions: ['landing'],
      changedBy: 'Bob <bob@example.org>',
      binaryOnly: true,
      closes: ['1', '2'],
      files: [
        { role: 'dsc', section: 'devel', priority: 'optional', size: 1 },
        { role: 'binary', binary: { name: 'hello', version: '2.10-3+b1', architecture: 'amd64', type: 'deb' } },
        { role: 'buildinfo' },
      ],
    });
  });

  it.each([
    ['a path as file', CHANGES.replaceAll('hello_2.10-3.dsc', '../x.dsc'), 'not a safe file name'],
    ['another .changes in it', CHANGES.replaceAll('hello_2.10-3.dsc', 'hello_2.10-3.changes'), 'not a file of'],
    ['another package’s .dsc', CHANGES.replaceAll('hello_2.10-3.dsc', 'bash_5.dsc'), 'not a file of'],
    [
      'a .deb whose name is malformed',
      CHANGES.replaceAll('hello_2.10-3+b1_amd64.deb', 'hello_amd64.deb'),
      'not a file of',
    ],
    ['a path as section', CHANGES.replace('1 devel', '1 ../devel'), 'not a section'],
    ['a path as distribution', CHANGES.replace('Distribution: landing', 'Distribution: ../x'), 'suite'],
    ['no distribution', CHANGES.replace('Distribution: landing\n', ''), 'missing'],
    ['no architecture', CHANGES.replace('Architecture: source amd64\n', ''), 'missing'],
    ['an unsafe architecture', CHANGES.replace('source amd64', 'source a/b'), 'not an architecture'],
    ['an unknown format', CHANGES.replace('1.8', '2.0'), 'format'],
    ['a malformed source version', CHANGES.replace('(1:2.10-3)', '(x)'), 'source package'],
    ['an unsafe binary', CHANGES.replace('hello-dbgsym', 'Hello'), 'binary package'],
    ['a doubled field', CHANGES.replace('Urgency: medium', 'Version: 1'), 'twice'],
  ])('refuses %s', (_, text, word) => {
    expect(reasonOf(parseChanges, text)).toContain(word);
  });

  it('H44 refuses 10,000 files', () => {
    const lines = Array.from({ length: 10_000 }, (_, index) => ` ${SHA256} 1 hello_${index}.tar.gz\n`).join('');
    expect(reasonOf(parseChanges, CHANGES.replace('Checksums-Sha256:\n', `Checksums-Sha256:\n${lines}`))).toContain(
      'more than',
    );
  });

  it('H46 a newline cannot be smuggled into a field by what follows it', () => {
    expect(reasonOf(parseChanges, CHANGES.replace('Urgency: medium', 'Urgency: medium\n\nSource: evil'))).toContain(
      'more than one paragraph',
    );
  });

  it('reads Source with and without a version', () => {
    expect(parseSourceField('hello')).toEqual({ source: 'hello', version: undefined });
    expect(parseSourceField('hello (1:2-3)')).toEqual({ source: 'hello', version: '1:2-3' });
    expect(['', 'hello()', 'hello (x)', 'hello (1) (2)', 'a b', 'hello (1'].map(parseSourceField)).toEqual(
      Array(6).fill(undefined),
    );
  });
});

describe('parseBuildinfo', () => {
  it('reads files, environment and installed packages', () => {
    const info = parseBuildinfo(BUILDINFO);
    expect(info).toMatchObject({
      source: 'hello',
      sourceVersion: '2.10-3',
      buildArchitecture: 'amd64',
      buildPath: '/build/hello',
      files: [{ name: 'hello_2.10-3_amd64.deb', size: 2, sha256: SHA256 }],
      installedBuildDepends: [{ name: 'autoconf' }, { name: 'gcc-12-base', qualifier: 'amd64' }],
    });
    expect('kind' in info ? info : [...info.environment]).toEqual([
      ['DEB_BUILD_OPTIONS', 'parallel=2'],
      ['LANG', 'C"x'],
    ]);
  });

  it.each([
    ['an unsafe file', BUILDINFO.replaceAll('hello_2', '../hello_2'), 'not a safe file name'],
    ['an inexact dependency', BUILDINFO.replace('(= 2.71-3)', '(>= 2.71-3)'), 'NAME (= VERSION)'],
    ['an alternative', BUILDINFO.replace('(= 2.71-3)', '(= 2.71-3) | x1'), 'NAME (= VERSION)'],
    ['a malformed environment', BUILDINFO.replace('"parallel=2"', 'parallel=2'), 'NAME="value"'],
    ['no build architecture', BUILDINFO.replace('Build-Architecture: amd64\n', ''), 'architecture'],
    ['no sums', BUILDINFO.replace('Checksums-Sha256', 'X'), 'missing'],
  ])('refuses %s', (_, text, word) => {
    expect(reasonOf(parseBuildinfo, text)).toContain(word);
  });
});

describe('file names', () => {
  it('gives files of a source package their roles', () => {
    const roles = [
      '2.10.orig.tar.gz',
      '2.10.orig-data.tar.xz',
      '2.10.orig.tar.gz.asc',
      '2.10-3.debian.tar.xz',
      '2.10-3.tar.xz',
      '2.10-3.diff.gz',
      '2.10-3.dsc',
      '2.10.tar.gz',
    ];
    expect(roles.map((rest) => sourceFileRole(`hello_${rest}`, 'hello', '1:2.10-3'))).toEqual([
      'orig',
      'orig-component',
      'orig-signature',
      'debian',
      'native',
      'diff',
      undefined,
      undefined,
    ]);
  });

  it('takes binary and .dsc names apart', () => {
    expect(parseBinaryFileName('libx_1.0~rc1-2_all.udeb')).toEqual({
      name: 'libx',
      version: '1.0~rc1-2',
      architecture: 'all',
      type: 'udeb',
    });
    expect(parseDscFileName('hello_2.10-3.dsc')).toEqual({ source: 'hello', version: '2.10-3' });
    const bad = [
      'x.deb',
      'a_1.deb',
      'a_1_b_c.deb',
      '_1_all.deb',
      'hello_1:2_all.deb',
      'Hello_1_all.deb',
      'hello_1_all.deb.deb2',
    ];
    expect(bad.map(parseBinaryFileName)).toEqual(Array(7).fill(undefined));
  });
});

it('H44 no reader throws on garbage, nor on a real file with one line changed', () => {
  for (const [read, text] of [
    [parseDsc, DSC],
    [parseChanges, CHANGES],
    [parseBuildinfo, BUILDINFO],
  ] as const) {
    const lines = text.split('\n');
    const noise = fc.string({
      unit: fc.constantFrom('a', ' ', ':', '\n', '\0', '/', '.', '1', '(', ')', '"'),
      maxLength: 20,
    });
    fc.assert(
      fc.property(
        fc.nat({ max: lines.length - 1 }),
        noise,
        (at, garbage) => void read(lines.with(at, garbage).join('\n')),
      ),
    );
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => void read(bytes)),
      { numRuns: 50 },
    );
  }
});
