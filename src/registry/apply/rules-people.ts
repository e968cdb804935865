/** What people, keys, groups and grants must keep to: who is named exists, a key has one owner, somebody stays administrator. */
import type { Action } from '../../permissions/index.ts';
import type { Declared, DeclaredGrant } from './declarations.ts';
import { problemAt } from './files.ts';
import { grantKey } from './items.ts';
import { show, type ApplyProblem } from './problems.ts';
import type { State } from './state.ts';
import { unknownReference, type Names, type Wanted } from './wanted.ts';

export function checkPeople(wanted: Wanted, names: Names, state: State): ApplyProblem[] {
  const problems: ApplyProblem[] = [];
  checkKeys(wanted, state, problems);
  for (const group of wanted.groups) {
    for (const [index, member] of group.value.members.entries()) {
      if (names.people.has(member)) continue;
      problems.push(unknownReference(group, ['members', index], 'person', member, names.people));
    }
  }
  const seen = new Map<string, Declared<DeclaredGrant>>();
  for (const grant of wanted.grants) {
    checkGrant(grant, names, problems);
    const key = grantKey(grant.value);
    if (seen.has(key)) {
      problems.push(
        problemAt(grant, [], {
          problem: 'gives a permission that another grant here gives already',
          expected: 'each permission once',
          remedy: 'remove one of the two',
        }),
      );
    }
    seen.set(key, grant);
  }
  if (problems.length === 0) checkAdministrators(wanted, state, problems);
  return problems;
}

function checkKeys(wanted: Wanted, state: State, problems: ApplyProblem[]): void {
  const owners = new Map([...state.keys].map(([fingerprint, { handle }]) => [fingerprint, handle]));
  for (const person of wanted.people) {
    const { handle, publicKeys } = person.value;
    for (const { fingerprint } of publicKeys) {
      const owner = owners.get(fingerprint);
      if (owner !== undefined && owner !== handle) {
        problems.push(
          problemAt(person, ['keys'], {
            problem: `holds the key ${fingerprint}, which belongs to ${owner}`,
            expected: 'keys of this person',
            remedy: 'a key belongs to one person for ever: take it out here',
          }),
        );
      }
      owners.set(fingerprint, handle);
    }
  }
}

function checkGrant(grant: Declared<DeclaredGrant>, names: Names, problems: ApplyProblem[]): void {
  const { to, archive, suites } = grant.value;
  const group = /^group:(.*)$/.exec(to)?.[1];
  if (group === undefined) {
    if (!names.people.has(to)) problems.push(unknownReference(grant, ['to'], 'person', to, names.people));
  } else if (!names.groups.has(group)) {
    problems.push(unknownReference(grant, ['to'], 'group', group, names.groups));
  }
  if (archive !== '*' && !names.archives.has(archive)) {
    problems.push(unknownReference(grant, ['archive'], 'archive', archive, names.archives));
    return;
  }
  if (/[*?]/.test(suites)) return;
  const known = new Set(
    [...names.suites].flatMap((key) => {
      const [of, name = ''] = key.split('/');
      return archive === '*' || of === archive ? [name] : [];
    }),
  );
  if (!known.has(suites)) problems.push(unknownReference(grant, ['suites'], 'suite', suites, known));
}

/** Refuses files that would leave nobody who administers everything, where somebody does now. */
function checkAdministrators(wanted: Wanted, state: State, problems: ApplyProblem[]): void {
  if (state.administrators.length === 0) return;
  const members = new Map([...state.groups].map(([name, group]) => [`group:${name}`, group.members]));
  for (const { value } of wanted.groups) members.set(`group:${value.name}`, value.members);
  const active = new Map([...state.people.values()].map((person) => [person.handle, person.active]));
  for (const { value } of wanted.people) active.set(value.handle, value.active);
  const governed = governedReceivers(wanted);
  const kept = [...state.grants.filter(({ to }) => !governed.has(to)), ...wanted.grants.map(({ value }) => value)];
  const remains = kept.some(
    (grant) =>
      administersAll(grant) &&
      (grant.validUntil === null || grant.validUntil > state.now) &&
      (members.get(grant.to) ?? [grant.to]).some((handle) => active.get(handle) === true),
  );
  if (remains) return;
  const blamed = wanted.people.find(({ value }) => state.administrators.includes(value.handle)) ?? wanted.groups[0];
  if (blamed === undefined) return;
  problems.push(
    problemAt(blamed, [], {
      problem: 'together with the grants of these files leaves nobody who administers everything',
      expected: 'an active person with a grant to administer',
      remedy: `add [[grant]] to = ${show(state.administrators[0])} action = "administer"`,
    }),
  );
}

/** Those whose grants are as the files say, and no others: everybody whom the files declare. */
export function governedReceivers(wanted: Wanted): ReadonlySet<string> {
  return new Set([
    ...wanted.people.map(({ value }) => value.handle),
    ...wanted.groups.map(({ value }) => `group:${value.name}`),
  ]);
}

function administersAll(grant: {
  readonly action: Action;
  readonly archive: string;
  readonly suites: string;
  readonly packages: string;
}): boolean {
  return grant.action === 'administer' && grant.archive === '*' && grant.suites === '*' && grant.packages === '*';
}
