/**
 * From what files declare to what is wanted: every reference found, every default that depends on another thing filled in.
 * What cannot be is a problem; whoever gets one here gets no plan.
 */
import type { PublicKey } from '../../permissions/index.ts';
import type {
  Declarations,
  Declared,
  DeclaredArchive,
  DeclaredGrant,
  DeclaredGroup,
  DeclaredPerson,
  DeclaredSuite,
} from './declarations.ts';
import { problemAt } from './files.ts';
import {
  secretStateOf,
  type WantedExternal,
  type WantedGitNamespace,
  type WantedGitRepository,
  type WantedSuite,
} from './items.ts';
import { secretKey, type Materials } from './materials.ts';
import { nearestName, oneOf, show, type ApplyProblem } from './problems.ts';
import type { State } from './state.ts';

export interface WantedPerson extends DeclaredPerson {
  readonly publicKeys: readonly PublicKey[];
}

export interface Wanted {
  readonly pools: readonly Declared<{ readonly name: string }>[];
  readonly externals: readonly Declared<WantedExternal>[];
  readonly archives: readonly Declared<DeclaredArchive>[];
  readonly suites: readonly Declared<WantedSuite>[];
  readonly gitRepositories: readonly Declared<WantedGitRepository>[];
  readonly gitNamespaces: readonly Declared<WantedGitNamespace>[];
  readonly people: readonly Declared<WantedPerson>[];
  readonly groups: readonly Declared<DeclaredGroup>[];
  readonly grants: readonly Declared<DeclaredGrant>[];
}

/** Every name that exists or is declared, by kind. */
export interface Names {
  readonly pools: ReadonlySet<string>;
  readonly externals: ReadonlySet<string>;
  readonly archives: ReadonlySet<string>;
  /** `ARCHIVE/SUITE`. */
  readonly suites: ReadonlySet<string>;
  readonly people: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
}

export function resolve(
  declarations: Declarations,
  materials: Materials,
  state: State,
): { readonly wanted: Wanted; readonly names: Names; readonly problems: readonly ApplyProblem[] } {
  const problems: ApplyProblem[] = [];
  refuseTwice(declarations, problems);
  const names: Names = {
    pools: union(state.pools, declarations.pools, ({ name }) => name),
    externals: union(state.externals.keys(), declarations.externals, ({ name }) => name),
    archives: union(state.archives.keys(), declarations.archives, ({ name }) => name),
    suites: union(state.suites.keys(), declarations.suites, suiteKey),
    people: union(state.people.keys(), declarations.people, ({ handle }) => handle),
    groups: union(state.groups.keys(), declarations.groups, ({ name }) => name),
  };
  const audiences = new Map([...state.archives].map(([name, { audience }]) => [name, audience]));
  for (const { value } of declarations.archives) audiences.set(value.name, value.audience);
  const wanted: Wanted = {
    pools: declarations.pools,
    externals: declarations.externals.flatMap((external) => {
      const keyring = materials.keyrings.get(external.value.name);
      return keyring === undefined ? [] : [{ ...external, value: { ...external.value, keyring } }];
    }),
    archives: declarations.archives,
    suites: declarations.suites.map((suite) => ({
      ...suite,
      value: resolveSuite(suite, names, audiences.get(suite.value.archive) ?? 'public', problems),
    })),
    gitRepositories: declarations.gitRepositories.map((git) => {
      const secret = materials.secrets.get(secretKey('git', git.value.name)) ?? null;
      const before = state.gitRepositories.get(git.value.name)?.secret ?? null;
      return { ...git, value: { ...git.value, secret, secretState: secretStateOf(secret, before), namespace: null } };
    }),
    gitNamespaces: declarations.gitNamespaces.map((namespace) => {
      const secret = materials.secrets.get(secretKey('git-namespace', namespace.value.name)) ?? null;
      const before = state.gitNamespaces.get(namespace.value.name)?.secret ?? null;
      return { ...namespace, value: { ...namespace.value, secret, secretState: secretStateOf(secret, before) } };
    }),
    people: declarations.people.map((person) => ({
      ...person,
      value: { ...person.value, publicKeys: materials.keys.get(person.value.handle) ?? [] },
    })),
    groups: declarations.groups,
    grants: declarations.grants,
  };
  return { wanted, names, problems };
}

/** A reference that leads nowhere, with the name that was probably meant. */
export function unknownReference(
  declared: Declared<unknown>,
  key: readonly (string | number)[],
  what: string,
  name: string,
  known: Iterable<string>,
): ApplyProblem {
  const all = [...known].sort();
  const nearest = nearestName(name, all);
  return problemAt(declared, key, {
    problem: `names the ${what} ${show(name)}, which does not exist`,
    expected:
      all.length === 0 ? `a ${what} that is declared` : `${oneOf(all.slice(0, 12))}${all.length > 12 ? ' …' : ''}`,
    remedy: nearest === undefined ? `declare the ${what}, or name another` : `did you mean ${nearest}?`,
  });
}

export function suiteKey(suite: { readonly archive: string; readonly name: string }): string {
  return `${suite.archive}/${suite.name}`;
}

function resolveSuite(
  declared: Declared<DeclaredSuite>,
  names: Names,
  archiveAudience: string,
  problems: ApplyProblem[],
): WantedSuite {
  const suite = declared.value;
  const inArchive = (word: string): string => (word.includes('/') ? word : `${suite.archive}/${word}`);
  const known = (word: string, key: readonly (string | number)[]): string => {
    const found = inArchive(word);
    if (!names.suites.has(found)) problems.push(unknownReference(declared, key, 'suite', found, names.suites));
    return found;
  };
  return {
    ...suite,
    audience: suite.audience ?? archiveAudience,
    debugSuite: suite.debugSuite === null ? null : known(suite.debugSuite, ['debug-suite']),
    parents: suite.parents.map((parent) => {
      if (!parent.startsWith('external:')) return known(parent, ['parents']);
      const name = parent.slice('external:'.length);
      if (!names.externals.has(name)) {
        problems.push(unknownReference(declared, ['parents'], 'external suite', name, names.externals));
      }
      return parent;
    }),
    newerThan: suite.newerThan.map((word) => known(word, ['newer-than'])),
  };
}

function refuseTwice(declarations: Declarations, problems: ApplyProblem[]): void {
  const check = <T>(declared: readonly Declared<T>[], nameOf: (value: T) => string): void => {
    const first = new Map<string, Declared<T>>();
    for (const one of declared) {
      const name = nameOf(one.value);
      const before = first.get(name);
      if (before === undefined) {
        first.set(name, one);
        continue;
      }
      problems.push(
        problemAt(one, [], {
          problem: `is declared in ${before.file.name} already`,
          expected: 'each thing in one place',
          remedy: 'remove one of the two',
        }),
      );
    }
  };
  check(declarations.pools, ({ name }) => name);
  check(declarations.externals, ({ name }) => name);
  check(declarations.archives, ({ name }) => name);
  check(declarations.suites, suiteKey);
  check(declarations.gitRepositories, ({ name }) => name);
  check(declarations.gitNamespaces, ({ name }) => name);
  check(declarations.people, ({ handle }) => handle);
  check(declarations.groups, ({ name }) => name);
}

function union<T>(
  existing: Iterable<string>,
  declared: readonly Declared<T>[],
  nameOf: (value: T) => string,
): ReadonlySet<string> {
  return new Set([...existing, ...declared.map(({ value }) => nameOf(value))]);
}
