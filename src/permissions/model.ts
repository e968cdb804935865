/**
 * Who may do what: the rules, without I/O.
 *
 * Everything is denied unless a grant allows it. A grant says: a person or a group, one action, one archive (or `*`), a pattern
 * of suites, a pattern of packages, and until when. It counts while it is not withdrawn, its time is not over, and its person
 * is active; membership in a group is looked at when the decision is made.
 *
 * The actions:
 * - `release`        a signed tag of the person lets a source in
 * - `upload-binary`  binaries that the person signed are accepted
 * - `rebuild`        give back, build again, cancel
 * - `review-new`     accept or reject what waits in NEW
 * - `hint`           tell migration what to do
 * - `grant`          give and withdraw permissions that lie within this grant's own patterns, to others
 * - `operate`        workers, pools, publications
 * - `administer`     archives, suites, Git repositories, people, keys; includes all actions above but the first two, which
 *                    are promises made by a signature and must be granted by name
 *
 * Nobody widens his own rights. Who holds `grant` gives nothing to himself nor to a group that he is in. An administrator
 * gives himself nothing either, except where he is the only one and nobody else could (a team of one).
 */
import { coversPattern, isPattern, matchesPattern } from './patterns.ts';

export const ACTIONS = [
  'release',
  'upload-binary',
  'rebuild',
  'review-new',
  'hint',
  'grant',
  'operate',
  'administer',
] as const;

export type Action = (typeof ACTIONS)[number];

/** Actions that `administer` does not include. */
const BY_SIGNATURE: ReadonlySet<Action> = new Set(['release', 'upload-binary']);

/** What a permission speaks of. */
export interface Scope {
  readonly archive: string;
  readonly suites: string;
  readonly packages: string;
}

/** A permission that somebody holds, himself or through a group. */
export interface Grant extends Scope {
  readonly id: number;
  readonly action: Action;
  readonly validUntil: Date | null;
  readonly withdrawnAt: Date | null;
  /** The group that it was given to; null when it was given to the person. */
  readonly group: string | null;
}

/** The person that a decision is about, with every grant that he ever held. */
export interface Holder {
  readonly personId: number;
  readonly handle: string;
  readonly active: boolean;
  readonly grants: readonly Grant[];
}

/** What is asked for. A part that is absent asks for all: only a grant for `*` allows it. */
export interface Request {
  readonly action: Action;
  readonly archive?: string | undefined;
  readonly suite?: string | undefined;
  readonly package?: string | undefined;
}

export type DenialCode =
  | 'permission.anonymous'
  | 'permission.unknown-person'
  | 'permission.inactive-person'
  | 'permission.no-grant'
  | 'permission.expired'
  | 'permission.withdrawn';

export interface Allowed {
  readonly kind: 'allowed';
  readonly grantId: number;
}

export interface Denied {
  readonly kind: 'denied';
  readonly code: DenialCode;
  /** A sentence for the person who asked. */
  readonly reason: string;
}

export type Decision = Allowed | Denied;

/** How many of a person's grants a sentence lists. */
const LISTED_GRANTS = 5;

/** Decides for a person as of `at`. The oldest grant that allows it is named. */
export function decideFor(holder: Holder | undefined, request: Request, at: Date): Decision {
  if (holder === undefined) {
    return denied('permission.unknown-person', 'Nobody is registered as the person who asks.');
  }
  if (!holder.active) {
    return denied('permission.inactive-person', `${holder.handle} is not active any more and may do nothing.`);
  }
  const matching = holder.grants.filter((grant) => allows(grant, request)).sort((one, other) => one.id - other.id);
  const valid = matching.find((grant) => isInForce(grant, at));
  if (valid !== undefined) return { kind: 'allowed', grantId: valid.id };

  const asked = describeRequest(request);
  const expired = matching.findLast((grant) => grant.withdrawnAt === null);
  if (expired?.validUntil != null) {
    return denied(
      'permission.expired',
      `The permission of ${holder.handle} to ${asked} ended at ${expired.validUntil.toISOString()}.`,
    );
  }
  const withdrawn = matching.at(-1);
  if (withdrawn?.withdrawnAt != null) {
    return denied(
      'permission.withdrawn',
      `The permission of ${holder.handle} to ${asked} was withdrawn at ${withdrawn.withdrawnAt.toISOString()}.`,
    );
  }
  return denied(
    'permission.no-grant',
    `${holder.handle} has no permission to ${asked}. ${describeHoldings(holder, request.action, at)}`,
  );
}

