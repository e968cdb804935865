/** Who the caller is, the tokens that stand for a person, and who everybody is. */
import { createTokenRoute, revokeTokenRoute, tokensRoute, whoamiRoute } from '../../contract/tokens.ts';
import { enrolRoute, inviteRoute, peopleRoute, personRoute } from '../../contract/people.ts';
import {
  createAccessToken,
  createEnrolmentCode,
  findPerson,
  listAccessTokens,
  redeemEnrolmentCode,
  revokeAccessToken,
} from '../../permissions/index.ts';
import { describePerson, listPeople } from '../../trace/index.ts';
import { secretOf } from '../callers.ts';
import type { HttpDeps } from '../deps.ts';
import { Refusal, notFound } from '../refusal.ts';
import { grantView, peopleViewer, traceDeps } from './people-views.ts';
import { mutable, orNotFound, requirePerson, type Api } from './shared.ts';

export function peopleRoutes(app: Api, deps: HttpDeps): void {
  app.openapi(peopleRoute, async (c) => {
    const people = await listPeople(traceDeps(deps), peopleViewer(requirePerson(c.get('caller'))));
    return c.json({ people: mutable(people) }, 200);
  });

  app.openapi(personRoute, async (c) => {
    const { handle } = c.req.valid('param');
    const viewer = peopleViewer(requirePerson(c.get('caller')));
    const found = orNotFound(await describePerson(traceDeps(deps), handle, viewer), `person ${handle}`);
    return c.json({ ...mutable(found), grants: found.grants.map(grantView) }, 200);
  });

  app.openapi(inviteRoute, async (c) => {
    const by = requirePerson(c.get('caller'));
    const { handle } = c.req.valid('param');
    const person = orNotFound(await findPerson(deps.db, handle), `person ${handle}`);
    if (!person.active) {
      throw new Refusal({
        status: 409,
        code: 'permission.inactive-person',
        detail: `${handle} is not active any more`,
        remedy: 'make the person active in the distribution file, and apply it',
      });
    }
    const { validSeconds } = c.req.valid('json');
    const made = await deps.inTransaction((trx) => createEnrolmentCode(trx, { person, validSeconds, by }));
    return c.json({ code: made.code, expiresAt: made.expiresAt.toISOString() }, 201);
  });

  app.openapi(enrolRoute, async (c) => {
    const caller = c.get('caller');
    if (caller.kind !== 'enrolment') throw new Error('the guard let in what shows no enrolment code');
    const { name } = c.req.valid('json');
    const result = await deps.inTransaction((trx) => redeemEnrolmentCode(trx, caller.secret, name));
    if (result.kind === 'enrolled') return c.json({ handle: result.handle, secret: result.secret }, 201);
    throw new Refusal({
      status: 401,
      code: 'enrolment.refused',
      detail: result.reason,
      remedy: 'ask an administrator for another one: landfall people enrol HANDLE',
    });
  });

  app.openapi(whoamiRoute, (c) => {
    const { handle, groups, administrator } = requirePerson(c.get('caller'));
    return c.json({ handle, groups: [...groups], administrator }, 200);
  });

  app.openapi(tokensRoute, async (c) => {
    const { personId } = requirePerson(c.get('caller'));
    const tokens = await listAccessTokens(deps.db, personId);
    return c.json(
      {
        tokens: tokens.map((token) => ({
          id: token.id,
          name: token.name,
          createdAt: token.createdAt.toISOString(),
          expiresAt: token.expiresAt?.toISOString() ?? null,
          revokedAt: token.revokedAt?.toISOString() ?? null,
        })),
      },
      200,
    );
  });

  app.openapi(createTokenRoute, async (c) => {
    const caller = requirePerson(c.get('caller'));
    const { name, validSeconds } = c.req.valid('json');
    const { personId } = caller;
    const asked = validSeconds === undefined ? undefined : new Date(deps.clock.now().getTime() + validSeconds * 1000);
    const madeWith = secretOf(c.req.header('authorization') ?? '', { basic: false });
    const { secret, expiresAt } = await deps.inTransaction((trx) =>
      createAccessToken(trx, { personId, name, expiresAt: asked, madeWith, by: caller }),
    );
    return c.json({ secret, expiresAt: expiresAt?.toISOString() ?? null }, 201);
  });

  app.openapi(revokeTokenRoute, async (c) => {
    const caller = requirePerson(c.get('caller'));
    const { id } = c.req.valid('param');
    const own = await listAccessTokens(deps.db, caller.personId);
    // Somebody else's token is not the caller's to know of.
    if (!own.some((token) => token.id === id)) throw notFound('such token of yours');
    await deps.inTransaction((trx) => revokeAccessToken(trx, id, caller));
    return c.body(null, 204);
  });
}
