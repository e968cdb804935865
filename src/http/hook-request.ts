/**
 * What a push hook says, read strictly and bounded: which Git repository by its registered name, and which tags are new. Query:
 * `ref`, `object`, `wait`; body: the lines `OLD NEW REF` that git writes to post-receive. @see githooks(5)
 */

export interface PushedRef {
  readonly ref: string;
  /** The tag object that is there now. */
  readonly objectId: string | undefined;
}

export type HookRequest =
  | {
      readonly kind: 'push';
      readonly repository: string;
      /** Tags only, each once; empty when the hook only says that something is new. */
      readonly refs: readonly PushedRef[];
      readonly waitSeconds: number;
    }
  | { readonly kind: 'invalid'; readonly reason: string; readonly remedy: string };

const PREFIX = '/hooks/git/';
const REPOSITORY = /^[a-z0-9][a-z0-9+./_-]{0,199}$/;
const OBJECT = /^[0-9a-f]{40}([0-9a-f]{24})?$/;
const MAX_WAIT_SECONDS = 120;
const USE = 'POST /hooks/git/NAME?ref=refs/tags/NAME&object=ID&wait=SECONDS';

export function parseHook(request: {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}): HookRequest {
  const repository = repositoryIn(request.path);
  if (repository === undefined) return invalid('the path does not name a Git repository');
  const wait = request.query.wait ?? '0';
  if (!/^\d{1,4}$/.test(wait)) return invalid('wait is no number of seconds');
  const refs = new Map<string, PushedRef>();
  const { ref, object } = request.query;
  if (ref !== undefined && ref !== '') {
    if (!isTagRef(ref)) return invalid('ref is not the full name of a tag, refs/tags/…');
    if (object !== undefined && object !== '' && !OBJECT.test(object)) return invalid('object is no Git object id');
    refs.set(ref, { ref, objectId: object === '' ? undefined : object });
  }
  for (const line of Buffer.from(request.body).toString('utf8').split('\n')) {
    const [before = '', after = '', name = '', ...rest] = line.trimEnd().split(' ');
    if (rest.length > 0 || !OBJECT.test(before) || !OBJECT.test(after) || !isTagRef(name)) continue;
    // All zeros: the tag was removed, which asks for nothing.
    if (!/^0+$/.test(after)) refs.set(name, { ref: name, objectId: after });
  }
  return {
    kind: 'push',
    repository,
    refs: [...refs.values()],
    waitSeconds: Math.min(Number(wait), MAX_WAIT_SECONDS),
  };
}

function repositoryIn(path: string): string | undefined {
  if (!path.startsWith(PREFIX)) return undefined;
  try {
    const name = decodeURIComponent(path.slice(PREFIX.length)).replace(/\/$/, '');
    return REPOSITORY.test(name) && !/(^|\/)\.{0,2}(\/|$)/.test(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

/** Bounded and printable; whether git would take the name is for those to judge who fetch it. */
function isTagRef(ref: string): boolean {
  return ref.length <= 250 && /^refs\/tags\/[!-~]+$/.test(ref);
}

function invalid(reason: string): HookRequest {
  return { kind: 'invalid', reason, remedy: USE };
}
