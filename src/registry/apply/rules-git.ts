/**
 * What Git repositories and namespaces must keep to: addresses that no program takes for anything else, each of them once, and
 * a DISTRO prefix that means one archive wherever it is used: otherwise a signed tag could be played into another one.
 */
import { memberUrl, patternProblem } from '../git-places.ts';
import type { Declared } from './declarations.ts';
import { problemAt } from './files.ts';
import type { WantedGitNamespace, WantedGitRepository } from './items.ts';
import type { ApplyProblem } from './problems.ts';
import type { State } from './state.ts';
import { gitUrlProblem } from './urls.ts';
import { unknownReference, type Names, type Wanted } from './wanted.ts';

export function checkGit(wanted: Wanted, names: Names, state: State, problems: ApplyProblem[]): void {
  const repositories = new Set(wanted.gitRepositories.map(({ value }) => value.name));
  const namespaces = new Set(wanted.gitNamespaces.map(({ value }) => value.name));
  // What stays as it is; a member of a namespace follows its namespace.
  const prefixes: Prefixes = new Map();
  for (const git of state.gitRepositories.values()) {
    if (git.namespace !== null || repositories.has(git.name)) continue;
    for (const [distro, archive] of git.prefixes) prefixes.set(distro, { archive, by: `Git repository ${git.name}` });
  }
  for (const namespace of state.gitNamespaces.values()) {
    if (namespaces.has(namespace.name)) continue;
    for (const [distro, archive] of namespace.prefixes) {
      prefixes.set(distro, { archive, by: `Git namespace ${namespace.name}` });
    }
  }
  const urls = new Map([...state.gitRepositories.values()].map(({ name, url }) => [url, name]));
  for (const one of wanted.gitRepositories) {
    checkRepository(one, urls, problems);
    checkPrefixes(one, `Git repository ${one.value.name}`, prefixes, names, problems);
  }
  const patterns = new Map([...state.gitNamespaces.values()].map(({ name, url }) => [url, name]));
  for (const one of wanted.gitNamespaces) {
    checkNamespace(one, patterns, problems);
    checkPrefixes(one, `Git namespace ${one.value.name}`, prefixes, names, problems);
  }
}

type Prefixes = Map<string, { readonly archive: string; readonly by: string }>;

function checkRepository(
  one: Declared<WantedGitRepository>,
  urls: Map<string, string>,
  problems: ApplyProblem[],
): void {
  const git = one.value;
  const url = gitUrlProblem(git.url, git.allowFile);
  if (url !== undefined) problems.push(problemAt(one, ['url'], url));
  const owner = urls.get(git.url);
  if (owner !== undefined && owner !== git.name) {
    problems.push(
      problemAt(one, ['url'], {
        problem: `is that of the Git repository ${owner} already`,
        expected: 'a URL for each Git repository',
        remedy: `use ${owner}, or change its URL first`,
      }),
    );
  }
  urls.set(git.url, git.name);
  if (git.plainTags && (git.plainSource === null || git.plainQuilt === null)) {
    problems.push(
      problemAt(one, ['plain-tags'], {
        problem: 'is true, and a plain tag says neither source nor quilt mode',
        expected: 'plain-source and plain-quilt beside it',
        remedy: 'add both',
      }),
    );
  }
}

function checkNamespace(
  one: Declared<WantedGitNamespace>,
  patterns: Map<string, string>,
  problems: ApplyProblem[],
): void {
  const { name, url, allowFile, plainTags, plainQuilt } = one.value;
  const form = patternProblem(url);
  if (form !== undefined) {
    problems.push(
      problemAt(one, ['url'], {
        problem: form,
        expected: 'an address that ends with /* or /*.git, such as "https://forge.example.org/group/*"',
        remedy: 'write the address of the group with /* behind it, or register the one repository as [git."NAME"]',
      }),
    );
  } else {
    const place = gitUrlProblem(memberUrl(url, 'x'), allowFile);
    if (place !== undefined) problems.push(problemAt(one, ['url'], place));
  }
  const owner = patterns.get(url);
  if (owner !== undefined && owner !== name) {
    problems.push(
      problemAt(one, ['url'], {
        problem: `is that of the Git namespace ${owner} already`,
        expected: 'an address for each namespace',
        remedy: `use ${owner}, or change its address first`,
      }),
    );
  }
  patterns.set(url, name);
  if (plainTags && plainQuilt === null) {
    problems.push(
      problemAt(one, ['plain-tags'], {
        problem: 'is true, and a plain tag does not say the quilt mode',
        expected: 'plain-quilt beside it',
        remedy: 'add it; the source name is the last part of the path',
      }),
    );
  }
}

function checkPrefixes(
  one: Declared<{ readonly prefixes: ReadonlyMap<string, string> }>,
  what: string,
  prefixes: Prefixes,
  names: Names,
  problems: ApplyProblem[],
): void {
  for (const [distro, archive] of one.value.prefixes) {
    if (!names.archives.has(archive)) {
      problems.push(unknownReference(one, ['prefixes', distro], 'archive', archive, names.archives));
      continue;
    }
    const other = prefixes.get(distro);
    if (other !== undefined && other.archive !== archive) {
      problems.push(
        problemAt(one, ['prefixes', distro], {
          problem: `leads to the archive ${archive}, and the prefix is taken: it leads to ${other.archive} (${other.by})`,
          expected: `${other.archive}, or another prefix`,
          remedy:
            'a prefix means one archive in all Git repositories, so that a signed tag cannot be played into another',
        }),
      );
      continue;
    }
    prefixes.set(distro, { archive, by: what });
  }
}
