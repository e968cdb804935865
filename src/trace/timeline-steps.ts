/**
 * The single steps of a timeline, each from the rows of its module. Undefined where the step cannot have begun: its place in the
 * list is then kept by {@link comes}.
 */
import type { BuildFacts, SubmissionFacts, TagFacts, UploadFacts } from './submission-facts.ts';
import { step, type Draft } from './timeline-draft.ts';
import type { StepName } from './types.ts';
import type { pages } from './values.ts';

/** Lighthouse's word on a job. */
export interface Waiting {
  readonly sentence: string;
  readonly mustAct: string | null;
}

export type Pages = ReturnType<typeof pages>;

export function tagSeen(tag: TagFacts, url: Pages): Draft {
  return step({
    name: 'tag.seen',
    title: 'tag seen',
    state: 'done',
    from: tag.seen_at,
    to: tag.seen_at,
    by: 'landfall',
    sentence: `${tag.ref} in ${tag.repository}`,
    url: url.tag(tag.id),
  });
}

export function tagDecided(tag: TagFacts, url: Pages): Draft {
  const common = { name: 'tag.decided', title: 'tag verified', from: tag.seen_at, url: url.tag(tag.id) } as const;
  const by = tag.signer === null ? 'landfall' : `person:${tag.signer}`;
  switch (tag.state) {
    case 'seen':
      return step({ ...common, state: 'running', sentence: 'the tag is being checked', moves: true });
    case 'obstructed':
      return step({
        ...common,
        state: 'waiting',
        code: tag.obstacle_code,
        sentence:
          (tag.obstacle_sentence ?? 'the tag could not be checked yet') +
          (tag.retry_at === null ? '' : `; tried again at ${moment(tag.retry_at)}`),
        remedy: tag.obstacle_remedy,
        mustAct: tag.retry_at === null ? 'an administrator' : null,
        moves: tag.retry_at !== null,
      });
    case 'accepted':
      return step({ ...common, state: 'done', to: tag.decided_at, by, code: tag.code, sentence: tag.sentence });
    case 'rejected':
      return step({
        ...common,
        state: 'failed',
        to: tag.decided_at,
        by,
        code: tag.code,
        sentence: tag.sentence,
        remedy: tag.remedy,
        mustAct: 'the maintainer',
      });
  }
}

export function prepared(
  facts: SubmissionFacts,
  build: BuildFacts | undefined,
  obstacle: Draft | undefined,
): Draft | undefined {
  if (obstacle !== undefined) return undefined;
  const common = { name: 'source.prepared', title: 'upstream tarballs found', by: 'landfall' } as const;
  const from = facts.tag?.decided_at ?? facts.created_at;
  if (facts.preparation !== undefined && build === undefined) {
    const { code, sentence, remedy, at } = facts.preparation;
    return step({ ...common, state: 'failed', from, to: at, code, sentence, remedy, mustAct: 'the maintainer' });
  }
  const at = facts.prepared_at ?? build?.created_at;
  if (at !== undefined) return step({ ...common, state: 'done', from, to: at });
  return step({
    ...common,
    state: 'running',
    from,
    sentence: 'the upstream tarballs are being looked for',
    moves: true,
  });
}

export function built(
  build: BuildFacts | undefined,
  waiting: ReadonlyMap<number, Waiting>,
  url: Pages,
): Draft | undefined {
  if (build === undefined) return undefined;
  const why = waiting.get(build.job_id);
  const architecture = build.kind === 'source' ? null : build.architecture;
  const common = {
    name: build.kind === 'source' ? 'source.built' : 'binary.built',
    title: build.kind === 'source' ? 'source built' : `${build.architecture} built`,
    architecture,
    by: build.worker === null ? null : `worker:${build.worker}`,
    url: url.build(build.id),
    buildId: build.id,
  } as const;
  switch (build.state) {
    case 'blocked':
    case 'ready':
      return step({
        ...common,
        by: null,
        state: 'waiting',
        from: build.created_at,
        sentence: why?.sentence ?? 'waits for a worker',
        mustAct: why?.mustAct ?? null,
        moves: (why?.mustAct ?? null) === null,
        lacksWorker: build.state === 'ready',
      });
    case 'leased':
      return step({
        ...common,
        state: 'running',
        from: build.started_at,
        sentence: why?.sentence ?? null,
        moves: true,
      });
    case 'delivered':
    case 'succeeded':
      return step({ ...common, state: 'done', from: build.started_at, to: build.delivered_at });
    case 'failed':
      // What was delivered and then refused was built; the next step says what was wrong with it.
      if (build.delivered_at !== null) {
        return step({ ...common, state: 'done', from: build.started_at, to: build.delivered_at });
      }
      return step({
        ...common,
        state: 'failed',
        from: build.started_at,
        to: build.ended_at,
        code: build.failure_code,
        sentence: build.failure_reason,
        mustAct: 'the maintainer',
      });
    case 'quarantined':
      return step({
        ...common,
        state: 'failed',
        from: build.started_at,
        to: build.ended_at,
        code: build.failure_code,
        sentence: why?.sentence ?? build.failure_reason,
        mustAct: why?.mustAct ?? 'an administrator',
      });
    case 'cancelled':
      return step({
        ...common,
        state: 'skipped',
        from: build.started_at,
        to: build.changed_at,
        code: 'job.cancelled',
        sentence: `cancelled: ${build.failure_reason ?? 'no reason was recorded'}`,
      });
  }
}

