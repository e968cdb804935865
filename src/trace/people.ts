/**
 * People as others see them: keys with their validity, groups, permissions in force and over, what they released lately. What
 * belongs to an audience that the viewer is not in (releases, permissions on such an archive, other groups) is left out, except
 * that everybody sees all of himself, and who administers sees groups and permissions of everybody.
 */
import { sql } from 'kysely';
import type { Db } from '../platform/database.ts';
import type { TraceDeps, Viewer } from './types.ts';
import { iso, isoOrNull } from './values.ts';

export interface PeopleViewer extends Viewer {
  readonly handle: string;
  readonly groups: readonly string[];
  readonly administrator: boolean;
}

export type KeyState = 'valid' | 'expired' | 'revoked' | 'inactive';

export interface KeyView {
  readonly id: number;
  readonly person: string;
  readonly kind: 'openpgp' | 'ssh';
  readonly fingerprint: string;
  readonly state: KeyState;
  readonly validFrom: string;
  readonly validUntil: string | null;
  readonly revokedAt: string | null;
  readonly revocationReason: string | null;
  readonly letIn: number;
}

export interface GrantView {
  readonly id: number;
  readonly group: string | null;
  readonly action: string;
  readonly archive: string;
  readonly suites: string;
  readonly packages: string;
  readonly state: 'in-force' | 'expired' | 'withdrawn';
  readonly validUntil: string | null;
  readonly withdrawnAt: string | null;
  readonly grantedBy: string;
  readonly createdAt: string;
}

export interface PersonSummaryView {
  readonly handle: string;
  readonly name: string;
  readonly email: string;
  readonly active: boolean;
  readonly groups: readonly string[];
  readonly keys: { readonly valid: number; readonly all: number };
  readonly grants: number;
  readonly lastReleaseAt: string | null;
}

export interface PersonDetailView {
  readonly handle: string;
  readonly name: string;
  readonly email: string;
  readonly active: boolean;
  readonly groups: readonly string[];
  readonly lastReleaseAt: string | null;
  readonly keys: readonly KeyView[];
  readonly grants: readonly GrantView[];
  readonly releases: readonly {
    readonly tagId: number;
    readonly submissionId: number;
    readonly source: string;
    readonly version: string;
    readonly archive: string;
    readonly suite: string;
    readonly decidedAt: string;
  }[];
}

const LATELY = 20;
/** Grants that are over are history: so many of them are shown. */
const OLD_GRANTS = 50;

export async function listPeople(deps: TraceDeps, viewer: PeopleViewer): Promise<readonly PersonSummaryView[]> {
  const { rows } = await sql<{
    handle: string;
    name: string;
    email: string;
    active: boolean;
    groups: string[];
    valid_keys: number;
    all_keys: number;
    grants: number;
    last_release_at: Date | null;
  }>`
    SELECT p.handle, p.name, p.email, p.active,
      ARRAY(SELECT g.name FROM group_members m JOIN groups g ON g.id = m.group_id WHERE m.person_id = p.id ORDER BY 1) AS groups,
      (SELECT count(*) FROM keys k WHERE k.person_id = p.id) AS all_keys,
      (SELECT count(*) FROM keys k WHERE k.person_id = p.id AND k.revoked_at IS NULL AND p.active
        AND (k.valid_until IS NULL OR k.valid_until > now())) AS valid_keys,
      (SELECT count(*) FROM grants r LEFT JOIN archives a ON a.name = r.archive WHERE r.withdrawn_at IS NULL
        AND (r.valid_until IS NULL OR r.valid_until > now()) AND ${mayRead(viewer)}
        AND (r.person_id = p.id OR r.group_id IN (SELECT group_id FROM group_members WHERE person_id = p.id))) AS grants,
      (SELECT max(d.decided_at) FROM tag_decisions d JOIN tags t ON t.id = d.tag_id JOIN submissions s ON s.id = t.submission_id
        WHERE d.person_id = p.id AND d.outcome = 'accepted' AND s.audience = ANY (${[...viewer.audiences]}::text[])) AS last_release_at
    FROM people p ORDER BY p.handle`.execute(deps.db);
  return rows.map((row) => ({
    handle: row.handle,
    name: row.name,
    email: row.email,
    active: row.active,
    groups: visibleGroups(viewer, row.handle, row.groups),
    keys: { valid: row.valid_keys, all: row.all_keys },
    grants: row.grants,
    lastReleaseAt: isoOrNull(row.last_release_at),
  }));
}

export async function describePerson(
  deps: TraceDeps,
  handle: string,
  viewer: PeopleViewer,
): Promise<PersonDetailView | undefined> {
  const { db } = deps;
  const { rows } = await sql<{ id: number; name: string; email: string; active: boolean; groups: string[] }>`
    SELECT p.id, p.name, p.email, p.active,
      ARRAY(SELECT g.name FROM group_members m JOIN groups g ON g.id = m.group_id WHERE m.person_id = p.id ORDER BY 1) AS groups
    FROM people p WHERE p.handle = ${handle}`.execute(db);
  const [person] = rows;
  if (person === undefined) return undefined;
  const own = handle === viewer.handle ? { ...viewer, administrator: true } : viewer;
  const releases = await readReleases(db, person.id, viewer);
  return {
    handle,
    name: person.name,
    email: person.email,
    active: person.active,
    groups: visibleGroups(viewer, handle, person.groups),
    lastReleaseAt: releases[0]?.decidedAt ?? null,
    keys: await listKeys(deps, { person: handle }, viewer),
    grants: await readGrants(db, person.id, own),
    releases,
  };
}

