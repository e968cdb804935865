/**
 * What archives, suites and Git repositories must keep to, together and over time.
 *
 * What has been published is a promise to clients: a codename stays (apt refuses another one), an architecture or component
 * stays while something is in it, and what was meant for a group never becomes public by a changed line (the end of an
 * embargo is a copy).
 */
import type { Declared, DeclaredArchive } from './declarations.ts';
import { problemAt } from './files.ts';
import type { WantedSuite } from './items.ts';
import { show, type ApplyProblem } from './problems.ts';
import type { State } from './state.ts';
import { checkGit } from './rules-git.ts';
import { aptUriProblem } from './urls.ts';
import { suiteKey, unknownReference, type Names, type Wanted } from './wanted.ts';

export function checkRegistry(wanted: Wanted, names: Names, state: State): ApplyProblem[] {
  const problems: ApplyProblem[] = [];
  for (const external of wanted.externals) {
    const found = aptUriProblem(external.value.uri);
    if (found !== undefined) problems.push(problemAt(external, ['uri'], found));
  }
  for (const archive of wanted.archives) checkArchive(archive, names, state, problems);
  for (const suite of wanted.suites) checkSuite(suite, wanted, names, state, problems);
  checkSuiteWords(wanted, state, problems);
  checkCycles(wanted, state, 'parents', problems);
  checkCycles(wanted, state, 'newerThan', problems);
  checkGit(wanted, names, state, problems);
  return problems;
}

function checkArchive(declared: Declared<DeclaredArchive>, names: Names, state: State, problems: ApplyProblem[]): void {
  const archive = declared.value;
  if (!names.pools.has(archive.pool)) {
    problems.push(unknownReference(declared, ['pool'], 'worker pool', archive.pool, names.pools));
  }
  checkAudience(declared, archive.audience, names, problems);
  const before = state.archives.get(archive.name);
  if (before?.inUse === true && before.audience !== archive.audience) {
    problems.push(
      problemAt(declared, ['audience'], {
        problem: `is ${show(archive.audience)}, and something has asked to enter this archive already`,
        expected: show(before.audience),
        remedy: 'keep the audience; what shall be seen by others is copied to another archive',
      }),
    );
  }
}

function checkSuite(
  declared: Declared<WantedSuite>,
  wanted: Wanted,
  names: Names,
  state: State,
  problems: ApplyProblem[],
): void {
  const suite = declared.value;
  checkAudience(declared, suite.audience, names, problems);
  if (!suite.architectures.includes(suite.architectureForAll)) {
    problems.push(
      problemAt(declared, ['architecture-for-all'], {
        problem: `is ${show(suite.architectureForAll)}, which the suite does not have`,
        expected: `one of ${suite.architectures.join(', ')}`,
        remedy: 'name one of the architectures of this suite',
      }),
    );
  }
  if (suite.butAutomaticUpgrades && !suite.notAutomatic) {
    problems.push(
      problemAt(declared, ['but-automatic-upgrades'], {
        problem: 'is true, and not-automatic is not',
        expected: 'both, or neither',
        remedy: 'add not-automatic = true',
      }),
    );
  }
  if (suite.debugSuite === suiteKey(suite)) {
    problems.push(
      problemAt(declared, ['debug-suite'], {
        problem: 'names the suite itself',
        expected: 'another suite of the same archive',
        remedy: 'declare a suite for debug packages',
      }),
    );
  }
  for (const parent of suite.parents) {
    const audience = audienceOf(parent, wanted, state);
    if (audience === undefined || audience === 'public' || audience === suite.audience) continue;
    problems.push(
      problemAt(declared, ['parents'], {
        problem: `names ${parent}, which only ${audience} may see, while this suite is for ${suite.audience}`,
        expected: 'parents that are public or have the same audience',
        remedy: 'take this parent out, or give the suite the same audience',
      }),
    );
  }
  const before = state.suites.get(suiteKey(suite));
  if (before !== undefined) checkPublishedSuite(declared, before, problems);
}

