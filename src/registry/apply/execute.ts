/** Takes the steps of a plan, inside one transaction, each with its row in the audit. */
import { sql } from 'kysely';
import {
  actorName,
  addMember,
  applyKey,
  changePerson,
  createGroup,
  createPerson,
  findGroup,
  findPerson,
  grant,
  removeMember,
  withdrawGrant,
  type Actor,
  type SystemActor,
} from '../../permissions/index.ts';
import type { JsonObject, Trx } from '../../platform/database.ts';
import { LandfallError } from '../../platform/errors.ts';
import { recordAudit } from '../../platform/events.ts';
import { enqueue } from '../../platform/tasks.ts';
import { placeOf } from '../git-places.ts';
import { writeHookSecret } from '../hook-secrets.ts';
import { memberSettings } from '../namespaces.ts';
import type { DeclaredArchive } from './declarations.ts';
import { toInterval } from './durations.ts';
import type { WantedExternal, WantedGitNamespace, WantedGitRepository, WantedSuite } from './items.ts';
import type { Difference, Step } from './plan.ts';
import { suiteKey } from './wanted.ts';

/** A step that the rules of permissions do not allow; the transaction is then rolled back. */
export interface StepRefused {
  readonly kind: 'refused';
  readonly code: string;
  readonly reason: string;
}

/** Returns the first refusal, or undefined when all was done. */
export async function executeSteps(
  trx: Trx,
  steps: readonly Step[],
  by: Actor | SystemActor,
): Promise<StepRefused | undefined> {
  for (const step of steps) {
    const refused = await executeStep(trx, step, by);
    if (refused !== undefined) return refused;
  }
  // Suites refer to one another, so their references follow when all of them exist.
  const suites = steps.flatMap((step) => (step.kind === 'suite' ? [step.wanted] : []));
  for (const suite of suites) await linkSuite(trx, suite);
  await publishChanged(trx, steps);
  return undefined;
}

async function executeStep(trx: Trx, step: Step, by: Actor | SystemActor): Promise<StepRefused | undefined> {
  switch (step.kind) {
    case 'pool':
      await trx.insertInto('worker_pools').values({ name: step.name }).execute();
      await recordAudit(trx, { actor: actorName(by), action: 'pool.created', subject: `worker pool ${step.name}` });
      return undefined;
    case 'external':
      await writeExternal(trx, step.wanted);
      await audited(trx, by, 'external', `external suite ${step.wanted.name}`, step.difference);
      return undefined;
    case 'archive':
      await writeArchive(trx, step.wanted);
      await audited(trx, by, 'archive', `archive ${step.wanted.name}`, step.difference);
      return undefined;
    case 'suite':
      await writeSuite(trx, step.wanted);
      await audited(trx, by, 'suite', `suite ${suiteKey(step.wanted)}`, step.difference);
      return undefined;
    case 'git':
      await writeGitRepository(trx, step.wanted, step.difference);
      await audited(trx, by, 'git-repository', `Git repository ${step.wanted.name}`, step.difference);
      return undefined;
    case 'git-namespace':
      await writeGitNamespace(trx, step.wanted, step.difference);
      await audited(trx, by, 'git-namespace', `Git namespace ${step.wanted.name}`, step.difference);
      return undefined;
    case 'group':
      await createGroup(trx, step.name, by);
      return undefined;
    case 'person': {
      const { handle, name, email, active } = step.wanted;
      if (step.difference.kind === 'new') await createPerson(trx, step.wanted, by);
      else await changePerson(trx, handle, { name, email, active }, by);
      return undefined;
    }
    case 'key': {
      const result = await applyKey(trx, await requirePerson(trx, step.person), step.key, by);
      return result.kind === 'refused' ? result : undefined;
    }
    case 'add-member':
      await addMember(trx, await requireMembership(trx, step.group, step.person), by);
      return undefined;
    case 'remove-member':
      await removeMember(trx, await requireMembership(trx, step.group, step.person), by);
      return undefined;
    case 'grant': {
      const { validUntil, ...wanted } = step.wanted;
      const result = await grant(trx, { ...wanted, validUntil: validUntil ?? undefined }, by);
      return result.kind === 'refused' ? result : undefined;
    }
    case 'withdraw-grant': {
      const result = await withdrawGrant(trx, step.grant.id, by);
      return result.kind === 'refused' ? result : undefined;
    }
  }
}

async function audited(
  trx: Trx,
  by: Actor | SystemActor,
  kind: string,
  subject: string,
  difference: Difference,
): Promise<void> {
  const detail: JsonObject =
    difference.kind === 'new'
      ? Object.fromEntries(difference.fields.filter(([, text]) => text !== ''))
      : Object.fromEntries(difference.changes.map(({ label, before, after }) => [label, { before, after }]));
  const action = difference.kind === 'new' ? 'created' : 'changed';
  await recordAudit(trx, { actor: actorName(by), action: `${kind}.${action}`, subject, detail });
}

