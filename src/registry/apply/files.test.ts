import fc from 'fast-check';
import { parse } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration } from './durations.ts';
import { readDistributionFiles } from './files.ts';
import { lineOfPath } from './locate.ts';
import { describeApplyProblem, nearestName } from './problems.ts';

function problemsOf(text: string) {
  return readDistributionFiles([{ name: 'd.toml', text }]).problems;
}

function linesOf(text: string): string[] {
  return problemsOf(text).map(describeApplyProblem);
}

describe('a distribution file', () => {
  test('that is not TOML is told with line and column', () => {
    expect(problemsOf('[pool.a]\n\n[archive.main\npool = "a"\n')).toMatchObject([
      { file: 'd.toml', line: 3, path: '', expected: 'TOML 1.0' },
    ]);
    expect(problemsOf('a = 1\na = 2\n')).toMatchObject([{ line: 2 }]);
    expect(problemsOf('[archive.main]\npool = "a\n')[0]?.column).toBeGreaterThan(0);
  });

  test('with a key that does not exist is told the key that was probably meant', () => {
    const text = `
[archive.main]
pool = "a"
[archive.main.suite.landing]
architectures = ["amd64"]
archtectures = ["amd64"]
[git."packages/hello"]
url = "x"
prefix = { a = "main" }
[persons.alice]
`;
    expect(linesOf(text)).toEqual([
      'd.toml:6: archive.main.suite.landing.archtectures is not a key that is known here; expected: codename, aliases, ' +
        'description, accepts, components, architectures, architecture-for-all, parents, newer-than, not-automatic, ' +
        'but-automatic-upgrades, debug-suite, new-policy, build-in-new, valid-for, retention or audience; did you mean architectures?',
      'd.toml:9: git."packages/hello".prefix is not a key that is known here; expected: url, prefixes, allow-file, plain-tags, ' +
        'plain-source, plain-quilt, max-pack-bytes, fetch-deadline, poll-every, notices-per-minute, hook-secret or enabled; ' +
        'did you mean prefixes?',
      'd.toml:10: persons is not a key that is known here; expected: pool, external, archive, git, git-namespace, person, group or ' +
        'grant; did you mean person?',
    ]);
  });

  test('an archive’s policy is read, each entry of it a pattern or one licence', () => {
    const policy = (text: string): string => `[archive.a]\npool = "p"\n[archive.a.policy]\n${text}\n`;
    const { declarations, problems } = readDistributionFiles([
      { name: 'd.toml', text: policy('packages = ["foo-*"]\nlicences = ["GPL-3+", "GPL-2+ with OpenSSL exception"]') },
    ]);
    expect(problems).toEqual([]);
    expect(declarations.archives[0]?.value).toMatchObject({
      packagePatterns: ['foo-*'],
      reservedPatterns: [],
      acceptedLicences: ['GPL-3+', 'GPL-2+ with OpenSSL exception'],
    });
    const pattern = 'the name of a package, in which * and ? are wildcards, such as "foo-*"; change the value';
    expect(
      linesOf(policy('packages = ["Foo", "a b"]\nreserved = ["!"]\nlicences = ["GPL-3+ or Expat", "GPL 3"]')),
    ).toEqual([
      `d.toml:4: archive.a.policy.packages[1] is "Foo"; expected: ${pattern}`,
      `d.toml:4: archive.a.policy.packages[2] is "a b"; expected: ${pattern}`,
      `d.toml:5: archive.a.policy.reserved[1] is "!"; expected: ${pattern}`,
      'd.toml:6: archive.a.policy.licences[1] is "GPL-3+ or Expat"; expected: the short name of one licence, such as "GPL-3+"; change the value',
      'd.toml:6: archive.a.policy.licences[2] is "GPL 3"; expected: the short name of one licence, such as "GPL-3+"; change the value',
    ]);
    expect(linesOf(policy('packages = []\nlicenses = ["GPL-3+"]'))).toEqual([
      'd.toml:4: archive.a.policy.packages is a list; expected: at least one pattern, or no such line: then every name is taken; change the value',
      'd.toml:5: archive.a.policy.licenses is not a key that is known here; expected: packages, reserved or licences; did you mean licences?',
    ]);
  });

  test('with values of a wrong form is told what is expected, all at once', () => {
    const text = `
[archive.main]
pool = 7
[archive.main.suite.landing]
architectures = ["all"]
accepts = ["tag"]
valid-for = "7 days"
not-automatic = "yes"
[person.alice]
email = "nobody"
[[grant]]
to = "alice"
action = "relase"
[[grant]]
to = "alice"
action = "release"
until = 2027-01-01T00:00:00
`;
    expect(linesOf(text)).toEqual([
      'd.toml:3: archive.main.pool is 7; expected: a name of lower-case letters, digits, dots and hyphens; change the value',
      'd.toml:6: archive.main.suite.landing.accepts[1] is "tag"; expected: "tags", "dput", "sync" or "copies"; change the value',
      'd.toml:5: archive.main.suite.landing.architectures[1] is "all"; expected: the name of an architecture such as "amd64"; change the value',
      'd.toml:8: archive.main.suite.landing.not-automatic is "yes"; expected: true or false; change the value',
      'd.toml:7: archive.main.suite.landing.valid-for is "7 days"; expected: a span of time of at least a minute, such as "7d"; change the value',
      'd.toml:9: person.alice.name is missing; expected: the name of the person; add name',
      'd.toml:10: person.alice.email is "nobody"; expected: an address such as "alice@example.org"; change the value',
      'd.toml:13: grant[1].action is "relase"; expected: "release", "upload-binary", "rebuild", "review-new", "hint", "grant", "operate" or "administer"; change the value',
      expect.stringMatching(
        /^d\.toml:17: grant\[2\]\.until is .*; expected: a day \(2027-01-01\) or a time with its zone/,
      ),
    ]);
  });

  test('H47 with names that are none, or try to reach elsewhere, is refused', () => {
    for (const key of ['Main', 'a b', '../x', '-x', 'm\\u0430in', 'a\\u0000', 'x'.repeat(65)]) {
      expect(problemsOf(`[archive."${key}"]\npool = "a"\n`).length).toBeGreaterThan(0);
    }
    expect(problemsOf('[archive.__proto__]\npool = "a"\n').length).toBeGreaterThan(0);
    expect(linesOf('[person.alice]\nname = "A\\u202Eb"\nemail = "a@example.org"\n')[0]).toContain('\\u{202e}');
  });

  test('spreads the patterns of a grant, and reads a day as its beginning in UTC', () => {
    const { declarations, problems } = readDistributionFiles([
      {
        name: 'd.toml',
        text: `
[[grant]]
to = "alice"
action = "release"
suites = ["landing", "next*"]
packages = ["hello", "lib*"]
until = 2027-01-01
[[grant]]
to = "group:core"
action = "rebuild"
until = 2027-01-01T12:00:00+02:00
`,
      },
    ]);
    expect(problems).toEqual([]);
    expect(
      declarations.grants.map(({ value }) => [value.suites, value.packages, value.validUntil?.toISOString()]),
    ).toEqual([
      ['landing', 'hello', '2027-01-01T00:00:00.000Z'],
      ['landing', 'lib*', '2027-01-01T00:00:00.000Z'],
      ['next*', 'hello', '2027-01-01T00:00:00.000Z'],
      ['next*', 'lib*', '2027-01-01T00:00:00.000Z'],
      ['*', '*', '2027-01-01T10:00:00.000Z'],
    ]);
    expect(linesOf('[[grant]]\nto = "a"\naction = "release"\npackages = "[a-z]"\n')[0]).toContain('is not well-formed');
  });

  test('whatever it holds, is read or refused, never a crash', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        for (const problem of problemsOf(text)) expect(describeApplyProblem(problem)).not.toMatch(/[\n\0]/);
      }),
      { numRuns: 500 },
    );
    const value: fc.Memo<unknown> = fc.memo((depth) =>
      depth <= 1
        ? fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constantFrom('main', 'tags', '7d'))
        : fc.oneof(value(1), fc.array(value(depth - 1), { maxLength: 3 }), table(depth - 1)),
    );
    const table: fc.Memo<Record<string, unknown>> = fc.memo((depth) =>
      fc.dictionary(
        fc.constantFrom(
          'pool',
          'archive',
          'suite',
          'git',
          'url',
          'person',
          'grant',
          'main',
          'to',
          'keys',
          'a b',
          '__proto__',
        ),
        value(depth),
        { maxKeys: 4 },
      ),
    );
    fc.assert(
      fc.property(table(4), (content) => {
        problemsOf(toToml(content));
      }),
      { numRuns: 500 },
    );
  });
});

