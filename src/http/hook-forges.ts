/**
 * What GitLab, Forgejo, Gitea and GitHub say of a push, and a plain JSON form for everybody else: which tags are new, and by which
 * addresses the Git repository is known to its forge. Pure; whatever does not have the expected form is left out.
 *
 * - GitLab: `X-Gitlab-Event: Tag Push Hook`, or a system hook, with `object_kind: "tag_push"`
 * - GitHub, Gitea, Forgejo: `push` with a `ref` below refs/tags/, or `create` with `ref_type: "tag"` and the tag's bare name
 * - plain: `{"repository": NAME, "url": ADDRESS, "ref": "refs/tags/…", "object": ID}`, all but one of the first two optional
 *
 * @see docs of each forge, "Webhook events"
 */
import { isTagRef, isWhole, type PushedRef } from './hook-refs.ts';

export type Sender = 'gitlab' | 'forgejo' | 'gitea' | 'github' | 'hook';

export interface ForgeMessage {
  /** The event as the forge calls it, shown back to it; undefined where the sender is no forge. */
  readonly event: string | undefined;
  /** False for an event that concerns no new tag: a ping, a branch, a removal. */
  readonly concernsTags: boolean;
  readonly refs: readonly PushedRef[];
  /** The name that a plain message gives. */
  readonly repository: string | undefined;
  readonly addresses: readonly string[];
}

/** Headers by their lower-case name. */
export type HeaderOf = (name: string) => string | undefined;

const MAX_ADDRESSES = 8;

/** Forgejo also sends Gitea's headers and GitHub's, Gitea also GitHub's: the most particular one tells. */
export function senderOf(header: HeaderOf): Sender {
  if (header('x-gitlab-event') !== undefined) return 'gitlab';
  if (header('x-forgejo-event') !== undefined) return 'forgejo';
  if (header('x-gitea-event') !== undefined) return 'gitea';
  return header('x-github-event') !== undefined ? 'github' : 'hook';
}

export function readForgeMessage(sender: Sender, header: HeaderOf, body: unknown): ForgeMessage {
  const message = recordOf(body);
  switch (sender) {
    case 'gitlab': {
      const kind = textOf(message.object_kind) ?? textOf(message.event_name);
      return {
        event: shown(header('x-gitlab-event')),
        ...pushed(kind === 'tag_push' ? message : {}),
        repository: undefined,
        addresses: addressesIn([
          [recordOf(message.project), ['git_http_url', 'git_ssh_url', 'http_url', 'ssh_url']],
          [recordOf(message.repository), ['git_http_url', 'git_ssh_url']],
        ]),
      };
    }
    case 'forgejo':
    case 'gitea':
    case 'github': {
      const event = header(`x-${sender}-event`);
      return {
        event: shown(event),
        ...(event === 'create' ? created(message) : pushed(event === 'push' ? message : {})),
        repository: undefined,
        addresses: addressesIn([[recordOf(message.repository), ['clone_url', 'ssh_url', 'git_url']]]),
      };
    }
    case 'hook':
      return plainMessage(message);
  }
}

function plainMessage(message: Readonly<Record<string, unknown>>): ForgeMessage {
  const ref = textOf(message.ref);
  const object = textOf(message.object);
  const isTag = ref !== undefined && isTagRef(ref);
  return {
    event: undefined,
    // Without a ref it says that something is new; with a branch it says that nothing is.
    concernsTags: ref === undefined || isTag,
    refs: isTag ? [{ ref, objectId: object !== undefined && isWhole(object) ? object : undefined }] : [],
    repository: textOf(message.repository),
    addresses: addressesIn([
      [message, ['url', 'clone_url', 'ssh_url']],
      [recordOf(message.repository), ['url', 'clone_url', 'ssh_url', 'git_http_url', 'git_ssh_url']],
    ]),
  };
}

/** A forge's own word for the object is not taken: some name the tag object, some its commit. */
function pushed(message: Readonly<Record<string, unknown>>): Pick<ForgeMessage, 'concernsTags' | 'refs'> {
  const ref = textOf(message.ref);
  const isRemoval = message.deleted === true || /^0+$/.test(textOf(message.after) ?? '');
  if (ref === undefined || !isTagRef(ref) || isRemoval) return { concernsTags: false, refs: [] };
  return { concernsTags: true, refs: [{ ref, objectId: undefined }] };
}

function created(message: Readonly<Record<string, unknown>>): Pick<ForgeMessage, 'concernsTags' | 'refs'> {
  const name = message.ref_type === 'tag' ? textOf(message.ref) : undefined;
  const ref = name === undefined || name.startsWith('refs/') ? name : `refs/tags/${name}`;
  if (ref === undefined || !isTagRef(ref)) return { concernsTags: false, refs: [] };
  return { concernsTags: true, refs: [{ ref, objectId: undefined }] };
}

function addressesIn(
  places: readonly (readonly [Readonly<Record<string, unknown>>, readonly string[]])[],
): readonly string[] {
  const found = places.flatMap(([table, keys]) => keys.flatMap((key) => textOf(table[key]) ?? []));
  return [...new Set(found)].slice(0, MAX_ADDRESSES);
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= 1000 ? value : undefined;
}

function shown(event: string | undefined): string | undefined {
  return event?.replace(/[^A-Za-z0-9 _-]/g, '?').slice(0, 40);
}
