/** The SQL of people, groups, keys and grants: rows in, rows out, no rules. */
import { sql } from 'kysely';
import type { Db, Trx } from '../platform/database.ts';
import type { Grant, Holder } from './model.ts';

export interface Person {
  readonly id: number;
  readonly handle: string;
  readonly name: string;
  readonly email: string;
  readonly active: boolean;
}

export interface Group {
  readonly id: number;
  readonly name: string;
}

export interface KeyRow {
  readonly id: number;
  readonly personId: number;
  readonly kind: 'openpgp' | 'ssh';
  /** OpenPGP: the primary key's, 40 or 64 capital hexadecimal digits. SSH: `SHA256:…`. */
  readonly fingerprint: string;
  /** OpenPGP: the dearmored public key. SSH: `TYPE BASE64`, without comment. */
  readonly material: Buffer;
  readonly validFrom: Date;
  readonly validUntil: Date | null;
  readonly revokedAt: Date | null;
  readonly revocationReason: string | null;
}

export async function findPerson(db: Db, handle: string): Promise<Person | undefined> {
  return await db
    .selectFrom('people')
    .select(['id', 'handle', 'name', 'email', 'active'])
    .where('handle', '=', handle)
    .executeTakeFirst();
}

export async function getPerson(db: Db, id: number): Promise<Person | undefined> {
  return await db
    .selectFrom('people')
    .select(['id', 'handle', 'name', 'email', 'active'])
    .where('id', '=', id)
    .executeTakeFirst();
}

export async function listPeople(db: Db): Promise<readonly Person[]> {
  return await db.selectFrom('people').select(['id', 'handle', 'name', 'email', 'active']).orderBy('handle').execute();
}

export async function findGroup(db: Db, name: string): Promise<Group | undefined> {
  return await db.selectFrom('groups').select(['id', 'name']).where('name', '=', name).executeTakeFirst();
}

export async function listGroups(db: Db): Promise<readonly (Group & { readonly members: readonly string[] })[]> {
  return await db
    .selectFrom('groups')
    .leftJoin('group_members', 'group_members.group_id', 'groups.id')
    .leftJoin('people', 'people.id', 'group_members.person_id')
    .select([
      'groups.id',
      'groups.name',
      sql<
        string[]
      >`coalesce(array_agg(people.handle ORDER BY people.handle) FILTER (WHERE people.id IS NOT NULL), '{}')`.as(
        'members',
      ),
    ])
    .groupBy('groups.id')
    .orderBy('groups.name')
    .execute();
}

export async function groupsOfPerson(db: Db, personId: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('groups')
    .innerJoin('group_members', 'group_members.group_id', 'groups.id')
    .select('groups.name')
    .where('group_members.person_id', '=', personId)
    .orderBy('groups.name')
    .execute();
  return rows.map(({ name }) => name);
}

export async function membersOfGroup(db: Db, groupId: number): Promise<readonly number[]> {
  const rows = await db.selectFrom('group_members').select('person_id').where('group_id', '=', groupId).execute();
  return rows.map((row) => row.person_id);
}

/** The person with every grant that he or one of his groups ever held. */
export async function loadHolder(db: Db, personId: number): Promise<Holder | undefined> {
  const { rows } = await sql<HolderRow>`
    SELECT p.handle, p.active, g.id, g.action, g.archive, g.suite_pattern AS suites, g.package_pattern AS packages,
      g.valid_until AS "validUntil", g.withdrawn_at AS "withdrawnAt", g."group"
    FROM people p
    LEFT JOIN LATERAL (
      SELECT grants.*, NULL AS "group" FROM grants WHERE person_id = p.id
      UNION ALL
      SELECT grants.*, groups.name FROM group_members m
      JOIN groups ON groups.id = m.group_id
      JOIN grants ON grants.group_id = m.group_id
      WHERE m.person_id = p.id
    ) AS g ON true
    WHERE p.id = ${personId}
    ORDER BY g.id`.execute(db);
  const [person] = rows;
  if (person === undefined) return undefined;
  const { handle, active } = person;
  return {
    personId,
    handle,
    active,
    grants: rows.flatMap(({ id, ...grant }) => (id === null ? [] : [{ ...grant, id }])),
  };
}

type HolderRow = Pick<Person, 'handle' | 'active'> & Omit<Grant, 'id'> & { readonly id: number | null };

/** Active people who hold a grant to administer everything that counts at `at`; `without` leaves one grant out of account. */
export async function administrators(
  db: Db,
  at: Date,
  without = 0,
): Promise<readonly { readonly id: number; readonly handle: string }[]> {
  return await db
    .selectFrom('people')
    .innerJoin('grants', (join) =>
      join.on((on) =>
        on.or([
          on('grants.person_id', '=', on.ref('people.id')),
          on(
            'grants.group_id',
            'in',
            on.selectFrom('group_members').select('group_id').whereRef('group_members.person_id', '=', 'people.id'),
          ),
        ]),
      ),
    )
    .select(['people.id', 'people.handle'])
    .distinct()
    .where('people.active', '=', true)
    .where('grants.action', '=', 'administer')
    .where('grants.archive', '=', '*')
    .where('grants.suite_pattern', '=', '*')
    .where('grants.package_pattern', '=', '*')
    .where('grants.withdrawn_at', 'is', null)
    .where('grants.id', '<>', without)
    .where((where) => where.or([where('grants.valid_until', 'is', null), where('grants.valid_until', '>', at)]))
    .orderBy('people.handle')
    .execute();
}

export async function findKey(db: Db, fingerprint: string): Promise<KeyRow | undefined> {
  const row = await db.selectFrom('keys').selectAll().where('fingerprint', '=', fingerprint).executeTakeFirst();
  return row === undefined ? undefined : toKey(row);
}

/** A key by its number, with its person. */
export async function getKey(db: Db, id: number): Promise<(KeyRow & { readonly handle: string }) | undefined> {
  const row = await db
    .selectFrom('keys')
    .innerJoin('people', 'people.id', 'keys.person_id')
    .selectAll('keys')
    .select('people.handle')
    .where('keys.id', '=', id)
    .executeTakeFirst();
  return row === undefined ? undefined : { ...toKey(row), handle: row.handle };
}

/** Every key that was ever registered, with its person. */
export async function listAllKeys(db: Db): Promise<readonly (KeyRow & { readonly handle: string })[]> {
  const rows = await db
    .selectFrom('keys')
    .innerJoin('people', 'people.id', 'keys.person_id')
    .selectAll('keys')
    .select('people.handle')
    .orderBy('keys.id')
    .execute();
  return rows.map((row) => ({ ...toKey(row), handle: row.handle }));
}

/** Locks the key's row until the transaction ends, so that two applications of one key come one after the other. */
export async function lockKey(trx: Trx, fingerprint: string): Promise<KeyRow | undefined> {
  const row = await trx
    .selectFrom('keys')
    .selectAll()
    .where('fingerprint', '=', fingerprint)
    .forUpdate()
    .executeTakeFirst();
  return row === undefined ? undefined : toKey(row);
}

function toKey(row: {
  id: number;
  person_id: number;
  kind: 'openpgp' | 'ssh';
  fingerprint: string;
  material: Buffer;
  valid_from: Date;
  valid_until: Date | null;
  revoked_at: Date | null;
  revocation_reason: string | null;
}): KeyRow {
  return {
    id: row.id,
    personId: row.person_id,
    kind: row.kind,
    fingerprint: row.fingerprint,
    material: row.material,
    validFrom: row.valid_from,
    validUntil: row.valid_until,
    revokedAt: row.revoked_at,
    revocationReason: row.revocation_reason,
  };
}
