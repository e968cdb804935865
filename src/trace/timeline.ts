/**
 * One submission's timeline, made from its rows. Pure: what happened, what happens now, what is still to come, and for what
 * waits the sentence why and who must act.
 *
 *     tag seen → verified → source built → accepted → published → for each architecture: built → accepted → published
 *
 * Steps that are still to come stand in the list as `waiting` behind the one that they wait for, and become `skipped` when that
 * one has failed.
 */
import type { BuildFacts, SubmissionFacts } from './submission-facts.ts';
import type { Draft } from './timeline-draft.ts';
import { judge } from './timeline-standing.ts';
import {
  accepted,
  built,
  comes,
  noBinaries,
  prepared,
  published,
  received,
  suspendedStep,
  tagDecided,
  tagSeen,
  type Pages,
  type Waiting,
} from './timeline-steps.ts';
import type { StepName, SubmissionTrace, TraceDeps } from './types.ts';
import { iso, pages } from './values.ts';

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
