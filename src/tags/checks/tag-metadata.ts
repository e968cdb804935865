/**
 * Check 5, `tag.metadata`: the message asks for the release of this version to this distribution. A plain tag asks by its
 * name alone, and only where the Git repository's row says that its tags are meant so.
 */
import { describeProblem, quote } from '../../debian/problem.ts';
import type { Candidate, Claim } from '../facts.ts';
import { isMetadataProblem, readReleaseMetadata } from '../metadata.ts';
import { passed, rejected, type CheckResult } from '../model.ts';
import type { TagObject } from '../tag-object.ts';
import { commandToTag, remakeTag } from '../words.ts';

/** `version` is the one that the tag's name says. */
export function checkTagMetadata(candidate: Candidate, tag: TagObject, version: string): CheckResult<Claim> {
  const { ref, repository } = candidate;
  const metadata = readReleaseMetadata(tag.message);
  const reject = (sentence: string, what?: string): CheckResult<Claim> =>
    rejected('tag.metadata', sentence, remakeTag(ref, repository.plainTags, what));

  if (isMetadataProblem(metadata)) {
    return reject(
      `The [dgit …] lines of the tag's message are not as tag2upload(5) wants them: ${describeProblem(metadata)}.`,
    );
  }
  switch (metadata.form) {
    case 'plain':
      return checkPlain(candidate, version);
    case 'record':
      return reject(
        'The tag has [dgit …] lines but no please-upload among them: it records an upload and does not ask for one.',
      );
    case 'request':
      break;
  }
  const { request } = metadata;
  if (!request.distros.includes(ref.distro)) {
    return reject(
      `distro=${ref.distro} was expected in the tag's message, as its name begins, and distro=${request.distros.map(quote).join(', ')} was found.`,
    );
  }
  if (request.version !== version) {
    return reject(`The tag's name says version ${version}, and its message says version=${quote(request.version)}.`);
  }
  return passed(
    {
      source: request.source,
      version,
      upstream: request.upstream,
      pristineTarCommitId: request.pristineTarCommitId,
      quilt: request.quilt,
      plain: false,
    },
    `asks for the release of ${request.source} ${version} to ${ref.distro}`,
  );
}

function checkPlain(candidate: Candidate, version: string): CheckResult<Claim> {
  const { ref, repository } = candidate;
  if (!repository.plainTags || repository.plainSource === null || repository.plainQuilt === null) {
    return rejected(
      'tag.metadata',
      `A [dgit please-upload …] line was expected in the tag's message, and none was found; plain tags of ${repository.name} ask for nothing.`,
      `Make the tag with Debian's own client: ${commandToTag(ref, false)}. Or have an administrator declare plain-tags for this Git repository.`,
    );
  }
  const quilt = repository.plainQuilt;
  return passed(
    {
      source: repository.plainSource,
      version,
      upstream: undefined,
      pristineTarCommitId: undefined,
      quilt: quilt === 'native' ? undefined : quilt,
      plain: true,
    },
    `a plain tag; the Git repository is declared to hold ${repository.plainSource} (${quilt})`,
  );
}
