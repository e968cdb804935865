/**
 * The Git repository of the demo: Debian's own source package `hello`, fetched from the machine's mirror and imported as a
 * maintainer would, with a bare repository beside it that stands for the forge.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseTopEntry } from '../../debian/changelog.ts';
import { LandfallError } from '../../platform/errors.ts';
import { exec } from '../../platform/exec.ts';
import { exists } from '../../platform/files.ts';
import { types, type Maintainer } from './maintainer.ts';
import type { Mirror } from './mirror.ts';

/** The prefix of the demo's release tags. */
export const DISTRO = 'landfall';
const BRANCH = 'debian/landing';

export interface DemoRepository {
  /** The maintainer's clone. */
  readonly clone: string;
  readonly bare: string;
  readonly url: string;
  /** Debian's version that it was made from. */
  readonly debianVersion: string;
}

/** Makes both repositories below `folder`, or finds those of an earlier run. */
export async function helloRepository(folder: string, mirror: Mirror, person: Maintainer): Promise<DemoRepository> {
  const clone = join(folder, 'hello');
  const bare = join(folder, 'forge', 'hello.git');
  const stamp = join(folder, 'hello.debian-version');
  if (!(await exists(stamp))) {
    await rm(clone, { recursive: true, force: true });
    await rm(bare, { recursive: true, force: true });
    const dsc = await fetchSource(join(folder, 'debian-source'), mirror, 'hello');
    await mkdir(bare, { recursive: true });
    await types(person, folder, ['git', 'init', '--quiet', '--bare', '--initial-branch', BRANCH, bare]);
    await types(person, folder, ['git', 'init', '--quiet', '--initial-branch', BRANCH, clone]);
    await types(person, clone, [
      'gbp',
      'import-dsc',
      '--pristine-tar',
      `--debian-branch=${BRANCH}`,
      '--upstream-branch=upstream',
      dsc,
    ]);
    await types(person, clone, ['git', 'remote', 'add', 'origin', bare]);
    await writeFile(stamp, await changelogVersion(clone));
  }
  return { clone, bare, url: pathToFileURL(bare).href, debianVersion: (await readFile(stamp, 'utf8')).trim() };
}

/** `apt-get source --download-only` through an apt configuration of its own; gives the path of the .dsc. */
async function fetchSource(folder: string, mirror: Mirror, source: string): Promise<string> {
  for (const part of ['parts', 'lists/partial', 'cache/archives/partial', 'files']) {
    await mkdir(join(folder, part), { recursive: true });
  }
  await writeFile(
    join(folder, 'parts/mirror.sources'),
    `Types: deb-src\nURIs: ${mirror.uri}\nSuites: ${mirror.codename}\nComponents: ${mirror.component}\nSigned-By: ${mirror.keyring}\n`,
  );
  const apt = (...args: string[]): readonly [string, ...string[]] => [
    'apt-get',
    '-q',
    '-o',
    'Dir::Etc::sourcelist=/dev/null',
    '-o',
    `Dir::Etc::sourceparts=${join(folder, 'parts')}`,
    '-o',
    `Dir::State::Lists=${join(folder, 'lists')}`,
    '-o',
    `Dir::Cache=${join(folder, 'cache')}`,
    '-o',
    'APT::Update::Error-Mode=any',
    ...args,
  ];
  const files = join(folder, 'files');
  await exec(apt('update'), { doing: "fetch the mirror's source index", deadlineMs: 300_000 });
  await exec(apt('source', '--download-only', source), {
    doing: `fetch the source package ${source}`,
    cwd: files,
    deadlineMs: 300_000,
  });
  const dsc = (await readdir(files)).find((name) => name.startsWith(`${source}_`) && name.endsWith('.dsc'));
  if (dsc !== undefined) return join(files, dsc);
  throw new LandfallError({
    code: 'demo.no-source',
    doing: `fetch the source package ${source}`,
    reason: 'apt-get source brought no .dsc',
  });
}

async function changelogVersion(clone: string): Promise<string> {
  const parsed = parseTopEntry(await readFile(join(clone, 'debian/changelog')));
  if ('kind' in parsed) {
    throw new LandfallError({ code: 'demo.changelog', doing: 'read debian/changelog', reason: JSON.stringify(parsed) });
  }
  return parsed.version;
}

/**
 * The hook of the bare repository: it says which ref moved and prints what Landfall answers into the output of `git push`.
 * Whatever happens to it, the push stands: a lost hint costs minutes, because Landfall also polls.
 */
export async function installHook(repository: DemoRepository, hookUrl: string): Promise<void> {
  const hook = join(repository.bare, 'hooks/post-receive');
  const script = `#!/bin/sh
# Tells Landfall which tags came in, and prints what it decided.
while read -r old new ref; do
  case $ref in
    refs/tags/${DISTRO}/*)
      curl --silent --show-error --max-time 40 --get --request POST --data-urlencode "ref=$ref" --data-urlencode "object=$new" \\
        --data-urlencode wait=30 '${hookUrl}' || echo 'Landfall cannot be reached now; it will find the tag by itself within minutes.' ;;
  esac
done
`;
  await writeFile(`${hook}.new`, script, { mode: 0o755 });
  await rename(`${hook}.new`, hook);
}