function checkPublishedSuite(
  declared: Declared<WantedSuite>,
  before: State['suites'] extends ReadonlyMap<string, infer Existing> ? Existing : never,
  problems: ApplyProblem[],
): void {
  const suite = declared.value;
  if (before.published && before.codename !== suite.codename) {
    problems.push(
      problemAt(declared, ['codename'], {
        problem: `is ${show(suite.codename)}, and this suite was published as ${show(before.codename)}`,
        expected: show(before.codename),
        remedy: 'keep the codename, which apt refuses to see changed, or make a new suite',
      }),
    );
  }
  if (before.published && before.audience !== suite.audience) {
    problems.push(
      problemAt(declared, ['audience'], {
        problem: `is ${show(suite.audience)}, and this suite was published for ${show(before.audience)}`,
        expected: show(before.audience),
        remedy: 'keep the audience; what shall be seen by others is copied to another suite',
      }),
    );
  }
  for (const [key, used, kept] of [
    ['components', before.usedComponents, suite.components],
    ['architectures', before.usedArchitectures, suite.architectures],
  ] as const) {
    const lost = used.filter((name) => !kept.includes(name));
    if (lost.length === 0) continue;
    problems.push(
      problemAt(declared, [key], {
        problem: `leaves out ${lost.join(', ')}, and packages of the suite are in it`,
        expected: `a list with ${lost.join(', ')}`,
        remedy: 'remove those packages from the suite first',
      }),
    );
  }
}

function checkAudience(declared: Declared<unknown>, audience: string, names: Names, problems: ApplyProblem[]): void {
  const group = /^group:(.*)$/.exec(audience)?.[1];
  if (group !== undefined && !names.groups.has(group)) {
    problems.push(unknownReference(declared, ['audience'], 'group', group, names.groups));
  }
}

function audienceOf(key: string, wanted: Wanted, state: State): string | undefined {
  return (wanted.suites.find(({ value }) => suiteKey(value) === key)?.value ?? state.suites.get(key))?.audience;
}

/** Within an archive, a name, codename or alias leads to one suite. */
function checkSuiteWords(wanted: Wanted, state: State, problems: ApplyProblem[]): void {
  const taken = new Map<string, string>();
  const declaredKeys = new Set(wanted.suites.map(({ value }) => suiteKey(value)));
  const wordsOf = (suite: WantedSuite): Set<string> => new Set([suite.name, suite.codename, ...suite.aliases]);
  for (const [key, suite] of state.suites) {
    if (declaredKeys.has(key)) continue;
    for (const word of wordsOf(suite)) taken.set(`${suite.archive}/${word}`, key);
  }
  for (const declared of wanted.suites) {
    const key = suiteKey(declared.value);
    for (const word of wordsOf(declared.value)) {
      const owner = taken.get(`${declared.value.archive}/${word}`);
      if (owner !== undefined && owner !== key) {
        problems.push(
          problemAt(declared, [], {
            problem: `is called ${show(word)}, and so is the suite ${owner}`,
            expected: 'names, codenames and aliases that no other suite of the archive has',
            remedy: 'choose another one',
          }),
        );
      }
      taken.set(`${declared.value.archive}/${word}`, key);
    }
  }
}

function checkCycles(wanted: Wanted, state: State, by: 'parents' | 'newerThan', problems: ApplyProblem[]): void {
  const edges = new Map<string, readonly string[]>();
  for (const [key, suite] of state.suites) edges.set(key, suite[by]);
  for (const { value } of wanted.suites) edges.set(suiteKey(value), value[by]);
  const told = new Set<string>();
  for (const declared of wanted.suites) {
    const start = suiteKey(declared.value);
    if (told.has(start)) continue;
    const cycle = pathBack(start, edges);
    if (cycle === undefined) continue;
    for (const key of cycle) told.add(key);
    problems.push(
      problemAt(declared, [by === 'parents' ? 'parents' : 'newer-than'], {
        problem: `leads back to itself: ${cycle.join(' → ')}`,
        expected: by === 'parents' ? 'suites that build on one another in one direction' : 'an order without a circle',
        remedy: 'take one of these suites out of one of these lists',
      }),
    );
  }
}

/** The way from a suite along edges back to itself, both ends named; undefined when there is none. */
function pathBack(start: string, edges: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const seen = new Set<string>();
  const pending: (readonly string[])[] = [[start]];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    for (const next of edges.get(path.at(-1) ?? '') ?? []) {
      if (next === start) return [...path, next];
      if (seen.has(next)) continue;
      seen.add(next);
      pending.push([...path, next]);
    }
  }
  return undefined;
}
