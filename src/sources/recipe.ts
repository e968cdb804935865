/**
 * From a frozen commit to a source package: the same bytes on every machine, and no code of the package runs.
 *
 * The worker follows this recipe to make the package, and the archive follows it again when the upload arrives, to see that
 * nobody put another source under a maintainer's name. So everything that enters the result comes from the arguments: the
 * objects, the orig tarballs by content, the changelog's time; never from the machine (its clock, locale, umask, vendor, and
 * the version of its dpkg: dsc-dialects.ts).
 *
 * Shapes of a tree, as git-debpush calls its quilt modes:
 *   gbp, unapplied   upstream files as upstream has them, patches in debian/patches not applied
 *   linear           upstream files with all patches of debian/patches applied
 *   baredebian       debian/ alone; the upstream files come from the orig tarballs
 *   native           no upstream tarball
 *
 * @see dpkg-source(1), git-debpush(1), tag2upload(5)
 */
import { isUtf8 } from 'node:buffer';
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { parseTopEntry } from '../debian/changelog.ts';
import { isNative, parseVersion, upstreamOf, withoutEpoch } from '../debian/version.ts';
import { LandfallError } from '../platform/errors.ts';
import type { ExecResult } from '../platform/exec.ts';
import { sha256File } from '../platform/files.ts';
import { readObject } from '../platform/git-objects.ts';
import { indexPack, initBare, listTree, writeShallow, type ObjectFormat } from '../platform/git.ts';
import { checkOut } from './checkout.ts';
import { confined } from './confine.ts';
import { inOneSpelling } from './dsc-dialects.ts';

/** The worker runs the last of dpkg's tools over the same tree in the same confinement. */
export { confined } from './confine.ts';

export const QUILT_MODES = ['gbp', 'unapplied', 'linear', 'baredebian', 'native'] as const;
export type QuiltMode = (typeof QUILT_MODES)[number];

export interface SourceFile {
  readonly name: string;
  readonly sha256: string;
  readonly size: number;
}

export interface AssembleInput {
  /** A bare repository that has the objects, see {@link unpackFrozenInput}. */
  readonly gitDir: string;
  readonly commitId: string;
  readonly source: string;
  readonly version: string;
  readonly quilt: QuiltMode;
  /** Upstream tarballs and their signatures: names as in the .dsc, and where the bytes lie. */
  readonly origs: readonly { readonly name: string; readonly path: string }[];
  /** What the .dsc says of the tag that it was made from. */
  readonly tag: { readonly objectId: string; readonly fingerprint: string; readonly tagger: string };
  /** A folder of its own; the results lie in it afterwards. Made when it is not there. */
  readonly folder: string;
  readonly deadlineMs: number;
  /** The root of the Debian system whose dpkg-source runs, so that one release can be held against another; default this one. */
  readonly system?: string;
}

export interface AssembledSource {
  readonly kind: 'assembled';
  /** Name of the .dsc, unsigned. */
  readonly dsc: string;
  /** All files of the source package, the .dsc first; they lie in `folder`. */
  readonly files: readonly SourceFile[];
  /** Name of the unpacked tree in `folder`, for dpkg-genchanges. */
  readonly tree: string;
  /** Seconds since 1970: the time of the changelog's newest entry. */
  readonly timestamp: number;
}

/** The tree cannot become a source package: its author has to mend it. */
export interface AssemblyFailure {
  readonly kind: 'failed';
  readonly code: 'source.refused' | 'source.changelog' | 'source.orig-missing' | 'source.unbuildable';
  readonly reason: string;
  readonly remedy: string;
}

