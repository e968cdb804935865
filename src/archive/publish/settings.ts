/**
 * What a publication says about its suite besides the packages: fixed when the publication is begun, so that one that was
 * cut off goes on with the same words although somebody changed the suite meanwhile.
 */
import { z } from 'zod';
import type { Db } from '../../platform/database.ts';

export const settingsSchema = z.object({
  archive: z.string(),
  origin: z.string(),
  label: z.string(),
  suite: z.string(),
  codename: z.string(),
  aliases: z.array(z.string()),
  description: z.string(),
  components: z.array(z.string()),
  architectures: z.array(z.string()),
  notAutomatic: z.boolean(),
  butAutomaticUpgrades: z.boolean(),
  /** URL with `@CHANGEPATH@`. */
  changelogs: z.string().exactOptional(),
  /** URL with `@SNAPSHOTID@`. */
  snapshots: z.string().exactOptional(),
  /** Fingerprints of the keys that may sign the next Release. */
  signedBy: z.array(z.string()).exactOptional(),
  /** As PostgreSQL writes the interval; a change makes a new publication worth while. */
  validFor: z.string(),
});
export type SuiteSettings = z.infer<typeof settingsSchema>;

/** A suite as the database has it now. */
export interface SuiteFacts {
  readonly suiteId: number;
  readonly archiveId: number;
  readonly audience: string;
  readonly openSerial: number;
  readonly settings: SuiteSettings;
}

/** Reads a suite, or undefined when there is none; `lock` keeps others from stamping changes of it meanwhile. */
export async function readSuite(db: Db, suiteId: number, lock = false): Promise<SuiteFacts | undefined> {
  let query = db
    .selectFrom('suites')
    .innerJoin('archives', 'archives.id', 'suites.archive_id')
    .where('suites.id', '=', suiteId)
    .select([
      'suites.id',
      'suites.archive_id',
      'suites.audience',
      'suites.open_serial',
      'suites.name',
      'suites.codename',
      'suites.aliases',
      'suites.description',
      'suites.components',
      'suites.architectures',
      'suites.not_automatic',
      'suites.but_automatic_upgrades',
      'suites.valid_for',
      'archives.name as archive',
      'archives.origin',
      'archives.label',
    ]);
  if (lock) query = query.forUpdate('suites');
  const row = await query.executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    suiteId: row.id,
    archiveId: row.archive_id,
    audience: row.audience,
    openSerial: row.open_serial,
    settings: {
      archive: row.archive,
      origin: row.origin,
      label: row.label,
      suite: row.name,
      codename: row.codename,
      aliases: row.aliases,
      description: row.description,
      components: row.components,
      architectures: row.architectures,
      notAutomatic: row.not_automatic,
      butAutomaticUpgrades: row.but_automatic_upgrades,
      validFor: row.valid_for,
    },
  };
}
