/**
 * Relationships between packages: `a (>= 1) [linux-any] <!nocheck> | b:any, c`.
 *
 * @see deb-control(5), deb-src-control(5), Debian Policy 7.1. Tested against Dpkg::Deps.
 */
import { isArchitectureName, isBinaryName } from './names.ts';
import { problem, quote, type Problem } from './problem.ts';
import { isVersion } from './version.ts';

export type RelationOperator = '<<' | '<=' | '=' | '>=' | '>>';

/** An architecture of `[…]` or a profile of `<…>`, wanted or, with `!`, unwanted. */
export interface Restriction {
  readonly name: string;
  readonly negated: boolean;
}

/** One package, with what limits it. */
export interface Relation {
  readonly name: string;
  /** `any`, `native` or an architecture, behind the colon. */
  readonly qualifier?: string;
  readonly version?: { readonly operator: RelationOperator; readonly version: string };
  /** `[…]`, empty when there is none; dpkg refuses a mixture of wanted and unwanted ones. */
  readonly architectures: readonly Restriction[];
  /** `<…> <…>`: satisfied when all of any one list hold; empty when there is none. */
  readonly profiles: readonly (readonly Restriction[])[];
}

/** Alternatives, the preferred one first; never empty. */
export type Dependency = readonly Relation[];

/** All of them must hold. */
export type Dependencies = readonly Dependency[];

export type RelationProblem = Problem<'relation-problem'>;

export interface RelationOptions {
  /** `[…]` and `<…>` may stand in it, as in Build-Depends; the default is true. */
  readonly restrictions?: boolean;
}

/** A million dependencies are refused (H55); Debian's largest field has some 2,000. */
const MAX_RELATIONS = 20_000;
const MAX_LENGTH = 1_000_000;

const OPERATORS: ReadonlyMap<string, RelationOperator> = new Map([
  ['<<', '<<'],
  ['<=', '<='],
  ['=', '='],
  ['>=', '>='],
  ['>>', '>>'],
  // Obsolete spellings, which dpkg reads so.
  ['<', '<='],
  ['>', '>='],
]);

// name[:qualifier] then, each after optional blanks, (…), […] and <…>…
const RELATION =
  /^([^\s:()[\]<>,|]+)(?::([A-Za-z0-9-]+))?(?:\s*\(\s*([<>=]+)\s*([^\s()<>=]+)\s*\))?(?:\s*\[([^\][()<>]*)\])?((?:\s*<[^<>]*>)*)$/;

/** Reads a relationship field; empty items, as a trailing comma leaves them, are dropped as dpkg drops them. */
export function parseRelations(text: string, options: RelationOptions = {}): Dependencies | RelationProblem {
  if (text.length > MAX_LENGTH)
    return problem('relation-problem', `a relationship field has at most ${MAX_LENGTH} characters`);
  const dependencies: Dependency[] = [];
  let count = 0;
  for (const item of text.split(',')) {
    if (item.trim() === '') continue;
    const alternatives: Relation[] = [];
    for (const part of item.split('|')) {
      if (++count > MAX_RELATIONS) return problem('relation-problem', `there are more than ${MAX_RELATIONS} relations`);
      const relation = parseRelation(part.trim(), options.restrictions ?? true);
      if ('kind' in relation) return relation;
      alternatives.push(relation);
    }
    dependencies.push(alternatives);
  }
  return dependencies;
}

/** The field as dpkg writes it: `a (>= 1) [amd64 arm64] <!nocheck> | b, c`. */
export function formatRelations(dependencies: Dependencies): string {
  return dependencies.map((alternatives) => alternatives.map(formatRelation).join(' | ')).join(', ');
}

/** One relation as dpkg writes it. */
export function formatRelation(relation: Relation): string {
  let text = relation.name;
  if (relation.qualifier !== undefined) text += `:${relation.qualifier}`;
  if (relation.version !== undefined) text += ` (${relation.version.operator} ${relation.version.version})`;
  if (relation.architectures.length > 0) text += ` [${formatRestrictions(relation.architectures)}]`;
  for (const list of relation.profiles) text += ` <${formatRestrictions(list)}>`;
  return text;
}

/**
 * True when a relation counts for a build under `profiles`; without `<…>` it always does.
 * @see deb-src-control(5), "Build-Profiles"
 */
export function profilesMatch(profiles: Relation['profiles'], active: ReadonlySet<string>): boolean {
  if (profiles.length === 0) return true;
  return profiles.some((list) => list.every(({ name, negated }) => active.has(name) !== negated));
}

function parseRelation(text: string, restrictions: boolean): Relation | RelationProblem {
  const fail = (reason: string): RelationProblem => problem('relation-problem', `${quote(text)} ${reason}`);
  const match = RELATION.exec(text);
  const name = match?.[1];
  if (match === null || name === undefined) return fail('is not a relationship');
  const [, , qualifier, operatorText, version, architectureText, profileText = ''] = match;
  if (!isBinaryName(name)) return fail('does not begin with a package name');
  if (qualifier !== undefined && !isArchitectureName(qualifier))
    return fail('has no valid architecture behind the colon');
  if (!restrictions && (architectureText !== undefined || profileText !== '')) {
    return fail('has a restriction, which only build dependencies may have');
  }

  let constraint: Relation['version'];
  if (operatorText !== undefined && version !== undefined) {
    const operator = OPERATORS.get(operatorText);
    if (operator === undefined) return fail('compares with an unknown operator');
    if (!isVersion(version)) return fail('names a malformed version');
    constraint = { operator, version };
  }

  let architectures: readonly Restriction[] = [];
  if (architectureText !== undefined) {
    architectures = readRestrictions(architectureText);
    if (architectures.length === 0) return fail('has an empty list of architectures');
    if (!architectures.every((entry) => isArchitectureName(entry.name))) return fail('names an invalid architecture');
    if (architectures.some((entry) => entry.negated !== architectures[0]?.negated)) {
      return fail('mixes wanted and unwanted architectures');
    }
  }
  const profiles = [...profileText.matchAll(/<([^<>]*)>/g)].map((list) => readRestrictions(list[1] ?? ''));
  if (profiles.some((list) => list.length === 0)) return fail('has an empty list of build profiles');
  if (!profiles.flat().every((entry) => /^[a-z0-9][a-z0-9+.-]*$/.test(entry.name)))
    return fail('names an invalid build profile');

  return {
    name,
    ...(qualifier === undefined ? {} : { qualifier }),
    ...(constraint === undefined ? {} : { version: constraint }),
    architectures,
    profiles,
  };
}

function readRestrictions(text: string): Restriction[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => (word.startsWith('!') ? { name: word.slice(1), negated: true } : { name: word, negated: false }));
}

function formatRestrictions(list: readonly Restriction[]): string {
  return list.map(({ name, negated }) => (negated ? `!${name}` : name)).join(' ');
}
