/**
 * Check 12, `tag.fresh`: the tag was made at most 30 days before it was seen first, and not in the future. An old tag that
 * turns up again may be somebody else's doing.
 */
import type { Candidate, CheckedSignature } from '../facts.ts';
import { notApplicable, passed, rejected, type CheckResult } from '../model.ts';
import type { TagObject } from '../tag-object.ts';
import { decideAgain, formatTime, remakeTag } from '../words.ts';

const MAX_AGE_MS = 30 * 24 * 60 * 60_000;
const MAX_AHEAD_MS = 10 * 60_000;

export function checkTagFresh(
  candidate: Candidate,
  tag: TagObject,
  signature: Extract<CheckedSignature, { kind: 'good' }>,
): CheckResult<undefined> {
  const { ref, repository, seenAt } = candidate;
  const times = [
    { what: 'The tagger', at: new Date(tag.tagger.time * 1000) },
    ...(signature.madeAt === undefined ? [] : [{ what: 'The signature', at: signature.madeAt }]),
  ];
  const made = times.map(({ at }) => formatTime(at)).join(', ');
  if (candidate.anyAge) return notApplicable(undefined, `an administrator waived its age (${made})`);
  for (const { what, at } of times) {
    const age = seenAt.getTime() - at.getTime();
    // Also true for times that no Date can hold.
    if (!(age <= MAX_AGE_MS)) {
      return rejected(
        'tag.fresh',
        `${what} says ${Number.isNaN(age) ? 'no time that exists' : formatTime(at)}, more than 30 days before the tag was seen first (${formatTime(seenAt)}).`,
        `${remakeTag(ref, repository.plainTags)} Or an administrator vouches for its age and ${decideAgain(candidate.tagId)}.`,
      );
    }
    if (age < -MAX_AHEAD_MS) {
      return rejected(
        'tag.fresh',
        `${what} says ${formatTime(at)}, more than 10 minutes after the tag was seen first (${formatTime(seenAt)}).`,
        `Set the clock of the machine that signs. ${remakeTag(ref, repository.plainTags)}`,
      );
    }
  }
  return passed(undefined, `made at ${made}`);
}
