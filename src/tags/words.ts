/** Phrases that several rejections share, so that one remedy reads the same everywhere. */
import type { ReleaseRef } from './release-ref.ts';

/** The command that makes and pushes such a tag. `name` stands for the Git repository's remote on the maintainer's side. */
export function commandToTag(ref: ReleaseRef, plainTags: boolean): string {
  if (plainTags) return `git tag -s ${ref.name} && git push REMOTE ${ref.name}`;
  return `git debpush --distro=${ref.distro} --remote=REMOTE`;
}

/** Another tag object under the same name: how to take the old one away and make it anew. */
export function remakeTag(ref: ReleaseRef, plainTags: boolean, what = 'make it again'): string {
  return (
    `Remove the tag (git push --delete REMOTE ${ref.ref}; git tag -d ${ref.name}) and ${what}: ` +
    `${commandToTag(ref, plainTags)}.`
  );
}

/** The files that were tagged are at fault, and the version is still free: mend them and tag the new commit by the same name. */
export function mendAndTagAgain(ref: ReleaseRef, plainTags: boolean): string {
  return `Commit the change. ${remakeTag(ref, plainTags, 'make it again on that commit')}`;
}

/** What an administrator does after mending a grant, a key or a person. */
export function decideAgain(tagId: number | undefined): string {
  return `decides this tag again: landfall tag redecide ${tagId ?? 'ID'}`;
}

/** The way on when the tag can no longer be mended: a next version. */
export function releaseNextVersion(ref: ReleaseRef): string {
  return `Release a next version: dch -i, dch -r, commit, then git debpush --distro=${ref.distro} --remote=REMOTE.`;
}

/** An object id as people write it. */
export function shortId(objectId: string): string {
  return objectId.slice(0, 12);
}

/** A fingerprint in groups of four, as gpg shows it; an SSH fingerprint as it is. */
export function groupFingerprint(fingerprint: string): string {
  return fingerprint.startsWith('SHA256:') ? fingerprint : fingerprint.replace(/(.{4})(?=.)/g, '$1 ');
}

export function formatBytes(bytes: number): string {
  if (bytes < 10_000) return `${bytes} bytes`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit] ?? 'TB'}`;
}

/** `2026-11-22 14:05:25 UTC` */
export function formatTime(time: Date): string {
  return time
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
}

/** As {@link listWords}; of a long list only the first, and how many more there are. */
export function listSome(words: readonly string[], last: 'or' | 'and', most = 4): string {
  if (words.length <= most) return listWords(words, last);
  return `${words.slice(0, most).join(', ')} ${last} ${words.length - most} more`;
}

/** `alpha, beta or gamma` */
export function listWords(words: readonly string[], last: 'or' | 'and'): string {
  if (words.length <= 1) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1) ?? ''}`;
}
