/**
 * Our recipe against Debian's own tools, over real source packages of many shapes: what is made of the Git import of each is held
 * against what `gbp buildpackage -S` makes of the same import, against the tarball of `git deborig`, and against what Debian
 * itself has in its archive. And again with the tools of other Debians, in another folder, under another umask: the same bytes.
 *
 * What may differ, and why:
 *
 * - the .dsc says which tag and key it comes from (`Git-Tag-Tagger`, `Git-Tag-Info`); gbp knows of none
 * - `git deborig` gives its files a group that may write, and compresses with xz, which does not promise the same bytes on
 *   another Debian; ours is gzip without that mode. The files are the same
 * - Debian's own packages hold what Git does not: empty folders
 * - some fields of the .dsc are spelled otherwise by each dpkg; ours are in one spelling (src/sources/dsc-dialects.ts), which
 *   gbp's .dsc is brought to before it is compared
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Dsc } from '../../src/debian/dsc.ts';
import { exec } from '../../src/platform/exec.ts';
import { makeTemporaryDirectory, sha256File, type TemporaryDirectory } from '../../src/platform/files.ts';
import { inOneSpelling } from '../../src/sources/dsc-dialects.ts';
import { makeOrig } from '../../src/sources/make-orig.ts';
import { makePristineOrigs } from '../../src/sources/pristine-tar.ts';
import { assembleSource, type AssembledSource, type QuiltMode } from '../../src/sources/recipe.ts';
import { compareTarball } from '../../src/sources/tarball-content.ts';
import { sourcePackagesOf } from '../oracles/apt-lists.ts';
import { importedSource, type ImportedSource } from '../oracles/gbp.ts';
import { DEBIAN_RELEASES, debianRoot, type DebianRoot } from '../scenarios/debian-root.ts';
import { ODD_SHAPES, oddSource } from '../scenarios/odd-source.ts';

/** Small ones. A mirror need not have them all, and each Debian has other versions; that there are enough is seen below. */
const SOURCES = [
  ...['rsakeyfind', 'sl', 'cowsay', 'shhmsg', 'policykit-1', 'apt-config-auto-update', 'hostname', 'dh-autoreconf'],
  ...['init-system-helpers', 'base-files', 'tree', 'traceroute', 'libyaml', 'ed', 'jansson', 'keyutils'],
  ...['po-debconf', 'figlet', 'boxes', 'dash', 'lz4', 'attr', 'json-c', 'toilet', 'netbase', 'adduser', 'less'],
  ...['ca-certificates', 'bsdmainutils', 'dosfstools', 'jq'],
];
const ENOUGH = 20;

let scratch: TemporaryDirectory;
let packages: ReadonlyMap<string, string>;
let others: readonly DebianRoot[];
let count = 0;

beforeAll(async () => {
  scratch = await makeTemporaryDirectory('lf-sources-', '/var/tmp');
  const [found, ...roots] = await Promise.all([
    sourcePackagesOf(SOURCES, ENOUGH),
    ...DEBIAN_RELEASES.map(async (release) => await debianRoot(release)),
  ]);
  packages = new Map([...found].slice(0, ENOUGH));
  others = roots.filter(({ path }) => path !== '/');
});
afterAll(async () => {
  await scratch.remove();
});

async function folder(): Promise<string> {
  const path = join(scratch.path, String(++count));
  await mkdir(path);
  return path;
}

/** Without what the .dsc of ours has and no other: it stands in fields of its own. */
async function dscText(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).replace(/^Git-Tag-(?:Info|Tagger): .*\n/gm, '');
}

async function plainFile(gitDir: string, path: string): Promise<Buffer | undefined> {
  const { code, stdout } = await exec(['git', `--git-dir=${gitDir}`, 'show', `main:${path}`], {
    deadlineMs: 60_000,
    okCodes: 'any',
  });
  return code === 0 ? stdout : undefined;
}

async function assemble(
  source: ImportedSource,
  quilt: QuiltMode,
  origs: readonly string[],
  system?: string,
): Promise<{ readonly made: AssembledSource; readonly place: string }> {
  const place = await folder();
  const made = await assembleSource({
    gitDir: source.gitDir,
    commitId: source.commitId,
    source: source.dsc.source,
    version: source.dsc.version,
    quilt,
    origs: origs.map((path) => ({ name: basename(path), path })),
    tag: { objectId: 'a'.repeat(40), fingerprint: 'B'.repeat(40), tagger: 'Ann <ann@example.org>' },
    folder: place,
    deadlineMs: 120_000,
    ...(system === undefined ? {} : { system }),
  });
  if (made.kind === 'failed') throw new Error(`${source.dsc.source}: ${made.reason}`);
  return { made, place };
}

/** The files of a source package as dpkg-source unpacks it, as `diff` prints the differences of two. */
async function differences(one: string, other: string): Promise<string> {
  const place = await folder();
  for (const [name, dsc] of [
    ['one', one],
    ['other', other],
  ] as const) {
    await exec(['dpkg-source', '--no-check', '--no-copy', '-x', dsc, join(place, name)], { deadlineMs: 120_000 });
    // Git keeps no empty folder.
    await exec(['find', join(place, name), '-depth', '-type', 'd', '-empty', '-delete'], { deadlineMs: 60_000 });
  }
  const { stdout } = await exec(['diff', '--recursive', '--no-dereference', '--brief', 'one', 'other'], {
    cwd: place,
    deadlineMs: 60_000,
    okCodes: [0, 1],
  });
  await rm(place, { recursive: true });
  return stdout.toString('utf8');
}

