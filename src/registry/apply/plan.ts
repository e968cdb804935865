/**
 * The plan: what applying files would change, as steps for the machine and lines for a person.
 *
 * A thing is the same one when its name is the same. What files do not mention stays as it is, except that a declared
 * person's and group's grants, and a declared group's members, are as the files say and no others. Nothing is ever deleted
 * but memberships: grants are withdrawn and stay on record, people become inactive, keys are revoked.
 *
 * The hash stands for all of it, what exists included: when either changes, it is another plan.
 */
import { createHash } from 'node:crypto';
import { describeGrant, keyChanges, mergeKey, type GrantFacts, type PublicKey } from '../../permissions/index.ts';
import type { DeclaredArchive, DeclaredGrant, DeclaredPerson } from './declarations.ts';
import {
  compareFields,
  describeChanges,
  describeFields,
  fieldsOfArchive,
  fieldsOfExternal,
  fieldsOfGitNamespace,
  fieldsOfGitRepository,
  fieldsOfPerson,
  fieldsOfSuite,
  grantKey,
  membersOf,
  type FieldChange,
  type Fields,
  type WantedExternal,
  type WantedGitNamespace,
  type WantedGitRepository,
  type WantedSuite,
} from './items.ts';
import { governedReceivers } from './rules-people.ts';
import type { State } from './state.ts';
import { suiteKey, type Wanted } from './wanted.ts';

/** A line of the plan. */
export interface PlannedChange {
  readonly action: 'create' | 'change' | 'withdraw';
  /** `suite main/landing`. */
  readonly what: string;
  readonly detail: string;
}

/** What the audit keeps of a step: all fields of what is new, or what changed. */
export type Difference =
  | { readonly kind: 'new'; readonly fields: Fields }
  | { readonly kind: 'changed'; readonly changes: readonly FieldChange[] };

export type Step =
  | { readonly kind: 'pool'; readonly name: string }
  | { readonly kind: 'external'; readonly wanted: WantedExternal; readonly difference: Difference }
  | { readonly kind: 'group'; readonly name: string }
  | { readonly kind: 'person'; readonly wanted: Omit<DeclaredPerson, 'keys'>; readonly difference: Difference }
  | { readonly kind: 'key'; readonly person: string; readonly key: PublicKey }
  | { readonly kind: 'add-member'; readonly group: string; readonly person: string }
  | { readonly kind: 'archive'; readonly wanted: DeclaredArchive; readonly difference: Difference }
  | { readonly kind: 'suite'; readonly wanted: WantedSuite; readonly difference: Difference }
  | { readonly kind: 'git'; readonly wanted: WantedGitRepository; readonly difference: Difference }
  | { readonly kind: 'git-namespace'; readonly wanted: WantedGitNamespace; readonly difference: Difference }
  | { readonly kind: 'grant'; readonly wanted: DeclaredGrant }
  | { readonly kind: 'withdraw-grant'; readonly grant: GrantFacts }
  | { readonly kind: 'remove-member'; readonly group: string; readonly person: string };

export interface PlannedStep {
  readonly change: PlannedChange;
  readonly step: Step;
}

export interface Plan {
  readonly steps: readonly PlannedStep[];
  readonly hash: string;
}

/**
 * The steps in the order in which they are taken: what others refer to first; what takes something away from somebody last,
 * so that whoever applies is judged by what was there before.
 */
const ORDER: readonly Step['kind'][] = [
  'pool',
  'external',
  'group',
  'person',
  'key',
  'archive',
  'suite',
  'git',
  'git-namespace',
  'add-member',
  'grant',
  'withdraw-grant',
  'remove-member',
];

/** Asks gpg to merge keys that are known already with what was sent; otherwise pure. */
export async function makePlan(wanted: Wanted, state: State): Promise<Plan> {
  const steps: PlannedStep[] = [
    ...wanted.pools
      .filter(({ value }) => !state.pools.has(value.name))
      .map(({ value }) =>
        planned('create', `worker pool ${value.name}`, 'without workers', { kind: 'pool', name: value.name }),
      ),
    ...wanted.externals.flatMap(({ value }) =>
      differing(
        `external suite ${value.name}`,
        fieldsOfExternal,
        value,
        state.externals.get(value.name),
        (difference) => ({
          kind: 'external',
          wanted: value,
          difference,
        }),
      ),
    ),
    ...wanted.archives.flatMap(({ value }) =>
      differing(`archive ${value.name}`, fieldsOfArchive, value, state.archives.get(value.name), (difference) => ({
        kind: 'archive',
        wanted: value,
        difference,
      })),
    ),
    ...wanted.suites.flatMap(({ value }) =>
      differing(`suite ${suiteKey(value)}`, fieldsOfSuite, value, state.suites.get(suiteKey(value)), (difference) => ({
        kind: 'suite',
        wanted: value,
        difference,
      })),
    ),
    ...wanted.gitRepositories.flatMap(({ value }) =>
      differing(
        `Git repository ${value.name}`,
        fieldsOfGitRepository,
        value,
        state.gitRepositories.get(value.name),
        (difference) => ({ kind: 'git', wanted: value, difference }),
      ),
    ),
    ...wanted.gitNamespaces.flatMap(({ value }) =>
      differing(
        `Git namespace ${value.name}`,
        fieldsOfGitNamespace,
        value,
        state.gitNamespaces.get(value.name),
        (difference) => ({ kind: 'git-namespace', wanted: value, difference }),
      ),
    ),
    ...wanted.people.flatMap(({ value: { handle, name, email, active } }) =>
      differing(
        `person ${handle}`,
        fieldsOfPerson,
        { handle, name, email, active },
        state.people.get(handle),
        (difference) => ({ kind: 'person', wanted: { handle, name, email, active }, difference }),
      ),
    ),
    ...(await planKeys(wanted, state)),
    ...planGroups(wanted, state),
    ...planGrants(wanted, state),
  ];
  const rank = ({ step }: PlannedStep): number => {
    // Somebody who becomes inactive does so after all else.
    const leaves = step.kind === 'person' && !step.wanted.active && step.difference.kind === 'changed';
    return leaves ? ORDER.length : ORDER.indexOf(step.kind);
  };
  steps.sort((one, other) => rank(one) - rank(other));
  return { steps, hash: hashOf(steps) };
}

