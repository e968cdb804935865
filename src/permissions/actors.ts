/**
 * Who is behind a request: a person who showed an access token, or nobody in particular. Also the parts of Landfall that act
 * by themselves, which need no permission.
 */

export interface PersonActor {
  readonly kind: 'person';
  readonly personId: number;
  readonly handle: string;
  /** Names of the groups that the person is in. */
  readonly groups: readonly string[];
  /** Administers everything. */
  readonly administrator: boolean;
}

export type Actor = PersonActor | { readonly kind: 'anonymous' };

/** Landfall itself (`landfall`), or its demo (`demo`): the operator of the machine, who stands above permissions. */
export interface SystemActor {
  readonly kind: 'system';
  readonly name: string;
}

export const ANONYMOUS: Actor = { kind: 'anonymous' };

/** The actor as it stands in events and in the audit. */
export function actorName(actor: Actor | SystemActor): string {
  switch (actor.kind) {
    case 'person':
      return `person:${actor.handle}`;
    case 'system':
      return actor.name;
    case 'anonymous':
      return 'anonymous';
  }
}

/**
 * The audiences that an actor belongs to; what is meant for another is not shown, not even that it exists. An administrator is
 * no exception: whoever needs to see an embargo joins its group, and the audit shows it.
 */
export function audiencesOf(actor: Actor): string[] {
  return ['public', ...(actor.kind === 'person' ? actor.groups.map((name) => `group:${name}`) : [])];
}
