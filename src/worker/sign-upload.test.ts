import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseClearsigned } from '../debian/clearsign.ts';
import { exec } from '../platform/exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { generateKey, killAgents } from '../platform/gpg.ts';
import { signUpload, updateChecksums } from './sign-upload.ts';

const BUILDINFO = `Format: 1.0
Source: tiny
Binary: tiny
Architecture: amd64
Version: 1.0
Build-Origin: Debian
Build-Architecture: amd64
Installed-Build-Depends:
 dpkg (= 1.21.22)
Environment:
 DEB_BUILD_OPTIONS="parallel=2"
`;
const CHANGES = `Format: 1.8
Date: Thu, 02 Jan 2025 03:04:05 +0000
Source: tiny
Binary: tiny
Architecture: amd64
Version: 1.0
Distribution: landing
Urgency: medium
Maintainer: A <a@example.org>
Changed-By: A <a@example.org>
Description:
 tiny       - test
Changes:
 tiny (1.0) landing; urgency=medium
 .
   * tiny_1.0_amd64.buildinfo
Checksums-Sha1:
 da39a3ee5e6b4b0d3255bfef95601890afd80709 0 tiny_1.0_amd64.buildinfo
 da39a3ee5e6b4b0d3255bfef95601890afd80709 0 tiny_1.0_amd64.deb
Checksums-Sha256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 tiny_1.0_amd64.buildinfo
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 tiny_1.0_amd64.deb
Files:
 d41d8cd98f00b204e9800998ecf8427e 0 misc optional tiny_1.0_amd64.buildinfo
 d41d8cd98f00b204e9800998ecf8427e 0 misc optional tiny_1.0_amd64.deb
`;

let folder: TemporaryDirectory;
let key: { home: string; fingerprint: string };

beforeAll(async () => {
  folder = await makeTemporaryDirectory('lf-sign-');
  const home = join(folder.path, 'gnupg');
  await mkdir(home, { mode: 0o700 });
  key = { home, fingerprint: await generateKey({ home, userId: 'W <w@example.org>', algorithm: 'ed25519' }) };
});
afterAll(async () => {
  await killAgents(key.home);
  await folder.remove();
});

test('signs an upload so that dscverify believes it', async () => {
  const ours = join(folder.path, 'ours');
  await mkdir(ours);
  await writeFile(join(ours, 'tiny_1.0_amd64.buildinfo'), BUILDINFO);
  await writeFile(join(ours, 'tiny_1.0_amd64.deb'), '');
  await writeFile(join(ours, 'tiny_1.0_amd64.changes'), CHANGES);
  await cp(ours, join(folder.path, 'theirs'), { recursive: true });
  await signUpload(ours, { changes: 'tiny_1.0_amd64.changes', buildinfo: 'tiny_1.0_amd64.buildinfo' }, key);

  const ring = join(folder.path, 'ring.gpg');
  await exec(['gpg', '--homedir', key.home, '--batch', '--output', ring, '--export'], { deadlineMs: 30_000 });
  await exec(['dscverify', '--no-default-keyrings', '--keyring', ring, 'tiny_1.0_amd64.changes'], {
    cwd: ours,
    deadlineMs: 30_000,
    env: { HOME: folder.path },
  });

  // Beside the sums of the signature, which differ by its time, debsign leaves the same text.
  const theirs = join(folder.path, 'theirs');
  await exec(['debsign', '--no-conf', '--re-sign', `-k${key.fingerprint}`, 'tiny_1.0_amd64.changes'], {
    cwd: theirs,
    deadlineMs: 30_000,
    env: { HOME: folder.path, GNUPGHOME: key.home },
  });
  const text = async (parent: string): Promise<string> => {
    const signed = parseClearsigned(await readFile(join(parent, 'tiny_1.0_amd64.changes')));
    if ('kind' in signed) throw new Error(signed.reason);
    return signed.text.replace(/^ [0-9a-f]+ \d+ (.*tiny_1\.0_amd64\.buildinfo)$/gm, ' SUM SIZE $1').trimEnd();
  };
  expect(await text(ours)).toBe(await text(theirs));
});

test('changes only the lines of its file, in the three lists', () => {
  const before = CHANGES.split('\n');
  const after = updateChecksums(CHANGES, 'tiny_1.0_amd64.buildinfo', Buffer.from('x')).split('\n');
  const changed = after.filter((line, index) => line !== before[index]);
  expect(after).toHaveLength(before.length);
  expect(changed).toEqual([
    ' 11f6ad8ec52a2984abaafd7c3b516503785c2072 1 tiny_1.0_amd64.buildinfo',
    ' 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 1 tiny_1.0_amd64.buildinfo',
    ' 9dd4e461268c8034f5c8564e155c67a6 1 misc optional tiny_1.0_amd64.buildinfo',
  ]);
});

test('a .changes that does not list the file in all three is a fault', () => {
  const short = CHANGES.replace(/^ d41d8cd98f00b204e9800998ecf8427e 0 misc optional tiny_1\.0_amd64\.buildinfo\n/m, '');
  expect(() => updateChecksums(short, 'tiny_1.0_amd64.buildinfo', Buffer.from('x'))).toThrow('md5');
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(() => updateChecksums(text, 'no-such.buildinfo', Buffer.from('x'))).toThrow();
    }),
  );
});
