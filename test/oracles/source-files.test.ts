/**
 * Our reading of what dpkg-buildpackage writes (.dsc, .changes, .buildinfo, .deb) against the files themselves, of clearsigned
 * documents against gpg, and of debian/control in real source packages against their Package-List.
 */
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseBuildinfo } from '../../src/debian/buildinfo.ts';
import { parseTopEntry } from '../../src/debian/changelog.ts';
import { parseChanges } from '../../src/debian/changes.ts';
import { parseClearsigned } from '../../src/debian/clearsign.ts';
import { parseControl } from '../../src/debian/control.ts';
import { parseDsc, type Dsc } from '../../src/debian/dsc.ts';
import { isProblem } from '../../src/debian/problem.ts';
import { TarReader } from '../../src/debian/tar.ts';
import { exec } from '../../src/platform/exec.ts';
import { xzDecompress } from '../../src/platform/xz.ts';
import { sourcePackages } from './apt-lists.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'landfall-source-'));
});
afterAll(async () => {
  await exec(['gpgconf', '--kill', 'all'], {
    deadlineMs: 10_000,
    okCodes: 'any',
    env: { GNUPGHOME: join(folder, 'gnupg') },
  });
  await rm(folder, { recursive: true, force: true });
});

const CHANGELOG = `tiny (1:1.0~rc1+b) landing; urgency=high

  * Tiny. (Closes: #1, #2)

 -- Łucja Maintainer <lucja@example.org>  Sun, 22 Nov 2026 14:00:01 +0100
`;
const CONTROL = `Source: tiny
Section: misc
Priority: optional
Maintainer: Łucja Maintainer <lucja@example.org>
Standards-Version: 4.6.2
Rules-Requires-Root: no

Package: tiny
Architecture: any
Description: tiny thing
 It is tiny.

Package: tiny-data
Architecture: all
Section: non-free/doc
Description: tiny data
`;
const RULES = `#!/usr/bin/make -f
clean:
	rm -rf debian/tmp debian/files
build build-arch build-indep:
binary: binary-arch binary-indep
binary-arch: pack-tiny
binary-indep: pack-tiny-data
pack-%:
	mkdir -p debian/tmp/$*/DEBIAN
	dpkg-gencontrol -p$* -Pdebian/tmp/$*
	dpkg-deb --root-owner-group --build debian/tmp/$* ..
`;

/** Builds a package of our own with dpkg alone. */
async function build(): Promise<string> {
  const tree = join(folder, 'built/tiny');
  await mkdir(join(tree, 'debian/source'), { recursive: true });
  await writeFile(join(tree, 'debian/changelog'), CHANGELOG);
  await writeFile(join(tree, 'debian/control'), CONTROL);
  await writeFile(join(tree, 'debian/rules'), RULES);
  await chmod(join(tree, 'debian/rules'), 0o755);
  await writeFile(join(tree, 'debian/source/format'), '3.0 (native)\n');
  await exec(['dpkg-buildpackage', '--no-sign', '--no-check-builddeps'], {
    cwd: tree,
    deadlineMs: 60_000,
    env: { HOME: folder },
  });
  return dirname(tree);
}

function ok<T extends object>(value: T): Exclude<T, { kind: string }> {
  if (isProblem(value)) throw new Error(value.reason);
  return value as Exclude<T, { kind: string }>;
}

describe('what dpkg-buildpackage writes', () => {
  it('is read with every file, sum and name as it is', async () => {
    const out = await build();
    const files = await readdir(out);
    const one = async (suffix: string): Promise<Buffer> =>
      await readFile(join(out, files.find((name) => name.endsWith(suffix)) ?? ''));
    const dsc = ok(parseDsc(await one('.dsc')));
    const changes = ok(parseChanges(await one('.changes')));
    const buildinfo = ok(parseBuildinfo(await one('.buildinfo')));

    expect(dsc).toMatchObject({
      source: 'tiny',
      version: '1:1.0~rc1+b',
      format: '3.0 (native)',
      binaries: ['tiny', 'tiny-data'],
    });
    expect(dsc.files.map((file) => file.role)).toEqual(['native']);
    expect(changes).toMatchObject({
      source: 'tiny',
      version: '1:1.0~rc1+b',
      sourceVersion: '1:1.0~rc1+b',
      binaries: ['tiny', 'tiny-data'],
      distributions: ['landing'],
      urgency: 'high',
      changedBy: 'Łucja Maintainer <lucja@example.org>',
      closes: ['1', '2'],
    });
    expect(new Set(changes.architectures).has('source')).toBe(true);
    expect(changes.files.map((file) => file.role).toSorted()).toEqual([
      'binary',
      'binary',
      'buildinfo',
      'dsc',
      'source',
    ]);
    expect(changes.files.find((file) => file.binary?.name === 'tiny-data')).toMatchObject({
      section: 'non-free/doc',
      binary: { architecture: 'all' },
    });
    expect(buildinfo).toMatchObject({ source: 'tiny', version: '1:1.0~rc1+b' });
    expect(buildinfo.installedBuildDepends.length).toBeGreaterThan(5);
    expect(buildinfo.environment.size).toBeGreaterThan(0);
    for (const file of [...dsc.files, ...changes.files, ...buildinfo.files]) {
      const bytes = await readFile(join(out, file.name));
      expect([file.size, file.sha256]).toEqual([bytes.length, createHash('sha256').update(bytes).digest('hex')]);
    }
  });
});

