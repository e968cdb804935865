/** Archives and suites as they are registered. They are made and changed by apply/ alone. */
import { sql } from 'kysely';
import type { Db } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import { chooseSuite, type Archive, type Suite, type SuiteParent } from './model.ts';

/** @throws LandfallError `registry.no-such-archive` */
export async function getArchive(db: Db, id: number): Promise<Archive> {
  const [archive] = await selectArchives(db).where('archives.id', '=', id).execute();
  if (archive !== undefined) return archive;
  throw new LandfallError({
    code: 'registry.no-such-archive',
    doing: `look up archive ${id}`,
    reason: 'there is none',
  });
}

export async function findArchive(db: Db, name: string): Promise<Archive | undefined> {
  return await selectArchives(db).where('archives.name', '=', name).executeTakeFirst();
}

export async function listArchives(db: Db): Promise<readonly Archive[]> {
  return await selectArchives(db).orderBy('archives.name').execute();
}

/** @throws LandfallError `registry.no-such-suite` */
export async function getSuite(db: Db, id: number): Promise<Suite> {
  const [suite] = await selectSuites(db).where('suites.id', '=', id).execute();
  if (suite !== undefined) return suite;
  throw new LandfallError({ code: 'registry.no-such-suite', doing: `look up suite ${id}`, reason: 'there is none' });
}

/** All suites, or those of one archive, by name. */
export async function listSuites(db: Db, archiveId?: number): Promise<readonly Suite[]> {
  const suites = selectSuites(db).orderBy('archives.name').orderBy('suites.name');
  return await (archiveId === undefined ? suites : suites.where('suites.archive_id', '=', archiveId)).execute();
}

/** The suite of an archive that a changelog's Distribution, a person or a client calls by `word`. */
export async function findSuite(db: Db, archiveId: number, word: string): Promise<Suite | undefined> {
  const candidates = await selectSuites(db)
    .where('suites.archive_id', '=', archiveId)
    .where(sql<boolean>`${word} = ANY (suites.aliases || ARRAY[suites.name, suites.codename])`)
    .execute();
  return chooseSuite(candidates, word);
}

/**
 * Where build-dependencies for a suite also come from, in order: its parents, and behind each of our own the parents of that
 * one. Each is named once, where it is met first.
 */
export async function suiteParents(db: Db, suiteId: number): Promise<readonly SuiteParent[]> {
  const rows = await db
    .selectFrom('suite_parents')
    .leftJoin('external_suites', 'external_suites.id', 'suite_parents.external_suite_id')
    .leftJoin('suites', 'suites.id', 'suite_parents.parent_suite_id')
    .leftJoin('archives', 'archives.id', 'suites.archive_id')
    .select([
      'suite_parents.suite_id',
      'external_suites.id as external_id',
      'external_suites.name as external_name',
      'external_suites.uri',
      'external_suites.suite as external_suite',
      'external_suites.components as external_components',
      'external_suites.keyring',
      'suites.id as parent_id',
      'suites.archive_id',
      'archives.name as archive',
      'suites.name as parent_name',
      'suites.components as parent_components',
    ])
    .orderBy('suite_parents.suite_id')
    .orderBy('suite_parents.position')
    .execute();
  const found: SuiteParent[] = [];
  const seen = new Set<string>([`suite:${suiteId}`]);
  const visit = (id: number): void => {
    for (const row of rows) {
      if (row.suite_id !== id) continue;
      if (row.external_id !== null) {
        if (seen.has(`external:${row.external_id}`)) continue;
        seen.add(`external:${row.external_id}`);
        found.push({
          kind: 'external',
          name: row.external_name ?? '',
          uri: row.uri ?? '',
          suite: row.external_suite ?? '',
          components: row.external_components ?? [],
          keyring: row.keyring ?? Buffer.alloc(0),
        });
      } else if (row.parent_id !== null) {
        if (seen.has(`suite:${row.parent_id}`)) continue;
        seen.add(`suite:${row.parent_id}`);
        found.push({
          kind: 'suite',
          suiteId: row.parent_id,
          archiveId: row.archive_id ?? 0,
          archive: row.archive ?? '',
          suite: row.parent_name ?? '',
          components: row.parent_components ?? [],
        });
        visit(row.parent_id);
      }
    }
  };
  visit(suiteId);
  return found;
}

/** The suites whose versions must not be newer (`older`) and not be older (`newer`) than this one's. */
export async function suiteOrder(
  db: Db,
  suiteId: number,
): Promise<{ readonly older: readonly Suite[]; readonly newer: readonly Suite[] }> {
  const older = await selectSuites(db)
    .where('suites.id', 'in', (select) =>
      select.selectFrom('suite_order').select('older_suite_id').where('newer_suite_id', '=', suiteId),
    )
    .orderBy('suites.id')
    .execute();
  const newer = await selectSuites(db)
    .where('suites.id', 'in', (select) =>
      select.selectFrom('suite_order').select('newer_suite_id').where('older_suite_id', '=', suiteId),
    )
    .orderBy('suites.id')
    .execute();
  return { older, newer };
}

function selectArchives(db: Db) {
  return db
    .selectFrom('archives')
    .innerJoin('worker_pools', 'worker_pools.id', 'archives.worker_pool_id')
    .select([
      'archives.id',
      'archives.name',
      'archives.audience',
      'archives.origin',
      'archives.label',
      'archives.description',
      'archives.worker_pool_id as workerPoolId',
      'worker_pools.name as workerPool',
      'archives.accepted_formats as acceptedFormats',
      'archives.package_patterns as packagePatterns',
      'archives.reserved_patterns as reservedPatterns',
      'archives.accepted_licences as acceptedLicences',
      'archives.quota_bytes as quotaBytes',
    ]);
}

function selectSuites(db: Db) {
  return db
    .selectFrom('suites')
    .innerJoin('archives', 'archives.id', 'suites.archive_id')
    .select([
      'suites.id',
      'suites.archive_id as archiveId',
      'archives.name as archive',
      'suites.name',
      'suites.codename',
      'suites.aliases',
      'suites.description',
      'suites.accepts',
      'suites.components',
      'suites.architectures',
      'suites.architecture_for_all as architectureForAll',
      'suites.not_automatic as notAutomatic',
      'suites.but_automatic_upgrades as butAutomaticUpgrades',
      'suites.debug_suite_id as debugSuiteId',
      'suites.new_policy as newPolicy',
      'suites.build_in_new as buildInNew',
      sql<number>`extract(epoch FROM suites.valid_for)::bigint`.as('validForSeconds'),
      sql<number>`extract(epoch FROM suites.retention)::bigint`.as('retentionSeconds'),
      'suites.audience',
      'suites.open_serial as openSerial',
    ]);
}
