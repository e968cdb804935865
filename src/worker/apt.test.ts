import fc from 'fast-check';
import { expect, test } from 'vitest';
import { explainApt, parseUris, unmetLines } from './apt.ts';

test('reads the files that apt-get would download', () => {
  const hash = 'ab'.repeat(32);
  const text = `Reading package lists...
'http://mirror.example/pool/main/u/ucf/ucf_3.0043%2bnmu1_all.deb' ucf_3.0043+nmu1_all.deb 55312 SHA256:${hash}
`;
  expect(parseUris(text)).toEqual([{ file: 'ucf_3.0043+nmu1_all.deb', size: 55312, sha256: hash }]);
});

test('a file without sha256, or whose name is a path, is a fault', () => {
  const line = (name: string, sum: string): string => `'http://mirror.example/x.deb' ${name} 12 ${sum}\n`;
  expect(() => parseUris(line('x.deb', 'MD5Sum:4e0b035f3cd0a510dc476d80f1a43313'))).toThrow('cannot be read');
  expect(() => parseUris(line('../x.deb', `SHA256:${'a'.repeat(64)}`))).toThrow('cannot be read');
});

test('no text makes it name a file outside its folder', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (name, rest) => {
      try {
        for (const { file } of parseUris(`'u' ${name} 1 SHA256:${'0'.repeat(64)}${rest}`)) {
          expect(file).not.toMatch(/[/\0\n]/);
          expect(file.startsWith('.')).toBe(false);
        }
      } catch (error) {
        expect(error).toMatchObject({ code: 'apt.failed' });
      }
    }),
  );
});

test('finds which dependency is missing in what apt 2.6 says', () => {
  expect(
    unmetLines(`Reading package lists...
Some packages could not be installed. This may mean that you have
requested an impossible situation or if you are using the unstable

The following packages have unmet dependencies:
 builddeps:/x/a.dsc : Depends: nope-nope (>= 2) but it is not installable
                      Depends: hello (>= 99) but it is not installable
E: Unable to correct problems, you have held broken packages.
`),
  ).toEqual([
    'Depends: nope-nope (>= 2) but it is not installable',
    'Depends: hello (>= 99) but it is not installable',
    'E: Unable to correct problems, you have held broken packages.',
  ]);
});

test('finds it in what apt 3.0 says', () => {
  expect(
    unmetLines(`Unsatisfied dependencies:
 builddeps:/x/a.dsc : Depends: nope-nope (>= 2) but it is not installable
Error: Unable to satisfy dependencies. Reached two conflicting decisions:
   1. builddeps:/x/a.dsc:amd64=1 is selected for install
   2. builddeps:/x/a.dsc:amd64 Depends nope-nope (>= 2)
`),
  ).toContain('Depends: nope-nope (>= 2) but it is not installable');
});

test('a mirror that is away is not a missing dependency', () => {
  expect(
    unmetLines('E: Failed to fetch http://mirror.example/  Could not connect to mirror.example:80'),
  ).toBeUndefined();
});

test.each([
  ['apt.mirror-away', 'E: Failed to fetch http://127.0.0.1:9/dists/x/InRelease  Could not connect to 127.0.0.1:9'],
  ['apt.mirror-away', "Err:1 http://m.example x InRelease\n  Temporary failure resolving 'm.example'"],
  [
    'apt.untrusted',
    "W: GPG error: http://m.example x InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 0E98404D386FA1D9",
  ],
  ['apt.untrusted', 'E: Release file for http://m.example/InRelease is expired (invalid since 3d).'],
  ['storage.full', 'E: Write error - write (28: No space left on device)'],
  ['apt.failed', 'E: Something new'],
])('%s for: %s', (code, said) => {
  expect(explainApt('read the package indices', said, undefined)).toMatchObject({ code });
});
