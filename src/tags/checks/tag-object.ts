/** Check 3, `tag.object`: the object is an annotated tag of a commit, and well-formed. */
import { isProblem, describeProblem } from '../../debian/problem.ts';
import type { Candidate } from '../facts.ts';
import type { GitObjects } from '../git-objects.ts';
import { obstructed, passed, rejected, type CheckResult } from '../model.ts';
import { MAX_TAG_BYTES, parseTagObject, type TagObject } from '../tag-object.ts';
import { formatBytes, remakeTag, shortId } from '../words.ts';

export interface ReadTag {
  readonly bytes: Buffer;
  readonly tag: TagObject;
}

export async function checkTagObject(candidate: Candidate, objects: GitObjects): Promise<CheckResult<ReadTag>> {
  const { ref, objectId, objectFormat, repository } = candidate;
  const remedy = remakeTag(ref, repository.plainTags);
  const object = await objects.read(objectId, MAX_TAG_BYTES);
  switch (object.kind) {
    case 'missing':
      return obstructed(
        'tag.object',
        'mirror.missing-object',
        `The tag object ${shortId(objectId)} was fetched and is not there any more.`,
        'It is fetched again by itself; if this stays, look at the disk and at the mirror in the git folder.',
      );
    case 'too-large':
      return rejected(
        'tag.object',
        `A tag object of at most ${formatBytes(MAX_TAG_BYTES)} was expected, and this ${object.type} has ${formatBytes(object.size)}.`,
        remakeTag(ref, repository.plainTags, 'make it again with a shorter message'),
      );
    case 'object':
      break;
  }
  if (object.type !== 'tag') {
    return rejected(
      'tag.object',
      `An annotated tag was expected under ${ref.name}, and it names a ${object.type} itself (a lightweight tag).`,
      remedy,
    );
  }
  const tag = parseTagObject(object.bytes, objectFormat);
  if (isProblem(tag)) {
    return rejected(
      'tag.object',
      `A well-formed tag object was expected, and in ${shortId(objectId)} ${describeProblem(tag)}.`,
      remedy,
    );
  }
  return passed({ bytes: object.bytes, tag }, `annotated tag of commit ${shortId(tag.commitId)}`);
}
