/** Check 15, `policy.names` and `policy.components`: what debian/control names is what the archive and the suite take. */
import type { SourceControl } from '../../debian/control.ts';
import { quote } from '../../debian/problem.ts';
import { matchesPattern } from '../../permissions/index.ts';
import type { AgreedRelease, Candidate } from '../facts.ts';
import { passed, rejected, type CheckResult } from '../model.ts';
import { listSome, mendAndTagAgain } from '../words.ts';

/**
 * `policy.names`: source and binary packages are called as the archive has it. Names that are made while it builds are those of
 * debian/control, or its debug symbols.
 */
export function checkNames(candidate: Candidate, release: AgreedRelease): CheckResult<undefined> {
  const { archive, ref, repository } = candidate;
  const { packagePatterns, reservedPatterns } = archive;
  if (packagePatterns.length === 0 && reservedPatterns.length === 0) {
    return passed(undefined, `${archive.name} takes every name`);
  }
  const names = namesOf(release.control);
  const fits = (patterns: readonly string[], name: string): boolean =>
    patterns.some((pattern) => matchesPattern(pattern, name));
  const reject = (sentence: string, key: string): CheckResult<undefined> =>
    rejected(
      'policy.names',
      sentence,
      `Rename in debian/control, or have an administrator change ${key} of [archive.${archive.name}.policy] in the distribution file: landfall apply FILE. ${mendAndTagAgain(ref, repository.plainTags)}`,
    );

  const reserved = names.filter(({ name }) => fits(reservedPatterns, name));
  if (reserved.length > 0) {
    return reject(
      `The archive ${archive.name} refuses packages called ${listSome(reservedPatterns, 'or')}, and debian/control describes ${describe(reserved)}.`,
      'reserved',
    );
  }
  const foreign = packagePatterns.length === 0 ? [] : names.filter(({ name }) => !fits(packagePatterns, name));
  if (foreign.length > 0) {
    return reject(
      `The archive ${archive.name} takes packages called ${listSome(packagePatterns, 'or')}, and debian/control describes ${describe(foreign)}.`,
      'packages',
    );
  }
  return passed(undefined, listSome([...new Set(names.map(({ name }) => name))], 'and'));
}

interface Named {
  readonly what: string;
  readonly name: string;
}

function namesOf(control: SourceControl): readonly Named[] {
  return [
    { what: 'the source', name: control.source.name },
    ...control.binaries.map(({ name }) => ({ what: 'the binary package', name })),
  ];
}

function describe(names: readonly Named[]): string {
  return listSome(
    names.map(({ what, name }) => `${what} ${quote(name)}`),
    'and',
  );
}

/** `policy.components`: a Section `contrib/net` is one of the component contrib, which the suite must have. */
export function checkComponents(candidate: Candidate, release: AgreedRelease): CheckResult<undefined> {
  const { archive, ref, repository } = candidate;
  const { control, suite, components } = release;
  const sections = [
    { what: `the source ${control.source.name}`, section: control.source.section },
    ...control.binaries.map(({ name, section }) => ({ what: name, section })),
  ];
  const found = new Set<string>();
  for (const { what, section } of sections) {
    const component = componentOf(section) ?? components[0] ?? 'main';
    found.add(component);
    if (components.includes(component)) continue;
    return rejected(
      'policy.components',
      `${listSome(components, 'or')} was expected as component, as suite ${suite.name} has it, and debian/control puts ${what} into ${quote(component)} (Section: ${section ?? ''}).`,
      `Mend the Section in debian/control (without a prefix it is ${components[0] ?? 'main'}), or have an administrator add the component to components of [archive.${archive.name}.suite.${suite.name}] in the distribution file: landfall apply FILE. ${mendAndTagAgain(ref, repository.plainTags)}`,
    );
  }
  return passed(undefined, listSome([...found], 'and'));
}

/** Undefined for a section without a prefix, which is one of the suite's first component. */
function componentOf(section: string | undefined): string | undefined {
  const slash = section?.indexOf('/') ?? -1;
  return slash > 0 ? section?.slice(0, slash) : undefined;
}
