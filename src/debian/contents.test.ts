import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitsContents, formatContentsLine, packageLocation, parseContentsLine, pathBytes } from './contents.ts';

describe('lines of Contents', () => {
  it('are filled up as apt-ftparchive does, whatever the length of the path', () => {
    // What apt-ftparchive generate of apt 2.6 wrote for these.
    expect(formatContentsLine('usr/bin/common', ['utils/a', 'utils/b'])).toBe(
      'usr/bin/common\t\t\t\t\t\t    utils/a,utils/b\n',
    );
    expect(formatContentsLine('x'.repeat(55), ['utils/b'])).toBe(`${'x'.repeat(55)}\t    utils/b\n`);
    expect(formatContentsLine('x'.repeat(56), ['utils/b'])).toBe(`${'x'.repeat(56)}    utils/b\n`);
    expect(formatContentsLine('x'.repeat(57), ['utils/b'])).toBe(`${'x'.repeat(57)}   utils/b\n`);
    expect(formatContentsLine('x'.repeat(70), ['utils/b'])).toBe(`${'x'.repeat(70)} utils/b\n`);
  });

  it('name a package with its section, where it has one', () => {
    expect(packageLocation('hello', 'utils')).toBe('utils/hello');
    expect(packageLocation('hello', 'contrib/net')).toBe('contrib/net/hello');
    expect(packageLocation('hello', undefined)).toBe('hello');
  });

  it('are read back as they were written, for every path that fits', () => {
    const location = fc.stringMatching(/^[a-z]{1,8}\/[a-z][a-z0-9.+-]{0,8}$/);
    fc.assert(
      fc.property(
        fc.string({ maxLength: 80 }),
        fc.uniqueArray(location, { minLength: 1, maxLength: 4 }),
        (text, locations) => {
          const path = pathBytes(text);
          fc.pre(fitsContents(path));
          expect(parseContentsLine(formatContentsLine(path, locations).slice(0, -1))).toEqual({ path, locations });
        },
      ),
    );
  });

  it('that are none give nothing', () => {
    for (const line of ['', 'path', ' location', '\tlocation', 'path '])
      expect(parseContentsLine(line), line).toBeUndefined();
  });
});
