/**
 * Names of tags: `refs/tags/DISTRO/VERSION`, where VERSION is mangled as DEP-14 says.
 *
 * Names come from other people's servers. Everything that git, a shell, a terminal or a URL could misread is refused here,
 * before a name is handed to any program or stored.
 * @see DEP-14, git-check-ref-format(1)
 */
import { tagToVersion } from '../debian/names.ts';
import type { ObjectFormat } from '../platform/git.ts';

export type { ObjectFormat } from '../platform/git.ts';

export const TAGS = 'refs/tags/';

/** Longest ref that is looked at. */
export const MAX_REF_LENGTH = 255;

const DISTRO = /^[a-z0-9][a-z0-9.-]{0,63}$/;
const OBJECT_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** A ref below `refs/tags/` in the form of a release. */
export interface ReleaseRef {
  readonly ref: string;
  /** The tag's name: the ref without `refs/tags/`. */
  readonly name: string;
  readonly distro: string;
  /** As it stands in the name. */
  readonly mangledVersion: string;
  /** Undefined when what follows the prefix is no mangled version. */
  readonly version: string | undefined;
}

/** Takes a ref apart; undefined when it is not `refs/tags/DISTRO/…` or not safe to handle. */
export function parseReleaseRef(ref: string): ReleaseRef | undefined {
  if (!ref.startsWith(TAGS) || ref.length > MAX_REF_LENGTH) return undefined;
  const name = ref.slice(TAGS.length);
  if (!isTagName(name)) return undefined;
  const slash = name.indexOf('/');
  if (slash < 0) return undefined;
  const distro = name.slice(0, slash);
  if (!isDistro(distro)) return undefined;
  const mangledVersion = name.slice(slash + 1);
  return { ref, name, distro, mangledVersion, version: tagToVersion(mangledVersion) };
}

/** True for a DISTRO prefix as `git_repository_archives` takes it. */
export function isDistro(text: string): boolean {
  return DISTRO.test(text) && !text.includes('..') && !text.endsWith('.') && !text.endsWith('.lock');
}

/** True for a name that git takes for a tag, in plain ASCII and never like an option. @see git-check-ref-format(1) */
export function isTagName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= MAX_REF_LENGTH - TAGS.length &&
    /^[\x21-\x7e]+$/.test(name) &&
    !/[~^:?*[\\]/.test(name) &&
    !name.startsWith('-') &&
    !name.includes('..') &&
    !name.includes('@{') &&
    name.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock')) &&
    !name.endsWith('.') &&
    name !== '@'
  );
}

/** True for a whole object id, SHA-1 or SHA-256. */
export function isObjectId(text: string): boolean {
  return OBJECT_ID.test(text);
}

/** The hash that an object id was made with. */
export function objectFormatOf(objectId: string): ObjectFormat {
  return objectId.length === 64 ? 'sha256' : 'sha1';
}
