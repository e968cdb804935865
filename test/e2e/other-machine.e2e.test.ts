/**
 * The same commit gives the same bytes on another machine: under another user, umask, locale, time zone, home with its
 * configuration, working directory and environment, and with the programs of Debian 12, 13 and sid, whose dpkg, git, tar and
 * xz are others.
 */
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { exec, type Credentials } from '../../src/platform/exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../src/platform/files.ts';
import { packObjects } from '../../src/platform/git.ts';
import { findUser } from '../../src/platform/users.ts';
import { DEBIAN_RELEASES, debianRoot, type DebianRoot } from '../scenarios/debian-root.ts';
import { debianFiles, UPSTREAM_FILES } from '../scenarios/git-package.ts';
import { createRepository, type Files, type TestRepository } from '../scenarios/git-repository.ts';

const ROOT = join(import.meta.dirname, '../..');
const DEADLINE_MS = 600_000;

let temporary: TemporaryDirectory;
let repository: TestRepository;
let program: string;
let others: readonly DebianRoot[];
let count = 0;

beforeAll(async () => {
  // Neither below a home nor below the clone, which other users may be unable to read.
  temporary = await makeTemporaryDirectory('lf-machine-', '/var/tmp');
  await chmod(temporary.path, 0o755);
  program = join(temporary.path, 'assemble-source.mjs');
  await build({
    entryPoints: [join(ROOT, 'test/programs/assemble-source.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'silent',
  });
  const roots = await Promise.all(DEBIAN_RELEASES.map(async (release) => await debianRoot(release)));
  others = roots.filter(({ path }) => path !== '/');
  repository = await createRepository();
});
afterAll(async () => {
  await repository.remove();
  await temporary.remove();
});

interface Release {
  readonly source: string;
  readonly version: string;
  readonly quilt: string;
  readonly commitId: string;
  readonly upstream?: string;
  readonly pack: string;
}

/** Everything that a person or a machine may have set, and that programs below might listen to. */
const SURROUNDINGS = {
  plain: { umask: '0022', env: { LC_ALL: 'C', TZ: 'UTC' } },
  odd: {
    umask: '0077',
    env: {
      LC_ALL: 'tr_TR.UTF-8',
      LANG: 'de_DE',
      LANGUAGE: 'tr:de',
      TZ: 'Pacific/Kiritimati',
      SOURCE_DATE_EPOCH: '1',
      DEB_VENDOR: 'Ubuntu',
      DEB_BUILD_OPTIONS: 'nocheck terse',
      DEB_BUILD_PROFILES: 'stage1',
      DEBEMAIL: 'mallory@example.org',
      TAR_OPTIONS: '--owner=mallory --mtime=@0 --format=posix',
      XZ_OPT: '-0',
      XZ_DEFAULTS: '--threads=7',
      GZIP: '-1',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'tar.umask',
      GIT_CONFIG_VALUE_0: '0000',
      GIT_AUTHOR_NAME: 'Mallory',
      POSIXLY_CORRECT: '1',
      QUILT_PATCHES: 'elsewhere',
    },
  },
} as const;

async function assemble(
  release: Release,
  where: { readonly in: keyof typeof SURROUNDINGS; readonly user?: Credentials; readonly system?: string },
): Promise<{ readonly files: readonly unknown[]; readonly dsc: string }> {
  const { umask, env } = SURROUNDINGS[where.in];
  const place = join(temporary.path, `place ${++count}`);
  const home = join(place, 'höme');
  await mkdir(home, { recursive: true });
  const configuration = { '.gitconfig': GIT_CONFIG, '.dpkg.cfg': 'vendor Ubuntu\n', '.quiltrc': 'QUILT_PATCHES=x\n' };
  for (const [name, text] of Object.entries(configuration)) await writeFile(join(home, name), text);
  if (where.user !== undefined) for (const path of [place, home]) await chown(path, where.user.uid, where.user.gid);
  const folder = join(place, 'work');
  const argument = JSON.stringify({
    ...release,
    folder,
    ...(where.system === undefined ? {} : { system: where.system }),
  });
  const script = `umask ${umask}; mkdir "$1"; shift; exec "$@"`;
  const { stdout } = await exec(['sh', '-c', script, 'sh', folder, process.execPath, program, argument], {
    doing: 'assemble a source in other surroundings',
    cwd: home,
    deadlineMs: DEADLINE_MS,
    env: { ...env, HOME: home, XDG_CONFIG_HOME: home },
    ...(where.user === undefined ? {} : { user: where.user }),
  });
  const made = z.looseObject({ kind: z.literal('assembled'), dsc: z.string(), files: z.array(z.unknown()) });
  const { dsc, files } = made.parse(JSON.parse(stdout.toString('utf8')));
  return { files, dsc: await readFile(join(folder, 'source', dsc), 'utf8') };
}

const GIT_CONFIG = `[core]
\tautocrlf = true
\teol = crlf
\tattributesFile = ~/attributes
[tar]
\tumask = 0000
[tar "tar.gz"]
\tcommand = cat
`;

/** Commits it, with upstream's files below when it has an upstream, and freezes what a tag would sign. */
async function release(facts: Omit<Release, 'commitId' | 'upstream' | 'pack'>, files: Files): Promise<Release> {
  const native = facts.quilt === 'native';
  const upstream = native ? undefined : await repository.commit({ files: UPSTREAM, message: 'Upstream' });
  const commitId = await repository.commit({
    files: native ? files : { ...UPSTREAM, ...files },
    ...(upstream === undefined ? {} : { parents: [upstream] }),
  });
  const commits = [commitId, ...(upstream === undefined ? [] : [upstream])];
  const objects = await repository.git(['rev-list', '--objects', '--no-object-names', ...commits]);
  const pack = join(temporary.path, `${facts.source}.pack`);
  await writeFile(pack, packObjects(repository.gitDir, objects.trim().split('\n')));
  return { ...facts, commitId, ...(upstream === undefined ? {} : { upstream }), pack };
}

const UPSTREAM: Files = {
  ...UPSTREAM_FILES,
  'größe/ı.txt': 'one\n',
  'run me': { mode: '100755', content: '#!/bin/sh\n' },
  link: { mode: '120000', content: 'größe' },
  'I.txt': 'I\n',
  'i.txt': 'i\n',
  '.gitattributes': '* text=auto eol=crlf export-subst\n',
  'version.txt': '$Format:%H$\n',
};

/** Every user that may be tried: as root, two more; any other can only be itself. */
async function users(): Promise<readonly (Credentials | undefined)[]> {
  if (process.getuid?.() !== 0) return [undefined];
  const landfall = await findUser('landfall');
  const nobody = await findUser('nobody');
  return [undefined, ...[landfall, nobody].filter((user) => user !== undefined)];
}

describe('the same commit gives the same bytes on another machine', () => {
  test('under another user, umask, locale, time zone, home, folder and environment', async () => {
    const patched = await release(
      { source: 'hello', version: '1.0-1', quilt: 'gbp' },
      {
        ...debianFiles(),
        'debian/patches/series': 'one.patch\n',
        'debian/patches/one.patch': '--- a/README\n+++ b/README\n@@ -1 +1 @@\n-hello\n+good morning\n',
      },
    );
    const first = await assemble(patched, { in: 'plain' });
    expect(first.files).toHaveLength(3);
    for (const user of await users()) {
      expect([user, await assemble(patched, { in: 'odd', ...(user === undefined ? {} : { user }) })]).toEqual([
        user,
        first,
      ]);
    }
    for (const { release: name, path } of others) {
      expect([name, await assemble(patched, { in: 'odd', system: path })]).toEqual([name, first]);
    }
  });

  test('where each dpkg spells the .dsc in its own way', async () => {
    const dialects = await release({ source: 'dialects', version: '1.0', quilt: 'native' }, DIALECTS);
    const first = await assemble(dialects, { in: 'plain' });
    expect(first.dsc).toContain('\nUploaders: Bob   "The" Builder <bob@example.org>, Dora <dora@example.org>\n');
    expect(first.dsc).toContain('\nTestsuite-Triggers: @builddeps@, alpha, bar, foo, zeta\n');
    expect(first.dsc).toContain('\n b-udeb udeb net optional arch=all profile=!stage1+!stage2 essential=yes\n');
    for (const { release: name, path } of others) {
      expect([name, await assemble(dialects, { in: 'odd', system: path })]).toEqual([name, first]);
    }
  });
});

/** A native package: no Priority, restrictions without blanks, commas too many, a test with `:native`. */
const DIALECTS: Files = {
  'debian/changelog':
    'dialects (1.0) landing; urgency=low\n\n  * x Closes: #123456\n\n -- Ann <ann@example.org>  Fri, 20 Nov 2026 10:00:00 +0000\n',
  'debian/rules': { mode: '100755', content: '#!/usr/bin/make -f\n%:\n\tdh $@\n' },
  'debian/source/format': '3.0 (native)\n',
  'debian/tests/control':
    'Tests: a\nDepends: @, dialects, foo(>= 1)|bar, @builddeps@, zeta:native [amd64] <!nocheck>,\n\n# more\nTests: b\nDepends:\n zeta,\n alpha\nRestrictions: superficial\n\nTests: c\n',
  'debian/control': [
    '# a comment',
    'Source: dialects',
    'Section: misc',
    'Maintainer:   Ann  "The" Person <ann@example.org> ,',
    'Uploaders:Bob   "The" Builder <bob@example.org>,',
    ' Dora <dora@example.org>,,',
    'Standards-Version: 4.7.0',
    'Build-Depends: debhelper-compat (= 13),foo(>>1)[amd64  i386 ]<!nocheck><!nodoc other>, bar|baz, libx-dev:native,',
    ' python3:any <!a> | qux [!arm64]',
    'Build-Depends-Indep: docbook <!nodoc>',
    'Build-Conflicts: old (<< 1), older<cross><stage1>',
    'Build-Driver: debhelper',
    'Vcs-Git: https://example.org/x.git -b foo',
    'XS-Custom: yes',
    'XSBC-Other: hello',
    'Testsuite: autopkgtest-pkg-perl',
    'Rules-Requires-Root: no',
    '',
    'Package: dialects',
    'Architecture: any',
    'Build-Profiles:   < !nocheck >   <!nodoc  cross>',
    'Description: a package',
    ' of words.',
    '',
    'Package: b-udeb',
    'Architecture: all',
    'Section: net',
    'Essential: yes',
    'Package-Type: udeb',
    'Build-Profiles: <!stage1><!stage2>',
    'Description: another',
    '',
    'Package: aa',
    'Architecture: amd64 linux-any i386',
    'Priority: extra',
    'XBS-Bar: z',
    'Description: a third',
    '',
  ].join('\n'),
};