/** Keys, of one person or by the end of their fingerprint; all when neither is said. */
export async function listKeys(
  deps: TraceDeps,
  filter: { readonly person?: string | undefined; readonly fingerprint?: string | undefined; readonly id?: number },
  viewer: Viewer,
): Promise<readonly KeyView[]> {
  // OpenPGP's are hexadecimal, in any form that people copy them in; SSH's are base64, and every letter counts.
  const given = filter.fingerprint?.trim().replace(/=+$/, '');
  const tails = given === undefined ? null : [given, given.replace(/^0x|\s/gi, '').toUpperCase()];
  const { rows } = await sql<{
    id: number;
    person: string;
    kind: 'openpgp' | 'ssh';
    fingerprint: string;
    state: KeyState;
    valid_from: Date;
    valid_until: Date | null;
    revoked_at: Date | null;
    revocation_reason: string | null;
    let_in: number;
  }>`
    SELECT k.id, p.handle AS person, k.kind, k.fingerprint, k.valid_from, k.valid_until, k.revoked_at, k.revocation_reason,
      CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.valid_until <= now() THEN 'expired'
        WHEN NOT p.active THEN 'inactive' ELSE 'valid' END AS state,
      (SELECT count(*) FROM tag_decisions d JOIN tags t ON t.id = d.tag_id JOIN submissions s ON s.id = t.submission_id
        WHERE d.key_fingerprint = k.fingerprint AND d.outcome = 'accepted'
          AND s.audience = ANY (${[...viewer.audiences]}::text[])) AS let_in
    FROM keys k JOIN people p ON p.id = k.person_id
    WHERE (${filter.person ?? null}::text IS NULL OR p.handle = ${filter.person ?? null})
      AND (${filter.id ?? null}::bigint IS NULL OR k.id = ${filter.id ?? null})
      AND (${tails}::text[] IS NULL OR EXISTS (
        SELECT FROM unnest(${tails}::text[]) AS tail WHERE right(k.fingerprint, length(tail)) = tail))
    ORDER BY p.handle, k.id`.execute(deps.db);
  return rows.map((row) => ({
    id: row.id,
    person: row.person,
    kind: row.kind,
    fingerprint: row.fingerprint,
    state: row.state,
    validFrom: iso(row.valid_from),
    validUntil: isoOrNull(row.valid_until),
    revokedAt: isoOrNull(row.revoked_at),
    revocationReason: row.revocation_reason,
    letIn: row.let_in,
  }));
}

async function readGrants(db: Db, personId: number, viewer: PeopleViewer): Promise<readonly GrantView[]> {
  const { rows } = await sql<{
    id: number;
    group: string | null;
    action: string;
    archive: string;
    suites: string;
    packages: string;
    state: GrantView['state'];
    valid_until: Date | null;
    withdrawn_at: Date | null;
    granted_by: string;
    created_at: Date;
  }>`
    SELECT * FROM (
      SELECT r.id, g.name AS group, r.action, r.archive, r.suite_pattern AS suites, r.package_pattern AS packages, r.valid_until,
        r.withdrawn_at, r.granted_by, r.created_at,
        CASE WHEN r.withdrawn_at IS NOT NULL THEN 'withdrawn' WHEN r.valid_until <= now() THEN 'expired'
          ELSE 'in-force' END AS state
      FROM grants r LEFT JOIN groups g ON g.id = r.group_id LEFT JOIN archives a ON a.name = r.archive
      WHERE (r.person_id = ${personId}
          OR r.group_id IN (SELECT group_id FROM group_members WHERE person_id = ${personId}))
        AND ${mayRead(viewer)}
    ) AS held
    ORDER BY state <> 'in-force', id DESC`.execute(db);
  const inForce = rows.filter(({ state }) => state === 'in-force');
  const over = rows.filter(({ state }) => state !== 'in-force').slice(0, OLD_GRANTS);
  return [...inForce, ...over].map((row) => ({
    id: row.id,
    group: row.group,
    action: row.action,
    archive: row.archive,
    suites: row.suites,
    packages: row.packages,
    state: row.state,
    validUntil: isoOrNull(row.valid_until),
    withdrawnAt: isoOrNull(row.withdrawn_at),
    grantedBy: row.granted_by,
    createdAt: iso(row.created_at),
  }));
}

async function readReleases(db: Db, personId: number, viewer: Viewer): Promise<PersonDetailView['releases']> {
  const { rows } = await sql<{
    tag_id: number;
    submission_id: number;
    source: string;
    version: string;
    archive: string;
    suite: string;
    decided_at: Date;
  }>`
    SELECT d.tag_id, t.submission_id, d.source, d.version, a.name AS archive, suites.name AS suite, d.decided_at
    FROM tag_decisions d
    JOIN tags t ON t.id = d.tag_id
    JOIN submissions s ON s.id = t.submission_id
    JOIN archives a ON a.id = s.archive_id
    JOIN suites ON suites.id = d.suite_id
    WHERE d.person_id = ${personId} AND d.outcome = 'accepted' AND s.audience = ANY (${[...viewer.audiences]}::text[])
    ORDER BY d.id DESC LIMIT ${LATELY}`.execute(db);
  return rows.map((row) => ({
    tagId: row.tag_id,
    submissionId: row.submission_id,
    source: row.source,
    version: row.version,
    archive: row.archive,
    suite: row.suite,
    decidedAt: iso(row.decided_at),
  }));
}

/** A condition on a grant `r` and its archive `a`: a permission on a closed archive says that the archive is there. */
function mayRead(viewer: PeopleViewer) {
  return sql<boolean>`(a.audience IS NULL OR ${viewer.administrator}::boolean OR a.audience = ANY (${[...viewer.audiences]}::text[]))`;
}

function visibleGroups(viewer: PeopleViewer, handle: string, groups: readonly string[]): readonly string[] {
  if (viewer.administrator || viewer.handle === handle) return groups;
  return groups.filter((name) => viewer.groups.includes(name));
}
