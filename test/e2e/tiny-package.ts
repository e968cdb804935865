/**
 * The smallest package that is still one: native, with one program of shell, built by debhelper in about two seconds. Its
 * maintainer has a clone and a bare repository that stands for the forge, with a hook that tells Landfall of release tags.
 */
import { chmod, chown, mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { maintainer, type Maintainer } from '../../src/app/demo/maintainer.ts';
import type { ExecResult } from '../../src/platform/exec.ts';
import { killAgents } from '../../src/platform/gpg.ts';
import type { Program } from './program.ts';

export const TINY = 'tiny';
export const TINY_REPOSITORY = 'packages/tiny';
export const TINY_DISTRO = 'landfall';

export interface TinyPackage {
  readonly person: Maintainer;
  readonly url: string;
  /** Makes the hook tell the server at `url`. */
  installHook(url: string): Promise<void>;
  /** Writes the changelog entry and commits it. */
  commit(version: string, suite: string): Promise<void>;
  /** `git debpush`: tags, signs, pushes; gives what the maintainer sees, the hook's words included. */
  push(distro?: string): Promise<string>;
  /** Runs a program in the clone, as the maintainer would. */
  types(argv: readonly [string, ...string[]]): Promise<ExecResult>;
}

const FILES: Readonly<Record<string, string>> = {
  'debian/control': `Source: ${TINY}
Section: utils
Priority: optional
Maintainer: Tess Tiny <tess@example.org>
Build-Depends: debhelper-compat (= 13)
Standards-Version: 4.6.2
Rules-Requires-Root: no

Package: ${TINY}
Architecture: any
Depends: \${misc:Depends}
Description: says one word
 It is as small as a package can be.
`,
  'debian/rules': '#!/usr/bin/make -f\n%:\n\tdh $@\n',
  'debian/source/format': '3.0 (native)\n',
  'debian/install': 'tiny usr/bin\n',
  'debian/copyright': 'Nobody claims anything.\n',
  tiny: '#!/bin/sh\necho tiny\n',
};

/** Makes person and repositories below `folder`. */
export async function tinyPackage(program: Program, folder: string): Promise<TinyPackage> {
  const person = await maintainer(folder, { handle: 'tess', name: 'Tess Tiny', email: 'tess@example.org' });
  // They may have been made by root; from here on everything is typed by the user that the program runs as.
  await killAgents(join(folder, 'tess', 'gnupg'));
  const clone = join(folder, TINY);
  const bare = join(folder, 'forge', `${TINY}.git`);
  for (const [path, text] of Object.entries(FILES)) {
    await mkdir(join(clone, path, '..'), { recursive: true });
    await writeFile(join(clone, path), text);
  }
  for (const path of ['tiny', 'debian/rules']) await chmod(join(clone, path), 0o755);
  await mkdir(join(folder, 'forge'), { recursive: true });
  if (program.user !== undefined) await giveAway(folder, program.user);
  const types = async (argv: readonly [string, ...string[]], cwd = clone): Promise<ExecResult> =>
    await program.beside(argv, { cwd, env: person.env, deadlineMs: 120_000 });
  await types(['git', 'init', '--quiet', '--bare', '--initial-branch=main', bare]);
  await types(['git', 'init', '--quiet', '--initial-branch=main', '.']);
  await types(['git', 'remote', 'add', 'origin', bare]);

  return {
    person,
    url: pathToFileURL(bare).href,
    types,
    installHook: async (url) => {
      const hook = join(bare, 'hooks', 'post-receive');
      await writeFile(
        `${hook}.new`,
        `#!/bin/sh
while read -r old new ref; do
  case $ref in
    refs/tags/*/*)
      curl --silent --show-error --max-time 40 --get --request POST --data-urlencode "ref=$ref" --data-urlencode "object=$new" \\
        --data-urlencode wait=20 '${url}/hooks/git/${TINY_REPOSITORY}' || echo 'Landfall cannot be reached now' ;;
  esac
done
`,
        { mode: 0o755 },
      );
      await rename(`${hook}.new`, hook);
    },
    commit: async (version, suite) => {
      const file = join(clone, 'debian/changelog');
      const before = (await readdir(join(clone, 'debian'))).includes('changelog') ? await readFile(file, 'utf8') : '';
      const date = new Date().toUTCString().replace('GMT', '+0000');
      const entry = `${TINY} (${version}) ${suite}; urgency=medium\n\n  * A release.\n\n -- Tess Tiny <tess@example.org>  ${date}\n`;
      await writeFile(file, before === '' ? entry : `${entry}\n${before}`);
      await types(['git', 'add', '--all']);
      await types(['git', 'commit', '--quiet', '--message', `Release ${version}`]);
    },
    push: async (distro = TINY_DISTRO) => {
      const { stdout } = await types([
        'git',
        'debpush',
        `--distro=${distro}`,
        '--remote=origin',
        '--branch=main',
        // Debian 12's client asks again when the changelog's suite is another than the last upload's.
        '--force=suite',
      ]);
      return stdout.toString('utf8');
    },
  };
}

async function giveAway(folder: string, user: { readonly uid: number; readonly gid: number }): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true })) await chown(join(folder, entry), user.uid, user.gid);
  await chown(folder, user.uid, user.gid);
}
