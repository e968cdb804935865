import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { componentOf, isOrigName, oneTarballPerComponent } from './model.ts';

describe('names of upstream tarballs', () => {
  it('takes the main tarball, components and signatures of the same source and upstream version', () => {
    for (const name of ['hello_2.10.orig.tar.gz', 'hello_2.10.orig.tar.xz.asc', 'hello_2.10.orig-docs.tar.bz2']) {
      expect(isOrigName(name, 'hello', '2.10')).toBe(true);
    }
  });

  it('takes nothing of another source, another version or another kind', () => {
    for (const name of [
      'hello_2.1.orig.tar.gz',
      'hello_2.10.orig.tar.zip',
      'hello_2.10.debian.tar.xz',
      'hello_2.10.orig-a.b.tar.gz',
      'hello_2.10.orig.tar.gz/../x',
      'hello-extra_2.10.orig.tar.gz',
    ]) {
      expect(isOrigName(name, 'hello', '2.10')).toBe(false);
    }
  });

  it('never takes a name with a slash, whatever the source is called', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (tail, source) => {
        expect(isOrigName(`${source}_1.orig/${tail}`, source, '1')).toBe(false);
      }),
    );
  });

  it('keeps one tarball for each component, the best compressed, with its signature', () => {
    const names = [
      'a_1.orig.tar.gz',
      'a_1.orig.tar.gz.asc',
      'a_1.orig.tar.xz',
      'a_1.orig-b.tar.gz',
      'a_1.orig-b.tar.gz.asc',
    ];
    expect(oneTarballPerComponent(names.map((name) => ({ name }))).map(({ name }) => name)).toEqual([
      'a_1.orig.tar.xz',
      'a_1.orig-b.tar.gz',
      'a_1.orig-b.tar.gz.asc',
    ]);
    expect(componentOf('a_1.orig-b.tar.gz')).toBe('b');
  });
});
