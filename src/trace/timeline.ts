/**
 * One submission's timeline, made from its rows. Pure: what happened, what happens now, what is still to come, and for what
 * waits the sentence why and who must act.
 *
 *     tag seen → verified → source built → accepted → published → for each architecture: built → accepted → published
 *
 * Steps that are still to come stand in the list as `waiting` behind the one that they wait for, and become `skipped` when that
 * one has failed.
 */
import type { BuildFacts, SubmissionFacts, TagFacts, UploadFacts } from './submission-facts.ts';
import type { Step, StepName, StepState, SubmissionState, SubmissionTrace, TraceDeps } from './types.ts';
import { durationMs, iso, isoOrNull, pages } from './values.ts';

/** Lighthouse's word on a job. */
export interface Waiting {
  readonly sentence: string;
  readonly mustAct: string | null;
}

type Pages = ReturnType<typeof pages>;

/** How a step bears on the whole. */
interface Draft extends Step {
  /** It goes on by itself. */
  readonly moves: boolean;
  /** It comes after another that is not done. */
  readonly follows: boolean;
  /** It waits for a worker that is not there: nothing is wrong with the package. */
  readonly lacksWorker: boolean;
}

export function traceOf(
  deps: Pick<TraceDeps, 'publicUrl'>,
  facts: SubmissionFacts,
  waiting: ReadonlyMap<number, Waiting>,
): SubmissionTrace {
  const url = pages(deps);
  const drafts = draftSteps(facts, waiting, url);
  const tag = facts.tag;
  const standing = judge(facts, drafts);
  const name = facts.source ?? tag?.claimed_source ?? null;
  return {
    id: facts.id,
    origin: facts.origin,
    archive: facts.archive,
    audience: facts.audience,
    suite: facts.suite,
    source: name,
    version: facts.version ?? tag?.claimed_version ?? null,
    person: facts.handle === null ? null : { handle: facts.handle, name: facts.person_name ?? facts.handle },
    createdAt: iso(facts.created_at),
    ...standing,
    url: name === null ? (tag === undefined ? url.home() : url.tag(tag.id)) : url.where(name),
    steps: drafts.map(({ moves: _moves, follows: _follows, lacksWorker: _lacks, ...step }) => step),
    tag:
      tag === undefined
        ? null
        : {
            id: tag.id,
            ref: tag.ref,
            objectId: tag.object_id,
            repository: tag.repository,
            commitId: tag.commit_id,
            signer: tag.signer,
            fingerprint: tag.key_fingerprint,
            url: url.tag(tag.id),
          },
    packages: facts.packages,
  };
}

function draftSteps(facts: SubmissionFacts, waiting: ReadonlyMap<number, Waiting>, url: Pages): Draft[] {
  const steps: Draft[] = [];
  /** The step behind which all that is added now comes; undefined when nothing is in the way. */
  let obstacle: Draft | undefined;
  const add = (draft: Draft): Draft => {
    steps.push(draft);
    return draft;
  };
  /** Adds the step, or its place in the list when it cannot have begun. */
  const chain = (made: Draft | undefined, name: StepName, title: string, architecture: string | null): void => {
    const draft = add(made ?? comes(name, title, architecture, obstacle));
    if (obstacle === undefined && draft.state !== 'done') obstacle = draft;
  };

  if (facts.tag !== undefined) {
    add(tagSeen(facts.tag, url));
    chain(tagDecided(facts.tag, url), 'tag.decided', 'tag verified', null);
  }
  const sourceBuild = facts.builds.find((build) => build.kind === 'source');
  const sourceUpload = last(facts.uploads.filter((upload) => upload.kind === 'source'));
  if (facts.tag !== undefined || sourceBuild !== undefined) {
    chain(prepared(facts, sourceBuild, obstacle), 'source.prepared', 'upstream tarballs found', null);
    chain(built(sourceBuild, waiting, url), 'source.built', 'source built', null);
  } else if (sourceUpload !== undefined) {
    add(received(sourceUpload));
  }
  chain(accepted(sourceUpload, sourceBuild), 'source.accepted', 'source accepted', null);
  const beforeBinaries = obstacle;
  chain(published(sourceUpload, facts), 'published', 'source published', null);

  // Binaries are built while the source is being published: they wait for its acceptance only.
  const binaries = facts.builds.filter((build) => build.kind === 'binary');
  for (const build of inOrder(binaries, facts.architectures)) {
    obstacle = beforeBinaries;
    const architecture = build.architecture;
    const upload = last(facts.uploads.filter((one) => one.build_id === build.id));
    chain(built(build, waiting, url), 'binary.built', `${architecture} built`, architecture);
    chain(accepted(upload, build), 'binary.accepted', `${architecture} accepted`, architecture);
    chain(published(upload, facts), 'published', `${architecture} published`, architecture);
  }
  if (binaries.length === 0) {
    obstacle = beforeBinaries;
    chain(noBinaries(facts, sourceUpload, obstacle), 'binary.built', 'binaries built', null);
  }
  if (facts.suspended_at === null) return steps;
  // Nothing comes any more: what was still to come will not.
  return [
    ...steps.map((one) =>
      one.state === 'waiting' || one.state === 'running' ? { ...one, state: 'skipped' as const, moves: false } : one,
    ),
    suspendedStep(facts, facts.suspended_at),
  ];
}

