/** Keys of people: shown with all that they let in, read from files, revoked. */
import {
  importKeysRoute,
  keyRoute,
  keysRoute,
  planKeysRoute,
  revokeKeyRoute,
  type KeyDetail,
  type KeyImport,
} from '../../contract/keys.ts';
import { planRevocation, revokeAndSuspend } from '../../archive/index.ts';
import { importKeys, planKeyImport, type KeyImportPlan, type PersonActor } from '../../permissions/index.ts';
import { describePerson, listKeys } from '../../trace/index.ts';
import type { HttpDeps } from '../deps.ts';
import { Refusal, notFound } from '../refusal.ts';
import { peopleViewer, traceDeps } from './people-views.ts';
import { audiencesOfCaller, mutable, orNotFound, requirePerson, type Api } from './shared.ts';

export function keyRoutes(app: Api, deps: HttpDeps): void {
  const detail = async (id: number, person: PersonActor): Promise<KeyDetail> => {
    const audiences = audiencesOfCaller(person);
    const plan = orNotFound(await planRevocation(deps.db, id), `key ${id}`);
    const [key] = await listKeys(traceDeps(deps), { id }, { audiences });
    const owner = await describePerson(traceDeps(deps), plan.key.handle, peopleViewer(person));
    if (key === undefined) throw notFound(`key ${id}`);
    const visible = plan.releases.filter(({ audience }) => audiences.includes(audience));
    return {
      ...mutable(key),
      name: owner?.name ?? plan.key.handle,
      publicKey: plan.key.kind === 'ssh' ? plan.key.material.toString('latin1') : armour(plan.key.material),
      releases: visible.map((one) => ({
        submissionId: one.submissionId,
        tagId: one.tagId,
        archive: one.archive,
        suite: one.suite,
        source: one.source,
        version: one.version,
        decidedAt: one.decidedAt.toISOString(),
        state: one.state,
        publishedIn: [...one.publishedIn],
        advice: one.advice ?? null,
      })),
      hidden: plan.releases.length - visible.length,
      hash: plan.hash,
    };
  };

  app.openapi(keysRoute, async (c) => {
    const { person, fingerprint } = c.req.valid('query');
    const audiences = audiencesOfCaller(requirePerson(c.get('caller')));
    const keys = await listKeys(traceDeps(deps), { person, fingerprint }, { audiences });
    return c.json({ keys: mutable(keys) }, 200);
  });

  app.openapi(keyRoute, async (c) =>
    c.json(await detail(c.req.valid('param').id, requirePerson(c.get('caller'))), 200),
  );

  app.openapi(planKeysRoute, async (c) => {
    const by = requirePerson(c.get('caller'));
    const { bytes, person } = c.req.valid('json');
    const plan = await planKeyImport(deps.db, { bytes: Buffer.from(bytes, 'base64'), person, by });
    return c.json(planView(plan), 200);
  });

  app.openapi(importKeysRoute, async (c) => {
    const by = requirePerson(c.get('caller'));
    const { bytes, person, hash } = c.req.valid('json');
    const done = await importKeys(deps.db, { bytes: Buffer.from(bytes, 'base64'), person, by, hash });
    if (done.kind === 'out-of-date') throw outOfDate();
    return c.json(planView(done), 200);
  });

  app.openapi(revokeKeyRoute, async (c) => {
    const by = requirePerson(c.get('caller'));
    const { id } = c.req.valid('param');
    const { reason, suspend, hash } = c.req.valid('json');
    const done = await revokeAndSuspend(deps.db, { keyId: id, reason, suspend, hash, by });
    switch (done.kind) {
      case 'unknown-key':
        throw notFound(`key ${id}`);
      case 'denied':
        throw new Refusal({ status: 403, code: done.code, detail: done.reason });
      case 'out-of-date':
        throw outOfDate();
      case 'revoked':
      case 'already-revoked':
        return c.json(
          {
            key: await detail(id, by),
            alreadyRevoked: done.kind === 'already-revoked',
            suspended: done.suspended.map(({ submissionId, ended }) => ({
              submissionId,
              ...ended,
              takenFrom: [...ended.takenFrom],
            })),
          },
          200,
        );
    }
  });
}

function planView(plan: KeyImportPlan): KeyImport {
  switch (plan.kind) {
    case 'plan':
      return {
        keys: plan.keys.map((key) => ({
          ...key,
          userIds: [...key.userIds],
          person: key.person ?? null,
          remedy: key.remedy ?? null,
        })),
        hash: plan.hash,
      };
    case 'invalid-key':
      throw new Refusal({
        status: 422,
        code: 'key.invalid',
        detail: `this file holds no usable key: ${plan.reason}`,
        remedy: 'export it with `gpg --armor --export FINGERPRINT`, or take the .pub file of OpenSSH',
      });
    case 'unknown-person':
      throw notFound(`person ${plan.person}`);
  }
}

function outOfDate(): Refusal {
  return new Refusal({
    status: 409,
    code: 'keys.out-of-date',
    detail: 'something has changed since this was confirmed; nothing was done',
    remedy: 'run the same command again, and look at what it shows',
  });
}

/** RFC 4880, section 6; the checksum is optional there. */
function armour(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN PGP PUBLIC KEY BLOCK-----', '', ...lines, '-----END PGP PUBLIC KEY BLOCK-----', ''].join('\n');
}