/** The first number that no tag of the repository has had: accepted versions never return. */
export async function nextRelease(repository: DemoRepository, person: Maintainer): Promise<number> {
  const tags = await types(person, repository.clone, ['git', 'ls-remote', '--tags', repository.bare, `${DISTRO}/*`]);
  const numbers = [...tags.stdout.toString('utf8').matchAll(/land(\d+)/g)].map((match) => Number(match[1]));
  return Math.max(0, ...numbers) + 1;
}

export function landVersion(repository: DemoRepository, number: number): string {
  return `${repository.debianVersion}land${number}`;
}

export interface Release {
  readonly version: string;
  readonly words: string;
  /** A patch to the upstream sources that this release carries, in place of those of the release before. */
  readonly patch?: { readonly name: string; readonly text: string };
  /** Made on a branch that is thrown away, so that the next release does not build on it. */
  readonly aside?: boolean;
}

/** A patch for debian/patches that applies and does not compile. */
export async function brokenPatch(repository: DemoRepository): Promise<{ name: string; text: string }> {
  const file = 'src/hello.c';
  const context = (await readFile(join(repository.clone, file), 'utf8')).split('\n').slice(0, 3);
  const text = [
    'Description: a patch that does not compile',
    ' The demo shows what a failed build looks like.',
    'Author: Alice Maintainer <alice@example.org>',
    '',
    `--- a/${file}`,
    `+++ b/${file}`,
    '@@ -1,3 +1,4 @@',
    '+int landfall = this_does_not_compile;',
    ...context.map((line) => ` ${line}`),
    '',
  ].join('\n');
  return { name: 'broken.patch', text };
}

/** The commit of a release: a changelog entry, and a patch when there is one. Gives the name of its branch. */
export async function commitRelease(repository: DemoRepository, person: Maintainer, release: Release): Promise<string> {
  const { clone } = repository;
  await types(person, clone, ['git', 'checkout', '--quiet', '--force', BRANCH]);
  await types(person, clone, ['git', 'clean', '-dffqx']);
  const branch = release.aside === true ? `aside/${release.version}` : BRANCH;
  if (release.aside === true) await types(person, clone, ['git', 'checkout', '--quiet', '-B', branch]);
  const patches = join(clone, 'debian/patches');
  await rm(join(patches, 'landfall'), { recursive: true, force: true });
  const series = (await exists(join(patches, 'series'))) ? await readFile(join(patches, 'series'), 'utf8') : '';
  const others = series.split('\n').filter((line) => line !== '' && !line.startsWith('landfall/'));
  const wanted = release.patch === undefined ? others : [...others, `landfall/${release.patch.name}`];
  if (release.patch !== undefined) {
    await mkdir(join(patches, 'landfall'), { recursive: true });
    await writeFile(join(patches, 'landfall', release.patch.name), release.patch.text);
  }
  if (wanted.length > 0) await writeFile(join(patches, 'series'), `${wanted.join('\n')}\n`);
  else await rm(patches, { recursive: true, force: true });
  await types(person, clone, [
    'dch',
    '--newversion',
    release.version,
    '--distribution',
    'landing',
    '--force-distribution',
    release.words,
  ]);
  await types(person, clone, ['git', 'add', '--all', 'debian']);
  await types(person, clone, ['git', 'commit', '--quiet', '--message', `Release ${release.version}: ${release.words}`]);
  return branch;
}

/** `git debpush`: tags, signs and pushes. Gives what the maintainer sees, the words of the hook included. */
export async function debpush(repository: DemoRepository, person: Maintainer, branch: string): Promise<string> {
  const result = await types(person, repository.clone, [
    'git',
    'debpush',
    `--distro=${DISTRO}`,
    '--remote=origin',
    `--branch=${branch}`,
    '--gbp',
    // Debian 12's client asks again when the changelog's suite is another than the last upload's.
    '--force=suite',
  ]);
  return result.stdout.toString('utf8');
}

/** An annotated tag with the words that `git debpush` would write, and no signature. */
export async function pushUnsignedTag(
  repository: DemoRepository,
  person: Maintainer,
  branch: string,
  version: string,
): Promise<string> {
  const { clone } = repository;
  const upstreamTag = `upstream/${version.slice(0, version.lastIndexOf('-'))}`;
  const upstream = await types(person, clone, ['git', 'rev-parse', `${upstreamTag}^{commit}`]);
  const message = `hello release ${version} for landing

[dgit distro=${DISTRO} split --quilt=gbp]
[dgit please-upload source=hello version=${version} upstream-tag=${upstreamTag} upstream=${upstream.stdout.toString('utf8').trim()}]
`;
  await types(person, clone, ['git', 'tag', '--annotate', '--message', message, `${DISTRO}/${version}`, branch]);
  const push = await types(person, clone, ['git', 'push', '--quiet', 'origin', `refs/tags/${DISTRO}/${version}`]);
  return push.stdout.toString('utf8');
}
