/** Our reading of .debs against dpkg-deb, on real packages and on one built here with everything that is rare. */
import { chmod, link, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDeb, type DebFile, type Decompress } from '../../src/debian/deb.ts';
import { formatParagraph } from '../../src/debian/deb822.ts';
import type { TarEntry } from '../../src/debian/tar.ts';
import { exec } from '../../src/platform/exec.ts';
import { xzDecompress, zstdDecompress } from '../../src/platform/xz.ts';
import { binaryPackages } from './apt-lists.ts';

let folder = '';
const files: string[] = [];

const decompress: Decompress = async (kind, bytes, limit) => {
  const result = await (kind === 'zst' ? zstdDecompress : xzDecompress)(bytes, limit);
  if (result.kind !== 'decompressed') throw new Error(result.kind);
  return result.bytes;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'landfall-debs-'));
  files.push(...(await binaryPackages()));
  for (const compression of ['none', 'gzip', 'xz', 'zstd']) files.push(await build(compression));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function build(compression: string): Promise<string> {
  const root = join(folder, compression);
  const deep = join(root, 'usr/share', 'a-rather-long-folder-name/'.repeat(6));
  await mkdir(join(root, 'DEBIAN'), { recursive: true });
  await mkdir(deep, { recursive: true });
  await writeFile(
    join(root, 'DEBIAN/control'),
    'Package: rare\nVersion: 2:1.0~rc1-1\nArchitecture: all\nMaintainer: Ann Łuk <ann@example.org>\nDescription: rare things\n .\n in one package\n',
  );
  await writeFile(join(root, 'DEBIAN/postinst'), '#!/bin/sh\nexit 0\n');
  await chmod(join(root, 'DEBIAN/postinst'), 0o755);
  await writeFile(
    join(deep, 'grün und ein sehr langer Name, damit auch er nicht in hundert Bytes passt'.repeat(2)),
    'x',
  );
  await writeFile(join(root, 'usr/setuid'), 'y'.repeat(1000));
  await chmod(join(root, 'usr/setuid'), 0o4755);
  await link(join(root, 'usr/setuid'), join(root, 'usr/hard'));
  await symlink('../../outside', join(root, 'usr/soft'));
  await symlink(`/${'target/'.repeat(30)}`, join(root, 'usr/far'));
  await exec(['mkfifo', join(root, 'usr/fifo')], { deadlineMs: 10_000 });
  const file = join(folder, `rare-${compression}.deb`);
  await exec(['dpkg-deb', '--root-owner-group', `-Z${compression}`, '--build', root, file], { deadlineMs: 60_000 });
  return file;
}

async function read(file: string): Promise<DebFile> {
  const result = await readDeb(await readFile(file), decompress);
  if ('kind' in result) throw new Error(`${file}: ${result.reason}`);
  return result;
}

/** A member as `tar --list --verbose --numeric-owner --full-time` writes it. */
function listing(entry: TarEntry): string {
  const letter = {
    file: '-',
    directory: 'd',
    symlink: 'l',
    hardlink: 'h',
    fifo: 'p',
    'character-device': 'c',
    'block-device': 'b',
  }[entry.type];
  const bits = (shift: number, special: number, letters: [string, string]): string => {
    const set = (entry.mode & special) !== 0;
    const execute = (entry.mode & (1 << shift)) !== 0;
    const mark = set ? (execute ? letters[0] : letters[1]) : execute ? 'x' : '-';
    return `${(entry.mode & (4 << shift)) === 0 ? '-' : 'r'}${(entry.mode & (2 << shift)) === 0 ? '-' : 'w'}${mark}`;
  };
  const mode = `${bits(6, 0o4000, ['s', 'S'])}${bits(3, 0o2000, ['s', 'S'])}${bits(0, 0o1000, ['t', 'T'])}`;
  const time = new Date(entry.mtime * 1000).toISOString().slice(0, 19).replace('T', ' ');
  const name = entry.name === '.' ? './' : `./${entry.name}${entry.type === 'directory' ? '/' : ''}`;
  const arrow =
    entry.type === 'symlink'
      ? ` -> ${entry.target ?? ''}`
      : entry.type === 'hardlink'
        ? ` link to ./${entry.target?.replace(/^\.\//, '') ?? ''}`
        : '';
  return `${letter}${mode} ${entry.uid}/${entry.gid} ${entry.size} ${time} ${name}${arrow}`;
}

describe('.debs, against dpkg-deb', () => {
  it('gives the control paragraph as dpkg-deb -f does, field by field and byte by byte', async () => {
    for (const file of files) {
      const { stdout } = await exec(['dpkg-deb', '-f', file], { deadlineMs: 20_000 });
      const { control } = await read(file);
      expect(formatParagraph(control.paragraph)).toBe(stdout.toString('utf8'));
      const one = await exec(
        [
          'dpkg-deb',
          '--show',
          '--showformat=${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}',
          file,
        ],
        { deadlineMs: 20_000 },
      );
      expect(
        [control.name, control.version, control.architecture, control.source, control.sourceVersion].join(' '),
      ).toBe(one.stdout.toString('utf8'));
    }
  });

  it('lists the members of data.tar as dpkg-deb and tar do', async () => {
    for (const file of files) {
      const tar = await exec(['dpkg-deb', '--fsys-tarfile', file], { deadlineMs: 60_000, maxOutput: 1 << 30 });
      const { stdout } = await exec(
        ['tar', '--list', '--verbose', '--numeric-owner', '--full-time', '--quoting-style=literal', '-f', '-'],
        {
          input: tar.stdout,
          deadlineMs: 60_000,
          env: { TZ: 'UTC' },
          maxOutput: 1 << 28,
        },
      );
      const { members } = await read(file);
      const theirs = stdout
        .toString('utf8')
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/ +(?=[0-9]+ [0-9]{4}-)/, ' '));
      expect(members.map(listing)).toEqual(theirs);
      const contents = await exec(['dpkg-deb', '-c', file], { deadlineMs: 60_000, maxOutput: 1 << 28 });
      expect(members.length).toBe(contents.stdout.toString('utf8').trimEnd().split('\n').length);
    }
  });

  it('lists the members of control.tar, and gives the maintainer scripts', async () => {
    for (const file of files) {
      const tar = await exec(['dpkg-deb', '--ctrl-tarfile', file], { deadlineMs: 20_000 });
      const { stdout } = await exec(['tar', '--list', '-f', '-'], { input: tar.stdout, deadlineMs: 20_000 });
      const { controlMembers, controlFiles } = await read(file);
      const names = stdout
        .toString('utf8')
        .trimEnd()
        .split('\n')
        .map((name) => name.replace(/^\.\/(?=.)/, '').replace(/^\.\/$/, '.'));
      expect(controlMembers.map((entry) => entry.name)).toEqual(names);
      const script = controlFiles.get('postinst');
      if (script !== undefined) {
        expect(script).toEqual((await exec(['dpkg-deb', '-I', file, 'postinst'], { deadlineMs: 20_000 })).stdout);
      }
    }
  });
});