/** True while a grant counts. */
export function isInForce(grant: Pick<Grant, 'validUntil' | 'withdrawnAt'>, at: Date): boolean {
  return grant.withdrawnAt === null && (grant.validUntil === null || at < grant.validUntil);
}

/** True when the grant's own words allow the request, whatever the time. */
export function allows(grant: Pick<Grant, 'action' | keyof Scope>, request: Request): boolean {
  return (
    includesAction(grant.action, request.action) &&
    matchesPart(grant.archive, request.archive) &&
    matchesPart(grant.suites, request.suite) &&
    matchesPart(grant.packages, request.package)
  );
}

function includesAction(held: Action, asked: Action): boolean {
  return held === asked || (held === 'administer' && !BY_SIGNATURE.has(asked));
}

function matchesPart(pattern: string, name: string | undefined): boolean {
  return name === undefined ? coversPattern(pattern, '*') : matchesPattern(pattern, name);
}

/** A grant that shall be made. */
export interface ProposedGrant extends Scope {
  readonly action: Action;
  readonly validUntil: Date | null;
}

/** Who receives a grant: what counts is which people come to hold it. */
export interface Receiver {
  /** `alice` or `group:core`. */
  readonly name: string;
  readonly personIds: readonly number[];
}

export type GrantDenialCode =
  'permission.inactive-person' | 'permission.may-not-grant' | 'permission.own-rights' | 'permission.malformed-grant';

export type GrantRuling =
  { readonly kind: 'allowed' } | { readonly kind: 'denied'; readonly code: GrantDenialCode; readonly reason: string };

/** Why a grant is not well-formed, or undefined. `archive` is a name or `*`; its existence is for the caller to check. */
export function grantProblem(grant: Scope): string | undefined {
  if (grant.archive !== '*' && !/^[a-z0-9][a-z0-9.-]{0,63}$/.test(grant.archive)) {
    return 'an archive is named, or is * for all';
  }
  for (const [what, pattern] of [
    ['suites', grant.suites],
    ['packages', grant.packages],
  ] as const) {
    if (!isPattern(pattern)) {
      return `the pattern of ${what} may hold lower-case letters, digits, + . - and the wildcards * and ?`;
    }
  }
  return undefined;
}

/**
 * May `giver` make this grant? With `grant` on his side: within its patterns and its time, any action but `grant` and
 * `administer`, to others. With `administer`: anything within its scope, to others; to himself only as the sole administrator.
 * `soleAdministrator` says that no other active person administers everything.
 */
export function mayGive(
  giver: Holder,
  grant: ProposedGrant,
  receiver: Receiver,
  at: Date,
  soleAdministrator: boolean,
): GrantRuling {
  const malformed = grantProblem(grant);
  if (malformed !== undefined)
    return refused('permission.malformed-grant', `This grant is not well-formed: ${malformed}.`);
  if (!giver.active) {
    return refused('permission.inactive-person', `${giver.handle} is not active any more and may do nothing.`);
  }
  const inForce = giver.grants.filter((held) => isInForce(held, at));
  const administers = inForce.some((held) => held.action === 'administer' && coversGrant(held, grant));
  const toHimself = receiver.personIds.includes(giver.personId);
  const alreadyHolds = inForce.some((held) => includesAction(held.action, grant.action) && coversGrant(held, grant));
  const what = describeGrant(grant);

  const delegates =
    grant.action !== 'grant' &&
    grant.action !== 'administer' &&
    inForce.some((held) => held.action === 'grant' && coversGrant(held, grant));
  if (!administers && !delegates) {
    return refused(
      'permission.may-not-grant',
      `${giver.handle} may not give ${receiver.name} the permission to ${what}. ${describeHoldings(giver, 'grant', at)}`,
    );
  }
  if (toHimself && !alreadyHolds && !(administers && soleAdministrator)) {
    return refused(
      'permission.own-rights',
      `${giver.handle} may not give themselves the permission to ${what}, alone or through ${receiver.name}: ` +
        'nobody widens their own rights. Another administrator can.',
    );
  }
  return { kind: 'allowed' };
}

