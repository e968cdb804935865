/**
 * The life of a tag, and the checks that decide it.
 *
 * A row of `tags` is one tag *object* that was seen under one name in one Git repository. It is in one of four states:
 *
 * - **seen**: the object was listed under a name of ours. Nothing of it is known but its id; it waits for its decision.
 * - **obstructed**: something that is not the signer's fault kept it from being decided: the forge is away, the disk is full.
 *   An obstacle is not a decision: each one is a row of `tag_obstacles`, and the same tag is tried again by itself, later and
 *   later, and at once when a person asks (`retry`).
 * - **accepted**: every check passed. In the same transaction its version was reserved, its input frozen and the next step
 *   enqueued. This is final.
 * - **rejected**: one check failed; which one, why, and what mends it are in `tag_decisions`. This is final too: the object
 *   seen again is answered with the same decision, and the way on is another tag object, which is welcome under the same name
 *   until one was accepted. One exception: when a `signer.*` check failed (or the tag was too old for `tag.fresh`), an
 *   administrator who has mended the grant or the key may have it decided again. That adds a second decision; the first stays.
 *
 *     seen ──→ accepted
 *      │ ╲──→ rejected ──→ accepted      (redecided by an administrator, `signer.*` and `tag.fresh` only)
 *      ↓            ↑
 *     obstructed ───┴──→ accepted
 *
 * The database refuses every other move (`tags_transition`), a second acceptance (`tag_decisions_accepted_once`), and any change
 * of a decision that was taken.
 */

export type TagState = 'seen' | 'obstructed' | 'accepted' | 'rejected';

/** What moves a tag from one state to another. */
export type TagStep = 'accept' | 'reject' | 'obstruct' | 'accept-after-redecision';

const MOVES: Readonly<Record<TagStep, { readonly from: readonly TagState[]; readonly to: TagState }>> = {
  accept: { from: ['seen', 'obstructed'], to: 'accepted' },
  reject: { from: ['seen', 'obstructed'], to: 'rejected' },
  // Obstructed again: the state stays, another obstacle is recorded.
  obstruct: { from: ['seen', 'obstructed'], to: 'obstructed' },
  'accept-after-redecision': { from: ['rejected'], to: 'accepted' },
};

/** The state after `step`, or undefined when a tag in `state` cannot take it. */
export function afterStep(state: TagState, step: TagStep): TagState | undefined {
  const move = MOVES[step];
  return move.from.includes(state) ? move.to : undefined;
}

/** True when the tag has its decision, so that nothing but a redecision can change anything. */
export function isDecided(state: TagState): boolean {
  return state === 'accepted' || state === 'rejected';
}

