/**
 * Distribution files: TOML that says what an archive, its suites, Git repositories, people and permissions shall be.
 *
 *     [pool.trusted]
 *
 *     [external.debian-stable]
 *     uri = "https://deb.example.org/debian"
 *     suite = "bookworm"
 *     keyring = "debian-archive-keyring.gpg"       # sent along by the one who applies
 *
 *     [archive.main]
 *     pool = "trusted"
 *
 *     [archive.main.policy]                        # without it every name and licence is taken
 *     packages = ["hello*", "lib*"]                # patterns, of source and binary packages
 *     licences = ["GPL-3+", "Expat"]               # as debian/copyright names them
 *
 *     [archive.main.suite.landing]
 *     accepts = ["tags"]
 *     architectures = ["amd64", "arm64"]
 *     parents = ["external:debian-stable"]         # or "SUITE", or "ARCHIVE/SUITE"
 *     newer-than = ["stable"]
 *
 *     [git."packages/hello"]
 *     url = "https://forge.example.org/packages/hello.git"
 *     prefixes = { landfall = "main" }
 *     hook-secret = "hello.secret"                 # a file with the secret that the forge sends or signs with
 *
 *     [git-namespace."team"]                       # what lies below becomes known by its first notice
 *     url = "https://forge.example.org/team/*"
 *     prefixes = { landfall = "main" }
 *
 *     [person.alice]
 *     name = "Alice Example"
 *     email = "alice@example.org"
 *     keys = ["alice.asc"]                         # or the key itself
 *
 *     [group.core]
 *     members = ["alice"]
 *
 *     [[grant]]
 *     to = "group:core"                            # or a person
 *     action = "release"
 *     archive = "main"
 *     suites = "landing"                           # a pattern, or a list of patterns
 *     packages = ["hello", "lib*"]
 *     until = 2027-01-01                           # the beginning of that day, UTC
 *
 * What is absent has its default, which the schemas below give. Unknown keys are refused.
 */
import { parse, TomlError } from 'smol-toml';
import type { z } from 'zod';
import { grantProblem } from '../../permissions/index.ts';
import type { Declarations, Declared, DistributionFile } from './declarations.ts';
import { lineOfPath } from './locate.ts';
import { nearestName, oneOf, show, type ApplyProblem } from './problems.ts';
import { fileSchema, knownKeys, NAME_WORDS, type FileValue } from './schema.ts';

/** Larger is no configuration that a person wrote. */
const MAX_FILE = 1024 * 1024;

/** Reads files by themselves, without a look at what exists. All problems are returned, not only the first. */
export function readDistributionFiles(files: readonly DistributionFile[]): {
  readonly declarations: Declarations;
  readonly problems: readonly ApplyProblem[];
} {
  const declarations: Declarations = {
    pools: [],
    externals: [],
    archives: [],
    suites: [],
    gitRepositories: [],
    gitNamespaces: [],
    people: [],
    groups: [],
    grants: [],
  };
  const problems: ApplyProblem[] = [];
  for (const file of files) {
    const parsed = parseFile(file);
    if (parsed.kind === 'problems') problems.push(...parsed.problems);
    else declare(file, parsed.value, declarations, problems);
  }
  return { declarations, problems };
}

/** A problem at something declared, or at a key of it. */
export function problemAt(
  declared: Declared<unknown>,
  key: readonly (string | number)[],
  facts: Pick<ApplyProblem, 'problem' | 'expected' | 'remedy'> & { readonly needs?: string },
): ApplyProblem {
  return problemIn(declared.file, [...declared.path, ...key], facts);
}

function parseFile(
  file: DistributionFile,
):
  | { readonly kind: 'value'; readonly value: FileValue }
  | { readonly kind: 'problems'; readonly problems: ApplyProblem[] } {
  if (file.text.length > MAX_FILE) {
    return {
      kind: 'problems',
      problems: [
        problemIn(file, [], {
          problem: `the file is longer than ${MAX_FILE} characters`,
          expected: 'a file that a person wrote',
          remedy: 'split it',
        }),
      ],
    };
  }
  let raw: unknown;
  try {
    raw = parse(file.text, { unsafeKeyBehaviour: 'throw', maxDepth: 20 });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = (error.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, '');
    return {
      kind: 'problems',
      problems: [
        {
          file: file.name,
          line: error.line,
          column: error.column,
          path: '',
          problem: `this is not TOML: ${reason}`,
          expected: 'TOML 1.0',
          remedy: 'mend the text at this place',
        },
      ],
    };
  }
  const checked = fileSchema.safeParse(raw);
  if (checked.success) return { kind: 'value', value: checked.data };
  return { kind: 'problems', problems: checked.error.issues.flatMap((issue) => problemsOf(file, raw, issue)) };
}

