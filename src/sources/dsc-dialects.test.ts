import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inOneSpelling, type DscInput } from './dsc-dialects.ts';

const NOTHING: DscInput = { control: undefined, testsControl: undefined };

const control = (more = ''): Buffer =>
  Buffer.from(`Source: tiny\nMaintainer: Ann <ann@example.org>\n${more}\nPackage: tiny\nArchitecture: all\n`);
const tests = (...depends: string[]): Buffer =>
  Buffer.from(depends.map((text, index) => `Tests: t${index}\nDepends: ${text}\n`).join('\n'));

/** As Debian 12's, 13's and sid's dpkg-source write them for one and the same control file. */
const SPELLINGS = {
  'dpkg 1.21': `Format: 3.0 (native)
Maintainer: Ann   "The" Person  <ann@example.org> ,
Uploaders: Bob Builder   <bob@example.org>,Carl <carl@example.org> , "Dörte, Dora" <dora@example.org>,, Bob Builder <bob@example.org>,
Build-Depends: foo (>> 1) [amd64 i386] <!nocheck><!nodoc foo>, bar
Package-List:
 apkg udeb contrib/net unknown arch=all profile=!stage1><!stage2 protected=yes essential=yes
 pkg deb misc extra arch=any profile=,!nocheck,+!nodoc,cross
Files:
 3f9c0ed8fe4b7ef20b65325c6651aae6 1168 pkg_1.0.tar.xz
`,
  'dpkg 1.23': `Format: 3.0 (native)
Maintainer: Ann   "The" Person  <ann@example.org>
Uploaders: Bob Builder   <bob@example.org>, Carl <carl@example.org>, "Dörte, Dora" <dora@example.org>, Bob Builder <bob@example.org>
Build-Depends: foo (>> 1) [amd64 i386] <!nocheck> <!nodoc foo>, bar
Package-List:
 apkg udeb contrib/net optional arch=all profile=!stage1+!stage2 profile:v1=!stage1|!stage2 protected=yes essential=yes
 pkg deb misc extra arch=any profile=!nocheck+!nodoc,cross profile:v1=!nocheck|!nodoc&cross
Files:
 3f9c0ed8fe4b7ef20b65325c6651aae6 1168 pkg_1.0.tar.xz
`,
};

describe('one spelling of a .dsc', () => {
  it('is the same whichever dpkg wrote it, and leaves the rest as it is', () => {
    const [one, other] = Object.values(SPELLINGS).map((text) => inOneSpelling(text, NOTHING));
    expect(one).toBe(other);
    expect(one).toBe(SPELLINGS['dpkg 1.23'].replace(/ profile:v1=\S+/g, ''));
  });

  it.each([
    [
      'names the packages of all tests once, sorted, without its own',
      ['@, tiny, zeta, a (>= 1) | b', 'a'],
      'a, b, zeta',
    ],
    ['reads what an older dpkg does not', ['x:native [amd64] <!nocheck>, @builddeps@'], '@builddeps@, x'],
    ['leaves out a test whose relations nobody can read', ['a, (b', 'c'], 'c'],
    ['takes commas at the end and none in the middle', ['a, ,', 'b,,c'], 'a'],
  ])('Testsuite-Triggers %s', (_what, depends, expected) => {
    const input = { control: control(), testsControl: tests(...depends) };
    const wanted = `Source: tiny\nTestsuite: autopkgtest\nTestsuite-Triggers: ${expected}\nFiles: x\n`;
    expect(inOneSpelling('Source: tiny\nTestsuite: autopkgtest\nFiles: x\n', input)).toBe(wanted);
    expect(inOneSpelling(wanted.replace(`Triggers: ${expected}`, 'Triggers: old'), input)).toBe(wanted);
  });

  it('keeps Testsuite-Triggers that were written by hand, and leaves the field out when no test needs anything', () => {
    const dsc = 'Source: tiny\nTestsuite: autopkgtest\nTestsuite-Triggers: mine\nFiles: x\n';
    const byHand = { control: control('XS-Testsuite-Triggers: mine\n'), testsControl: tests('other') };
    expect(inOneSpelling(dsc, byHand)).toBe(dsc);
    const none = { control: control(), testsControl: tests('@') };
    expect(inOneSpelling(dsc, none)).toBe(dsc.replace('Testsuite-Triggers: mine\n', ''));
  });

  it('changes nothing when it is applied a second time, and throws for no text', () => {
    const value = fc.stringMatching(/^[ -~äß]{0,60}$/);
    const line = fc.oneof(
      value.map((text) => `Uploaders: ${text}`),
      value.map((text) => `Maintainer: ${text}`),
      value.map((text) => `Build-Depends: ${text}`),
      value.map((text) => `Package-List:\n a deb misc unknown ${text}`),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 4 }), value, (lines, depends) => {
        const input = { control: control(), testsControl: tests(depends) };
        const once = inOneSpelling(`${lines.join('\n')}\n`, input);
        expect(inOneSpelling(once, input)).toBe(once);
      }),
      { numRuns: Number(process.env.LANDFALL_FUZZ_RUNS ?? 300) },
    );
  });
});
