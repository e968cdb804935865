import { createHash } from 'node:crypto';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exec } from '../platform/exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { collectUpload } from './collect.ts';

const DEB = 'tiny_1.0_amd64.deb';
const NAME = 'tiny_1.0_amd64.changes';

let folder: TemporaryDirectory;
let from: string;
let to: string;
beforeEach(async () => {
  folder = await makeTemporaryDirectory('lf-collect-');
  from = join(folder.path, 'build');
  to = join(folder.path, 'out');
  await mkdir(from);
});
afterEach(async () => {
  await folder.remove();
});

function changes(file = DEB, bytes = 'deb', source = 'tiny'): string {
  const sum = (algorithm: string): string => createHash(algorithm).update(bytes).digest('hex');
  return `Format: 1.8
Source: ${source}
Binary: tiny
Architecture: amd64
Version: 1.0
Distribution: landing
Maintainer: A <a@example.org>
Checksums-Sha1:
 ${sum('sha1')} ${bytes.length} ${file}
Checksums-Sha256:
 ${sum('sha256')} ${bytes.length} ${file}
Files:
 ${sum('md5')} ${bytes.length} misc optional ${file}
`;
}

const collect = (): ReturnType<typeof collectUpload> =>
  collectUpload({
    from,
    name: NAME,
    to,
    expected: { source: 'tiny', sourceVersion: '1.0' },
    open: () => Promise.resolve(),
  });

test('takes what the .changes names, and nothing that lies beside it', async () => {
  await writeFile(join(from, NAME), changes());
  await writeFile(join(from, DEB), 'deb');
  await writeFile(join(from, 'other_1.0_amd64.deb'), 'not named');
  expect(await collect()).toMatchObject({ kind: 'collected', name: NAME });
  expect((await readdir(to)).sort()).toEqual([NAME, DEB].sort());
});

test('nothing was made', async () => {
  expect(await collect()).toMatchObject({ kind: 'failed', code: 'build.no-changes' });
});

test('H51 a link to a file of the machine is not followed', async () => {
  await writeFile(join(from, NAME), changes(DEB, 'root:x:0:0'));
  await symlink('/etc/passwd', join(from, DEB));
  expect(await collect()).toMatchObject({ code: 'build.bad-file', reason: `${DEB} is not a plain file` });
  await symlink('/etc/passwd', join(from, 'x.changes'));
  expect(
    await collectUpload({
      from,
      name: 'x.changes',
      to,
      expected: { source: 'x', sourceVersion: '1' },
      open: () => Promise.resolve(),
    }),
  ).toMatchObject({
    code: 'build.no-changes',
  });
});

test('H52 a FIFO or a folder under the name of a package does not hold us up', async () => {
  await writeFile(join(from, NAME), changes());
  await exec(['mkfifo', join(from, DEB)], { deadlineMs: 10_000 });
  expect(await collect()).toMatchObject({ code: 'build.bad-file', reason: `${DEB} is not a plain file` });
});

test('the build folder itself exchanged for a link is not entered', async () => {
  await folder.remove();
  await mkdir(folder.path);
  await symlink('/etc', from);
  expect(await collect()).toMatchObject({ code: 'build.no-changes' });
});

test('other bytes than the .changes says, another source, a broken .changes', async () => {
  await writeFile(join(from, DEB), 'xxx');
  await writeFile(join(from, NAME), changes());
  expect(await collect()).toMatchObject({ code: 'build.bad-file', reason: `${DEB} is not as ${NAME} describes it` });
  to = join(folder.path, 'out2');
  await writeFile(join(from, NAME), changes('other_1.0_amd64.deb', 'deb', 'other'));
  expect(await collect()).toMatchObject({ code: 'build.bad-changes', reason: `${NAME} is of other 1.0` });
  to = join(folder.path, 'out3');
  await writeFile(join(from, NAME), 'nonsense');
  expect(await collect()).toMatchObject({ code: 'build.bad-changes' });
});