async function writeExternal(trx: Trx, wanted: WantedExternal): Promise<void> {
  const row = { uri: wanted.uri, suite: wanted.suite, components: [...wanted.components], keyring: wanted.keyring };
  await trx
    .insertInto('external_suites')
    .values({ name: wanted.name, ...row })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute();
}

async function writeArchive(trx: Trx, wanted: DeclaredArchive): Promise<void> {
  const pool = await trx
    .selectFrom('worker_pools')
    .select('id')
    .where('name', '=', wanted.pool)
    .executeTakeFirstOrThrow();
  const row = {
    audience: wanted.audience,
    origin: wanted.origin,
    label: wanted.label,
    description: wanted.description,
    worker_pool_id: pool.id,
    accepted_formats: [...wanted.acceptedFormats],
    package_patterns: [...wanted.packagePatterns],
    reserved_patterns: [...wanted.reservedPatterns],
    accepted_licences: [...wanted.acceptedLicences],
    quota_bytes: wanted.quotaBytes,
  };
  await trx
    .insertInto('archives')
    .values({ name: wanted.name, ...row })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute();
}

async function writeSuite(trx: Trx, wanted: WantedSuite): Promise<void> {
  const row = {
    codename: wanted.codename,
    aliases: [...wanted.aliases],
    description: wanted.description,
    accepts: [...wanted.accepts],
    components: [...wanted.components],
    architectures: [...wanted.architectures],
    architecture_for_all: wanted.architectureForAll,
    not_automatic: wanted.notAutomatic,
    but_automatic_upgrades: wanted.butAutomaticUpgrades,
    new_policy: wanted.newPolicy,
    build_in_new: wanted.buildInNew,
    valid_for: toInterval(wanted.validForSeconds),
    retention: toInterval(wanted.retentionSeconds),
    audience: wanted.audience,
  };
  await trx
    .insertInto('suites')
    .values({ archive_id: await archiveId(trx, wanted.archive), name: wanted.name, ...row })
    .onConflict((conflict) => conflict.columns(['archive_id', 'name']).doUpdateSet(row))
    .execute();
}

async function linkSuite(trx: Trx, wanted: WantedSuite): Promise<void> {
  const id = await suiteId(trx, suiteKey(wanted));
  await trx
    .updateTable('suites')
    .set({ debug_suite_id: wanted.debugSuite === null ? null : await suiteId(trx, wanted.debugSuite) })
    .where('id', '=', id)
    .execute();
  await trx.deleteFrom('suite_parents').where('suite_id', '=', id).execute();
  for (const [position, parent] of wanted.parents.entries()) {
    const external = /^external:(.*)$/.exec(parent)?.[1];
    await trx
      .insertInto('suite_parents')
      .values({
        suite_id: id,
        position,
        parent_suite_id: external === undefined ? await suiteId(trx, parent) : null,
        external_suite_id: external === undefined ? null : await externalId(trx, external),
      })
      .execute();
  }
  await trx.deleteFrom('suite_order').where('newer_suite_id', '=', id).execute();
  for (const older of new Set(wanted.newerThan)) {
    await trx
      .insertInto('suite_order')
      .values({ newer_suite_id: id, older_suite_id: await suiteId(trx, older) })
      .execute();
  }
}

/** At another place everything is new: what lies there already is a baseline again, and decides nothing. */
const LOOKED_AT_ANEW = {
  baseline_at: null,
  last_scan_at: null,
  next_look_at: null,
  failed_looks: 0,
  obstacle_code: null,
  obstacle_sentence: null,
  obstacle_remedy: null,
  obstacle_since: null,
};

async function writeGitRepository(trx: Trx, wanted: WantedGitRepository, difference: Difference): Promise<void> {
  const moved = hasMoved(difference);
  const row = {
    url: wanted.url,
    allow_file: wanted.allowFile,
    plain_tags: wanted.plainTags,
    plain_source: wanted.plainSource,
    plain_quilt: wanted.plainQuilt,
    max_pack_bytes: wanted.maxPackBytes,
    fetch_deadline: toInterval(wanted.fetchDeadlineSeconds),
    poll_every: toInterval(wanted.pollEverySeconds),
    notices_per_minute: wanted.noticesPerMinute,
    place: placeOf(wanted.url) ?? null,
    namespace_id: null,
    namespace_path: null,
    enabled: wanted.enabled,
  };
  const { id } = await trx
    .insertInto('git_repositories')
    .values({ name: wanted.name, ...row })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(moved ? { ...row, ...LOOKED_AT_ANEW } : row))
    .returning('id')
    .executeTakeFirstOrThrow();
  await writePrefixes(trx, id, wanted.prefixes);
  await writeHookSecret(trx, { gitRepositoryId: id }, wanted.secret);
  if (wanted.enabled && (difference.kind === 'new' || moved)) await enqueueLook(trx, id);
}

