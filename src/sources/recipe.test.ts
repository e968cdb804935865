import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exec } from '../platform/exec.ts';
import { makeTemporaryDirectory } from '../platform/files.ts';
import { initBare, packObjects } from '../platform/git.ts';
import { checkOut } from './checkout.ts';
import { makeOrig } from './make-orig.ts';
import { assembleSource, unpackFrozenInput, type AssembledSource, type AssembleInput } from './recipe.ts';

let scratch: Awaited<ReturnType<typeof makeTemporaryDirectory>>;
let count = 0;
const folder = (): string => join(scratch.path, `folder-${String(++count)}`);

beforeAll(async () => {
  scratch = await makeTemporaryDirectory('recipe');
});
afterAll(async () => {
  await scratch.remove();
});

async function git(cwd: string, ...args: string[]): Promise<string> {
  const identity = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org', '-c', 'init.defaultBranch=main'];
  const { stdout } = await exec(['git', ...identity, ...args], { cwd, deadlineMs: 30_000 });
  return stdout.toString('utf8').trim();
}

const CHANGELOG = (version: string): string => `tiny (${version}) landing; urgency=medium

  * Release.

 -- Ann <ann@example.org>  Fri, 20 Nov 2026 10:00:00 +0000
`;
const CONTROL = `Source: tiny
Section: misc
Priority: optional
Maintainer: Ann <ann@example.org>
Standards-Version: 4.6.2
Build-Depends: debhelper-compat (= 13)

Package: tiny
Architecture: all
Description: a package for tests
 It has one file.
`;
const PATCH = `--- a/hello.txt
+++ b/hello.txt
@@ -1 +1 @@
-hello
+good morning
`;

/** A repository with an upstream commit and a packaging commit over it, in one of the shapes. */
async function repository(shape: AssembleInput['quilt'], extra: Record<string, string> = {}) {
  const cwd = folder();
  await mkdir(cwd);
  await git(cwd, 'init', '--quiet');
  await writeFile(join(cwd, 'hello.txt'), 'hello\n');
  await git(cwd, 'add', '.');
  await git(cwd, 'commit', '--quiet', '-m', 'upstream');
  const upstream = await git(cwd, 'rev-parse', 'HEAD');
  const version = shape === 'native' ? '1.0' : '1.0-1';
  const files: Record<string, string> = {
    'debian/changelog': CHANGELOG(version),
    'debian/control': CONTROL,
    'debian/rules': '#!/usr/bin/make -f\n%:\n\tdh $@\n',
    'debian/source/format': shape === 'native' ? '3.0 (native)\n' : '3.0 (quilt)\n',
    ...(shape === 'native'
      ? {}
      : { 'debian/patches/series': 'morning.patch\n', 'debian/patches/morning.patch': PATCH }),
    ...(shape === 'linear' ? { 'hello.txt': 'good morning\n' } : {}),
    ...extra,
  };
  if (shape === 'baredebian') await git(cwd, 'rm', '--quiet', 'hello.txt');
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(cwd, name, '..'), { recursive: true });
    await writeFile(join(cwd, name), text, { mode: name === 'debian/rules' ? 0o755 : 0o644 });
  }
  await git(cwd, 'add', '.');
  await git(cwd, 'commit', '--quiet', '-m', 'packaging');
  return { gitDir: join(cwd, '.git'), cwd, upstream, commitId: await git(cwd, 'rev-parse', 'HEAD'), version };
}

async function assemble(shape: AssembleInput['quilt'], extra: Record<string, string> = {}) {
  const made = await repository(shape, extra);
  const origs = folder();
  await mkdir(origs);
  const names =
    shape === 'native' ? [] : [await makeOrig(made.gitDir, made.upstream, { source: 'tiny', upstream: '1.0' }, origs)];
  const input: AssembleInput = {
    gitDir: made.gitDir,
    commitId: made.commitId,
    source: 'tiny',
    version: made.version,
    quilt: shape,
    origs: names.map((name) => ({ name, path: join(origs, name) })),
    tag: { objectId: 'a'.repeat(40), fingerprint: 'B'.repeat(40), tagger: 'Ann <ann@example.org>' },
    folder: folder(),
    deadlineMs: 60_000,
  };
  return { input, result: await assembleSource(input), made };
}

