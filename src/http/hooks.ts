/**
 * The push hook: `POST /hooks/git/NAME?ref=&object=&wait=`, or the lines that git gives to a post-receive hook as the body. It
 * is a hint that anybody may give, and nothing in it is believed: what is new is fetched from the address that was registered.
 * The answer is plain text, made to be read in the output of `git push`; it tells what anybody may know.
 */
import type { Handler } from 'hono';
import { describeTag } from '../trace/index.ts';
import { whyJobsWait } from '../lighthouse/index.ts';
import { receiveNotice, waitForRef, type RefAnswer } from '../tags/index.ts';
import { audiencesOf } from '../permissions/index.ts';
import { actorOf, authenticate } from './callers.ts';
import type { HttpDeps } from './deps.ts';
import type { HttpEnv } from './env.ts';
import { parseHook, type PushedRef } from './hook-request.ts';
import { Refusal } from './refusal.ts';

const MAX_BODY = 256 * 1024;
const MAX_REFS = 20;

export function gitHook(deps: HttpDeps): Handler<HttpEnv> {
  return async (c) => {
    const caller = await authenticate(deps, c.req.header('authorization'));
    const request = parseHook({
      path: new URL(c.req.raw.url).pathname,
      query: c.req.query(),
      body: await readBody(c.req.raw.body),
    });
    if (request.kind === 'invalid') {
      throw new Refusal({ status: 400, code: 'hook.invalid', detail: request.reason, remedy: request.remedy });
    }
    const { repository, waitSeconds } = request;
    const refs: readonly (PushedRef | undefined)[] =
      request.refs.length === 0 ? [undefined] : request.refs.slice(0, MAX_REFS);
    const via = caller.kind === 'person' ? `person:${caller.handle}` : 'hook';
    let gitRepositoryId: number | undefined;
    for (const ref of refs) {
      const noted = await receiveNotice(deps, { repository: { name: repository }, ref: ref?.ref, via });
      if (noted.kind === 'unknown-repository') {
        throw new Refusal({
          status: 404,
          code: 'git-repository.unknown',
          detail: `no Git repository is registered here as ${repository}`,
          remedy: 'an administrator registers it with `landfall apply`',
        });
      }
      ({ gitRepositoryId } = noted);
    }
    const audiences = audiencesOf(actorOf(caller));
    const until = performance.now() + waitSeconds * 1000;
    const signal = AbortSignal.any([c.req.raw.signal, deps.shutdown]);
    let text = '';
    for (const ref of refs) {
      if (ref === undefined || gitRepositoryId === undefined) {
        text += `landfall: noted, ${repository} is looked at now\n`;
        continue;
      }
      const answer = await waitForRef(deps, {
        gitRepositoryId,
        ref: ref.ref,
        objectId: ref.objectId,
        timeoutMs: Math.max(0, until - performance.now()),
        signal,
      });
      text += await describe(deps, ref.ref, answer, audiences);
    }
    return c.text(text, 200, { 'cache-control': 'no-store' });
  };
}

/** What is printed into the output of `git push` about one ref. */
async function describe(deps: HttpDeps, ref: string, answer: RefAnswer, audiences: readonly string[]): Promise<string> {
  const name = plain(ref.replace(/^refs\/tags\//, ''));
  if (answer.kind === 'not-seen') {
    return `landfall: ${name}: noted; nothing under this name was seen yet\nlandfall:   ${deps.publicUrl}/tags\n`;
  }
  const page = `landfall:   ${answer.url}\n`;
  const seen = await describeTag({ db: deps.db, publicUrl: deps.publicUrl, whyJobsWait }, answer.tagId, { audiences });
  // Anybody may call a hook; what is decided for a closed audience is on a page that asks who reads it.
  if (seen === undefined) return `landfall: ${name}: noted\n${page}`;
  const submission = `landfall:   ${deps.publicUrl}/submissions/${answer.submissionId}\n`;
  switch (answer.state) {
    case 'seen':
      return `landfall: ${name}: seen, being decided\n${page}`;
    case 'accepted':
      return `landfall: ${name}: accepted. ${plain(answer.sentence)}\n${submission}`;
    case 'obstructed':
      return `landfall: ${name}: could not be decided yet, it is tried again by itself. ${plain(answer.sentence)}\n${page}`;
    case 'rejected': {
      const remedy = answer.remedy === undefined ? '' : `landfall:   to mend it: ${plain(answer.remedy)}\n`;
      return `landfall: ${name}: REJECTED (${answer.code ?? 'unknown'}). ${plain(answer.sentence)}\n${remedy}${page}`;
    }
  }
}

/** In one line, with nothing that a terminal would obey: git prints it as it is. */
function plain(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\p{Cc}\p{Cf}]/gu, '?');
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