/** The checks in the order in which they are made; the first failure ends them. `number` is the one of the published list. */
export const CHECKS = [
  { number: 1, code: 'notice.known', asks: 'Is the Git repository registered and enabled?' },
  { number: 2, code: 'fetch.ok', asks: 'Could the tag be fetched from the registered address, within its limits?' },
  { number: 3, code: 'tag.object', asks: 'Is it a well-formed annotated tag of a commit?' },
  { number: 4, code: 'tag.name', asks: 'Is the signed name the one that it is published under, DISTRO/VERSION?' },
  { number: 5, code: 'tag.metadata', asks: 'Does its text ask for the release of this version to this distribution?' },
  { number: 6, code: 'signature.present', asks: 'Does it carry exactly one signature?' },
  {
    number: 7,
    code: 'signature.good',
    asks: 'Is the signature good, by a key neither expired nor revoked, with a strong hash?',
  },
  { number: 8, code: 'signer.known', asks: 'Does the key belong to an active person, and is it valid?' },
  { number: 9, code: 'commit.bound', asks: 'Is the tagged commit there, a Debian source tree of regular files?' },
  {
    number: 10,
    code: 'changelog.agrees',
    asks: 'Do changelog and control name the same source, version, and a suite of the archive?',
  },
  { number: 11, code: 'signer.permission', asks: 'May this person release this package to this suite?' },
  { number: 12, code: 'tag.fresh', asks: 'Was it made shortly before it was seen?' },
  {
    number: 13,
    code: 'version.unused',
    asks: 'Was this version never accepted here, and is it not being released by another tag?',
  },
  { number: 13, code: 'version.newer', asks: 'Is the version newer than what the suite holds or has held?' },
  { number: 14, code: 'upstream.bound', asks: 'Does the upstream tag lead to the commit that was signed?' },
  { number: 15, code: 'policy.names', asks: 'Are source and binary packages called as the archive has it?' },
  { number: 15, code: 'policy.components', asks: 'Do the sections belong to components of the suite?' },
  { number: 15, code: 'policy.source-format', asks: 'Is the source format one that the archive takes?' },
  {
    number: 15,
    code: 'policy.quilt-mode',
    asks: 'Is the layout of the branch one that can be turned into a source package?',
  },
  { number: 15, code: 'policy.native-version', asks: 'Does the version fit the source format?' },
  { number: 15, code: 'policy.submodules', asks: 'Is the tree free of submodules?' },
  { number: 15, code: 'policy.licences', asks: 'Does debian/copyright name licences that the archive takes?' },
] as const;

export type CheckCode = (typeof CHECKS)[number]['code'];

/** How many checks an accepted tag has passed. */
export const CHECK_COUNT = CHECKS.length;

export type CheckOutcome = 'passed' | 'failed' | 'not-applicable';

/** One line of the record that a decision keeps. An obstacle's last line is the check that could not be finished. */
export interface RecordedCheck {
  readonly code: CheckCode;
  readonly outcome: CheckOutcome | 'obstructed';
  /** What was found, fit to be shown to a person. */
  readonly detail: string;
}

/** Why a tag is not let in, in the maintainer's words. */
export interface Rejection {
  readonly kind: 'rejected';
  readonly code: CheckCode;
  /** What was expected and what was found. */
  readonly sentence: string;
  /** What mends it, with the command where there is one. */
  readonly remedy: string;
}

/** What kept a tag from being decided. `code` is the obstacle's own, for example `forge.unreachable`. */
export interface Obstacle {
  readonly kind: 'obstructed';
  readonly at: CheckCode;
  readonly code: string;
  readonly sentence: string;
  readonly remedy: string;
}

/** What one check gives: its value for the checks after it, or the end. */
export type CheckResult<T> =
  | { readonly kind: 'passed'; readonly value: T; readonly detail: string }
  | { readonly kind: 'not-applicable'; readonly value: T; readonly detail: string }
  | Rejection
  | Obstacle;

export function passed<T>(value: T, detail: string): CheckResult<T> {
  return { kind: 'passed', value, detail };
}

export function notApplicable<T>(value: T, detail: string): CheckResult<T> {
  return { kind: 'not-applicable', value, detail };
}

export function rejected(code: CheckCode, sentence: string, remedy: string): Rejection {
  return { kind: 'rejected', code, sentence, remedy };
}

export function obstructed(at: CheckCode, code: string, sentence: string, remedy: string): Obstacle {
  return { kind: 'obstructed', at, code, sentence, remedy };
}

/** True when an administrator may have a tag that was rejected with this code decided again. */
export function mayBeRedecided(code: string): boolean {
  return code.startsWith('signer.') || code === 'tag.fresh';
}

const FIRST_RETRY_MS = 15_000;
const LAST_RETRY_MS = 60 * 60_000;

/** After how many obstacles a tag is no longer tried by itself: some ten days of hourly attempts. */
export const MAX_OBSTACLES = 240;

/** How long to wait before the next attempt, after `obstacles` of them: 15 s, doubling, at most an hour. */
export function retryDelayMs(obstacles: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** Math.max(0, Math.min(obstacles, 30) - 1), LAST_RETRY_MS);
}
