/** Who the caller is, and the tokens that stand for a person. */
import { createTokenRoute, revokeTokenRoute, tokensRoute, whoamiRoute } from '../../contract/tokens.ts';
import { createAccessToken, findPerson, listAccessTokens, mayAct, revokeAccessToken } from '../../permissions/index.ts';
import type { HttpDeps } from '../deps.ts';
import { Refusal, notFound } from '../refusal.ts';
import { orNotFound, requirePerson, type Api } from './shared.ts';

export function peopleRoutes(app: Api, deps: HttpDeps): void {
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
    const { name, person, validSeconds } = c.req.valid('json');
    let { personId } = caller;
    if (person !== undefined && person !== caller.handle) {
      const allowed = await mayAct(deps.db, caller, 'administer');
      if (allowed.kind === 'denied') {
        throw new Refusal({
          status: 403,
          code: allowed.code,
          detail: allowed.reason,
          remedy: 'everybody makes tokens for themselves; an administrator can for others',
        });
      }
      personId = orNotFound(await findPerson(deps.db, person), `person ${person}`).id;
    }
    const expiresAt =
      validSeconds === undefined ? undefined : new Date(deps.clock.now().getTime() + validSeconds * 1000);
    const { secret } = await deps.inTransaction((trx) =>
      createAccessToken(trx, { personId, name, expiresAt, by: caller }),
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