/** What a namespace says holds for all its members, those included that are there already. */
async function writeGitNamespace(trx: Trx, wanted: WantedGitNamespace, difference: Difference): Promise<void> {
  const row = {
    url: wanted.url,
    max_depth: wanted.maxDepth,
    max_repositories: wanted.maxRepositories,
    allow_file: wanted.allowFile,
    plain_tags: wanted.plainTags,
    plain_quilt: wanted.plainQuilt,
    max_pack_bytes: wanted.maxPackBytes,
    fetch_deadline: toInterval(wanted.fetchDeadlineSeconds),
    poll_every: toInterval(wanted.pollEverySeconds),
    notices_per_minute: wanted.noticesPerMinute,
    enabled: wanted.enabled,
  };
  const { id } = await trx
    .insertInto('git_namespaces')
    .values({ name: wanted.name, ...row })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .returning('id')
    .executeTakeFirstOrThrow();
  await trx.deleteFrom('git_namespace_archives').where('git_namespace_id', '=', id).execute();
  for (const [distro, archive] of wanted.prefixes) {
    await trx
      .insertInto('git_namespace_archives')
      .values({ git_namespace_id: id, distro, archive_id: await archiveId(trx, archive) })
      .execute();
  }
  await writeHookSecret(trx, { gitNamespaceId: id }, wanted.secret);
  const moved = hasMoved(difference);
  const members = await trx
    .selectFrom('git_repositories')
    .select(['id', 'namespace_path'])
    .where('namespace_id', '=', id)
    .execute();
  for (const member of members) {
    const settings = memberSettings(wanted, member.namespace_path ?? '');
    await trx
      .updateTable('git_repositories')
      .set(moved ? { ...settings, ...LOOKED_AT_ANEW } : settings)
      .where('id', '=', member.id)
      .execute();
    await writePrefixes(trx, member.id, wanted.prefixes);
    if (wanted.enabled && moved) await enqueueLook(trx, member.id);
  }
}

function hasMoved(difference: Difference): boolean {
  return difference.kind === 'changed' && difference.changes.some(({ label }) => label === 'url');
}

async function writePrefixes(trx: Trx, gitRepositoryId: number, prefixes: ReadonlyMap<string, string>): Promise<void> {
  await trx.deleteFrom('git_repository_archives').where('git_repository_id', '=', gitRepositoryId).execute();
  for (const [distro, archive] of prefixes) {
    await trx
      .insertInto('git_repository_archives')
      .values({ git_repository_id: gitRepositoryId, distro, archive_id: await archiveId(trx, archive) })
      .execute();
  }
}

/** One after another with the other tasks of this Git repository, see tags/scan.ts. */
async function enqueueLook(trx: Trx, id: number): Promise<void> {
  await enqueue(trx, 'tags.scan', { gitRepositoryId: id }, { jobKey: `tags.scan:${id}`, queueName: `git:${id}` });
}

/** A new suite is an apt source from its first second; a changed one says so in its Release. */
async function publishChanged(trx: Trx, steps: readonly Step[]): Promise<void> {
  const suites = new Set(steps.flatMap((step) => (step.kind === 'suite' ? [suiteKey(step.wanted)] : [])));
  for (const step of steps) {
    if (step.kind !== 'archive' || step.difference.kind === 'new') continue;
    const rows = await trx
      .selectFrom('suites')
      .innerJoin('archives', 'archives.id', 'suites.archive_id')
      .select('suites.name')
      .where('archives.name', '=', step.wanted.name)
      .execute();
    for (const { name } of rows) suites.add(`${step.wanted.name}/${name}`);
  }
  for (const key of suites) {
    const id = await suiteId(trx, key);
    await enqueue(trx, 'archive.publish', { suiteId: id }, { jobKey: `publish:${id}` });
  }
}

async function archiveId(trx: Trx, name: string): Promise<number> {
  const row = await trx.selectFrom('archives').select('id').where('name', '=', name).executeTakeFirst();
  return row?.id ?? missing(`the archive ${name}`);
}

async function externalId(trx: Trx, name: string): Promise<number> {
  const row = await trx.selectFrom('external_suites').select('id').where('name', '=', name).executeTakeFirst();
  return row?.id ?? missing(`the external suite ${name}`);
}

async function suiteId(trx: Trx, key: string): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    SELECT suites.id FROM suites JOIN archives ON archives.id = suites.archive_id
    WHERE archives.name || '/' || suites.name = ${key}`.execute(trx);
  return rows[0]?.id ?? missing(`the suite ${key}`);
}

async function requirePerson(
  trx: Trx,
  handle: string,
): Promise<{ readonly personId: number; readonly handle: string }> {
  const person = await findPerson(trx, handle);
  return person === undefined ? missing(`the person ${handle}`) : { personId: person.id, handle };
}

async function requireMembership(trx: Trx, group: string, person: string) {
  const found = await findGroup(trx, group);
  if (found === undefined) return missing(`the group ${group}`);
  const { personId } = await requirePerson(trx, person);
  return { groupId: found.id, group, personId, person };
}

/** References were checked in this same transaction: not to find one is a fault of ours. */
function missing(what: string): never {
  throw new LandfallError({
    code: 'registry.apply-reference',
    doing: `apply the plan`,
    reason: `${what} is not there, although the plan was checked`,
  });
}
