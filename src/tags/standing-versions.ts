/** What a version must be free of, newer or older than: all of it in one question, because it is asked twice for each tag. */
import { sql } from 'kysely';
import type { Db } from '../platform/database.ts';
import type { Candidate, Claim, Suite } from './facts.ts';

/** A suite that must keep its order with the one that is asked about. */
export interface OrderedSuite {
  /** `ARCHIVE/SUITE`. */
  readonly name: string;
  readonly suite: string;
  readonly versions: readonly string[];
}

export interface StandingVersions {
  /** Another tag object that was accepted under the same name. */
  readonly acceptedUnderName: string | undefined;
  /** Who has this version in the archive now. */
  readonly holder: { readonly submissionId: number; readonly state: 'reserved' | 'accepted' } | undefined;
  /** What the suite holds now. */
  readonly held: readonly string[];
  /** The highest that it ever held, unless an administrator lowered it. */
  readonly mark: string | undefined;
  readonly older: readonly OrderedSuite[];
  readonly newer: readonly OrderedSuite[];
}

/** The versions of the claimed source in a suite, and in those that its order binds it to, in the order of their ids. */
export async function standingVersions(
  db: Db,
  candidate: Candidate,
  claim: Claim,
  suite: Suite,
): Promise<StandingVersions> {
  const { repository, ref, objectId, archive } = candidate;
  const { source, version } = claim;
  const { rows } = await sql<{
    place: 'here' | 'older' | 'newer';
    name: string;
    suite: string;
    versions: readonly string[];
    mark: string | null;
    accepted: string | null;
    holder: number | null;
    held_as: 'reserved' | 'accepted' | null;
  }>`
    WITH places AS (
      SELECT 'here' AS place, ${suite.id}::bigint AS suite_id
      UNION ALL SELECT 'older', older_suite_id FROM suite_order WHERE newer_suite_id = ${suite.id}
      UNION ALL SELECT 'newer', newer_suite_id FROM suite_order WHERE older_suite_id = ${suite.id}
    )
    SELECT places.place, archives.name || '/' || suites.name AS name, suites.name AS suite,
      ARRAY(
        SELECT p.version FROM suite_sources m JOIN source_packages p ON p.id = m.source_package_id
        WHERE m.suite_id = places.suite_id AND m.removed_serial IS NULL AND p.name = ${source}
      ) AS versions,
      CASE WHEN places.place = 'here' THEN (
        SELECT version FROM high_water_marks h WHERE h.suite_id = places.suite_id AND h.source = ${source}
        ORDER BY h.id DESC LIMIT 1
      ) END AS mark,
      CASE WHEN places.place = 'here' THEN (
        SELECT object_id FROM tags
        WHERE git_repository_id = ${repository.id} AND ref = ${ref.ref} AND object_id <> ${objectId} AND state = 'accepted'
        LIMIT 1
      ) END AS accepted,
      v.submission_id AS holder, v.state AS held_as
    FROM places
    JOIN suites ON suites.id = places.suite_id
    JOIN archives ON archives.id = suites.archive_id
    LEFT JOIN versions v ON places.place = 'here' AND v.archive_id = ${archive.id} AND v.source = ${source}
      AND v.version = ${version} AND v.state <> 'freed'
    ORDER BY suites.id
  `.execute(db);
  const here = rows.find(({ place }) => place === 'here');
  return {
    acceptedUnderName: here?.accepted ?? undefined,
    holder:
      here?.holder == null || here.held_as === null ? undefined : { submissionId: here.holder, state: here.held_as },
    held: here?.versions ?? [],
    mark: here?.mark ?? undefined,
    older: rows.filter(({ place }) => place === 'older'),
    newer: rows.filter(({ place }) => place === 'newer'),
  };
}
