import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isArchitectureName,
  isBinaryName,
  isComponentName,
  isPriority,
  isSafeFileName,
  isSectionName,
  isSourceName,
  isSuiteName,
  tagToVersion,
  versionToTag,
} from './names.ts';
import { dscFileName, poolDirectory, poolFileName, poolPath } from './pool.ts';

const HOSTILE = [
  '',
  '.',
  '..',
  '../x',
  '/x',
  'x/y',
  'x\n',
  'x\0',
  'x y',
  '-x',
  '\u202ex',
  'hеllo',
  'x\u0000y',
  'ｈello',
  'x\\y',
  '%2e%2e',
  '~x',
  'x:y',
];

describe('names', () => {
  it('accepts the names of the field', () => {
    expect(
      ['hello', 'g++-12', 'libstdc++6', '0ad', 'python3.11', 'r-cran-x'].filter((name) => !isSourceName(name)),
    ).toEqual([]);
    expect(
      ['amd64', 'all', 'any', 'linux-any', 'kfreebsd-i386', 'musl-linux-armhf'].filter(
        (name) => !isArchitectureName(name),
      ),
    ).toEqual([]);
    expect(['main', 'non-free-firmware'].filter((name) => !isComponentName(name))).toEqual([]);
    expect(['landing', 'trixie-backports', 'bookworm-security', '12.5'].filter((name) => !isSuiteName(name))).toEqual(
      [],
    );
    expect(['utils', 'non-free/libs'].filter((name) => !isSectionName(name))).toEqual([]);
    expect(isPriority('optional') && !isPriority('urgent')).toBe(true);
    expect(['hello_2.10-3_amd64.deb', 'a_1+b~1.orig-x.tar.xz.asc'].filter((name) => !isSafeFileName(name))).toEqual([]);
  });

  it('H47 refuses separators, control characters, direction marks and homoglyphs', () => {
    for (const check of [
      isSourceName,
      isBinaryName,
      isArchitectureName,
      isComponentName,
      isSuiteName,
      isSafeFileName,
    ]) {
      expect(HOSTILE.filter((name) => check(name))).toEqual([]);
    }
    expect(isSectionName('../x') || isSectionName('a/b/c') || isSectionName('/a')).toBe(false);
    expect(isSourceName('x') || isSourceName('Hello') || isSourceName('x'.repeat(129))).toBe(false);
    expect(isSafeFileName('x'.repeat(256))).toBe(false);
  });
});

describe('DEP-14 mangling', () => {
  it.each([
    ['1:2.0~rc1-3', '1%2.0_rc1-3'],
    ['8.30..2-1', '8.30.#.2-1'],
    ['1...2', '1.#.#.2'],
    ['1.0.', '1.0.#'],
    ['1.lock', '1.#lock'],
    ['1.lock-1', '1.lock-1'],
    ['2.10-3land1', '2.10-3land1'],
  ])('writes %s as %s', (version, tag) => {
    expect(versionToTag(version)).toBe(tag);
    expect(tagToVersion(tag)).toBe(version);
  });

  it.each(['1.0#', '#1.0', '1.#0', '1..0', '1.lock', 'v1.0', '', '1.0~1', '1:1.0', '1.0/2'])(
    'refuses %j, which no version is mangled into',
    (name) => {
      expect(tagToVersion(name)).toBeUndefined();
    },
  );

  it('gives back every version, and two versions never share a name', () => {
    const version = fc
      .tuple(
        fc.constantFrom('1', '1:2'),
        fc.string({ unit: fc.constantFrom('0', '.', '~', '+', '-', 'a', '.lock', '..'), maxLength: 8 }),
      )
      .map(([start, rest]) => `${start}${rest}`.replace(/-+$/, ''));
    fc.assert(
      fc.property(version, (text) => {
        expect(tagToVersion(versionToTag(text))).toBe(text);
      }),
    );
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 24 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
        (name) => {
          const found = tagToVersion(name);
          if (found !== undefined) expect(versionToTag(found)).toBe(name);
        },
      ),
    );
  });
});

describe('pool', () => {
  it('lays packages out as Debian does', () => {
    expect(poolDirectory('main', 'hello')).toBe('pool/main/h/hello');
    expect(poolDirectory('contrib', 'libhello')).toBe('pool/contrib/libh/libhello');
    expect(poolPath('main', 'lib3ds', 'a_1.deb')).toBe('pool/main/lib3/lib3ds/a_1.deb');
    expect(poolFileName('hello', '1:2.10-3', 'amd64')).toBe('hello_2.10-3_amd64.deb');
    expect(poolFileName('hello-udeb', '2.10-3', 'all', 'udeb')).toBe('hello-udeb_2.10-3_all.udeb');
    expect(dscFileName('hello', '1:2.10-3')).toBe('hello_2.10-3.dsc');
  });

  it('refuses to make a path of anything unsafe', () => {
    expect(() => poolDirectory('../main', 'hello')).toThrow(RangeError);
    expect(() => poolDirectory('main', '../../etc')).toThrow(RangeError);
    expect(() => poolFileName('hello', '1/2', 'amd64')).toThrow(RangeError);
    expect(() => poolFileName('hello', '1', '../amd64')).toThrow(RangeError);
    expect(() => poolPath('main', 'hello', '../../x')).toThrow(RangeError);
  });
});