/** May `holder` withdraw it? Whoever could give it to others can take it away, his own too. */
export function mayWithdraw(holder: Holder, grant: ProposedGrant, at: Date): boolean {
  const withdrawable = { ...grant, validUntil: at };
  return (
    holder.active &&
    holder.grants.some(
      (held) =>
        isInForce(held, at) &&
        coversGrant(held, withdrawable) &&
        (held.action === 'administer' ||
          (held.action === 'grant' && grant.action !== 'grant' && grant.action !== 'administer')),
    )
  );
}

/** True when `held` reaches as far as `grant` does in archive, suites, packages and time. */
export function coversGrant(held: Grant, grant: ProposedGrant): boolean {
  return (
    coversPattern(held.archive, grant.archive) &&
    coversPattern(held.suites, grant.suites) &&
    coversPattern(held.packages, grant.packages) &&
    (held.validUntil === null || (grant.validUntil !== null && grant.validUntil <= held.validUntil))
  );
}

/** True when the person administers everything, now. */
export function isAdministrator(holder: Holder, at: Date): boolean {
  return decideFor(holder, { action: 'administer' }, at).kind === 'allowed';
}

/** `release hello to suite landing of archive main`, as it reads after "permission to". */
export function describeRequest(request: Request): string {
  return describeGrant({
    action: request.action,
    archive: request.archive ?? '*',
    suites: request.suite ?? '*',
    packages: request.package ?? '*',
  });
}

/** A grant in the same words. */
export function describeGrant(grant: Scope & { readonly action: Action }): string {
  const packages = grant.packages === '*' ? 'any package' : grant.packages;
  const suites = grant.suites === '*' ? 'any suite' : `suite ${grant.suites}`;
  const archive = grant.archive === '*' ? 'any archive' : `archive ${grant.archive}`;
  switch (grant.action) {
    case 'release':
      return `release ${packages} to ${suites} of ${archive}`;
    case 'upload-binary':
      return `upload binaries of ${packages} to ${suites} of ${archive}`;
    case 'rebuild':
      return `rebuild ${packages} in ${suites} of ${archive}`;
    case 'review-new':
      return `review ${packages} in NEW for ${suites} of ${archive}`;
    case 'hint':
      return `give hints for ${packages} in ${suites} of ${archive}`;
    case 'grant':
      return `grant permissions for ${packages} in ${suites} of ${archive}`;
    case 'operate':
    case 'administer':
      return grant.packages === '*' && grant.suites === '*' && grant.archive === '*'
        ? `${grant.action} everything`
        : `${grant.action} ${packages} in ${suites} of ${archive}`;
  }
}

/** What the person may do instead, so that a denial shows how far off it was. */
function describeHoldings(holder: Holder, action: Action, at: Date): string {
  const held = holder.grants.filter((grant) => isInForce(grant, at) && includesAction(grant.action, action));
  if (held.length > 0) {
    const shown = held.slice(0, LISTED_GRANTS).map((grant) => describeGrant(grant) + throughGroup(grant));
    const more = held.length > shown.length ? `; and ${held.length - shown.length} more` : '';
    return `${holder.handle} may ${shown.join('; ')}${more}.`;
  }
  const others = [...new Set(holder.grants.filter((grant) => isInForce(grant, at)).map((grant) => grant.action))];
  if (others.length === 0) return `${holder.handle} holds no permission at all.`;
  return `${holder.handle} holds permissions for other actions only: ${others.join(', ')}.`;
}

function throughGroup(grant: Grant): string {
  return grant.group === null ? '' : ` (through group ${grant.group})`;
}

function denied(code: DenialCode, reason: string): Denied {
  return { kind: 'denied', code, reason };
}

function refused(code: GrantDenialCode, reason: string): GrantRuling {
  return { kind: 'denied', code, reason };
}
