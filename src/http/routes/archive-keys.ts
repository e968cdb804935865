/** The keys of archives, and the signer's log. */
import {
  archiveKeysRoute,
  changeKeyRoute,
  checkSignerLogRoute,
  planKeyChangeRoute,
  signerLogRoute,
  type KeyChange,
} from '../../contract/archive-keys.ts';
import {
  archiveKey,
  changeArchiveKey,
  checkSignerLog,
  planKeyChange,
  type ArchiveKey,
  type KeyChangeRequest,
  type KeyRefusal,
} from '../../archive/index.ts';
import type { PersonActor } from '../../permissions/index.ts';
import { findArchive } from '../../registry/index.ts';
import type { HttpDeps } from '../deps.ts';
import { Refusal } from '../refusal.ts';
import { audiencesOfCaller, mutable, nameOf, orNotFound, requirePerson, type Api } from './shared.ts';

const LOG_PAGE = 200;

export function archiveKeyRoutes(app: Api, deps: HttpDeps): void {
  const archiveOf = async (name: string, audiences: readonly string[]) => {
    const archive = await findArchive(deps.db, name);
    return orNotFound(
      archive !== undefined && audiences.includes(archive.audience) ? archive : undefined,
      'such archive',
    );
  };
  const view = (archive: string, { fingerprint, publicKey, keys }: ArchiveKey) => ({
    archive,
    fingerprint,
    publicKey,
    keys: mutable(keys),
    keyUrl: `${deps.publicUrl}/archive/${archive}/key.asc`,
  });
  const requested = async (
    name: string,
    person: PersonActor,
    wanted: { change: KeyChange; reason: string },
  ): Promise<KeyChangeRequest> => ({
    archive: await archiveOf(name, audiencesOfCaller(person)),
    change: wanted.change,
    reason: wanted.reason,
    by: nameOf(person),
  });

  app.openapi(archiveKeysRoute, async (c) => {
    const { archive } = c.req.valid('param');
    const found = await archiveOf(archive, audiencesOfCaller(c.get('caller')));
    return c.json(view(found.name, await archiveKey(deps, found.name)), 200);
  });

  app.openapi(planKeyChangeRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const request = await requested(c.req.valid('param').archive, person, c.req.valid('json'));
    const planned = await planKeyChange(deps, request, deps.clock.now());
    if (planned.kind === 'refused') throw refusal(planned);
    const { changes, warnings, hash } = planned;
    return c.json({ changes: mutable(changes), warnings: mutable(warnings), hash }, 200);
  });

  app.openapi(changeKeyRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const { hash, ...wanted } = c.req.valid('json');
    const request = await requested(c.req.valid('param').archive, person, wanted);
    const done = await changeArchiveKey(deps, request, hash);
    switch (done.kind) {
      case 'refused':
        throw refusal(done);
      case 'out-of-date':
        throw new Refusal({
          status: 409,
          code: 'archive-key.out-of-date',
          detail: 'the keys are no longer as they were when this was planned; nothing was changed',
          remedy: 'look at the new plan and confirm it: run the same command again',
        });
      case 'done':
      case 'unchanged':
        return c.json(
          { kind: done.kind, fingerprint: done.fingerprint, keys: view(request.archive.name, done.keys) },
          200,
        );
    }
  });

  app.openapi(signerLogRoute, async (c) => {
    const { after = 0, limit = LOG_PAGE } = c.req.valid('query');
    return c.json(mutable(await deps.signer.readLog(after, limit)), 200);
  });

  app.openapi(checkSignerLogRoute, async (c) => c.json(await checkSignerLog(deps), 200));
}

function refusal({ code, reason, remedy }: KeyRefusal): Refusal {
  return new Refusal({ status: 409, code, detail: reason, remedy });
}