function differing<T>(
  what: string,
  fieldsOf: (value: T) => Fields,
  wanted: T,
  existing: T | undefined,
  step: (difference: Difference) => Step,
): PlannedStep[] {
  const fields = fieldsOf(wanted);
  if (existing === undefined) {
    return [planned('create', what, describeFields(fields), step({ kind: 'new', fields }))];
  }
  const changes = compareFields(fieldsOf(existing), fields);
  if (changes.length === 0) return [];
  return [planned('change', what, describeChanges(changes), step({ kind: 'changed', changes }))];
}

async function planKeys(wanted: Wanted, state: State): Promise<PlannedStep[]> {
  const steps: PlannedStep[] = [];
  for (const { value } of wanted.people) {
    const given = new Map(value.publicKeys.map((key) => [key.fingerprint, key]));
    for (const key of given.values()) {
      const what = `key ${key.fingerprint} of ${value.handle}`;
      const stored = state.keys.get(key.fingerprint);
      if (stored === undefined) {
        const until = key.validUntil === null ? 'does not expire' : `expires ${key.validUntil.toISOString()}`;
        const kind = key.kind === 'openpgp' ? 'OpenPGP' : 'SSH';
        const revoked = key.revoked ? '; it is revoked by its owner' : '';
        steps.push(planned('create', what, `${kind}, ${until}${revoked}`, { kind: 'key', person: value.handle, key }));
        continue;
      }
      const merged = await mergeKey(stored, key);
      const changes = keyChanges(stored, merged);
      if (changes.length === 0) continue;
      steps.push(planned('change', what, changes.join('; '), { kind: 'key', person: value.handle, key: merged }));
    }
  }
  return steps;
}

function planGroups(wanted: Wanted, state: State): PlannedStep[] {
  const steps: PlannedStep[] = [];
  for (const { value } of wanted.groups) {
    const what = `group ${value.name}`;
    const existing = state.groups.get(value.name);
    if (existing === undefined)
      steps.push(planned('create', what, 'without members', { kind: 'group', name: value.name }));
    const members = membersOf(value);
    for (const person of members) {
      if (existing?.members.includes(person) === true) continue;
      steps.push(
        planned('change', what, `${person} becomes a member`, { kind: 'add-member', group: value.name, person }),
      );
    }
    for (const person of existing?.members ?? []) {
      if (members.includes(person)) continue;
      steps.push(
        planned('withdraw', what, `${person} is no member any more`, {
          kind: 'remove-member',
          group: value.name,
          person,
        }),
      );
    }
  }
  return steps;
}

function planGrants(wanted: Wanted, state: State): PlannedStep[] {
  const steps: PlannedStep[] = [];
  const existing = new Map(state.grants.map((grant) => [grantKey(grant), grant]));
  const kept = new Set<string>();
  for (const { value } of wanted.grants) {
    const key = grantKey(value);
    kept.add(key);
    const before = existing.get(key);
    if (before !== undefined && before.validUntil?.getTime() === value.validUntil?.getTime()) continue;
    const end = until(value.validUntil);
    steps.push(
      planned(
        before === undefined ? 'create' : 'change',
        `permission of ${value.to}`,
        `${describeGrant(value)}, ${end}${before === undefined ? '' : ` (before: ${until(before.validUntil)})`}`,
        { kind: 'grant', wanted: value },
      ),
    );
  }
  const governed = governedReceivers(wanted);
  for (const grant of state.grants) {
    if (!governed.has(grant.to) || kept.has(grantKey(grant))) continue;
    steps.push(
      planned('withdraw', `permission of ${grant.to}`, describeGrant(grant), { kind: 'withdraw-grant', grant }),
    );
  }
  return steps;
}

function until(date: Date | null): string {
  return date === null ? 'without end' : `until ${date.toISOString()}`;
}

function planned(action: PlannedChange['action'], what: string, detail: string, step: Step): PlannedStep {
  return { change: { action, what, detail }, step };
}

function hashOf(steps: readonly PlannedStep[]): string {
  const text = JSON.stringify(steps, (_key, value: unknown) => {
    if (value instanceof Map) return [...value].sort();
    // A Buffer has become its own JSON form here.
    return value;
  });
  return createHash('sha256').update(text).digest('hex');
}
