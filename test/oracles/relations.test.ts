/** Our relationship fields and architecture wildcards against Dpkg::Deps and Dpkg::Arch. */
import { beforeAll, describe, expect, it } from 'vitest';
import { architectureMatches, isKnownArchitecture, knownArchitectures } from '../../src/debian/architectures.ts';
import { fieldOf, splitStanzas } from '../../src/debian/deb822.ts';
import { formatRelations, parseRelations } from '../../src/debian/relations.ts';
import { exec } from '../../src/platform/exec.ts';
import { perl, readPackagesIndex, readSourcesIndex, sample } from './apt-lists.ts';

const DEPS =
  'use Dpkg::Deps; while (<STDIN>) { chomp; my $d = deps_parse($_, use_arch => 1, build_dep => 1); print defined $d ? $d->output() : "REFUSED", "\\n" }';
const ARCH =
  'use Dpkg::Arch qw(debarch_is); while (<STDIN>) { chomp; my ($a, $w) = split / /; print debarch_is($a, $w) ? 1 : 0, "\\n" }';

const BINARY_FIELDS = [
  'Depends',
  'Pre-Depends',
  'Recommends',
  'Suggests',
  'Conflicts',
  'Breaks',
  'Provides',
  'Replaces',
];
const BUILD_FIELDS = ['Build-Depends', 'Build-Depends-Indep', 'Build-Depends-Arch', 'Build-Conflicts'];

function fieldsOf(index: string, names: readonly string[], stanzas: number): string[] {
  const found = sample([...splitStanzas(index)], stanzas).flatMap((stanza) =>
    names.map((name) => fieldOf(stanza, name)),
  );
  return [...new Set(found.flatMap((value) => (value === undefined ? [] : [value.replaceAll('\n', ' ')])))];
}

async function disagreements(fields: readonly string[]): Promise<string[]> {
  const answers = await perl(DEPS, fields);
  return fields.flatMap((text, index) => {
    const parsed = parseRelations(text);
    const ours = 'kind' in parsed ? `REFUSED: ${parsed.reason}` : formatRelations(parsed);
    return ours === answers[index] ? [] : [`${text}\nours: ${ours}\ndpkg: ${answers[index] ?? ''}`];
  });
}

describe('relations, against Dpkg::Deps', () => {
  let packages = '';
  let sources = '';
  beforeAll(async () => {
    packages = await readPackagesIndex();
    sources = await readSourcesIndex();
  });

  it('reads and writes all relationship fields of 2,000 binary packages as dpkg does', async () => {
    const fields = fieldsOf(packages, BINARY_FIELDS, 2_000);
    expect(fields.length).toBeGreaterThan(1_000);
    expect(await disagreements(fields)).toEqual([]);
  });

  it('reads and writes the build dependencies of 2,000 sources as dpkg does', async () => {
    const fields = fieldsOf(sources, BUILD_FIELDS, 2_000);
    expect(fields.length).toBeGreaterThan(500);
    expect(await disagreements(fields)).toEqual([]);
  });

  it('accepts every relationship field in the lists', () => {
    const refused = new Set<string>();
    for (const [index, names] of [
      [packages, BINARY_FIELDS],
      [sources, BUILD_FIELDS],
    ] as const) {
      for (const stanza of splitStanzas(index)) {
        for (const name of names) {
          const parsed = parseRelations(fieldOf(stanza, name) ?? '');
          if ('kind' in parsed) refused.add(parsed.reason);
        }
      }
    }
    expect([...refused]).toEqual([]);
  });
});

describe('architectures, against Dpkg::Arch and dpkg-architecture', () => {
  const wildcards = [
    'any',
    'linux-any',
    'any-amd64',
    'any-arm',
    'any-i386',
    'kfreebsd-any',
    'hurd-any',
    'gnu-any-any',
    'gnu-linux-any',
    'musl-linux-any',
    'any-any-any',
    'eabihf-any-any-any',
    'base-gnu-any-any',
    'any-any-linux-arm64',
    'amd64',
    'armhf',
    'musl-any',
    'x32',
    'uclibc-any-any',
  ];

  it('knows every architecture that dpkg knows', async () => {
    const { stdout } = await exec(['dpkg-architecture', '-L'], { deadlineMs: 20_000 });
    const names = stdout
      .toString('utf8')
      .split('\n')
      .filter((name) => name !== '');
    expect(names.length).toBeGreaterThan(50);
    // freebsd-riscv stands in dpkg 1.22's table by mistake: there is no such processor in its own table.
    expect(names.filter((name) => !isKnownArchitecture(name) && name !== 'freebsd-riscv')).toEqual([]);
  });

  it('matches every architecture of dpkg against wildcards as dpkg does', async () => {
    const { stdout } = await exec(['dpkg-architecture', '-L'], { deadlineMs: 20_000 });
    const theirs = new Set(stdout.toString('utf8').split('\n'));
    const pairs = knownArchitectures()
      .filter((name) => theirs.has(name))
      .flatMap((name) => wildcards.map((wildcard) => [name, wildcard] as const));
    const answers = await perl(
      ARCH,
      pairs.map((pair) => pair.join(' ')),
    );
    const wrong = pairs.filter(
      ([name, wildcard], index) => architectureMatches(name, wildcard) !== (answers[index] === '1'),
    );
    expect(wrong).toEqual([]);
  });

  it('agrees with dpkg-architecture -i itself', async () => {
    for (const [name, wildcard] of [
      ['amd64', 'linux-any'],
      ['arm64', 'any-amd64'],
      ['armhf', 'any-arm'],
      ['hurd-i386', 'linux-any'],
    ] as const) {
      const { code } = await exec(['dpkg-architecture', `-a${name}`, `-i${wildcard}`], {
        deadlineMs: 20_000,
        okCodes: [0, 1],
      });
      expect(`${name} ${wildcard} ${code === 0}`).toBe(`${name} ${wildcard} ${architectureMatches(name, wildcard)}`);
    }
  });
});
