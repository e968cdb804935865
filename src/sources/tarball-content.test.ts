import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRepository, type Files, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { exec } from '../platform/exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { makePristineOrigs } from './pristine-tar.ts';
import { compareTarball, type TarballContent } from './tarball-content.ts';

let repository: TestRepository;
let scratch: TemporaryDirectory;
let count = 0;

beforeAll(async () => {
  repository = await createRepository();
  scratch = await makeTemporaryDirectory('tarball-');
});
afterAll(async () => {
  await repository.remove();
  await scratch.remove();
});

interface Member {
  readonly name: string;
  readonly content?: string;
  readonly type?: string;
  readonly mode?: number;
  readonly link?: string;
}

/** A tar member as raw bytes, so that what no tar would write can be written. */
function member({ name, content = '', type = '0', mode = 0o644, link = '' }: Member): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100, 'latin1');
  header.write(`${mode.toString(8).padStart(7, '0')}\x000000000\x000000000\0`, 100, 'latin1');
  header.write(`${content.length.toString(8).padStart(11, '0')}\x0000000000000\0        ${type}${link}`, 124, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([header, Buffer.from(content, 'latin1'), Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

const FILES: Files = {
  README: 'hello\n',
  'bin/run': { mode: '100755', content: '#!/bin/sh\n' },
  link: { mode: '120000', content: '../outside' },
};
const HONEST: readonly Member[] = [
  { name: 'hello-1.0/', type: '5', mode: 0o755 },
  { name: 'hello-1.0/README', content: 'hello\n' },
  { name: 'hello-1.0/empty/', type: '5', mode: 0o755 },
  { name: 'hello-1.0/bin/run', content: '#!/bin/sh\n', mode: 0o755 },
  { name: 'hello-1.0/link', type: '2', link: '../outside' },
];

async function compare(members: readonly Member[] | Buffer): Promise<TarballContent> {
  const tree = await repository.commit({ files: FILES });
  const folder = join(scratch.path, String(++count));
  await mkdir(folder);
  const bytes = Buffer.isBuffer(members)
    ? members
    : gzipSync(Buffer.concat([...members.map(member), Buffer.alloc(1024)]));
  await writeFile(join(folder, 'hello_1.0.orig.tar.gz'), bytes);
  const result = await compareTarball(repository.gitDir, tree, folder, 'hello_1.0.orig.tar.gz');
  expect(await readdir(folder)).toEqual(['hello_1.0.orig.tar.gz']);
  return result;
}

const withMember = (one: Member): Member[] => [...HONEST, one];
const instead = (one: Member): Member[] => HONEST.map((honest) => (honest.name === one.name ? one : honest));

describe('a tarball of a tree', () => {
  it('is the same with empty folders, other times and owners, and without a folder around it', async () => {
    expect(await compare(HONEST)).toEqual({ kind: 'same' });
    const bare = HONEST.slice(1).map((one) => ({ ...one, name: one.name.replace('hello-1.0/', '') }));
    expect(await compare(bare)).toEqual({ kind: 'same' });
  });

  it.each<[string, Member[], string]>([
    [
      'a file more',
      withMember({ name: 'hello-1.0/configure', content: 'evil' }),
      '"configure", which the tree does not',
    ],
    ['a file less', HONEST.filter(({ name }) => !name.endsWith('README')), 'it does not have the tree\'s "README"'],
    ['other bytes', instead({ name: 'hello-1.0/README', content: 'hellO\n' }), '"README" is another'],
    ['a file that may not be executed', instead({ name: 'hello-1.0/bin/run', content: '#!/bin/sh\n' }), '"bin/run" is'],
    ['a link to elsewhere', instead({ name: 'hello-1.0/link', type: '2', link: '/etc' }), '"link" is another'],
    ['a link in place of a file', instead({ name: 'hello-1.0/README', type: '2', link: 'hello\n' }), '"README" is'],
    ['H50 a member above its folder', withMember({ name: 'hello-1.0/../../stolen', content: 'x' }), '..'],
    ['H50 an absolute member', withMember({ name: '/tmp/stolen', content: 'x' }), 'which the tree does not have'],
    ['H51 a link, and a file through it', withMember({ name: 'hello-1.0/link/stolen', content: 'x' }), 'link'],
    ['H52 a device', withMember({ name: 'hello-1.0/null', type: '3' }), 'neither a plain file'],
    ['H52 a FIFO', withMember({ name: 'hello-1.0/pipe', type: '6' }), 'neither a plain file'],
    ['H52 a hard link', withMember({ name: 'hello-1.0/hard', type: '1', link: '/etc/passwd' }), 'neither a plain file'],
    ['H52 a setuid file', instead({ name: 'hello-1.0/bin/run', content: '#!/bin/sh\n', mode: 0o4755 }), 'neither a'],
  ])('is another with %s', async (_what, members, words) => {
    const result = await compare(members);
    expect(result.kind === 'other' && result.reason).toContain(words);
    await expect(stat('/tmp/stolen')).rejects.toThrow('ENOENT');
  });

  it('H53 a bomb is unpacked no further than the tree is large', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 ** 2), { level: 1 });
    const result = await compare(bomb);
    expect(result.kind === 'other' && result.reason).toMatch(/more than \d+ bytes|File size limit|File too large/);
  });

  it('is another when it is no archive at all', async () => {
    expect(await compare(Buffer.from('no archive'))).toMatchObject({ kind: 'other' });
  });
});

describe('the tarballs of a signed pristine-tar commit', () => {
  const git = async (cwd: string, ...args: string[]): Promise<string> => {
    const identity = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org'];
    const { stdout } = await exec(['git', ...identity, ...args], { cwd, deadlineMs: 30_000 });
    return stdout.toString('utf8').trim();
  };

  /** A clone whose branch pristine-tar describes the tarball of `members` as that of its branch upstream. */
  async function described(members: readonly Member[]) {
    const cwd = join(scratch.path, String(++count));
    await mkdir(join(cwd, 'out'), { recursive: true });
    const upstream = await repository.commit({ files: FILES, branch: `upstream-${count}` });
    await git(cwd, 'clone', '--quiet', '--branch', `upstream-${count}`, repository.gitDir, 'clone');
    const tarball = join(cwd, 'hello_1.0.orig.tar.gz');
    await writeFile(tarball, gzipSync(Buffer.concat([...members.map(member), Buffer.alloc(9216)])));
    await exec(['pristine-tar', 'commit', tarball, upstream], {
      cwd: join(cwd, 'clone'),
      deadlineMs: 60_000,
      env: {
        GIT_AUTHOR_NAME: 'A',
        GIT_AUTHOR_EMAIL: 'a@example.org',
        GIT_COMMITTER_NAME: 'A',
        GIT_COMMITTER_EMAIL: 'a@example.org',
      },
    });
    const pristineTar = await git(join(cwd, 'clone'), 'rev-parse', 'pristine-tar');
    const wanted = { source: 'hello', upstream: '1.0' };
    return await makePristineOrigs(join(cwd, 'clone/.git'), { pristineTar, upstream }, wanted, join(cwd, 'out'));
  }

  it('come out when they hold what upstream= holds', async () => {
    expect(await described(HONEST)).toEqual({ kind: 'made', names: ['hello_1.0.orig.tar.gz'] });
  });

  it('are refused when the delta brings something of its own', async () => {
    const result = await described(withMember({ name: 'hello-1.0/configure', content: 'evil\n' }));
    expect(result.kind === 'unusable' && result.reason).toContain('"configure", which the tree does not have');
  });
});
