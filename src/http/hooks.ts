/**
 * Notices: `POST /hooks/git/NAME` from a post-receive hook or a forge's webhook, and `POST /hooks/git`, where the addresses in the
 * payload tell which Git repository it is. A notice is a hint and nothing in it is believed: what is new is fetched from the
 * address that was registered. Where a secret is configured, it must prove that it comes from the forge (H91).
 *
 * Who learns what: a Git repository whose archives are all closed takes notices only with proof (its secret, or the token of
 * somebody who may see it); without, it is answered as if it did not exist. Of a public one anybody may know.
 */
import type { Context, Handler } from 'hono';
import type { HookAnswer } from '../contract/hooks.ts';
import {
  createNoticeLimiter,
  findNoticed,
  planDiscovery,
  planLook,
  takeFirstNotice,
  takeNotices,
  waitForRef,
  type Noticed,
  type NoticeLimiter,
} from '../tags/index.ts';
import { audiencesOf } from '../permissions/index.ts';
import { actorOf, authenticate } from './callers.ts';
import type { HttpDeps } from './deps.ts';
import type { Caller, HttpEnv } from './env.ts';
import { answerForRef, plain, textOf, type TagAnswer } from './hook-answer.ts';
import { bringsProof, isProven } from './hook-proof.ts';
import { parseHook, type HookRequest } from './hook-request.ts';
import { Refusal } from './refusal.ts';

/** Forges tell of many commits at once. */
const MAX_BODY = 2 * 1024 * 1024;
const MAX_REFS = 20;
/** Hooks that wait for a decision at the same time; further ones are answered at once. */
const MAX_WAITING = 64;

type Push = Extract<HookRequest, { kind: 'push' }>;

/** Something that this notice may be about, and whether its forge has proven itself. */
interface Admitted {
  readonly noticed: Noticed;
  readonly isProven: boolean;
  /** The caller belongs to those who may see it. */
  readonly mayKnow: boolean;
}

export function gitHook(deps: HttpDeps): Handler<HttpEnv> {
  const limiter = createNoticeLimiter();
  let waiting = 0;
  return async (c) => {
    const caller = await authenticate(deps, c.req.header('authorization'));
    const request = parseHook({
      path: new URL(c.req.raw.url).pathname,
      query: c.req.query(),
      header: (name) => c.req.header(name),
      body: await readBody(c.req.raw.body),
    });
    if (request.kind === 'invalid') {
      throw new Refusal({ status: 400, code: 'hook.invalid', detail: request.reason, remedy: request.remedy });
    }
    const admitted = await admit(deps, caller, request);
    if (!request.concernsTags) {
      const names = admitted.map(({ noticed }) => nameOf(noticed));
      const sentence = `${names.join(', ')}: nothing in ${request.event === undefined ? 'this' : `"${request.event}"`} asks for a look`;
      return reply(c, { repositories: names, sentence, tags: [] });
    }
    const via = caller.kind === 'person' ? `person:${caller.handle}` : request.sender;
    const taken: Taken[] = [];
    for (const one of admitted) taken.push(await take(deps, limiter, one, request, via));

    const isWaiting = request.waitSeconds > 0 && waiting < MAX_WAITING;
    if (isWaiting) waiting += 1;
    try {
      const until = performance.now() + (isWaiting ? request.waitSeconds * 1000 : 0);
      const signal = AbortSignal.any([c.req.raw.signal, deps.shutdown]);
      return reply(c, await answerFor(deps, taken, request, caller, until, signal));
    } finally {
      if (isWaiting) waiting -= 1;
    }
  };
}

/** What the notice may cause a look at. @throws Refusal 404 where there is nothing for this caller, 403 where proof is missing */
async function admit(deps: HttpDeps, caller: Caller, request: Push): Promise<readonly Admitted[]> {
  const audiences = audiencesOf(actorOf(caller));
  const found = await findNoticed(deps, { name: request.repository, addresses: request.addresses });
  const admitted: Admitted[] = [];
  let refused: Noticed | undefined;
  for (const noticed of found) {
    const proven = noticed.secret !== undefined && isProven(noticed.secret, request.proof);
    const mayKnow = noticed.audiences.some((audience) => audiences.includes(audience));
    const isTrusted = caller.kind === 'person' && mayKnow;
    if (proven || isTrusted) admitted.push({ noticed, isProven: proven, mayKnow });
    else if (!noticed.audiences.includes('public')) continue;
    else if (noticed.secret === undefined) admitted.push({ noticed, isProven: false, mayKnow });
    else refused ??= noticed;
  }
  if (admitted.length > 0) return admitted;
  if (refused === undefined) throw unknownRepository(request);
  const name = nameOf(refused);
  deps.log.warn({ repository: name, sender: request.sender }, 'a notice without proof was refused');
  throw new Refusal({
    status: 403,
    code: 'hook.unproven',
    detail: `${name} takes notices only with its secret; ${bringsProof(request.proof) ? 'the proof that came does not fit it' : 'none came with this one'}`,
    remedy:
      'give the forge the secret that hook-secret names in the distribution file; people say `landfall tag notify` with their token',
  });
}