describe('clearsigned documents, against gpg', () => {
  it('gives the text that gpgv says was signed, for a signature of our own', async () => {
    const home = join(folder, 'gnupg');
    await mkdir(home, { mode: 0o700 });
    const env = { GNUPGHOME: home };
    const gpg = ['gpg', '--batch', '--no-tty', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', ''] as const;
    await exec([...gpg, '--quick-generate-key', 'Ann <ann@example.org>', 'ed25519', 'sign', 'never'], {
      deadlineMs: 30_000,
      env,
    });
    const text = 'Source: x\n-----BEGIN something\n- dash\n-\nFrom me\n\nTrailing:  \t \nł\nno newline at the end';
    const { stdout: signed } = await exec([...gpg, '--digest-algo', 'SHA512', '--clearsign'], {
      input: text,
      deadlineMs: 30_000,
      env,
    });
    const { stdout: key } = await exec([...gpg, '--export'], { deadlineMs: 30_000, env });
    await writeFile(join(home, 'key.pgp'), key);
    const { stdout } = await exec(['gpgv', '--keyring', join(home, 'key.pgp'), '--output', '-', '-'], {
      input: signed,
      deadlineMs: 30_000,
      env,
    });
    const ours = ok(parseClearsigned(signed));
    // gpgv gives blanks at the ends of lines, though no signature covers them; we drop them. It leaves the last newline out.
    expect(ours.text.trimEnd()).toBe(
      stdout
        .toString('utf8')
        .replace(/[ \t]+$/gm, '')
        .trimEnd(),
    );
    expect(ours.hashes).toEqual(['SHA512']);
  });

  it('gives the text that gpg finds in real .dsc files', async () => {
    for (const file of await sourcePackages()) {
      const bytes = await readFile(file);
      const { stdout } = await exec(['gpg', '--batch', '--no-tty', '--quiet', '--skip-verify', '--output', '-'], {
        input: bytes,
        deadlineMs: 30_000,
        okCodes: 'any',
        env: { GNUPGHOME: folder },
      });
      expect(ok(parseClearsigned(bytes)).text.trim()).toBe(
        stdout
          .toString('utf8')
          .replace(/[ \t]+$/gm, '')
          .trim(),
      );
    }
  });
});

describe('debian/control and debian/changelog of real source packages', () => {
  it('agree with the .dsc and its Package-List', async () => {
    for (const path of await sourcePackages()) {
      const dsc = ok(parseDsc(ok(parseClearsigned(await readFile(path))).text));
      const tree = await debianFiles(path, dsc);
      const control = ok(parseControl(tree.get('control') ?? Buffer.alloc(0)));
      expect(control.source.name).toBe(dsc.source);
      const list = dsc.paragraph.lines('Package-List').map((line) => line.split(/\s+/));
      expect(
        control.binaries.map((binary) => [binary.name, binary.packageType, binary.section, binary.priority]).toSorted(),
      ).toEqual(list.map(([name, type, section, priority]) => [name, type, section, priority]).toSorted());
      const entry = ok(parseTopEntry(tree.get('changelog') ?? Buffer.alloc(0)));
      expect([basename(path), entry.source, entry.version]).toEqual([basename(path), dsc.source, dsc.version]);
    }
  });
});

/** Files of debian/ by name, out of the .debian.tar or the native tarball. */
async function debianFiles(path: string, dsc: Dsc): Promise<Map<string, Buffer>> {
  const file = dsc.files.find(({ role }) => role === 'debian' || role === 'native');
  if (file === undefined) throw new Error(`${dsc.source} has no debian folder`);
  const bytes = await readFile(join(dirname(path), file.name));
  const tar = file.name.endsWith('.gz')
    ? { kind: 'decompressed' as const, bytes: gunzipSync(bytes) }
    : await xzDecompress(bytes, 1 << 30);
  if (tar.kind !== 'decompressed') throw new Error(`${file.name}: ${tar.kind}`);
  const found = new Map<string, Buffer>();
  const reader = new TarReader(() => undefined, {
    wanted: (entry) => /^(?:[^/]+\/)?debian\/(?:control|changelog)$/.test(entry.name),
    onContent: (entry, content) => found.set(basename(entry.name), content),
  });
  const problem = reader.push(tar.bytes) ?? reader.end();
  if (problem !== undefined) throw new Error(`${file.name}: ${problem.reason}`);
  return found;
}
