/** A small package in a real Git repository, in each layout that git debpush knows, and the tags that release it. */
import type { Files, TestRepository } from './git-repository.ts';
import type { TagSigner } from './keys.ts';

/** What the changelog and the other files of debian/ say. */
export interface PackageFacts {
  readonly source?: string;
  readonly version?: string;
  readonly distribution?: string;
  readonly format?: string | undefined;
  readonly controlSource?: string;
}

/** The files of debian/. */
export function debianFiles(facts: PackageFacts = {}): Files {
  const source = facts.source ?? 'hello';
  const version = facts.version ?? '1.0-1';
  const format = 'format' in facts ? facts.format : '3.0 (quilt)';
  return {
    'debian/changelog': [
      `${source} (${version}) ${facts.distribution ?? 'landing'}; urgency=medium`,
      '',
      '  * A release.',
      '',
      ' -- Alice Example <alice@example.org>  Sun, 22 Nov 2026 12:00:00 +0000',
      '',
    ].join('\n'),
    'debian/control': [
      `Source: ${facts.controlSource ?? source}`,
      'Section: utils',
      'Priority: optional',
      'Maintainer: Alice Example <alice@example.org>',
      'Build-Depends: debhelper-compat (= 13)',
      'Standards-Version: 4.6.2',
      '',
      `Package: ${source}`,
      'Architecture: any',
      'Depends: ${misc:Depends}, ${shlibs:Depends}',
      'Description: greets',
      ' It greets whoever calls it.',
      '',
    ].join('\n'),
    'debian/rules': { mode: '100755', content: '#!/usr/bin/make -f\n%:\n\tdh $@\n' },
    ...(format === undefined ? {} : { 'debian/source/format': `${format}\n` }),
  };
}

export const UPSTREAM_FILES: Files = {
  README: 'hello\n',
  'src/hello.c': 'int main(void) { return 0; }\n',
};

export interface PackageCommits {
  /** The commit that releases. */
  readonly commitId: string;
  readonly upstreamCommitId: string;
  readonly upstreamTag: string;
}

/** Upstream's commit with its tag, and a commit with debian/ on it (unapplied patches, as gbp has it). */
export async function commitPackage(
  repository: TestRepository,
  facts: PackageFacts & { readonly files?: Files } = {},
): Promise<PackageCommits> {
  const upstreamTag = 'upstream/1.0';
  const upstreamCommitId = await upstreamOf(repository, upstreamTag);
  const commitId = await repository.commit({
    files: { ...UPSTREAM_FILES, ...debianFiles(facts), ...facts.files },
    parents: [upstreamCommitId],
    message: 'Release',
    branch: 'main',
  });
  return { commitId, upstreamCommitId, upstreamTag };
}

export interface ReleaseText {
  readonly source?: string;
  readonly version?: string;
  readonly distro?: string;
  readonly quilt?: string | undefined;
  readonly upstream?: { readonly commitId: string; readonly tag: string } | undefined;
  /** More items of the second line. */
  readonly extra?: string;
}

/** The message that git debpush writes. */
export function releaseMessage(text: ReleaseText = {}): string {
  const { source = 'hello', version = '1.0-1', distro = 'landing', upstream } = text;
  const quilt = 'quilt' in text ? text.quilt : 'gbp';
  const bound = upstream === undefined ? '' : ` upstream-tag=${upstream.tag} upstream=${upstream.commitId}`;
  return [
    `${source} release ${version} for landing`,
    '',
    `[dgit distro=${distro} split${quilt === undefined ? '' : ` --quilt=${quilt}`}]`,
    `[dgit please-upload source=${source} version=${version}${bound}${text.extra === undefined ? '' : ` ${text.extra}`}]`,
    '',
  ].join('\n');
}

/** Tags a package's commit as git debpush would; gives the tag's object id. */
export async function tagRelease(
  repository: TestRepository,
  commits: PackageCommits,
  sign: TagSigner | undefined,
  text: ReleaseText & { readonly time?: number } = {},
): Promise<string> {
  const { version = '1.0-1', distro = 'landing' } = text;
  return await repository.tag({
    name: `${distro}/${version.replaceAll(':', '%').replaceAll('~', '_')}`,
    commitId: commits.commitId,
    message: releaseMessage({
      upstream: { commitId: commits.upstreamCommitId, tag: commits.upstreamTag },
      ...text,
    }),
    sign,
    ...(text.time === undefined ? {} : { time: text.time }),
  });
}

const UPSTREAMS = new WeakMap<TestRepository, string>();

async function upstreamOf(repository: TestRepository, tag: string): Promise<string> {
  const known = UPSTREAMS.get(repository);
  if (known !== undefined) return known;
  const made = await repository.commit({ files: UPSTREAM_FILES, message: 'Upstream 1.0', branch: 'upstream' });
  await repository.point(`refs/tags/${tag}`, made);
  UPSTREAMS.set(repository, made);
  return made;
}
