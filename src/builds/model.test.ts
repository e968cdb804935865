import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { neededBuilds } from './model.ts';

const SUITE = { suite: ['amd64', 'arm64', 'riscv64'], forAll: 'amd64' };
const plan = (field: string, present: readonly string[] = []) =>
  neededBuilds({ ...SUITE, field: field.split(' '), present }).map(
    ({ architecture, withAll }) => `${architecture}${withAll ? '+all' : ''}`,
  );

describe('the builds that a source needs', () => {
  test('any: one for each architecture of the suite', () => {
    expect(plan('any')).toEqual(['amd64', 'arm64', 'riscv64']);
  });

  test('any all: what is for all is made once, together with the suite’s chosen architecture', () => {
    expect(plan('any all')).toEqual(['amd64+all', 'arm64', 'riscv64']);
  });

  test('all alone: just the one build', () => {
    expect(plan('all')).toEqual(['amd64+all']);
  });

  test('single architectures and wildcards are those that the suite has', () => {
    expect(plan('arm64 s390x')).toEqual(['arm64']);
    expect(plan('linux-any')).toEqual(['amd64', 'arm64', 'riscv64']);
    expect(plan('any-arm64 all')).toEqual(['amd64+all', 'arm64']);
    expect(plan('s390x')).toEqual([]);
  });

  test('architectures that have binaries of this source already are left out', () => {
    expect(plan('any all', ['amd64', 'all'])).toEqual(['arm64', 'riscv64']);
    expect(plan('any all', ['amd64'])).toEqual(['amd64+all', 'arm64', 'riscv64']);
    expect(plan('any', ['amd64', 'arm64', 'riscv64'])).toEqual([]);
  });

  test('never twice for an architecture, never for one outside the suite, at most one with all, and only where all is asked for', () => {
    const word = fc.constantFrom(
      'any',
      'all',
      'amd64',
      'arm64',
      's390x',
      'linux-any',
      'kfreebsd-any',
      'any-amd64',
      'nonsense',
      '',
    );
    fc.assert(
      fc.property(
        fc.array(word),
        fc.uniqueArray(fc.constantFrom('amd64', 'arm64', 'riscv64', 'all')),
        (field, present) => {
          const builds = neededBuilds({ ...SUITE, field, present });
          expect(new Set(builds.map((build) => build.architecture)).size).toBe(builds.length);
          for (const build of builds) {
            expect(SUITE.suite).toContain(build.architecture);
            if (build.withAll) expect([build.architecture, field.includes('all')]).toEqual(['amd64', true]);
            else expect(present).not.toContain(build.architecture);
          }
          expect(builds.some((build) => build.withAll)).toBe(field.includes('all') && !present.includes('all'));
        },
      ),
    );
  });
});