interface Taken {
  readonly name: string;
  readonly gitRepositoryId: number | undefined;
  readonly mayKnow: boolean;
  readonly sentence: string;
}

/** Counts the notice and plans the look. @throws Refusal 429, 409 */
async function take(
  deps: HttpDeps,
  limiter: NoticeLimiter,
  { noticed, isProven: proven, mayKnow }: Admitted,
  request: Push,
  via: string,
): Promise<Taken> {
  const { about } = noticed;
  const name = nameOf(noticed);
  const refs = request.refs.slice(0, MAX_REFS).map(({ ref }) => ref);
  if (about.kind === 'repository') {
    const { repository } = about;
    const admission = limiter.take(`repository:${repository.id}`, repository.noticesPerMinute);
    if (admission.kind === 'limited') {
      if (admission.isFirst) await planLook(deps, repository, admission.retryAfterSeconds);
      throw limited(name, repository.noticesPerMinute, admission.retryAfterSeconds);
    }
    await takeNotices(deps, repository, refs, via);
    return { name, gitRepositoryId: repository.id, mayKnow, sentence: `noted, ${name} is looked at now` };
  }
  const { namespace } = about;
  const admission = limiter.take(`namespace:${namespace.id}`, namespace.noticesPerMinute);
  if (admission.kind === 'limited')
    throw limited(namespace.name, namespace.noticesPerMinute, admission.retryAfterSeconds);
  if (!proven) {
    await planDiscovery(deps, about, refs, via);
    const sentence = `noted, ${name} is not known yet; it is looked for below ${namespace.name} now`;
    return { name, gitRepositoryId: undefined, mayKnow, sentence };
  }
  const added = await takeFirstNotice(deps, about, refs, via);
  switch (added.kind) {
    case 'added':
    case 'known':
      return {
        name,
        gitRepositoryId: added.gitRepositoryId,
        mayKnow,
        sentence: `${name} is known from now on, and looked at for the first time`,
      };
    case 'not-ours':
      return { name, gitRepositoryId: undefined, mayKnow, sentence: `${name}: no tag of a prefix of ours` };
    case 'refused':
      throw new Refusal({ status: 409, code: added.code, detail: added.reason, remedy: added.remedy });
  }
}

async function answerFor(
  deps: HttpDeps,
  taken: readonly Taken[],
  request: Push,
  caller: Caller,
  until: number,
  signal: AbortSignal,
): Promise<HookAnswer> {
  const audiences = audiencesOf(actorOf(caller));
  const tags: TagAnswer[] = [];
  for (const { name, gitRepositoryId, mayKnow } of taken) {
    if (gitRepositoryId === undefined) continue;
    for (const { ref, objectId } of request.refs.slice(0, MAX_REFS)) {
      const timeoutMs = Math.max(0, until - performance.now());
      const onEvents = (wake: () => void): (() => void) => deps.signals.subscribe('events', undefined, wake);
      const question = { gitRepositoryId, ref, objectId, timeoutMs, signal, onEvents };
      const answer = await waitForRef(deps, question);
      tags.push(await answerForRef(deps, { repository: name, ref, mayKnow }, answer, audiences));
    }
  }
  return {
    repositories: taken.map(({ name }) => name),
    sentence: taken.map(({ sentence }) => sentence).join('; '),
    tags,
  };
}

function reply(c: Context<HttpEnv>, answer: HookAnswer): Response {
  const headers = { 'cache-control': 'no-store' };
  if (c.req.header('accept')?.startsWith('application/json') === true) return c.json(answer, 200, headers);
  const text = answer.tags.length === 0 ? `landfall: ${plain(answer.sentence)}\n` : answer.tags.map(textOf).join('');
  return c.text(text, 200, headers);
}

function nameOf({ about }: Noticed): string {
  return about.kind === 'repository' ? about.repository.name : `${about.namespace.name}/${about.path.toLowerCase()}`;
}

/** The same words for what is not registered and for what this caller may not know of. */
function unknownRepository(request: Push): Refusal {
  return new Refusal({
    status: 404,
    code: 'git-repository.unknown',
    detail:
      request.repository === undefined
        ? 'no Git repository is registered here with an address of this payload'
        : `no Git repository is registered here as ${request.repository}`,
    remedy:
      'an administrator registers it, or its namespace, with `landfall apply`; one that is not public takes notices only with its secret',
  });
}

function limited(name: string, perMinute: number, retryAfterSeconds: number): Refusal {
  return new Refusal({
    status: 429,
    code: 'hook.rate-limited',
    detail: `${name} takes ${perMinute} notices a minute, and had them`,
    remedy: `nothing is lost: it is looked at anyway. The next notice is taken in ${retryAfterSeconds} s`,
    headers: { 'retry-after': String(retryAfterSeconds) },
  });
}

async function readBody(body: ReadableStream<Uint8Array> | null): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > MAX_BODY) {
      throw new Refusal({ status: 413, code: 'request.too-large', detail: `a hook sends at most ${MAX_BODY} bytes` });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
