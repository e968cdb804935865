/**
 * What a push hook says, read strictly and bounded: which Git repository (by its registered name in the path, or by addresses in
 * the payload), which tags are new, and what proves it. Query: `ref`, `object`, `wait`; body: the lines `OLD NEW REF` that git
 * writes to post-receive, a forge's payload, or plain JSON. @see hook-forges.ts, githooks(5)
 */
import { readForgeMessage, senderOf, type ForgeMessage, type HeaderOf, type Sender } from './hook-forges.ts';
import { proofIn, type Proof } from './hook-proof.ts';
import { isTagRef, isWhole, refsInLines, type PushedRef } from './hook-refs.ts';

export type HookRequest =
  | {
      readonly kind: 'push';
      /** The registered name; undefined when only the addresses tell. */
      readonly repository: string | undefined;
      readonly addresses: readonly string[];
      readonly sender: Sender;
      /** What the forge calls the event. */
      readonly event: string | undefined;
      /** False for what asks for nothing: a ping, a branch, a removal. */
      readonly concernsTags: boolean;
      /** Tags only, each once; empty when the hook only says that something is new. */
      readonly refs: readonly PushedRef[];
      readonly proof: Proof;
      readonly waitSeconds: number;
    }
  | { readonly kind: 'invalid'; readonly reason: string; readonly remedy: string };

const PATH = '/hooks/git';
const REPOSITORY = /^[a-z0-9][A-Za-z0-9+./_-]{0,199}$/;
const MAX_WAIT_SECONDS = 120;
const USE =
  'POST /hooks/git/NAME?ref=refs/tags/NAME&object=ID&wait=SECONDS, or a webhook of your forge to the same address';

export function parseHook(request: {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly header: HeaderOf;
  readonly body: Uint8Array;
}): HookRequest {
  const { header, query } = request;
  const wait = query.wait ?? '0';
  if (!/^\d{1,4}$/.test(wait)) return invalid('wait is no number of seconds');
  const refs = new Map<string, PushedRef>();
  const { ref, object } = query;
  if (ref !== undefined && ref !== '') {
    if (!isTagRef(ref)) return invalid('ref is not the full name of a tag, refs/tags/…');
    if (object !== undefined && object !== '' && !isWhole(object)) return invalid('object is no Git object id');
    refs.set(ref, { ref, objectId: object === '' ? undefined : object });
  }
  const sender = senderOf(header);
  const payload = readPayload(sender, header, request.body);
  if (payload === undefined) return invalid(`the body is not the JSON that ${sender} sends`);
  const message = payload.json === undefined ? NOTHING : readForgeMessage(sender, header, payload.json);
  for (const one of payload.json === undefined ? refsInLines(text(request.body)) : message.refs) refs.set(one.ref, one);

  const inPath = repositoryIn(request.path);
  if (inPath === undefined) return invalid('the path does not name a Git repository');
  const named = inPath === '' ? message.repository : inPath;
  if (named !== undefined && !isRepositoryName(named)) return invalid('the name of the Git repository is not one');
  if (named === undefined && message.addresses.length === 0) {
    return invalid('neither the path nor the body names a Git repository');
  }
  return {
    kind: 'push',
    repository: named,
    addresses: message.addresses,
    sender,
    event: message.event,
    concernsTags: message.concernsTags || refs.size > 0,
    refs: [...refs.values()],
    proof: proofIn(header, payload.bodies),
    waitSeconds: Math.min(Number(wait), MAX_WAIT_SECONDS),
  };
}

const NOTHING: ForgeMessage = {
  event: undefined,
  concernsTags: true,
  refs: [],
  repository: undefined,
  addresses: [],
};

/** The JSON of the body, where it holds some; undefined when a forge should have sent it and did not. */
function readPayload(
  sender: Sender,
  header: HeaderOf,
  body: Uint8Array,
): { readonly json: unknown; readonly bodies: readonly Uint8Array[] } | undefined {
  const isForm = header('content-type')?.startsWith('application/x-www-form-urlencoded') === true;
  // GitHub, Gitea and Forgejo can send the JSON as the field `payload` of a form; Gitea then signs what is in the field.
  const field = isForm && sender !== 'hook' ? new URLSearchParams(text(body)).get('payload') : null;
  const bodies = field === null ? [body] : [body, Buffer.from(field, 'utf8')];
  const written = field ?? text(body);
  if (sender === 'hook' && !/^\s*\{/.test(written)) return { json: undefined, bodies };
  try {
    const json: unknown = JSON.parse(written);
    return { json, bodies };
  } catch {
    return sender === 'hook' ? { json: undefined, bodies } : undefined;
  }
}

/** The name in the path; empty where the path names none. */
function repositoryIn(path: string): string | undefined {
  if (path === PATH || path === `${PATH}/`) return '';
  if (!path.startsWith(`${PATH}/`)) return undefined;
  try {
    const name = decodeURIComponent(path.slice(PATH.length + 1)).replace(/\/$/, '');
    return isRepositoryName(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

function isRepositoryName(name: string): boolean {
  return REPOSITORY.test(name) && !/(^|\/)\.{0,2}(\/|$)/.test(name);
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

function invalid(reason: string): HookRequest {
  return { kind: 'invalid', reason, remedy: USE };
}
