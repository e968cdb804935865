/**
 * What the signer asks of a Release before it signs: the text is one that apt reads in one way, it says what the statement
 * says, and it comes after what was signed before.
 */
import { parseRelease } from '../debian/release.ts';
import type { ReleaseRequest } from '../contract/signer.ts';
import { sha256 } from '../platform/files.ts';
import type { StatementRefused } from './key-book.ts';
import type { SignedEntry } from './log.ts';

export interface StatementHolds {
  readonly kind: 'holds';
  readonly sha256: string;
  readonly validUntil: Date | undefined;
  /** The very same text was signed before (H8). */
  readonly repeated: boolean;
}

/** A Date this far ahead of the signer's clock would lock the suite until then, so it is refused. */
const MAX_AHEAD_MS = 10 * 60_000;

/** Judges a statement by the suite's last entry in the log and the signer's own clock. */
export function judgeRelease(
  statement: ReleaseRequest,
  last: SignedEntry | undefined,
  now: Date,
): StatementHolds | StatementRefused {
  const release = parseRelease(statement.release);
  if ('kind' in release) {
    return refuse('signer.malformed-release', `the Release cannot be read: ${release.reason}`, MENDED_BY_CODE);
  }
  if (release.suite !== statement.suite) {
    return refuse(
      'signer.other-suite',
      `the Release says Suite: ${release.suite}, the statement ${statement.suite}`,
      MENDED_BY_CODE,
    );
  }
  if (release.codename !== statement.codename) {
    return refuse(
      'signer.other-codename',
      `the Release says Codename: ${release.codename}, the statement ${statement.codename}`,
      MENDED_BY_CODE,
    );
  }
  if (release.date.toISOString() !== statement.date) {
    return refuse(
      'signer.other-date',
      `the Release has the Date ${release.date.toISOString()}, the statement ${statement.date}`,
      MENDED_BY_CODE,
    );
  }
  if (release.date.getTime() > now.getTime() + MAX_AHEAD_MS) {
    return refuse(
      'signer.future-date',
      `the Date ${statement.date} lies ahead of the signer's clock, ${now.toISOString()}`,
      'set the clocks of the database server and of the signer right',
    );
  }
  const hash = sha256(statement.release);
  const holds = { kind: 'holds', sha256: hash, validUntil: release.validUntil } as const;
  if (last === undefined) return { ...holds, repeated: false };
  if (statement.serial < last.serial) {
    return refuse(
      'signer.older-serial',
      `serial ${last.serial} of the suite was signed on ${last.at}, and ${statement.serial} comes before it`,
      older(statement),
    );
  }
  if (statement.serial === last.serial) {
    if (hash === last.sha256) return { ...holds, repeated: true };
    return refuse(
      'signer.other-content',
      `serial ${last.serial} of the suite was signed on ${last.at} with other content`,
      older(statement),
    );
  }
  if (release.date.getTime() <= Date.parse(last.date)) {
    return refuse(
      'signer.older-date',
      `the Date ${statement.date} is not after ${last.date}, the last one that was signed for the suite`,
      'set the clock of the database server right; clients take only a newer Date',
    );
  }
  return { ...holds, repeated: false };
}

function older({ archive, suite }: ReleaseRequest): string {
  return `the database is older than what was published: restore a newer backup, or go on above that serial: landfall archive forward ${archive}/${suite}`;
}

const MENDED_BY_CODE = 'this is a fault of the program that asked; its log says more';

function refuse(code: string, reason: string, remedy: string): StatementRefused {
  return { kind: 'refused', code, reason, remedy };
}
