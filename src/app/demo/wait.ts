/** Waiting for what Landfall does by itself: asked again until it is so, with a limit, and the last answer in the error. */
import type { Client } from '../../contract/client.ts';
import { buildRoute, type Build } from '../../contract/builds.ts';
import { gitRepositoriesRoute } from '../../contract/git-repositories.ts';
import { submissionRoute, type SubmissionTrace } from '../../contract/submissions.ts';
import { tagsRoute, type Tag } from '../../contract/tags.ts';
import { LandfallError } from '../../platform/errors.ts';

const PAUSE_MS = 200;

/** Asks until `done` gives something. @throws LandfallError `demo.too-slow` with `describe` of the last answer */
async function until<T, R>(options: {
  ask: () => Promise<T>;
  done: (answer: T) => R | undefined;
  describe: (answer: T) => string;
  waitingFor: string;
  deadlineMs: number;
}): Promise<R> {
  const deadline = Date.now() + options.deadlineMs;
  for (;;) {
    const answer = await options.ask();
    const result = options.done(answer);
    if (result !== undefined) return result;
    if (Date.now() > deadline) {
      throw new LandfallError({
        code: 'demo.too-slow',
        doing: `wait for ${options.waitingFor}`,
        reason: `after ${String(options.deadlineMs / 1000)} s: ${options.describe(answer)}`,
        remedy: 'the logs folder of the demo has what each role said',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** Until a Git repository was looked at for the first time: what is pushed before that belongs to its baseline. */
export async function firstLook(client: Client, repository: string): Promise<void> {
  await until({
    ask: async () => (await client.call(gitRepositoriesRoute, {})).repositories,
    done: (found) => found.some(({ name, lastLookAt }) => name === repository && lastLookAt !== null) || undefined,
    describe: (found) => found.find(({ name }) => name === repository)?.obstacle?.sentence ?? 'it was not looked at',
    waitingFor: `the first look at ${repository}`,
    deadlineMs: 60_000,
  });
}

/** The tag under `ref`, once it is decided. */
export async function decidedTag(client: Client, ref: string): Promise<Tag> {
  return await until({
    ask: async () => (await client.call(tagsRoute, { query: { limit: 50 } })).tags,
    done: (tags) => tags.find((tag) => tag.ref === ref && (tag.state === 'accepted' || tag.state === 'rejected')),
    describe: (tags) => tags.find((tag) => tag.ref === ref)?.sentence ?? 'the tag was not seen',
    waitingFor: `the decision on ${ref}`,
    deadlineMs: 60_000,
  });
}

/** The submission, once apt can install its packages for this architecture, or once it has failed. */
export async function publishedOrFailed(
  client: Client,
  submissionId: number,
  architecture: string,
): Promise<SubmissionTrace> {
  return await until({
    ask: async () => await client.call(submissionRoute, { params: { id: submissionId } }),
    done: (trace) => (isPublished(trace, architecture) || hasFailed(trace) ? trace : undefined),
    describe: (trace) => trace.sentence,
    waitingFor: `submission ${String(submissionId)}`,
    deadlineMs: 600_000,
  });
}

export function isPublished(trace: SubmissionTrace, architecture: string): boolean {
  return trace.steps.some(
    (step) => step.name === 'published' && step.architecture === architecture && step.state === 'done',
  );
}

export function hasFailed(trace: SubmissionTrace): boolean {
  return trace.steps.some((step) => step.state === 'failed');
}

/** The build of one architecture of a submission. */
export async function buildFor(client: Client, trace: SubmissionTrace, architecture: string): Promise<Build> {
  const id = trace.steps.find((step) => step.architecture === architecture && step.buildId !== null)?.buildId;
  if (id === undefined || id === null) {
    throw new LandfallError({
      code: 'demo.no-build',
      doing: `find the build of ${trace.source ?? 'the source'} for ${architecture}`,
      reason: `submission ${String(trace.id)} has none: ${trace.sentence}`,
    });
  }
  return await client.call(buildRoute, { params: { id } });
}