async function origsOf(source: ImportedSource): Promise<string[]> {
  if (source.upstream === undefined) return [];
  const place = await folder();
  const { commitId: upstream, pristineTar } = source.upstream;
  const wanted = { source: source.dsc.source, upstream: source.upstreamVersion };
  const made = await makePristineOrigs(source.gitDir, { pristineTar, upstream }, wanted, place);
  if (made.kind === 'unusable') throw new Error(`${source.dsc.source}: ${made.reason}`);
  return made.names.map((name) => join(place, name));
}

const isOrig = ({ name }: Dsc['files'][number]): boolean => name.includes('.orig');

async function compareAll(source: ImportedSource): Promise<void> {
  const { dsc } = source;
  const origs = await origsOf(source);
  // Upstream's tarballs, of every component, with upstream's signatures: the bytes that Debian has.
  const digests = await Promise.all(origs.map(async (path) => ({ name: basename(path), ...(await sha256File(path)) })));
  const wanted = dsc.files.filter(isOrig).map(({ name, sha256, size }) => ({ name, sha256, size }));
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  expect(digests.toSorted(byName)).toEqual(wanted.toSorted(byName));

  const { made, place } = await assemble(source, source.upstream === undefined ? 'native' : 'gbp', origs);
  // The same as gbp, byte for byte.
  const oracle = (await readdir(source.gbp)).find((name) => name.endsWith('.dsc')) ?? '';
  const tree = {
    control: await plainFile(source.gitDir, 'debian/control'),
    testsControl: await plainFile(source.gitDir, 'debian/tests/control'),
  };
  expect(await dscText(join(place, made.dsc))).toBe(inOneSpelling(await dscText(join(source.gbp, oracle)), tree));
  for (const file of made.files.slice(1)) expect(file).toMatchObject(await sha256File(join(source.gbp, file.name)));
  // What Debian has, file for file.
  expect(await differences(join(place, made.dsc), join(source.debian, oracle))).toBe('');
  // The tools of other Debians.
  for (const { release, path } of others) {
    const again = await assemble(source, source.upstream === undefined ? 'native' : 'gbp', origs, path);
    expect([release, again.made.files]).toEqual([release, made.files]);
  }
  if (source.upstream === undefined) return;
  // The tarball that is made without pristine-tar holds upstream's tree, and so does that of git deborig.
  const work = await folder();
  const tarball = await makeOrig(
    source.gitDir,
    source.upstream.commitId,
    { source: dsc.source, upstream: source.upstreamVersion },
    work,
  );
  const content = async (name: string) =>
    await compareTarball(source.gitDir, source.upstream?.commitId ?? '', work, name);
  expect(await content(tarball)).toEqual({ kind: 'same' });
  // git deborig lets .gitattributes change the ends of lines.
  if (source.deborig === undefined || dsc.source.startsWith('odd-')) return;
  await exec(['cp', source.deborig, work], { deadlineMs: 60_000 });
  expect(await content(basename(source.deborig))).toEqual({ kind: 'same' });
}

describe('a source package made of a Git import is the one that Debian’s tools make', () => {
  test.concurrent.each(Array.from({ length: ENOUGH }, (_, index) => index))('real package %#', async (index) => {
    const [name, dsc] = [...packages][index] ?? [];
    if (dsc === undefined) throw new Error('too few packages');
    await compareAll(await importedSource(dsc)).catch((error: unknown) => {
      throw new Error(`the source package ${name}`, { cause: error });
    });
  });

  test.concurrent.each(ODD_SHAPES)('a package of odd shapes: %s', async (shape) => {
    const dsc = await oddSource(await folder(), shape);
    const source = await importedSource(dsc, await folder());
    await compareAll(source);
    if (source.upstream === undefined) return;
    // The maintainer's git obeyed the attributes when pristine-tar described the tarball: it comes out all the same.
    const [orig] = (await readdir(source.debian)).filter((name) => /\.orig\.tar\.[a-z0-9]+$/.test(name));
    await rm(join(source.gitDir, 'info/attributes'));
    const obeying = ['pristine-tar', 'commit', join(source.debian, orig ?? ''), 'upstream'] as const;
    if (shape !== 'components') {
      await exec(obeying, {
        cwd: join(source.gitDir, '..'),
        env: {
          GIT_AUTHOR_NAME: 'Ann',
          GIT_AUTHOR_EMAIL: 'ann@example.org',
          GIT_COMMITTER_NAME: 'Ann',
          GIT_COMMITTER_EMAIL: 'ann@example.org',
        },
        deadlineMs: 60_000,
      });
      const { stdout } = await exec(['git', 'rev-parse', 'pristine-tar'], { cwd: source.gitDir, deadlineMs: 60_000 });
      const pristineTar = stdout.toString('utf8').trim();
      expect(pristineTar).not.toBe(source.upstream.pristineTar);
      expect(await origsOf({ ...source, upstream: { ...source.upstream, pristineTar } })).toHaveLength(1);
    }
  });
});
