/** What exists now of all that a distribution file can declare, in the same words. */
import { sql } from 'kysely';
import {
  administrators,
  listAllKeys,
  listGrants,
  listGroups,
  listPeople,
  type GrantFacts,
  type KeyRow,
  type Person,
} from '../../permissions/index.ts';
import { databaseNow, type Db } from '../../platform/database.ts';
import { listArchives, listSuites } from '../archives.ts';
import { listGitRepositories } from '../git-repositories.ts';
import { findHookSecret, type HookSecret } from '../hook-secrets.ts';
import { distrosOfNamespace, listNamespaces } from '../namespaces.ts';
import type { DeclaredArchive } from './declarations.ts';
import type { WantedExternal, WantedGitNamespace, WantedGitRepository, WantedSuite } from './items.ts';

export interface ExistingArchive extends DeclaredArchive {
  readonly id: number;
  /** Something asked to enter it. */
  readonly inUse: boolean;
}

export interface ExistingSuite extends WantedSuite {
  readonly id: number;
  readonly published: boolean;
  /** What packages that are in it now stand in. */
  readonly usedComponents: readonly string[];
  readonly usedArchitectures: readonly string[];
}

export interface State {
  readonly now: Date;
  readonly pools: ReadonlySet<string>;
  readonly externals: ReadonlyMap<string, WantedExternal & { readonly id: number }>;
  readonly archives: ReadonlyMap<string, ExistingArchive>;
  /** By `ARCHIVE/SUITE`. */
  readonly suites: ReadonlyMap<string, ExistingSuite>;
  readonly gitRepositories: ReadonlyMap<string, WantedGitRepository & { readonly id: number }>;
  readonly gitNamespaces: ReadonlyMap<string, WantedGitNamespace & { readonly id: number }>;
  readonly people: ReadonlyMap<string, Person>;
  /** Of everybody, by fingerprint. */
  readonly keys: ReadonlyMap<string, KeyRow & { readonly handle: string }>;
  readonly groups: ReadonlyMap<string, { readonly id: number; readonly members: readonly string[] }>;
  readonly grants: readonly GrantFacts[];
  /** Handles of those who administer everything now. */
  readonly administrators: readonly string[];
}

export async function loadState(db: Db): Promise<State> {
  const now = await databaseNow(db);
  const pools = await db.selectFrom('worker_pools').select('name').execute();
  const externals = await db.selectFrom('external_suites').selectAll().execute();
  const people = await listPeople(db);
  const keys = await listAllKeys(db);
  const groups = await listGroups(db);
  return {
    now,
    pools: new Set(pools.map(({ name }) => name)),
    externals: new Map(
      externals.map(({ id, name, uri, suite, components, keyring }) => [
        name,
        { id, name, uri, suite, components, keyring },
      ]),
    ),
    archives: await loadArchives(db),
    suites: await loadSuites(db),
    gitRepositories: await loadGitRepositories(db),
    gitNamespaces: await loadGitNamespaces(db),
    people: new Map(people.map((person) => [person.handle, person])),
    keys: new Map(keys.map((key) => [key.fingerprint, key])),
    groups: new Map(groups.map(({ id, name, members }) => [name, { id, members }])),
    grants: await listGrants(db),
    administrators: (await administrators(db, now)).map(({ handle }) => handle),
  };
}

async function loadArchives(db: Db): Promise<Map<string, ExistingArchive>> {
  const used = await db.selectFrom('submissions').select('archive_id').distinct().execute();
  const inUse = new Set(used.map((row) => row.archive_id));
  const archives = await listArchives(db);
  return new Map(
    archives.map((archive) => [
      archive.name,
      {
        id: archive.id,
        name: archive.name,
        audience: archive.audience,
        origin: archive.origin,
        label: archive.label,
        description: archive.description,
        pool: archive.workerPool,
        acceptedFormats: archive.acceptedFormats,
        packagePatterns: archive.packagePatterns,
        reservedPatterns: archive.reservedPatterns,
        acceptedLicences: archive.acceptedLicences,
        quotaBytes: archive.quotaBytes,
        inUse: inUse.has(archive.id),
      },
    ]),
  );
}

