/**
 * Debian's own client, unchanged: the real `git debpush` of this machine makes, signs and pushes a release, in each layout that is
 * taken, and it is accepted. So is a plain `git tag -s` where the Git repository declares plain tags.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { debianFiles, UPSTREAM_FILES } from '../../test/scenarios/git-package.ts';
import { createRepository, type Files, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { createTagWorld, type TagWorld } from '../../test/scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey, type SshKey } from '../../test/scenarios/keys.ts';
import { exec } from '../platform/exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';

let keys: KeyRing;
let alice: OpenPgpKey;
let aliceSsh: SshKey;
let world: TagWorld;
let folder: TemporaryDirectory;
let env: Record<string, string>;
const forges: TestRepository[] = [];

beforeAll(async () => {
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  aliceSsh = await keys.ssh('alice');
  world = await createTagWorld();
  await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice, aliceSsh] });
  folder = await makeTemporaryDirectory('lf-debpush-');
  const config = join(folder.path, 'gitconfig');
  await writeFile(
    config,
    `[user]\n\tname = Alice Example\n\temail = alice@example.org\n\tsigningKey = ${alice.fingerprint}\n[safe]\n\tdirectory = *\n`,
  );
  env = { GNUPGHOME: keys.home, GIT_CONFIG_GLOBAL: config, HOME: folder.path };
});

afterAll(async () => {
  await world.remove();
  await keys.remove();
  await folder.remove();
  for (const forge of forges) await forge.remove();
});

async function run(directory: string, argv: readonly [string, ...string[]]): Promise<string> {
  const { stdout } = await exec(argv, { cwd: directory, env, deadlineMs: 60_000 });
  return stdout.toString('utf8');
}

interface Clone {
  readonly directory: string;
  readonly forge: TestRepository;
  readonly repositoryId: number;
}

/** A forge with the package in it, registered, and the maintainer's clone. */
async function clonePackage(
  name: string,
  files: Files,
  options: Parameters<TagWorld['register']>[1] = {},
): Promise<Clone> {
  const forge = await createRepository();
  forges.push(forge);
  const upstream = await forge.commit({ files: UPSTREAM_FILES, branch: 'upstream' });
  await forge.point('refs/tags/upstream/1.0', upstream);
  await forge.commit({ files, parents: [upstream], branch: 'main' });
  const repositoryId = await world.register(forge, { name: `packages/${name}`, ...options });
  const directory = join(folder.path, name);
  await run(folder.path, ['git', 'clone', '--quiet', forge.gitDir, directory]);
  return { directory, forge, repositoryId };
}

const PATCH = `Description: greets louder
Author: Alice Example <alice@example.org>
--- a/README
+++ b/README
@@ -1 +1 @@
-hello
+HELLO
`;

const PATCHES: Files = { 'debian/patches/series': 'loud.patch\n', 'debian/patches/loud.patch': PATCH };

describe('git debpush', () => {
  test.each<[string, Files, readonly string[], string]>([
    ['gbp', { ...UPSTREAM_FILES, ...debianFiles({ version: '1.0-1' }), ...PATCHES }, ['--quilt=gbp'], '1.0-1'],
    [
      'unapplied',
      { ...UPSTREAM_FILES, ...debianFiles({ version: '1.0-2' }), ...PATCHES },
      ['--quilt=unapplied'],
      '1.0-2',
    ],
    [
      'linear',
      { ...UPSTREAM_FILES, README: 'HELLO\n', ...debianFiles({ version: '1.0-3' }), ...PATCHES },
      ['--quilt=linear'],
      '1.0-3',
    ],
    ['baredebian', { ...debianFiles({ version: '1.0-4' }) }, ['--quilt=baredebian'], '1.0-4'],
    ['native', { ...UPSTREAM_FILES, ...debianFiles({ version: '1.1', format: '3.0 (native)' }) }, [], '1.1'],
    ['epoch', { ...UPSTREAM_FILES, ...debianFiles({ version: '1:1.0~rc1-1' }) }, ['--quilt=gbp'], '1:1.0~rc1-1'],
  ])('a release of layout %s is accepted', async (name, files, options, version) => {
    const { directory, repositoryId } = await clonePackage(name, files);
    const upstream = name === 'native' ? [] : ['--upstream=upstream/1.0'];
    await run(directory, ['git-debpush', '--distro=landing', '--remote=origin', ...options, ...upstream]);

    const ref = `refs/tags/landing/${version.replaceAll(':', '%').replaceAll('~', '_')}`;
    const tag = await world.push(repositoryId, ref);

    expect(tag.decisions.map(({ code, sentence }) => `${code}: ${sentence}`)).toEqual([
      `accepted: All 22 checks passed: Alice Example (alice) releases hello ${version} to main/landing.`,
    ]);
    const row = await world.db
      .selectFrom('tag_decisions')
      .select('quilt')
      .where('tag_id', '=', tag.id)
      .executeTakeFirstOrThrow();
    expect(row.quilt).toBe(name === 'epoch' ? 'gbp' : name);
  });

  test('signed with SSH it is accepted too', async () => {
    const files = { ...UPSTREAM_FILES, ...debianFiles({ version: '1:1.0-1' }) };
    const { directory, repositoryId } = await clonePackage('ssh', files);
    await run(directory, ['git', 'config', 'gpg.format', 'ssh']);
    await run(directory, ['git', 'config', 'user.signingKey', aliceSsh.file]);
    await run(directory, [
      'git-debpush',
      '--distro=landing',
      '--remote=origin',
      '--quilt=gbp',
      '--upstream=upstream/1.0',
    ]);
    const tag = await world.push(repositoryId, 'refs/tags/landing/1%1.0-1');
    expect(tag.decisions.map(({ code }) => code)).toEqual(['accepted']);
  });
});

describe('git tag -s', () => {
  test.each(['openpgp', 'ssh'] as const)(
    'a plain tag signed with %s is accepted where plain tags are declared',
    async (format) => {
      const version = format === 'ssh' ? '2:1.0-1' : '2:1.0-2';
      const files = { ...UPSTREAM_FILES, ...debianFiles({ version }) };
      const clone = await clonePackage(`plain-${format}`, files, { plain: { source: 'hello', quilt: 'gbp' } });
      if (format === 'ssh') {
        await run(clone.directory, ['git', 'config', 'gpg.format', 'ssh']);
        await run(clone.directory, ['git', 'config', 'user.signingKey', aliceSsh.file]);
      }
      const name = `landing/${version.replace(':', '%')}`;
      await run(clone.directory, ['git', 'tag', '-s', '-m', 'a release', name]);
      await run(clone.directory, ['git', 'push', '--quiet', 'origin', name]);
      const tag = await world.push(clone.repositoryId, `refs/tags/${name}`);
      expect(tag.decisions.map(({ code, sentence }) => `${code}: ${sentence}`)).toEqual([
        expect.stringMatching(/^accepted: /),
      ]);
    },
  );

  test('a plain tag for another source than was declared is rejected', async () => {
    const files = { ...UPSTREAM_FILES, ...debianFiles({ version: '2:1.0-3' }) };
    const clone = await clonePackage('plain-other', files, { plain: { source: 'goodbye', quilt: 'gbp' } });
    await run(clone.directory, ['git', 'tag', '-s', '-m', 'a release', 'landing/2%1.0-3']);
    await run(clone.directory, ['git', 'push', '--quiet', 'origin', 'landing/2%1.0-3']);
    const tag = await world.push(clone.repositoryId, 'refs/tags/landing/2%1.0-3');
    expect(tag.decisions[0]?.sentence).toContain("by its Git repository's row");
  });
});
