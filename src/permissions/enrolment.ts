/**
 * The first token of a person: an administrator makes a one-time code, the person turns it into a token. The administrator never
 * holds the token, so what is done with it was done by its owner.
 */
import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Trx } from '../platform/database.ts';
import { recordAudit } from '../platform/events.ts';
import { createAccessToken } from './access-tokens.ts';
import { actorName, type Actor, type SystemActor } from './actors.ts';
import type { Person } from './store.ts';

/** Also what the log looks for when it removes secrets. */
const PREFIX = 'lfe_';
const CODE_FORM = /^lfe_[A-Za-z0-9_-]{43}$/;

/** Makes a code for a person. It is shown this once; only its hash is kept. */
export async function createEnrolmentCode(
  trx: Trx,
  request: { readonly person: Person; readonly validSeconds: number; readonly by: Actor | SystemActor },
): Promise<{ readonly code: string; readonly expiresAt: Date }> {
  const { person, validSeconds, by } = request;
  const code = PREFIX + randomBytes(32).toString('base64url');
  const row = await trx
    .insertInto('enrolment_codes')
    .values({
      person_id: person.id,
      secret_sha256: hash(code),
      created_by: actorName(by),
      expires_at: sql<Date>`now() + make_interval(secs => ${validSeconds})`,
      used_at: null,
      used_by_token_id: null,
    })
    .returning('expires_at')
    .executeTakeFirstOrThrow();
  await recordAudit(trx, {
    actor: actorName(by),
    action: 'person.invited',
    subject: `person ${person.handle}`,
    detail: { expiresAt: row.expires_at.toISOString() },
  });
  return { code, expiresAt: row.expires_at };
}

export type Enrolment =
  | { readonly kind: 'enrolled'; readonly handle: string; readonly secret: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** Turns a code into a token. Of two who try at the same moment one gets it, and the other is told that it was used. */
export async function redeemEnrolmentCode(trx: Trx, code: string, tokenName: string): Promise<Enrolment> {
  const refuse = (reason: string): Enrolment => ({ kind: 'refused', reason });
  if (!CODE_FORM.test(code)) return refuse('this is not an enrolment code');
  const found = await trx
    .selectFrom('enrolment_codes as c')
    .innerJoin('people as p', 'p.id', 'c.person_id')
    .select([
      'c.id',
      'c.person_id',
      'c.used_at',
      'p.handle',
      'p.active',
      sql<boolean>`c.expires_at <= clock_timestamp()`.as('expired'),
    ])
    .where('c.secret_sha256', '=', hash(code))
    .forUpdate('c')
    .executeTakeFirst();
  if (found === undefined) return refuse('the enrolment code is not known');
  if (found.used_at !== null) return refuse(`the enrolment code was used already, at ${found.used_at.toISOString()}`);
  if (found.expired) return refuse('the enrolment code has expired');
  if (!found.active) return refuse(`${found.handle} is not active any more`);
  const { id, secret } = await createAccessToken(trx, {
    personId: found.person_id,
    name: tokenName,
    by: { kind: 'person', personId: found.person_id, handle: found.handle, groups: [], administrator: false },
  });
  await trx
    .updateTable('enrolment_codes')
    .set({ used_at: sql<Date>`clock_timestamp()`, used_by_token_id: id })
    .where('id', '=', found.id)
    .execute();
  return { kind: 'enrolled', handle: found.handle, secret };
}

function hash(code: string): Buffer {
  return createHash('sha256').update(code, 'utf8').digest();
}
