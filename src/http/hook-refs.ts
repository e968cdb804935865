/** The refs that a push hook speaks of. */

export interface PushedRef {
  readonly ref: string;
  /** The tag object that is there now. */
  readonly objectId: string | undefined;
}

/** Bounded and printable; whether git would take the name is for those to judge who fetch it. */
export function isTagRef(ref: string): boolean {
  return ref.length <= 250 && /^refs\/tags\/[!-~]+$/.test(ref);
}

/** A whole object id, SHA-1 or SHA-256. */
export function isWhole(objectId: string): boolean {
  return /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(objectId);
}

/** Of the lines that git writes to post-receive, the tags that are new; anything else is passed over. @see githooks(5) */
export function refsInLines(text: string): readonly PushedRef[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = '', ref = '', ...rest] = line.trimEnd().split(' ');
    // All zeros: the tag was removed, which asks for nothing.
    const isNew = rest.length === 0 && isWhole(before) && isWhole(after) && !/^0+$/.test(after) && isTagRef(ref);
    return isNew ? [{ ref, objectId: after }] : [];
  });
}