// ------------------------------------------------------------------ single steps

function tagSeen(tag: TagFacts, url: Pages): Draft {
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

function tagDecided(tag: TagFacts, url: Pages): Draft {
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

function prepared(
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

function built(build: BuildFacts | undefined, waiting: ReadonlyMap<number, Waiting>, url: Pages): Draft | undefined {
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

function suspendedStep(facts: SubmissionFacts, at: Date): Draft {
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

function received(upload: UploadFacts): Draft {
  return step({
    name: 'upload.received',
    title: 'upload received',
    state: 'done',
    from: upload.received_at,
    to: upload.received_at,
    by: 'landfall',
  });
}

function accepted(upload: UploadFacts | undefined, build: BuildFacts | undefined): Draft | undefined {
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

function published(upload: UploadFacts | undefined, facts: SubmissionFacts): Draft | undefined {
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

function noBinaries(
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
function comes(name: StepName, title: string, architecture: string | null, obstacle: Draft | undefined): Draft {
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

interface StepParts {
  readonly name: StepName;
  readonly title: string;
  readonly state: StepState;
  readonly architecture?: string | null;
  readonly from?: Date | null;
  readonly to?: Date | null;
  readonly by?: string | null;
  readonly code?: string | null;
  readonly sentence?: string | null;
  readonly remedy?: string | null;
  readonly mustAct?: string | null;
  readonly url?: string | null;
  readonly buildId?: number | null;
  readonly moves?: boolean;
  readonly follows?: boolean;
  readonly lacksWorker?: boolean;
}

function step(parts: StepParts): Draft {
  return {
    name: parts.name,
    title: parts.title,
    state: parts.state,
    architecture: parts.architecture ?? null,
    startedAt: isoOrNull(parts.from),
    endedAt: isoOrNull(parts.to),
    durationMs: durationMs(parts.from, parts.to),
    by: parts.by ?? null,
    code: parts.code ?? null,
    sentence: parts.sentence ?? null,
    remedy: parts.remedy ?? null,
    mustAct: parts.mustAct ?? null,
    url: parts.url ?? null,
    buildId: parts.buildId ?? null,
    moves: parts.moves ?? false,
    follows: parts.follows ?? false,
    lacksWorker: parts.lacksWorker ?? false,
  };
}

// ------------------------------------------------------------------ the whole

type Standing = Pick<SubmissionTrace, 'state' | 'settled' | 'sentence' | 'remedy' | 'mustAct'>;

/** How a submission stands, from its steps. */
function judge(facts: SubmissionFacts, steps: readonly Draft[]): Standing {
  const say = (state: SubmissionState, by: Draft | undefined, sentence?: string): Standing => ({
    state,
    settled: state !== 'in-flight',
    sentence: sentence ?? (by === undefined ? 'nothing is known of it yet' : describe(by)),
    remedy: by?.remedy ?? null,
    mustAct: by?.mustAct ?? null,
  });
  const stopped = steps.find((one) => one.name === 'suspended');
  if (stopped !== undefined) return say('suspended', stopped);
  // Without a source there is nothing more to come, whatever else the list holds.
  const end = steps.find(
    (one) =>
      one.architecture === null && (one.state === 'failed' || one.code === 'job.cancelled') && one.name !== 'published',
  );
  if (end !== undefined) {
    if (end.code === 'job.quarantined') return say('attention', end);
    if (end.code === 'job.cancelled') return say('cancelled', end);
    return say(end.name === 'tag.decided' || end.name === 'source.accepted' ? 'rejected' : 'failed', end);
  }
  const moving = steps.find((one) => one.moves);
  const failed = steps.find((one) => one.state === 'failed');
  if (moving !== undefined) return say('in-flight', moving);
  if (failed !== undefined) return say('attention', failed);
  const stuck = steps.filter((one) => one.state === 'waiting' && !one.follows);
  const blocking = stuck.find((one) => !one.lacksWorker) ?? stuck[0];
  const done = steps.filter((one) => one.name === 'published' && one.state === 'done');
  if (done.length === 0 || stuck.some((one) => !one.lacksWorker)) return say('attention', blocking);
  const architectures = done.flatMap((one) => one.architecture ?? []);
  const where = `published in ${facts.archive}/${facts.suite ?? ''}${architectures.length === 0 ? '' : ` for ${architectures.join(', ')}`}`;
  // A source without any binary of it helps nobody: then it still waits.
  if (architectures.length === 0 && blocking !== undefined) return say('attention', blocking);
  return say('published', blocking, blocking === undefined ? where : `${where}; ${describe(blocking)}`);
}

function describe(draft: Draft): string {
  return draft.sentence === null ? draft.title : `${draft.title}: ${draft.sentence}`;
}

function inOrder(builds: readonly BuildFacts[], architectures: readonly string[]): readonly BuildFacts[] {
  const place = (build: BuildFacts): number => {
    const index = architectures.indexOf(build.architecture);
    return index < 0 ? architectures.length : index;
  };
  return [...builds].sort((a, b) => place(a) - place(b) || a.id - b.id);
}

function last<T>(list: readonly T[]): T | undefined {
  return list[list.length - 1];
}

function moment(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