function declare(file: DistributionFile, value: FileValue, declarations: Declarations, problems: ApplyProblem[]): void {
  for (const pool of Object.keys(value.pool))
    declarations.pools.push({ value: { name: pool }, file, path: ['pool', pool] });
  for (const [key, external] of Object.entries(value.external)) {
    declarations.externals.push({ value: { name: key, ...external }, file, path: ['external', key] });
  }
  for (const [key, archive] of Object.entries(value.archive)) {
    const origin = archive.origin ?? key;
    declarations.archives.push({
      value: {
        name: key,
        audience: archive.audience,
        origin,
        label: archive.label ?? origin,
        description: archive.description ?? '',
        pool: archive.pool,
        acceptedFormats: archive['accepted-formats'],
        packagePatterns: archive.policy.packages ?? [],
        reservedPatterns: archive.policy.reserved,
        acceptedLicences: archive.policy.licences ?? [],
        quotaBytes: archive.quota ?? null,
      },
      file,
      path: ['archive', key],
    });
    for (const [suiteKey, suite] of Object.entries(archive.suite)) {
      const [firstArchitecture = ''] = suite.architectures;
      declarations.suites.push({
        value: {
          archive: key,
          name: suiteKey,
          codename: suite.codename ?? suiteKey,
          aliases: suite.aliases,
          description: suite.description ?? '',
          accepts: suite.accepts,
          components: suite.components,
          architectures: suite.architectures,
          architectureForAll: suite['architecture-for-all'] ?? firstArchitecture,
          notAutomatic: suite['not-automatic'],
          butAutomaticUpgrades: suite['but-automatic-upgrades'],
          debugSuite: suite['debug-suite'] ?? null,
          newPolicy: suite['new-policy'],
          buildInNew: suite['build-in-new'],
          validForSeconds: suite['valid-for'],
          retentionSeconds: suite.retention,
          audience: suite.audience ?? null,
          parents: suite.parents,
          newerThan: suite['newer-than'],
        },
        file,
        path: ['archive', key, 'suite', suiteKey],
      });
    }
  }
  for (const [key, git] of Object.entries(value.git)) {
    declarations.gitRepositories.push({
      value: {
        name: key,
        url: git.url,
        prefixes: new Map(Object.entries(git.prefixes)),
        allowFile: git['allow-file'],
        plainTags: git['plain-tags'],
        plainSource: git['plain-source'] ?? null,
        plainQuilt: git['plain-quilt'] ?? null,
        maxPackBytes: git['max-pack-bytes'],
        fetchDeadlineSeconds: git['fetch-deadline'],
        pollEverySeconds: git['poll-every'],
        noticesPerMinute: git['notices-per-minute'],
        hookSecret: git['hook-secret'] ?? null,
        enabled: git.enabled,
      },
      file,
      path: ['git', key],
    });
  }
  for (const [key, namespace] of Object.entries(value['git-namespace'])) {
    declarations.gitNamespaces.push({
      value: {
        name: key,
        url: namespace.url,
        prefixes: new Map(Object.entries(namespace.prefixes)),
        maxDepth: namespace['max-depth'],
        maxRepositories: namespace['max-repositories'],
        allowFile: namespace['allow-file'],
        plainTags: namespace['plain-tags'],
        plainQuilt: namespace['plain-quilt'] ?? null,
        maxPackBytes: namespace['max-pack-bytes'],
        fetchDeadlineSeconds: namespace['fetch-deadline'],
        pollEverySeconds: namespace['poll-every'],
        noticesPerMinute: namespace['notices-per-minute'],
        hookSecret: namespace['hook-secret'] ?? null,
        enabled: namespace.enabled,
      },
      file,
      path: ['git-namespace', key],
    });
  }
  for (const [key, person] of Object.entries(value.person)) {
    declarations.people.push({ value: { handle: key, ...person }, file, path: ['person', key] });
  }
  for (const [key, group] of Object.entries(value.group)) {
    declarations.groups.push({ value: { name: key, ...group }, file, path: ['group', key] });
  }
  for (const [index, grant] of value.grant.entries()) {
    const path = ['grant', index];
    for (const suites of asList(grant.suites)) {
      for (const packages of asList(grant.packages)) {
        const problem = grantProblem({ archive: grant.archive, suites, packages });
        if (problem !== undefined) {
          problems.push(
            problemIn(file, path, {
              problem: `is not well-formed (archive ${show(grant.archive)}, suites ${show(suites)}, packages ${show(packages)})`,
              expected: problem,
              remedy: 'mend the pattern',
            }),
          );
          continue;
        }
        declarations.grants.push({
          value: {
            to: grant.to,
            action: grant.action,
            archive: grant.archive,
            suites,
            packages,
            validUntil: grant.until ?? null,
          },
          file,
          path,
        });
      }
    }
  }
}

function asList(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value;
}

function problemsOf(file: DistributionFile, raw: unknown, issue: z.core.$ZodIssue): ApplyProblem[] {
  const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(path);
    return issue.keys.map((key) => {
      const nearest = nearestName(key, known);
      return problemIn(file, [...path, key], {
        problem: 'is not a key that is known here',
        expected: known.length === 0 ? 'nothing in this table' : oneOf(known),
        remedy: nearest === undefined ? 'remove it' : `did you mean ${nearest}?`,
      });
    });
  }
  const value = valueAt(raw, path);
  if (issue.code === 'invalid_key') {
    return [
      problemIn(file, path, {
        problem: 'is not a usable name',
        expected: issue.issues[0]?.message ?? NAME_WORDS,
        remedy: 'choose another name',
      }),
    ];
  }
  return [
    problemIn(file, path, {
      problem: value === undefined ? 'is missing' : `is ${show(value)}`,
      expected: issue.message,
      remedy: value === undefined ? `add ${String(path.at(-1) ?? 'it')}` : 'change the value',
    }),
  ];
}

function problemIn(
  file: DistributionFile,
  path: readonly (string | number)[],
  facts: Pick<ApplyProblem, 'problem' | 'expected' | 'remedy'> & { readonly needs?: string },
): ApplyProblem {
  const at = lineOfPath(file.text, path);
  return { file: file.name, ...(at === undefined ? {} : { line: at }), path: formatPath(path), ...facts };
}

function formatPath(path: readonly (string | number)[]): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part + 1}]`;
      const shown = /^[A-Za-z0-9_-]+$/.test(part) ? part : show(part);
      return index === 0 ? shown : `.${shown}`;
    })
    .join('');
}

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  let current = value;
  for (const part of path) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = Object.entries(current).find(([key]) => key === String(part))?.[1];
  }
  return current;
}