/** Inline TOML of plain values. */
function toToml(content: Record<string, unknown>): string {
  const inline = (value: unknown): string => {
    if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
    if (typeof value === 'object' && value !== null) {
      return `{ ${Object.entries(value)
        .map(([key, inner]) => `${JSON.stringify(key)} = ${inline(inner)}`)
        .join(', ')} }`;
    }
    return JSON.stringify(value);
  };
  return Object.entries(content)
    .map(([key, value]) => `${JSON.stringify(key)} = ${inline(value)}\n`)
    .join('');
}

describe('the place of a value', () => {
  const TEXT = `# comment
top = 1
[a.b]
c = { d = 1 }
e.f = 2
[git."x/y.z"]
url = "u"
'quo ted' = 1
[[grant]]
to = "one"
[[grant]]
to = "two"
[grant.inner]
deep = 1
`;
  test.each([
    [['top'], 2],
    [['a', 'b'], 3],
    [['a', 'b', 'c', 'd'], 4],
    [['a', 'b', 'e', 'f'], 5],
    [['a', 'b', 'missing'], 3],
    [['git', 'x/y.z', 'url'], 7],
    [['git', 'x/y.z', 'quo ted'], 8],
    [['grant', 0, 'to'], 10],
    [['grant', 1, 'to'], 12],
    [['grant', 1, 'inner', 'deep'], 14],
    [['elsewhere'], undefined],
  ] as [(string | number)[], number | undefined][])('of %j is line %s', (path, line) => {
    expect(parse(TEXT)).toBeDefined();
    expect(lineOfPath(TEXT, path)).toBe(line);
  });
});

describe('a span of time', () => {
  test('is written in one unit', () => {
    expect(['30s', '10min', '12h', '7d', '2w'].map(parseDuration)).toEqual([30, 600, 43_200, 604_800, 1_209_600]);
    for (const wrong of ['', '7', 'd', '7 d', '-7d', '1.5h', '7D', '1d12h', '999999999w']) {
      expect(parseDuration(wrong)).toBeUndefined();
    }
  });

  test('shown and read again is the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000_000 }), (seconds) => {
        expect(parseDuration(formatDuration(seconds))).toBe(seconds);
      }),
    );
  });
});

test('the nearest name is few letters away, or none', () => {
  const known = ['landing', 'stable', 'main'];
  expect(nearestName('lading', known)).toBe('landing');
  expect(nearestName('satble', known)).toBe('stable');
  expect(nearestName('Main', known)).toBe('main');
  expect(nearestName('experimental', known)).toBeUndefined();
  expect(nearestName('x', known)).toBeUndefined();
});
