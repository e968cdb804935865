/**
 * What is in a suite now, and how accepted packages enter it. Every change is stamped with the suite's open serial, under a
 * lock that keeps a publication from beginning in between.
 */
import { sql } from 'kysely';
import type { Db, Trx } from '../platform/database.ts';
import { isNewerVersion } from '../registry/index.ts';

/** The version of a source in a suite, the newest where there are several. */
export async function currentSource(db: Db, suiteId: number, source: string): Promise<string | undefined> {
  const rows = await db
    .selectFrom('suite_sources as m')
    .innerJoin('source_packages as p', 'p.id', 'm.source_package_id')
    .select('p.version')
    .where('m.suite_id', '=', suiteId)
    .where('m.removed_serial', 'is', null)
    .where('p.name', '=', source)
    .execute();
  return newest(rows);
}

/** The version of a binary package in an index of a suite. */
export async function currentBinary(
  db: Db,
  suiteId: number,
  architecture: string,
  name: string,
): Promise<string | undefined> {
  const rows = await db
    .selectFrom('suite_binaries as m')
    .innerJoin('binary_packages as p', 'p.id', 'm.binary_package_id')
    .select('p.version')
    .where('m.suite_id', '=', suiteId)
    .where('m.architecture', '=', architecture)
    .where('m.removed_serial', 'is', null)
    .where('p.name', '=', name)
    .execute();
  return newest(rows);
}

/**
 * The serial to stamp changes with. Until the transaction ends no publication of the suite begins, so that what is stamped
 * with a serial is there when that serial is read.
 */
export async function holdOpenSerial(trx: Trx, suiteId: number): Promise<number> {
  const row = await trx
    .selectFrom('suites')
    .select('open_serial')
    .where('id', '=', suiteId)
    .forShare()
    .executeTakeFirstOrThrow();
  return row.open_serial;
}

/** Puts a source into a suite in place of its older versions. */
export async function addSource(trx: Trx, suiteId: number, serial: number, sourcePackageId: number): Promise<void> {
  await sql`
    UPDATE suite_sources m SET removed_serial = ${serial}
    FROM source_packages old, source_packages fresh
    WHERE m.suite_id = ${suiteId} AND m.removed_serial IS NULL AND old.id = m.source_package_id
      AND fresh.id = ${sourcePackageId} AND old.name = fresh.name`.execute(trx);
  await trx
    .insertInto('suite_sources')
    .values({ suite_id: suiteId, source_package_id: sourcePackageId, added_serial: serial })
    .execute();
}

/** Puts a binary into one index of a suite in place of its older versions. */
export async function addBinary(
  trx: Trx,
  suiteId: number,
  architecture: string,
  serial: number,
  binaryPackageId: number,
): Promise<void> {
  await sql`
    UPDATE suite_binaries m SET removed_serial = ${serial}
    FROM binary_packages old, binary_packages fresh
    WHERE m.suite_id = ${suiteId} AND m.architecture = ${architecture} AND m.removed_serial IS NULL
      AND old.id = m.binary_package_id AND fresh.id = ${binaryPackageId}
      AND old.name = fresh.name AND old.type = fresh.type`.execute(trx);
  await trx
    .insertInto('suite_binaries')
    .values({ suite_id: suiteId, architecture, binary_package_id: binaryPackageId, added_serial: serial })
    .execute();
}

/**
 * Moves a source's architecture-independent packages into every index that is ready for them: one where an older version of
 * the source still has binaries of its own architecture, and this version has none yet, keeps the old ones until then. So
 * libfoo and libfoo-data of one build stay together on each architecture.
 */
export async function settleIndependent(
  trx: Trx,
  suite: { readonly id: number; readonly architectures: readonly string[] },
  serial: number,
  sourcePackageId: number,
): Promise<void> {
  const independent = await trx
    .selectFrom('binary_packages')
    .select(['id', 'name', 'version'])
    .where('source_package_id', '=', sourcePackageId)
    .where('architecture', '=', 'all')
    .execute();
  if (independent.length === 0) return;
  for (const architecture of suite.architectures) {
    if (await waitsForOwn(trx, suite.id, architecture, sourcePackageId)) continue;
    for (const { id, name, version } of independent) {
      const current = await currentBinary(trx, suite.id, architecture, name);
      if (current !== undefined && !isNewerVersion(version, current)) continue;
      await addBinary(trx, suite.id, architecture, serial, id);
    }
  }
}

async function waitsForOwn(trx: Trx, suiteId: number, architecture: string, sourcePackageId: number): Promise<boolean> {
  const { rows } = await sql<{ waits: boolean }>`
    SELECT EXISTS (
        SELECT 1 FROM suite_binaries m JOIN binary_packages b ON b.id = m.binary_package_id
          JOIN source_packages old ON old.id = b.source_package_id
          JOIN source_packages fresh ON fresh.id = ${sourcePackageId}
        WHERE m.suite_id = ${suiteId} AND m.architecture = ${architecture} AND m.removed_serial IS NULL
          AND b.architecture <> 'all' AND old.name = fresh.name AND old.id <> fresh.id)
      AND NOT EXISTS (
        SELECT 1 FROM binary_packages b
        WHERE b.source_package_id = ${sourcePackageId} AND b.architecture = ${architecture}) AS waits`.execute(trx);
  return rows[0]?.waits === true;
}

function newest(rows: readonly { readonly version: string }[]): string | undefined {
  return rows
    .map((row) => row.version)
    .reduce<string | undefined>(
      (best, version) => (best === undefined || isNewerVersion(version, best) ? version : best),
      undefined,
    );
}