async function loadSuites(db: Db): Promise<Map<string, ExistingSuite>> {
  const suites = await listSuites(db);
  const names = new Map(suites.map((suite) => [suite.id, suite]));
  const nameOf = (id: number | null): string => {
    const suite = id === null ? undefined : names.get(id);
    return suite === undefined ? '' : `${suite.archive}/${suite.name}`;
  };
  const parents = await db
    .selectFrom('suite_parents')
    .leftJoin('external_suites', 'external_suites.id', 'suite_parents.external_suite_id')
    .select(['suite_id', 'parent_suite_id', 'external_suites.name as external'])
    .orderBy('suite_id')
    .orderBy('position')
    .execute();
  const order = await db.selectFrom('suite_order').selectAll().execute();
  const { rows: used } = await sql<{
    suite_id: number;
    components: string[];
    architectures: string[];
    published: boolean;
  }>`
    SELECT suites.id AS suite_id,
      EXISTS (SELECT FROM publications WHERE publications.suite_id = suites.id) AS published,
      ARRAY(SELECT DISTINCT component FROM suite_sources
        JOIN source_packages ON source_packages.id = suite_sources.source_package_id
        WHERE suite_sources.suite_id = suites.id AND removed_serial IS NULL
        UNION SELECT DISTINCT component FROM suite_binaries
        JOIN binary_packages ON binary_packages.id = suite_binaries.binary_package_id
        WHERE suite_binaries.suite_id = suites.id AND removed_serial IS NULL
        ORDER BY component) AS components,
      ARRAY(SELECT DISTINCT architecture FROM suite_binaries
        WHERE suite_binaries.suite_id = suites.id AND removed_serial IS NULL
        ORDER BY architecture) AS architectures
    FROM suites`.execute(db);
  const uses = new Map(used.map((row) => [row.suite_id, row]));
  return new Map(
    suites.map((suite) => [
      `${suite.archive}/${suite.name}`,
      {
        id: suite.id,
        archive: suite.archive,
        name: suite.name,
        codename: suite.codename,
        aliases: suite.aliases,
        description: suite.description,
        accepts: suite.accepts,
        components: suite.components,
        architectures: suite.architectures,
        architectureForAll: suite.architectureForAll,
        notAutomatic: suite.notAutomatic,
        butAutomaticUpgrades: suite.butAutomaticUpgrades,
        debugSuite: suite.debugSuiteId === null ? null : nameOf(suite.debugSuiteId),
        newPolicy: suite.newPolicy,
        buildInNew: suite.buildInNew,
        validForSeconds: suite.validForSeconds,
        retentionSeconds: suite.retentionSeconds,
        audience: suite.audience,
        parents: parents
          .filter((row) => row.suite_id === suite.id)
          .map((row) => (row.external === null ? nameOf(row.parent_suite_id) : `external:${row.external}`)),
        newerThan: order.filter((row) => row.newer_suite_id === suite.id).map((row) => nameOf(row.older_suite_id)),
        published: uses.get(suite.id)?.published ?? false,
        usedComponents: uses.get(suite.id)?.components ?? [],
        usedArchitectures: uses.get(suite.id)?.architectures ?? [],
      },
    ]),
  );
}

async function loadGitNamespaces(db: Db): Promise<Map<string, WantedGitNamespace & { readonly id: number }>> {
  const found = new Map<string, WantedGitNamespace & { readonly id: number }>();
  for (const namespace of await listNamespaces(db)) {
    const prefixes = new Map(
      (await distrosOfNamespace(db, namespace.id)).map(({ distro, archive }) => [distro, archive]),
    );
    const secret = (await findHookSecret(db, { gitNamespaceId: namespace.id })) ?? null;
    found.set(namespace.name, { ...namespace, prefixes, secret, secretState: stored(secret) });
  }
  return found;
}

function stored(secret: HookSecret | null): 'none' | 'set' {
  return secret === null ? 'none' : 'set';
}

async function loadGitRepositories(db: Db): Promise<Map<string, WantedGitRepository & { readonly id: number }>> {
  const namespaces = new Map((await listNamespaces(db)).map(({ id, name }) => [id, name]));
  const prefixes = await db
    .selectFrom('git_repository_archives')
    .innerJoin('archives', 'archives.id', 'git_repository_archives.archive_id')
    .select(['git_repository_id', 'distro', 'archives.name as archive'])
    .execute();
  const found = new Map<string, WantedGitRepository & { readonly id: number }>();
  const byRepository = new Map<number, Map<string, string>>();
  for (const row of prefixes) {
    const own = byRepository.get(row.git_repository_id) ?? new Map<string, string>();
    byRepository.set(row.git_repository_id, own.set(row.distro, row.archive));
  }
  for (const git of await listGitRepositories(db)) {
    const secret = (await findHookSecret(db, { gitRepositoryId: git.id })) ?? null;
    found.set(git.name, {
      id: git.id,
      name: git.name,
      url: git.url,
      prefixes: byRepository.get(git.id) ?? new Map<string, string>(),
      allowFile: git.allowFile,
      plainTags: git.plainTags,
      plainSource: git.plainSource,
      plainQuilt: git.plainQuilt,
      maxPackBytes: git.maxPackBytes,
      fetchDeadlineSeconds: git.fetchDeadlineSeconds,
      pollEverySeconds: git.pollEverySeconds,
      noticesPerMinute: git.noticesPerMinute,
      secret,
      secretState: stored(secret),
      namespace: git.namespaceId === null ? null : (namespaces.get(git.namespaceId) ?? null),
      enabled: git.enabled,
    });
  }
  return found;
}
