/** What people may ask of tags: a verdict before the push, another try, another decision. */
import { Readable } from 'node:stream';
import { adoptTagRoute, checkTagRoute, redecideTagRoute, retryTagRoute, type TagDetail } from '../../contract/tags.ts';
import {
  distrosOf,
  findGitRepositoriesByPlace,
  findGitRepositoryByName,
  findGitRepositoryByUrl,
  getArchive,
} from '../../registry/index.ts';
import { adoptTag, checkTag, redecideTag, retryTag, type Asked } from '../../tags/index.ts';
import type { PersonActor } from '../../permissions/index.ts';
import type { HttpDeps } from '../deps.ts';
import { Refusal, notFound } from '../refusal.ts';
import { viewsFor } from '../views.ts';
import { audiencesOfCaller, mutable, orNotFound, requirePerson, type Api } from './shared.ts';

/** Packs of strangers to the archive's memory: what git may take for one is bounded, and so is how many there are at once. */
const MAX_CHECKS = 4;

export function tagRoutes(app: Api, deps: HttpDeps): void {
  const find = async (person: PersonActor, id: number): Promise<TagDetail> =>
    orNotFound(await viewsFor(deps, audiencesOfCaller(person)).tag(id), `tag ${id}`);

  app.openapi(retryTagRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const { id } = c.req.valid('param');
    await find(person, id);
    requireEnqueued(await retryTag(deps, id, person), id);
    const { state } = await find(person, id);
    return c.json({ id, state, sentence: 'it is fetched and decided again now' }, 200);
  });

  app.openapi(redecideTagRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const { id } = c.req.valid('param');
    await find(person, id);
    requireEnqueued(await redecideTag(deps, id, person), id);
    const { state } = await find(person, id);
    return c.json({ id, state, sentence: 'it is decided again now; the first decision stays on record' }, 200);
  });

  app.openapi(adoptTagRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const { repository, tag } = c.req.valid('json');
    const gitRepositoryId = await visibleRepository(deps, person, repository, undefined);
    const ref = tag.startsWith('refs/tags/') ? tag : `refs/tags/${tag}`;
    const adopted = await adoptTag(deps, { gitRepositoryId, ref }, person);
    switch (adopted.kind) {
      case 'adopted': {
        const url = `${deps.publicUrl}/tags/${adopted.tagId}`;
        return c.json(
          { id: adopted.tagId, state: 'seen' as const, sentence: 'it is fetched and decided now', url },
          200,
        );
      }
      case 'known': {
        const url = `${deps.publicUrl}/tags/${adopted.tagId}`;
        return c.json({ id: adopted.tagId, state: adopted.state, sentence: 'it was seen already', url }, 200);
      }
      case 'denied':
        throw new Refusal({ status: 403, code: adopted.code, detail: adopted.reason });
      case 'not-there':
        throw new Refusal({ status: 409, code: adopted.code, detail: adopted.reason, remedy: adopted.remedy });
    }
  });

  let checking = 0;
  app.openapi(checkTagRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const { repository, url, ref, object, upstream } = c.req.valid('query');
    const gitRepositoryId = await visibleRepository(deps, person, repository, url);
    const body = c.req.raw.body;
    if (checking >= MAX_CHECKS) {
      throw new Refusal({
        status: 429,
        code: 'tag.checks-busy',
        detail: `${MAX_CHECKS} tags are being checked at this moment, and each takes memory for a whole tree`,
        remedy: 'try again in a moment; a push is decided in its turn',
      });
    }
    checking += 1;
    const checked = await checkTag(deps, {
      repository: { id: gitRepositoryId },
      ref,
      objectId: object,
      upstreamCommitId: upstream,
      pack: body === null ? Readable.from([]) : Readable.from(body),
      signal: AbortSignal.any([c.req.raw.signal, deps.shutdown]),
    }).finally(() => {
      checking -= 1;
    });
    switch (checked.kind) {
      case 'unknown-repository':
        throw unknownRepository();
      case 'not-ours':
        throw new Refusal({
          status: 422,
          code: 'tag.not-ours',
          detail: checked.reason,
          remedy: 'git debpush --distro=DISTRO names the tag so',
        });
      case 'verdict': {
        const { kind: _, ...verdict } = checked;
        return c.json(mutable(verdict), 200);
      }
    }
  });
}

/** A repository counts as known to those who may see one of the archives that it may release to. */
async function visibleRepository(
  deps: HttpDeps,
  person: PersonActor,
  name: string | undefined,
  url: string | undefined,
): Promise<number> {
  if ((name === undefined) === (url === undefined)) {
    throw new Refusal({
      status: 400,
      code: 'request.invalid',
      detail: 'the Git repository must be named by its name or by its address, one of the two',
    });
  }
  // A remote may spell the address as git@host:path where https:// is registered: it is the place that counts.
  const found =
    name === undefined
      ? ((await findGitRepositoryByUrl(deps.db, url ?? '')) ??
        (await findGitRepositoriesByPlace(deps.db, [url ?? ''])).at(0))
      : await findGitRepositoryByName(deps.db, name);
  if (found === undefined) throw unknownRepository();
  const audiences = audiencesOfCaller(person);
  for (const { archiveId } of await distrosOf(deps.db, found.id)) {
    if (audiences.includes((await getArchive(deps.db, archiveId)).audience)) return found.id;
  }
  throw unknownRepository();
}

function unknownRepository(): Refusal {
  return new Refusal({
    status: 404,
    code: 'git-repository.unknown',
    detail: 'this Git repository is not registered, or it is not for you to see',
    remedy: 'name it as the server does, with --repository; an administrator registers it with `landfall apply`',
  });
}

function requireEnqueued(asked: Asked, id: number): void {
  switch (asked.kind) {
    case 'enqueued':
      return;
    case 'unknown-tag':
      throw notFound(`tag ${id}`);
    case 'denied':
      throw new Refusal({ status: 403, code: asked.code, detail: asked.reason });
    case 'not-now':
      throw new Refusal({ status: 409, code: asked.code, detail: asked.reason });
  }
}