function assembled(result: Awaited<ReturnType<typeof assembleSource>>): AssembledSource {
  if (result.kind !== 'assembled') throw new Error(result.reason);
  return result;
}

async function unpackedText(input: AssembleInput, dsc: string): Promise<string> {
  const target = folder();
  await exec(['dpkg-source', '--no-check', '-x', join(input.folder, dsc), target], { deadlineMs: 30_000 });
  return await readFile(join(target, 'hello.txt'), 'utf8');
}

describe('a source package from a commit', () => {
  it.each(['gbp', 'unapplied', 'linear', 'baredebian', 'native'] as const)(
    'is assembled from a tree of shape %s, and dpkg-source unpacks what the maintainer meant',
    async (shape) => {
      const { input, result } = await assemble(shape);
      const { dsc, files } = assembled(result);
      expect(await unpackedText(input, dsc)).toBe(shape === 'native' ? 'hello\n' : 'good morning\n');
      for (const file of files) {
        const bytes = await readFile(join(input.folder, file.name));
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(file.sha256);
      }
    },
  );

  it('has the same bytes when it is made again, elsewhere, under another umask and from a pack without history', async () => {
    const { input, result, made } = await assemble('gbp');
    const objects = await git(made.cwd, 'rev-list', '--objects', '--no-object-names', made.commitId, made.upstream);
    const frozen = folder();
    await unpackFrozenInput(packObjects(made.gitDir, objects.split('\n')), frozen, {
      objectFormat: 'sha1',
      shallow: [made.commitId, made.upstream],
      maxBytes: 1024 * 1024,
    });
    const umask = process.umask(0o077);
    try {
      const again = await assembleSource({ ...input, gitDir: frozen, folder: folder() });
      expect(assembled(again).files).toEqual(assembled(result).files);
    } finally {
      process.umask(umask);
    }
  });

  it('says in the .dsc which tag and key it comes from', async () => {
    const { input, result } = await assemble('gbp');
    const text = await readFile(join(input.folder, assembled(result).dsc), 'utf8');
    expect(text).toContain(`Git-Tag-Info: tag=${'a'.repeat(40)} fp=${'B'.repeat(40)}`);
    expect(text).toContain('Git-Tag-Tagger: Ann <ann@example.org>');
  });

  it('is refused with the words of dpkg-source when the tree differs from the orig without a patch', async () => {
    const { result } = await assemble('gbp', { 'hello.txt': 'changed in place\n', 'debian/patches/series': '' });
    expect(result).toMatchObject({ kind: 'failed', code: 'source.unbuildable' });
    expect(result.kind === 'failed' && result.reason).toMatch(/hello\.txt|local changes/);
  });

  it('H72 obeys no .gitattributes: neither filters nor export-subst nor export-ignore', async () => {
    const { input, result } = await assemble('native', {
      '.gitattributes': '* export-subst filter=evil text eol=crlf\nhello.txt export-ignore\n',
      'hello.txt': '$Format:%H$\n',
    });
    expect(await unpackedText(input, assembled(result).dsc)).toBe('$Format:%H$\n');
  });

  it('H54 does not let a patch write through a symbolic link', async () => {
    const outside = join(folder(), 'outside');
    const made = await repository('gbp');
    await symlink(outside, join(made.cwd, 'way-out'));
    await writeFile(
      join(made.cwd, 'debian/patches/morning.patch'),
      '--- a/way-out/stolen\n+++ b/way-out/stolen\n@@ -0,0 +1 @@\n+stolen\n',
    );
    await git(made.cwd, 'add', '.');
    await git(made.cwd, 'commit', '--quiet', '-m', 'attack');
    const origs = folder();
    await mkdir(origs);
    const name = await makeOrig(made.gitDir, made.upstream, { source: 'tiny', upstream: '1.0' }, origs);
    const result = await assembleSource({
      gitDir: made.gitDir,
      commitId: await git(made.cwd, 'rev-parse', 'HEAD'),
      source: 'tiny',
      version: made.version,
      quilt: 'gbp',
      origs: [{ name, path: join(origs, name) }],
      tag: { objectId: 'a'.repeat(40), fingerprint: 'B'.repeat(40), tagger: 'Ann <ann@example.org>' },
      folder: folder(),
      deadlineMs: 60_000,
    });
    expect(result.kind).toBe('failed');
    await expect(stat(outside)).rejects.toThrow('ENOENT');
  });
});