/** @throws LandfallError for faults of the machine: no room, a missing program, the deadline. */
export async function assembleSource(input: AssembleInput): Promise<AssembledSource | AssemblyFailure> {
  const version = parseVersion(input.version);
  if ('kind' in version)
    return failed('source.changelog', `${input.version} is not a version: ${version.reason}`, MEND_TAG);
  const tree = `${input.source}-${upstreamOf(version)}`;
  const treePath = join(input.folder, tree);
  await rm(treePath, { recursive: true, force: true });
  await mkdir(treePath, { recursive: true });
  // Whatever the umask: the modes of folders enter the source package.
  await chmod(treePath, 0o755);

  const entry = await readChangelog(input.gitDir, input.commitId);
  if ('reason' in entry) return failed('source.changelog', entry.reason, 'mend debian/changelog');
  const checkedOut = await checkOut({
    gitDir: input.gitDir,
    commitId: input.commitId,
    folder: treePath,
    timestamp: entry.timestamp,
  });
  if (checkedOut.kind === 'refused') {
    return failed(
      'source.refused',
      `${JSON.stringify(checkedOut.path)}: ${checkedOut.reason}`,
      'remove it from the tree',
    );
  }
  // Copies, not hard links: a program that is led to write to them must not reach the store's bytes.
  for (const orig of input.origs) {
    await copyFile(orig.path, join(input.folder, orig.name), constants.COPYFILE_FICLONE);
  }
  const tarballs = input.origs.map(({ name }) => name).filter((name) => !name.endsWith('.asc'));
  if (input.quilt === 'native' || isNative(version)) {
    if (tarballs.length > 0) return failed('source.unbuildable', 'a native package has no orig tarball', MEND_TAG);
  } else if (tarballs.length === 0) {
    return failed('source.orig-missing', `no orig tarball for ${tree} is known`, MEND_TAG);
  }
  if (input.quilt === 'baredebian') {
    const unpacked = await unpackOrigs(input, tree, tarballs);
    if (unpacked !== undefined) return unpacked;
  }

  const built = await confined(
    [
      'dpkg-source',
      `-DGit-Tag-Tagger=${input.tag.tagger}`,
      `-DGit-Tag-Info=tag=${input.tag.objectId} fp=${input.tag.fingerprint}`,
      '--build',
      tree,
    ],
    {
      folder: input.folder,
      cwd: '/work',
      env: environment(entry.timestamp),
      deadlineMs: input.deadlineMs,
      doing: `assemble the source package ${input.source} ${input.version}`,
      okCodes: 'any',
      ...systemOf(input),
    },
  );
  if (built.code !== 0)
    return dpkgSourceFailed(built, await dpkgSourceVersion({ folder: input.folder, ...systemOf(input) }));
  const dsc = `${input.source}_${withoutEpoch(version)}.dsc`;
  await respellDsc(input, join(input.folder, dsc));
  return { kind: 'assembled', dsc, files: await listResults(input.folder, dsc), tree, timestamp: entry.timestamp };
}

/** The environment in which Debian's source tools give the same bytes everywhere. */
export function environment(timestamp: number): Record<string, string> {
  return { SOURCE_DATE_EPOCH: String(timestamp), DEB_VENDOR: 'Debian', XZ_DEFAULTS: '', XZ_OPT: '', GZIP: '' };
}

/** Of the dpkg-source that {@link assembleSource} runs: what one of them refuses another may take. */
export async function dpkgSourceVersion(where: { readonly folder: string; readonly system?: string }): Promise<string> {
  const { stdout } = await confined(['dpkg-source', '--version'], {
    ...where,
    cwd: '/work',
    deadlineMs: 60_000,
    doing: 'ask dpkg-source for its version',
    okCodes: 'any',
  });
  return /\d[\w.+~-]*\w/.exec(stdout.toString('utf8'))?.[0] ?? 'of an unknown version';
}

/**
 * Makes a bare repository of a frozen pack in `folder`.
 * @param shallow the commits whose parents are not in the pack.
 * @throws LandfallError `source.frozen-input` when the pack does not hold what it should.
 */
export async function unpackFrozenInput(
  pack: Readable,
  folder: string,
  options: { objectFormat: ObjectFormat; shallow: readonly string[]; maxBytes: number },
): Promise<string> {
  await initBare(folder, { objectFormat: options.objectFormat });
  await writeShallow(folder, options.shallow);
  const stored = await indexPack(folder, pack, { maxBytes: options.maxBytes });
  if (stored.kind === 'indexed') return folder;
  throw new LandfallError({
    code: 'source.frozen-input',
    doing: 'unpack the frozen input',
    reason: stored.detail,
    remedy: 'the stored pack is damaged or was exchanged: release the next version',
  });
}

function systemOf(input: AssembleInput): { readonly system?: string } {
  return input.system === undefined ? {} : { system: input.system };
}

const MEND_TAG = 'mend the tree and release the next version';

function failed(code: AssemblyFailure['code'], reason: string, remedy: string): AssemblyFailure {
  return { kind: 'failed', code, reason, remedy };
}

/** The changelog's time is every file's time, so it is read before anything is written. */
async function readChangelog(gitDir: string, commitId: string): Promise<{ timestamp: number } | { reason: string }> {
  const bytes = await readPlainFile(gitDir, commitId, 'debian/changelog', 16 * 1024 * 1024);
  if (bytes === undefined) return { reason: 'there is no file debian/changelog of at most 16 MiB' };
  const entry = parseTopEntry(bytes);
  if ('kind' in entry) return { reason: `debian/changelog: ${entry.reason}` };
  return { timestamp: entry.timestamp };
}

