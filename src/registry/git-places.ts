/**
 * Where a Git repository lies, however its address is spelled: `https://forge/group/hello.git`, `ssh://git@forge/group/hello`
 * and `git@forge:group/hello.git` are one place. A notice brings addresses along, and they serve for one thing: to find, by
 * their place, a row that is registered. What is fetched from is made here from the registered pattern and a path of strict
 * form, never from what a notice says.
 *
 * Pure. Ports are left out of account: forges speak ssh on strange ones.
 */

/** Longest address that is looked at. */
const MAX_ADDRESS = 1000;
const MAX_PATH = 200;
const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])$/;
const SEGMENT = /^[A-Za-z0-9][A-Za-z0-9+._-]{0,99}$/;

interface Parts {
  /** In lower case; empty for a folder of this machine. */
  readonly host: string;
  /** Without `/` at either end and without `.git`. */
  readonly path: string;
}

/** `host/path` in lower case (forges do not tell cases apart), `file:/path` for a folder; undefined for what is no address. */
export function placeOf(address: string): string | undefined {
  const parts = partsOf(address);
  if (parts === undefined) return undefined;
  return parts.host === '' ? `file:/${parts.path}` : `${parts.host}/${parts.path}`.toLowerCase();
}

/** True for a path that a repository of a namespace may have: `hello`, `libs/hello`. */
export function isMemberPath(path: string, maxDepth: number): boolean {
  const segments = path.split('/');
  return (
    path.length <= MAX_PATH &&
    segments.length <= maxDepth &&
    segments.every(
      (segment) => SEGMENT.test(segment) && !segment.includes('..') && !/(?:\.git|\.lock|\.wiki|\.)$/i.test(segment),
    )
  );
}

/** Why a text is no pattern of a namespace; undefined when it is. The address around the `*` is judged elsewhere. */
export function patternProblem(pattern: string): string | undefined {
  if (/^[^*]+\/\*(?:\.git)?$/.test(pattern)) return undefined;
  return pattern.includes('*')
    ? 'has its * in another place than the end'
    : 'names one Git repository and not what lies below an address';
}

/** The address of the repository at `path`. */
export function memberUrl(pattern: string, path: string): string {
  return pattern.replace('*', () => path);
}

/** The path below a namespace that an address leads to; undefined when it leads elsewhere or the path is not a usable one. */
export function memberPath(pattern: string, address: string, maxDepth: number): string | undefined {
  const base = partsOf(memberUrl(pattern, 'x'));
  const parts = partsOf(address);
  if (base === undefined || parts?.host !== base.host) return undefined;
  const prefix = base.path.slice(0, -1);
  const begins =
    base.host === ''
      ? parts.path.startsWith(prefix)
      : parts.path.slice(0, prefix.length).toLowerCase() === prefix.toLowerCase();
  const path = parts.path.slice(prefix.length);
  return begins && isMemberPath(path, maxDepth) ? path : undefined;
}

function partsOf(address: string): Parts | undefined {
  if (address.length > MAX_ADDRESS || !/^[\x21-\x7e]+$/.test(address)) return undefined;
  const file = /^file:\/\/\/(.+)$/.exec(address)?.[1];
  if (file !== undefined) return withPath('', file);
  const [, urlHost, urlPath] =
    /^(?:https?|ssh|git):\/\/(?:[^/@]*@)?(\[[0-9a-f:.]+\]|[^/:@[\]]+)(?::\d{1,5})?\/(.+)$/i.exec(address) ?? [];
  if (urlHost !== undefined && urlPath !== undefined) return withPath(urlHost, urlPath);
  const [, host, path] = /^(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)([^/:@]+):(?!\/\/)\/?([^:]+)$/.exec(address) ?? [];
  return host === undefined || path === undefined ? undefined : withPath(host, path);
}

function withPath(host: string, text: string): Parts | undefined {
  const lower = host.toLowerCase();
  const path = text.replace(/\/+$/, '').replace(/\.git$/, '');
  if (host !== '' && !HOST.test(lower)) return undefined;
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..')) return undefined;
  return { host: lower, path };
}
