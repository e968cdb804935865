/** Check 1, `notice.known`: the Git repository is registered and enabled. Its address comes from its row, never from a notice. */
import type { Candidate } from '../facts.ts';
import { obstructed, passed, rejected, type CheckResult } from '../model.ts';
import { remakeTag } from '../words.ts';

export function checkNoticeKnown(candidate: Candidate): CheckResult<undefined> {
  const { repository, archive, ref } = candidate;
  if (!repository.enabled) {
    return obstructed(
      'notice.known',
      'repository.disabled',
      `The Git repository ${repository.name} is registered and switched off.`,
      'An administrator enables it (enabled = true, landfall apply); its tags are then tried again by themselves.',
    );
  }
  if (candidate.leadsTo !== archive.id) {
    return rejected(
      'notice.known',
      `The prefix ${ref.distro}/ of ${repository.name} led to archive ${archive.name} when the tag was seen, and does not any more.`,
      `An administrator gives the prefix its archive again (prefixes, landfall apply). ${remakeTag(ref, repository.plainTags)}`,
    );
  }
  return passed(undefined, `${repository.name}; ${ref.distro}/ asks to enter ${archive.name}`);
}
