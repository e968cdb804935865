/** Check 4, `tag.name`: the name inside the signed bytes is the one under which the tag was published, DISTRO/VERSION. */
import { quote } from '../../debian/problem.ts';
import type { Candidate } from '../facts.ts';
import { passed, rejected, type CheckResult } from '../model.ts';
import type { TagObject } from '../tag-object.ts';
import { commandToTag, remakeTag } from '../words.ts';

/** Gives the version that the name says. */
export function checkTagName(candidate: Candidate, tag: TagObject): CheckResult<string> {
  const { ref, repository } = candidate;
  if (tag.name !== ref.name) {
    return rejected(
      'tag.name',
      `The name that was signed is ${quote(tag.name)}, and the tag was published as ${quote(ref.name)}.`,
      `Push it under its own name (git push REMOTE refs/tags/${tag.name}), or make one of the name ${ref.name}: ${commandToTag(ref, repository.plainTags)}.`,
    );
  }
  if (ref.version === undefined) {
    return rejected(
      'tag.name',
      `A version as DEP-14 writes it (":" as "%", "~" as "_") was expected after ${ref.distro}/, and ${quote(ref.mangledVersion)} was found.`,
      remakeTag(ref, repository.plainTags, 'make one named after the version'),
    );
  }
  return passed(ref.version, `${ref.name} is signed and published under the same name`);
}
