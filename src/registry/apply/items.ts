/**
 * The things that a plan speaks of, each as a name and a list of labelled texts. What is wanted and what exists are brought
 * into this one form, so that comparing them, showing the difference and writing it into the audit are the same for all.
 */
import { createHash } from 'node:crypto';
import type { GrantFacts } from '../../permissions/index.ts';
import { formatDuration } from './durations.ts';
import type { HookSecret } from '../hook-secrets.ts';
import type {
  DeclaredArchive,
  DeclaredExternal,
  DeclaredGitNamespace,
  DeclaredGitRepository,
  DeclaredGroup,
  DeclaredPerson,
  DeclaredSuite,
} from './declarations.ts';
import { formatSize } from './sizes.ts';

/** Label and text, in the order in which a person reads them. An empty text is not shown. */
export type Fields = readonly (readonly [label: string, text: string])[];

export interface FieldChange {
  readonly label: string;
  readonly before: string;
  readonly after: string;
}

export interface WantedExternal extends Omit<DeclaredExternal, 'keyring'> {
  /** Dearmored. */
  readonly keyring: Buffer;
}

/** A suite with every reference written out: parents as `external:NAME` or `ARCHIVE/SUITE`, suites as `ARCHIVE/SUITE`. */
export interface WantedSuite extends Omit<DeclaredSuite, 'audience'> {
  readonly audience: string;
}

/**
 * A secret as it stands in a plan and in the audit: that there is one, and that another takes its place. `kept` is what the
 * database holds already.
 */
export type SecretState = 'none' | 'set' | 'replaced';

export interface WantedGitRepository extends Omit<DeclaredGitRepository, 'hookSecret'> {
  readonly secret: HookSecret | null;
  readonly secretState: SecretState;
  /** The namespace that it came by until now; declared by itself it belongs to none. */
  readonly namespace: string | null;
}

export interface WantedGitNamespace extends Omit<DeclaredGitNamespace, 'hookSecret'> {
  readonly secret: HookSecret | null;
  readonly secretState: SecretState;
}

/** How the secret that is wanted stands to the one that there is. */
export function secretStateOf(wanted: HookSecret | null, existing: HookSecret | null): SecretState {
  if (wanted === null) return 'none';
  return existing === null || existing.equals(wanted) ? 'set' : 'replaced';
}

export function fieldsOfExternal(external: WantedExternal): Fields {
  return [
    ['uri', external.uri],
    ['suite', external.suite],
    ['components', external.components.join(' ')],
    [
      'keyring',
      `${external.keyring.length} bytes, SHA-256 ${createHash('sha256').update(external.keyring).digest('hex')}`,
    ],
  ];
}

export function fieldsOfArchive(archive: DeclaredArchive): Fields {
  return [
    ['pool', archive.pool],
    ['audience', archive.audience],
    ['origin', quoted(archive.origin)],
    ['label', quoted(archive.label)],
    ['description', quoted(archive.description)],
    ['source formats', [...archive.acceptedFormats].sort().join(', ')],
    ['packages', [...archive.packagePatterns].sort().join(' ')],
    ['reserved', [...archive.reservedPatterns].sort().join(' ')],
    ['licences', [...archive.acceptedLicences].sort().join(', ')],
    ['quota', archive.quotaBytes === null ? 'none' : formatSize(archive.quotaBytes)],
  ];
}

export function fieldsOfSuite(suite: WantedSuite): Fields {
  return [
    ['codename', suite.codename],
    ['aliases', suite.aliases.join(' ')],
    ['description', quoted(suite.description)],
    ['accepts', [...suite.accepts].sort().join(' ') || 'nothing by itself'],
    ['components', suite.components.join(' ')],
    ['architectures', suite.architectures.join(' ')],
    ['architecture for all', suite.architectureForAll],
    ['parents', suite.parents.join(' ')],
    ['newer than', [...suite.newerThan].sort().join(' ')],
    ['not automatic', yes(suite.notAutomatic)],
    ['but automatic upgrades', yes(suite.butAutomaticUpgrades)],
    ['debug suite', suite.debugSuite ?? ''],
    ['NEW', suite.newPolicy],
    ['build in NEW', yes(suite.buildInNew)],
    ['valid for', formatDuration(suite.validForSeconds)],
    ['retention', formatDuration(suite.retentionSeconds)],
    ['audience', suite.audience],
  ];
}