export function suspendedStep(facts: SubmissionFacts, at: Date): Draft {
  return step({
    name: 'suspended',
    title: 'suspended',
    state: 'failed',
    from: at,
    to: at,
    by: facts.suspended_by,
    code: 'submission.suspended',
    sentence: facts.suspended_because,
    remedy: 'release the next version, signed with a registered key that is not revoked',
    mustAct: 'the maintainer',
  });
}

export function received(upload: UploadFacts): Draft {
  return step({
    name: 'upload.received',
    title: 'upload received',
    state: 'done',
    from: upload.received_at,
    to: upload.received_at,
    by: 'landfall',
  });
}

export function accepted(upload: UploadFacts | undefined, build: BuildFacts | undefined): Draft | undefined {
  if (upload === undefined) return undefined;
  // An upload of an attempt before the one that runs now has been answered already.
  if (build !== undefined && ['ready', 'leased', 'blocked'].includes(build.state)) return undefined;
  const binary = build?.kind === 'binary';
  const common = {
    name: binary ? 'binary.accepted' : 'source.accepted',
    title: binary ? `${build.architecture} accepted` : 'source accepted',
    architecture: binary ? build.architecture : null,
    from: upload.received_at,
    by: 'landfall',
    code: upload.code,
    sentence: upload.sentence,
    remedy: upload.remedy,
  } as const;
  switch (upload.state) {
    case 'received':
      return step({ ...common, state: 'running', sentence: 'the upload is being checked', moves: true });
    case 'held':
      return step({
        ...common,
        state: 'waiting',
        sentence: upload.sentence ?? 'it is new in this archive and waits for a review',
        mustAct: 'a reviewer of NEW',
      });
    case 'accepted':
      return step({ ...common, state: 'done', to: upload.decided_at });
    case 'rejected':
      return step({ ...common, state: 'failed', to: upload.decided_at, mustAct: 'the maintainer' });
  }
}

export function published(upload: UploadFacts | undefined, facts: SubmissionFacts): Draft | undefined {
  if (upload?.state !== 'accepted') return undefined;
  const build = facts.builds.find((one) => one.id === upload.build_id);
  const architecture = build?.kind === 'binary' ? build.architecture : null;
  const where = `${facts.archive}/${upload.published_suite ?? facts.suite ?? ''}`;
  const common = {
    name: 'published',
    title: architecture === null ? 'source published' : `${architecture} published`,
    architecture,
    from: upload.decided_at,
    by: 'landfall',
  } as const;
  if (upload.memberships === 0) {
    return step({
      ...common,
      state: 'skipped',
      by: null,
      sentence: 'it was replaced, or removed, before a publication',
    });
  }
  if (upload.unpublished > 0) {
    return step({ ...common, state: 'running', sentence: `the next publication of ${where} brings it`, moves: true });
  }
  return step({
    ...common,
    state: 'done',
    to: upload.published_at,
    sentence: `${where}, serial ${upload.published_serial ?? 0}`,
  });
}

export function noBinaries(
  facts: SubmissionFacts,
  sourceUpload: UploadFacts | undefined,
  obstacle: Draft | undefined,
): Draft | undefined {
  if (obstacle !== undefined || sourceUpload?.state !== 'accepted') return undefined;
  const common = { name: 'binary.built', title: 'binaries built' } as const;
  if (facts.nothing_to_build !== undefined) {
    return step({
      ...common,
      state: 'skipped',
      sentence: `the source is for ${facts.nothing_to_build.join(' ')}, and the suite has ${facts.architectures.join(' ')}`,
    });
  }
  if (facts.packages.some((one) => one.kind === 'binary'))
    return step({ ...common, state: 'done', sentence: 'uploaded' });
  return step({
    ...common,
    state: 'running',
    from: sourceUpload.decided_at,
    sentence: 'the builds are being planned',
    moves: true,
  });
}

/** The place of a step that cannot have begun. */
export function comes(name: StepName, title: string, architecture: string | null, obstacle: Draft | undefined): Draft {
  const dead = obstacle?.state === 'failed' || obstacle?.state === 'skipped';
  return step({
    name,
    title,
    architecture,
    state: dead ? 'skipped' : 'waiting',
    sentence: obstacle === undefined || dead ? null : `comes after "${obstacle.title}"`,
    follows: true,
    // With nothing in its way it is a moment between two transactions.
    moves: obstacle === undefined,
  });
}

function moment(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
