/**
 * Debian source packages of shapes that go wrong where somebody takes a shortcut: names with blanks, umlauts and bytes that are no
 * UTF-8, line ends of Windows, attributes of Git that would change files, symbolic links that lead nowhere, executable files,
 * empty folders, binary files in debian/, patches to files with such names, one single patch, several tarballs with signatures.
 */
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exec } from '../../src/platform/exec.ts';

export const ODD_SHAPES = ['names', 'single-patch', 'components', 'native'] as const;
export type OddShape = (typeof ODD_SHAPES)[number];

const LATIN1 = Buffer.from('stra\xdfe.txt', 'latin1');

/** Makes the source package below `folder` with dpkg-source; gives the path of its .dsc. */
export async function oddSource(folder: string, shape: OddShape): Promise<string> {
  const source = `odd-${shape}`;
  const native = shape === 'native';
  const version = native ? '1.0' : '1.0-1';
  const tree = join(folder, `${source}-1.0`);
  await upstreamFiles(tree);
  if (shape === 'components') {
    await files(join(tree, 'part-one'), { 'lib/one.txt': 'one\n', '.gitattributes': '* text=auto\n' });
    await files(join(tree, 'part-two'), { 'two.txt': 'two\r\n' });
  }
  if (!native) await packOrigs(folder, source, shape);
  await files(tree, debianFiles(source, version, shape));
  await chmod(join(tree, 'debian/rules'), 0o755);
  await symlink('../README', join(tree, 'debian/docs-link'));
  if (shape === 'single-patch') await writeFile(join(tree, 'README'), 'changed in place\n');
  await exec(['dpkg-source', '--build', tree], { cwd: folder, deadlineMs: 60_000, env: { SOURCE_DATE_EPOCH: TIME } });
  return join(folder, `${source}_${version}.dsc`);
}

/** Of the upstream tarballs. */
const COMPRESSION: Readonly<Record<OddShape, string>> = {
  names: 'gz',
  'single-patch': 'bz2',
  components: 'xz',
  native: 'xz',
};

const TIME = '1700000000';

async function files(root: string, content: Readonly<Record<string, string | Buffer>>): Promise<void> {
  for (const [name, bytes] of Object.entries(content)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), bytes);
  }
}

async function upstreamFiles(tree: string): Promise<void> {
  await files(tree, {
    README: 'an odd package\n',
    'with blank.txt': 'one\ntwo\nthree\n',
    'größe/日本語.txt': 'one\ntwo\nthree\n',
    'dos.txt': 'one\r\ntwo\r\n',
    'mixed.txt': 'one\r\ntwo\nthree\r',
    'no-newline.txt': 'the end',
    'version.txt': '$Format:%H$ $Id$\n',
    '.gitattributes': '* text=auto eol=crlf export-subst ident\nno-newline.txt export-ignore\n*.bin filter=lfs\n',
    '.gitignore': '*.txt\ndebian/\n',
    'blob.bin': Buffer.from([0, 1, 2, 255, 13, 10]),
    'run me.sh': '#!/bin/sh\n',
    'quotes\'"and\\more': 'x\n',
    '-dash': 'x\n',
    empty: '',
  });
  await chmod(join(tree, 'run me.sh'), 0o755);
  await writeFile(Buffer.concat([Buffer.from(`${tree}/größe/`), LATIN1]), 'x\n');
  await symlink('nowhere/at all', join(tree, 'dangling'));
  await symlink('größe', join(tree, 'to a folder'));
  await mkdir(join(tree, 'empty-folder'));
}

/** Each shape has its tarballs compressed in another way; one is signed, which nobody checks here. */
async function packOrigs(folder: string, source: string, shape: OddShape): Promise<void> {
  const tree = `${source}-1.0`;
  const compression = COMPRESSION[shape];
  const parts = shape === 'components' ? ['part-one', 'part-two'] : [];
  const pack = async (name: string, ...what: string[]): Promise<void> => {
    const path = join(folder, name);
    await exec(['tar', '--create', '--auto-compress', `--mtime=@${TIME}`, '--sort=name', '--file', path, ...what], {
      cwd: folder,
      deadlineMs: 60_000,
    });
    // gbp keeps the signature of the main tarball alone.
    if (shape !== 'components' || name.includes('.orig-')) return;
    await writeFile(
      `${path}.asc`,
      `-----BEGIN PGP SIGNATURE-----\n\n${Buffer.from(name).toString('base64')}\n-----END PGP SIGNATURE-----\n`,
    );
  };
  const without = parts.map((part) => `--exclude=${tree}/${part}`);
  await pack(`${source}_1.0.orig.tar.${compression}`, ...without, tree);
  for (const part of parts) {
    await pack(`${source}_1.0.orig-${part}.tar.xz`, '--directory', join(folder, tree), part);
  }
}

function debianFiles(source: string, version: string, shape: OddShape): Record<string, string | Buffer> {
  return {
    'debian/changelog': `${source} (${version}) landing; urgency=medium\n\n  * Zażółć.\n\n -- Ann <ann@example.org>  Tue, 14 Nov 2023 22:13:20 +0000\n`,
    'debian/control': `Source: ${source}\nSection: misc\nPriority: optional\nMaintainer: Ann <ann@example.org>\nStandards-Version: 4.6.2\nBuild-Depends: debhelper-compat (= 13)\n\nPackage: ${source}\nArchitecture: all\nDescription: odd\n It is odd.\n`,
    'debian/rules': '#!/usr/bin/make -f\n%:\n\tdh $@\n',
    'debian/logo.png': Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3]),
    'debian/with blank.install': 'x y\r\n',
    'debian/source/format': shape === 'native' ? '3.0 (native)\n' : '3.0 (quilt)\n',
    'debian/source/include-binaries': 'debian/logo.png\n',
    ...(shape === 'single-patch'
      ? {
          'debian/source/options': 'single-debian-patch\ncompression = gzip\n',
          'debian/source/patch-header': 'All in one.\n',
        }
      : {}),
    ...(shape === 'names' ? PATCHES : {}),
  };
}

const PATCHES = {
  'debian/patches/series': '# the first\nsub/blank-name.patch\nsub/umlaut.patch -p1\n',
  'debian/patches/sub/blank-name.patch':
    'Description: a name with a blank\n--- a/with blank.txt\t2023-01-01\n+++ b/with blank.txt\t2023-01-01\n@@ -1,3 +1,3 @@\n one\n-two\n+zwei\n three\n',
  'debian/patches/sub/umlaut.patch':
    'Description: a name with an umlaut, a file that is new, one that goes\n--- a/größe/日本語.txt\n+++ b/größe/日本語.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+zwei\n three\n--- /dev/null\n+++ b/new/file.txt\n@@ -0,0 +1 @@\n+new\n--- a/dos.txt\n+++ b/dos.txt\n@@ -1,2 +1,2 @@\n-one\r\n+eins\r\n two\r\n',
};
