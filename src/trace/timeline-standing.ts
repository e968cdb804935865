/** How a submission stands, told from its steps: what goes on, what has ended it, who must act. */
import type { SubmissionFacts } from './submission-facts.ts';
import type { Draft } from './timeline-draft.ts';
import type { SubmissionState, SubmissionTrace } from './types.ts';

type Standing = Pick<SubmissionTrace, 'state' | 'settled' | 'sentence' | 'remedy' | 'mustAct'>;

export function judge(facts: SubmissionFacts, steps: readonly Draft[]): Standing {
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
