/**
 * Access tokens: how a person proves who he is to the API. A token is 32 random bytes; the database keeps only its SHA-256,
 * which needs no salt since nothing about the token can be guessed. It is found by that hash in a unique index, so no
 * comparison of secrets takes place whose time could tell anything.
 */
import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { databaseNow, type Db, type Trx } from '../platform/database.ts';
import { recordAudit } from '../platform/events.ts';
import { actorName, type Actor, type SystemActor } from './actors.ts';
import { isAdministrator } from './model.ts';
import { groupsOfPerson, loadHolder } from './store.ts';

/** Also what the log looks for when it removes secrets. */
const PREFIX = 'lf_';
const SECRET_FORM = /^lf_[A-Za-z0-9_-]{43}$/;

export interface NewAccessToken {
  readonly personId: number;
  /** What it is for, so that its owner recognises it in a list. */
  readonly name: string;
  readonly expiresAt?: Date | undefined;
  /** Secret of the token that it is made with. The new one ends with it at the latest, so that one which leaked is over then. */
  readonly madeWith?: string | undefined;
  /** Who made it; default: Landfall itself. */
  readonly by?: Actor | SystemActor | undefined;
}

export interface AccessTokenFacts {
  readonly id: number;
  readonly name: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
}

/** Makes a token. The secret is shown this once; nobody, not even the database, can say it again. */
export async function createAccessToken(
  trx: Trx,
  token: NewAccessToken,
): Promise<{ readonly id: number; readonly secret: string; readonly expiresAt: Date | null }> {
  const end = token.madeWith === undefined ? null : await endOf(trx, token.madeWith);
  const asked = token.expiresAt ?? null;
  const expiresAt = end !== null && (asked === null || asked > end) ? end : asked;
  const secret = PREFIX + randomBytes(32).toString('base64url');
  const { id } = await trx
    .insertInto('access_tokens')
    .values({
      person_id: token.personId,
      name: token.name,
      secret_sha256: hash(secret),
      expires_at: expiresAt,
      revoked_at: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const person = await loadHolder(trx, token.personId);
  await recordAudit(trx, {
    actor: actorName(token.by ?? { kind: 'system', name: 'landfall' }),
    action: 'access-token.created',
    subject: `person ${person?.handle ?? String(token.personId)}`,
    detail: { token: id, name: token.name, expiresAt: expiresAt?.toISOString() ?? null },
  });
  return { id, secret, expiresAt };
}

async function endOf(db: Db, secret: string): Promise<Date | null> {
  const row = await db
    .selectFrom('access_tokens')
    .select('expires_at')
    .where('secret_sha256', '=', hash(secret))
    .executeTakeFirst();
  return row?.expires_at ?? null;
}

/** Ends a token at once. False when there is none of that id that still counts. */
export async function revokeAccessToken(trx: Trx, id: number, by: Actor | SystemActor): Promise<boolean> {
  const revoked = await trx
    .updateTable('access_tokens')
    .set({ revoked_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .returning(['person_id', 'name'])
    .executeTakeFirst();
  if (revoked === undefined) return false;
  const person = await loadHolder(trx, revoked.person_id);
  await recordAudit(trx, {
    actor: actorName(by),
    action: 'access-token.revoked',
    subject: `person ${person?.handle ?? String(revoked.person_id)}`,
    detail: { token: id, name: revoked.name },
  });
  return true;
}

export async function listAccessTokens(db: Db, personId: number): Promise<readonly AccessTokenFacts[]> {
  const rows = await db
    .selectFrom('access_tokens')
    .select(['id', 'name', 'created_at', 'expires_at', 'revoked_at'])
    .where('person_id', '=', personId)
    .orderBy('id')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  }));
}

/**
 * The person behind a secret; undefined when the token is unknown, expired or revoked, or its person is not active. Asked
 * anew for each request, so that all of this takes effect at once.
 */
export async function authenticateToken(db: Db, secret: string): Promise<Actor | undefined> {
  if (!SECRET_FORM.test(secret)) return undefined;
  const found = await db
    .selectFrom('access_tokens')
    .select('person_id')
    .where('secret_sha256', '=', hash(secret))
    .where('revoked_at', 'is', null)
    .where(sql<boolean>`(expires_at IS NULL OR expires_at > clock_timestamp())`)
    .executeTakeFirst();
  if (found === undefined) return undefined;
  const holder = await loadHolder(db, found.person_id);
  if (holder?.active !== true) return undefined;
  return {
    kind: 'person',
    personId: holder.personId,
    handle: holder.handle,
    groups: await groupsOfPerson(db, holder.personId),
    administrator: isAdministrator(holder, await databaseNow(db)),
  };
}

function hash(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest();
}