/** A commit of one tree with the entries given as `mode type id<TAB>path` lines of `git mktree`. */
async function commitOf(gitDir: string, entries: readonly string[]): Promise<string> {
  const tree = await exec(['git', `--git-dir=${gitDir}`, 'mktree', '--missing'], {
    deadlineMs: 10_000,
    input: entries.map((entry) => `${entry}\n`).join(''),
  });
  return await git(gitDir, 'commit-tree', '-m', 'x', tree.stdout.toString('utf8').trim());
}

describe('a checkout', () => {
  let gitDir: string;
  let blob: string;
  beforeAll(async () => {
    gitDir = folder();
    await initBare(gitDir);
    const written = await exec(['git', `--git-dir=${gitDir}`, 'hash-object', '-w', '--stdin'], {
      deadlineMs: 10_000,
      input: '/etc',
    });
    blob = written.stdout.toString('utf8').trim();
  });

  it.each([
    ['H71 a submodule', '160000 commit ' + '1'.repeat(40) + '\tvendor', /submodules/],
    ['H71 .git in capitals', `100644 blob BLOB\t.GIT`, /\.git/],
  ])('refuses %s by name', async (_what, entry, words) => {
    const target = folder();
    await mkdir(target);
    const commitId = await commitOf(gitDir, [entry.replace('BLOB', blob)]);
    const result = await checkOut({ gitDir, commitId, folder: target, timestamp: 0 });
    expect(result.kind === 'refused' && result.reason).toMatch(words);
    expect(await readdir(target)).toEqual([]);
  });

  it.each([
    ['files', { files: 1, bytes: 1024 }, /has 2 files, and 1 are allowed/],
    ['bytes', { files: 10, bytes: 7 }, /more than 7 bytes/],
  ])('H53 writes no more %s than a source package may have', async (_what, limits, words) => {
    const target = folder();
    await mkdir(target);
    const commitId = await commitOf(gitDir, [`100644 blob ${blob}\ta`, `100644 blob ${blob}\tb`]);
    const result = await checkOut({ gitDir, commitId, folder: target, timestamp: 0 }, limits);
    expect(result.kind === 'refused' && result.reason).toMatch(words);
  });

  it('H51 never writes through a symbolic link of the same tree', async () => {
    const target = folder();
    await mkdir(target);
    const inner = await exec(['git', `--git-dir=${gitDir}`, 'mktree'], {
      deadlineMs: 10_000,
      input: `100644 blob ${blob}\tpasswd\n`,
    });
    // mktree sorts but does not mind the same name twice.
    const commitId = await commitOf(gitDir, [
      `120000 blob ${blob}\tlink`,
      `040000 tree ${inner.stdout.toString('utf8').trim()}\tlink`,
    ]);
    const result = await checkOut({ gitDir, commitId, folder: target, timestamp: 0 });
    expect(result.kind === 'refused' && result.reason).toMatch(/both a file and a folder/);
    expect(await readdir(target)).toEqual([]);
  });
});
