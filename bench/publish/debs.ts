/**
 * Real .deb files, made once: each has the control fields of one of Debian's own packages and a single small file, so that the
 * index that comes of them is as large as a real one and the disk is not. And packages to add, one for each round.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { fieldOf } from '../../src/debian/deb822.ts';
import { poolFileName } from '../../src/debian/pool.ts';
import { exec } from '../../src/platform/exec.ts';
import { exists } from '../../src/platform/files.ts';
import type { IndexedPackage } from './packages.ts';

/** A package of the corpus, with its file. */
export interface CorpusDeb {
  readonly package: IndexedPackage;
  /** As dpkg-name(1) has it. */
  readonly file: string;
  readonly path: string;
}

/** A package that is not in the corpus yet, as its build leaves it. */
export interface AddedPackage {
  readonly source: string;
  readonly version: string;
  readonly folder: string;
  readonly deb: string;
  readonly changes: string;
}

/** Fields that an index adds to those of a package's control file, or that lead to files which these packages do not have. */
const OF_THE_INDEX = /^(Filename|Size|MD5sum|SHA1|SHA256|Description-md5|Tag|Task):/i;
const PER_FOLDER = 1_000;
const FORMAT = '1';

/** The first `count` packages of the index as files below `folder`. */
export async function openDebs(
  folder: string,
  packages: readonly IndexedPackage[],
  count: number,
  progress: (text: string) => void,
): Promise<readonly CorpusDeb[]> {
  if (packages.length < count) throw new Error(`the index has ${packages.length} packages, and ${count} are wanted`);
  const debs = packages.slice(0, count).map((one, index): CorpusDeb => {
    const file = poolFileName(one.name, one.version, one.architecture, 'deb');
    return { package: one, file, path: join(folder, String(Math.floor(index / PER_FOLDER)), file) };
  });
  const made = join(folder, `complete-${FORMAT}-${count}`);
  if (await exists(made)) return debs;
  for (const [index, { package: one, path }] of debs.entries()) {
    if (index % PER_FOLDER === 0) {
      progress(`making ${count} packages, once: ${index}`);
      await mkdir(join(path, '..'), { recursive: true });
    }
    await writeFile(path, makeDeb(one));
  }
  await writeFile(made, '');
  return debs;
}

/** The control file of a package of the index. */
function controlOf({ stanza }: IndexedPackage): string {
  const kept: string[] = [];
  let keeping = true;
  for (const line of stanza.trimEnd().split('\n')) {
    if (!/^[ \t]/.test(line)) keeping = !OF_THE_INDEX.test(line);
    if (keeping) kept.push(line);
  }
  return `${kept.join('\n')}\n`;
}

/** @see deb(5), ar(5) */
function makeDeb(one: IndexedPackage): Buffer {
  const content = Buffer.from(`${one.name} ${one.version}\n`);
  return Buffer.concat([
    Buffer.from('!<arch>\n'),
    member('debian-binary', Buffer.from('2.0\n')),
    member('control.tar.gz', packed([['./control', Buffer.from(controlOf(one))]])),
    member('data.tar.gz', packed([[`./usr/share/doc/${one.name}/copyright`, content]])),
  ]);
}

function member(name: string, content: Buffer): Buffer {
  const header = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(content.length).padEnd(10)}\`\n`;
  return Buffer.concat([Buffer.from(header), content, Buffer.alloc(content.length % 2, '\n')]);
}

function packed(files: readonly (readonly [name: string, content: Buffer])[]): Buffer {
  const blocks = files.flatMap(([name, content]) => [
    tarHeader(name, content.length),
    content,
    Buffer.alloc((512 - (content.length % 512)) % 512),
  ]);
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]), { level: 1 });
}

/** A POSIX ustar header. @see tar(5) */
function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(name.slice(0, 100), 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\u000000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** Builds one package with dpkg-buildpackage; the .changes is not signed. */
export async function buildAdded(folder: string, source: string): Promise<AddedPackage> {
  const version = '1.0-1';
  await rm(folder, { recursive: true, force: true });
  const tree = join(folder, source);
  await mkdir(join(tree, 'debian', 'source'), { recursive: true });
  const files = {
    'debian/source/format': '3.0 (quilt)\n',
    'debian/changelog': `${source} (${version}) landing; urgency=medium\n\n  * A release.\n\n -- Bea Bench <bea@example.org>  Fri, 20 Nov 2026 10:00:00 +0000\n`,
    'debian/control': `Source: ${source}\nSection: utils\nPriority: optional\nMaintainer: Bea Bench <bea@example.org>\nStandards-Version: 4.6.2\n\nPackage: ${source}\nArchitecture: amd64\nDescription: a package that is added to be measured\n It holds a greeting.\n`,
    'debian/rules': [
      '#!/usr/bin/make -f',
      'build build-arch build-indep clean binary-indep:',
      'binary: binary-arch',
      'binary-arch:',
      `\tmkdir -p debian/${source}/DEBIAN debian/${source}/usr/share/${source}`,
      `\techo good morning >debian/${source}/usr/share/${source}/greeting`,
      `\tdpkg-gencontrol -p${source} -Pdebian/${source}`,
      `\tdpkg-deb --root-owner-group -Zxz -b debian/${source} ..`,
      '',
    ].join('\n'),
  };
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(tree, name), content, { mode: name === 'debian/rules' ? 0o755 : 0o644 });
  }
  await exec(['dpkg-buildpackage', '-b', '-us', '-uc', '-d', '-nc'], {
    cwd: tree,
    deadlineMs: 60_000,
    env: { HOME: folder, DEB_BUILD_OPTIONS: 'noautodbgsym' },
  });
  const names = await readdir(folder);
  const one = (suffix: string): string => {
    const name = names.find((candidate) => candidate.endsWith(suffix));
    if (name === undefined) throw new Error(`dpkg-buildpackage made no ${suffix}`);
    return name;
  };
  return { source, version, folder, deb: one('.deb'), changes: one('.changes') };
}

/** The digest of each corpus file, read once. */
export async function digestOf(path: string): Promise<{ readonly sha256: string; readonly size: number }> {
  const bytes = await readFile(path);
  return { sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length };
}

/** True when the package can stand beside others in a repository of one architecture. */
export function isPlain({ stanza, architecture }: IndexedPackage): boolean {
  return (architecture === 'amd64' || architecture === 'all') && fieldOf(stanza, 'Version') !== undefined;
}
