/**
 * The states of an upload and of a publication, and the only moves between them. The database holds the same lists in its
 * triggers, and a test holds the two against each other.
 *
 * An **upload** is what a worker (or a person) delivered: one .changes with the files that it lists.
 *
 *     received ──→ accepted     every check passed: its files are in the pool, its packages in the suite, for ever named
 *        │  └────→ rejected     a check failed: nothing of it is named; code, sentence and remedy say what was wrong
 *        └──→ held ──→ accepted a person must look first (NEW, or a binary name that another source owns)
 *               └────→ rejected
 *
 * Received is left by one transaction that also records every check, ends the job's attempt and enqueues what follows. The
 * checks of bytes run before it, without a lock: bytes in the store never change. The checks against what the archive holds
 * run inside it, behind the archive's lock, so that of two uploads for one name exactly one wins (H43). Accepted and rejected
 * are final.
 *
 * A **publication** is one state of a suite that apt can see. It has a serial and a Date; both only grow.
 *
 *     writing ──→ written ──→ signed ──→ published
 *
 * - writing: serial, Date and the suite's settings are fixed; what the suite holds at this serial can no longer change, since
 *   later changes are stamped with the next serial. Files are being written into `.publications/SUITE/SERIAL`. Cut off here,
 *   it is begun again from the same facts.
 * - written: every index and every pool file that it names is durable, and the Release text is in the row. From here on the
 *   content never changes: signing again signs the same text (H8).
 * - signed: InRelease and Release.gpg are in the row.
 * - published: `dists/SUITE` points at it. A reader saw the last publication whole until then, and sees this one whole from
 *   then on (H6, H7).
 *
 * At most one publication of a suite is not published; whoever finds it goes on with it, under the suite's lock (H19).
 */
import type { PublicationState, UploadState } from '../platform/schema.ts';

type Move<State extends string> = `${State}>${State}`;

/** Every legal move of an upload. */
export const UPLOAD_MOVES: readonly Move<UploadState>[] = [
  'received>held',
  'received>accepted',
  'received>rejected',
  'held>accepted',
  'held>rejected',
];

/** Every legal move of a publication. */
export const PUBLICATION_MOVES: readonly Move<PublicationState>[] = [
  'writing>written',
  'written>signed',
  'signed>published',
];

/** True when an upload may go from one state to the other. */
export function uploadMayMove(from: UploadState, to: UploadState): boolean {
  return UPLOAD_MOVES.includes(`${from}>${to}`);
}

/** The state of a publication that follows, or undefined behind the last. */
export function nextPublicationState(state: PublicationState): PublicationState | undefined {
  const following: Readonly<Record<PublicationState, PublicationState | undefined>> = {
    writing: 'written',
    written: 'signed',
    signed: 'published',
    published: undefined,
  };
  return following[state];
}

/** What a person is told about an upload that was not accepted as it is. */
export interface Refusal {
  /** Stable and dotted: the code of the check that failed. */
  readonly code: string;
  /** What is wrong, as a whole sentence. */
  readonly sentence: string;
  /** What to do about it. */
  readonly remedy: string;
}