export function fieldsOfGitRepository(git: WantedGitRepository): Fields {
  return [
    ['url', git.url],
    ['prefixes', prefixesOf(git.prefixes)],
    ['may read from this machine', yes(git.allowFile)],
    ['plain tags', yes(git.plainTags)],
    ['plain source', git.plainSource ?? ''],
    ['plain quilt mode', git.plainQuilt ?? ''],
    ['largest pack', `${git.maxPackBytes} bytes`],
    ['fetch deadline', formatDuration(git.fetchDeadlineSeconds)],
    ['polled every', formatDuration(git.pollEverySeconds)],
    ['notices a minute', String(git.noticesPerMinute)],
    ['hook secret', git.secretState === 'none' ? '' : git.secretState],
    ['of the namespace', git.namespace ?? ''],
    ['enabled', git.enabled ? 'yes' : 'no'],
  ];
}

export function fieldsOfGitNamespace(namespace: WantedGitNamespace): Fields {
  return [
    ['url', namespace.url],
    ['prefixes', prefixesOf(namespace.prefixes)],
    ['depth of paths', String(namespace.maxDepth)],
    ['Git repositories at most', String(namespace.maxRepositories)],
    ['may read from this machine', yes(namespace.allowFile)],
    ['plain tags', yes(namespace.plainTags)],
    ['plain quilt mode', namespace.plainQuilt ?? ''],
    ['largest pack', `${namespace.maxPackBytes} bytes`],
    ['fetch deadline', formatDuration(namespace.fetchDeadlineSeconds)],
    ['polled every', formatDuration(namespace.pollEverySeconds)],
    ['notices a minute', String(namespace.noticesPerMinute)],
    ['hook secret', namespace.secretState === 'none' ? '' : namespace.secretState],
    ['enabled', namespace.enabled ? 'yes' : 'no'],
  ];
}

function prefixesOf(prefixes: ReadonlyMap<string, string>): string {
  return [...prefixes]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([distro, archive]) => `${distro}/ to ${archive}`)
    .join(', ');
}

export function fieldsOfPerson(person: Omit<DeclaredPerson, 'keys'>): Fields {
  return [
    ['name', quoted(person.name)],
    ['email', person.email],
    ['active', person.active ? 'yes' : 'no'],
  ];
}

/** What of `wanted` differs from what there is. Both come from the same function above. */
export function compareFields(before: Fields, wanted: Fields): FieldChange[] {
  const had = new Map(before);
  return wanted.flatMap(([label, after]) => {
    const old = had.get(label) ?? '';
    return old === after ? [] : [{ label, before: old, after }];
  });
}

/** All that is not empty, as one line. */
export function describeFields(fields: Fields): string {
  return fields.flatMap(([label, text]) => (text === '' ? [] : [`${label} ${text}`])).join('; ');
}

export function describeChanges(changes: readonly FieldChange[]): string {
  return changes.map(({ label, before, after }) => `${label}: ${before || 'none'} → ${after || 'none'}`).join('; ');
}

/** What makes two grants the same one, its end aside. */
export function grantKey(grant: Pick<GrantFacts, 'to' | 'action' | 'archive' | 'suites' | 'packages'>): string {
  return [grant.to, grant.action, grant.archive, grant.suites, grant.packages].join(' ');
}

/** Members in one order, each once. */
export function membersOf(group: DeclaredGroup): readonly string[] {
  return [...new Set(group.members)].sort();
}

function quoted(text: string): string {
  return text === '' ? '' : JSON.stringify(text);
}

function yes(flag: boolean): string {
  return flag ? 'yes' : '';
}
