/** Check 6, `signature.present`: exactly one signature, where git itself looks for it. */
import type { Candidate, PresentSignature } from '../facts.ts';
import { passed, rejected, type CheckResult } from '../model.ts';
import type { TagObject } from '../tag-object.ts';
import { remakeTag } from '../words.ts';

export function checkSignaturePresent(candidate: Candidate, tag: TagObject): CheckResult<PresentSignature> {
  const { ref, repository } = candidate;
  const { signature } = tag;
  const reject = (sentence: string): CheckResult<PresentSignature> =>
    rejected('signature.present', sentence, remakeTag(ref, repository.plainTags, 'make it again, signed'));
  switch (signature.kind) {
    case 'none':
      return reject('A signed tag was expected, and this one carries no signature.');
    case 'several':
      return reject(
        `Exactly one signature was expected, and the tag has ${signature.count} lines that git takes for the beginning of one.`,
      );
    case 'unsupported':
      return reject(`An OpenPGP or SSH signature was expected, and an ${signature.format} was found.`);
    case 'malformed':
      return reject(`One whole signature at the end of the tag was expected, and ${signature.reason}.`);
    case 'one':
      return passed(
        { format: signature.format, bytes: signature.bytes },
        signature.format === 'openpgp' ? 'one OpenPGP signature' : 'one SSH signature',
      );
  }
}
