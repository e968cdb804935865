import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createMemoryBlobStore, type BlobStore } from '../../platform/blobs.ts';
import { exec } from '../../platform/exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../platform/files.ts';
import { sourceListed } from './source-files.ts';

let folder: TemporaryDirectory;
let blobs: BlobStore;
beforeEach(async () => {
  folder = await makeTemporaryDirectory('lf-listed-');
  blobs = createMemoryBlobStore();
});
afterEach(async () => {
  await folder.remove();
});

/** Packs these files as tar(1) does, and keeps the tarball; its entry in a .dsc. */
async function tarball(name: string, files: Readonly<Record<string, string>>, ...options: string[]) {
  const root = join(folder.path, `${name}.content`);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(root, path, '..'), { recursive: true });
    await writeFile(join(root, path), content);
  }
  const out = join(folder.path, name);
  await exec(['tar', '--create', '--auto-compress', `--file=${out}`, ...options, '-C', root, '.'], {
    deadlineMs: 20_000,
  });
  return await kept(name, await readFile(out));
}

async function kept(name: string, bytes: Uint8Array) {
  const put = await blobs.put(bytes);
  if (put.kind !== 'stored') throw new Error('not stored');
  return { name, sha256: put.sha256 };
}

async function listed(...files: Awaited<ReturnType<typeof kept>>[]) {
  const result = await sourceListed({ blobs }, { dsc: { files } });
  if (result.kind === 'failed' || result.kind === 'held') throw new Error(result.sentence);
  const { changelog, paths } = result.adds;
  const text = changelog === undefined ? undefined : (await blobs.read(changelog.sha256)).toString();
  return { kind: result.kind, detail: result.detail, paths, changelog: text };
}

test('gives the files as they lie in the unpacked tree: upstream, components, debian, whatever packs them', async () => {
  const found = await listed(
    await tarball('x_1.orig.tar.gz', { 'x-1/src/main.c': '', 'x-1/debian-like/a': '' }),
    await tarball('x_1.orig-parts.tar.xz', { 'parts-7/b': '' }),
    await tarball('x_1-1.debian.tar.zst', { 'debian/changelog': 'x (1-1) …\n', 'debian/rules': '' }),
    await kept('x_1.orig.tar.gz.asc', Buffer.from('a signature')),
  );
  expect(found).toEqual({
    kind: 'passed',
    detail: '5 files',
    paths: ['debian-like/a', 'debian/changelog', 'debian/rules', 'parts/b', 'src/main.c'],
    changelog: 'x (1-1) …\n',
  });
});

test('reads what git archive makes, with its global header, and the changelog of a native package', async () => {
  const git = async (...argv: string[]) => await exec(['git', '-C', folder.path, ...argv], { deadlineMs: 20_000 });
  await git('init', '--quiet', '.');
  await mkdir(join(folder.path, 'debian'));
  await writeFile(join(folder.path, 'debian/changelog'), 'native (1) …\n');
  await git('add', 'debian');
  await git('-c', 'user.name=A', '-c', 'user.email=a@example.org', 'commit', '--quiet', '--message=x');
  const { stdout } = await git('archive', '--format=tar.gz', '--prefix=native-1/', 'HEAD');
  expect(await listed(await kept('native_1.tar.gz', stdout))).toMatchObject({
    kind: 'passed',
    paths: ['debian/changelog'],
    changelog: 'native (1) …\n',
  });
});

test('H50 H53 what cannot be listed is said and is no reason to refuse: dpkg-source is what unpacks', async () => {
  const good = await tarball('x_1-1.debian.tar.xz', { 'debian/changelog': 'x\n' });
  const outside = await tarball('x_1.orig.tar.gz', { 'x-1/a': '' }, '--transform=s,x-1,../..,');
  expect(await listed(outside, good)).toMatchObject({
    kind: 'not-applicable',
    detail: expect.stringMatching(/^not listed whole: x_1\.orig\.tar\.gz: /) as unknown,
    paths: ['debian/changelog'],
    changelog: 'x\n',
  });
  expect(await listed(await kept('x_1.orig.tar.gz', Buffer.from('no gzip')), good)).toMatchObject({
    kind: 'not-applicable',
  });
});