/** Out of the objects and not out of the folder, where a symbolic link could lead elsewhere. */
async function readPlainFile(
  gitDir: string,
  commitId: string,
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const [found] = await listTree(gitDir, commitId, { paths: [path] });
  if (found === undefined || !found.mode.startsWith('100')) return undefined;
  const object = await readObject(gitDir, found.objectId, { maxBytes });
  return object.kind === 'object' ? object.bytes : undefined;
}

async function respellDsc(input: AssembleInput, path: string): Promise<void> {
  const file = async (name: string): Promise<Buffer | undefined> =>
    await readPlainFile(input.gitDir, input.commitId, name, 2 * 1024 * 1024);
  const bytes = await readFile(path);
  // In another encoding it is for the archive to refuse, with these very bytes.
  if (!isUtf8(bytes)) return;
  const tree = { control: await file('debian/control'), testsControl: await file('debian/tests/control') };
  await writeFile(path, inOneSpelling(bytes.toString('utf8'), tree));
}

/** For a tree that is debian/ alone: the upstream files, as dpkg-source would unpack them, beside it. */
async function unpackOrigs(
  input: AssembleInput,
  tree: string,
  tarballs: readonly string[],
): Promise<AssemblyFailure | undefined> {
  const main = tarballs.filter((name) => /\.orig\.tar\.[a-z0-9]+$/.test(name));
  const [first] = main;
  if (first === undefined || main.length > 1) {
    return failed('source.orig-missing', `one main orig tarball is needed, and there are ${main.length}`, MEND_TAG);
  }
  const components = tarballs.filter((name) => name !== first);
  const script = `set -e
tree=$1
main=$2
shift 2
unpack() {
  mkdir /tmp/new
  tar --extract --no-same-owner --no-same-permissions --file "$1" --directory /tmp/new
  set -- /tmp/new/*
  if [ $# = 1 ] && [ -d "$1" ] && [ ! -L "$1" ]; then echo "$1"; else echo /tmp/new; fi
}
from=$(unpack "$main")
rm -rf "$from/debian"
cp -a "$from/." "$tree/"
rm -rf /tmp/new
for tarball; do
  name=\${tarball#*.orig-}
  name=\${name%%.tar.*}
  from=$(unpack "$tarball")
  rm -rf "$tree/$name"
  mkdir "$tree/$name"
  cp -a "$from/." "$tree/$name/"
  rm -rf /tmp/new
done
`;
  const unpacked = await confined(['sh', '-c', script, 'sh', tree, first, ...components], {
    folder: input.folder,
    cwd: '/work',
    deadlineMs: input.deadlineMs,
    doing: 'unpack the orig tarballs',
    okCodes: 'any',
    ...systemOf(input),
  });
  if (unpacked.code === 0) return undefined;
  return failed('source.unbuildable', `the orig tarball cannot be unpacked: ${lastLines(unpacked)}`, MEND_TAG);
}

function dpkgSourceFailed(result: ExecResult, version: string): AssemblyFailure {
  return failed(
    'source.unbuildable',
    `dpkg-source ${version} refused the tree: ${lastLines(result)}`,
    'run `dpkg-source --build .` on the tagged commit, mend what it says, and release the next version',
  );
}

/** What dpkg-source says is wrong: its error, and the files it lists before; without an error its last lines. */
function lastLines(result: ExecResult): string {
  const lines = result.stdout
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
  const start = lines.findIndex((line) => /local changes detected|\berror\b/i.test(line));
  const telling = (start === -1 ? lines.slice(-5) : lines.slice(start)).filter((line) => !/: info: you can/.test(line));
  return telling
    .map((line) => line.trim().replace(/, see \/tmp\/\S+$/, ''))
    .join('; ')
    .slice(0, 2000);
}

async function listResults(folder: string, dsc: string): Promise<SourceFile[]> {
  const prefix = dsc.slice(0, dsc.indexOf('_') + 1);
  const names = (await readdir(folder, { withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.startsWith(prefix) && /\.(tar\.[a-z0-9]+|asc)$/.test(entry.name))
    .map(({ name }) => name);
  const files: SourceFile[] = [];
  for (const name of [dsc, ...names.sort()]) {
    const path = join(folder, basename(name));
    try {
      files.push({ name, ...(await sha256File(path)) });
    } catch (error) {
      throw new LandfallError({
        code: 'source.missing-result',
        doing: 'list what dpkg-source made',
        reason: `${name} is not there`,
        cause: error,
      });
    }
  }
  return files;
}
