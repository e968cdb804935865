/**
 * Repositories with SHA-1 and with SHA-256 objects, tags signed by git itself with OpenPGP and with SSH: each through the whole
 * gate, into the frozen pack, and out of it as a source package. git's own verification is the oracle of what is signed.
 */
import { Readable } from 'node:stream';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readLocalTag } from '../../src/cli/git-tag.ts';
import { exec } from '../../src/platform/exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../src/platform/files.ts';
import { assembleSource, unpackFrozenInput } from '../../src/sources/recipe.ts';
import { checkTag, verifyDecisionOf } from '../../src/tags/index.ts';
import { debianFiles, UPSTREAM_FILES } from '../scenarios/git-package.ts';
import { createRepository, type TestRepository } from '../scenarios/git-repository.ts';
import { createTagWorld, type TagFacts, type TagWorld } from '../scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey, type SshKey } from '../scenarios/keys.ts';

const DEADLINE_MS = 60_000;
let keys: KeyRing;
let alice: OpenPgpKey;
let ssh: SshKey;
let world: TagWorld;
let folder: TemporaryDirectory;
let count = 0;

beforeAll(async () => {
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  ssh = await keys.ssh('alice');
  world = await createTagWorld();
  await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice, ssh] });
  folder = await makeTemporaryDirectory('lf-formats-');
});
afterAll(async () => {
  await world.remove();
  await keys.remove();
  await folder.remove();
});

/** `git tag -s`, as a maintainer has it set up. */
async function gitTag(
  repository: TestRepository,
  name: string,
  commitId: string,
  by: 'openpgp' | 'ssh',
): Promise<void> {
  const signing =
    by === 'ssh'
      ? ['-c', 'gpg.format=ssh', '-c', `user.signingKey=${ssh.file}`]
      : ['-c', `user.signingKey=${alice.fingerprint}`];
  await exec(
    [
      'git',
      `--git-dir=${repository.gitDir}`,
      ...signing,
      ...['-c', 'user.name=Alice', '-c', 'user.email=alice@example.org'],
      ...['tag', '-s', '-m', 'release', name, commitId],
    ],
    { env: { GNUPGHOME: keys.home, GIT_CONFIG_GLOBAL: '/dev/null' }, deadlineMs: DEADLINE_MS },
  );
}

/** What git itself says of the tag's signature. */
async function gitVerifies(repository: TestRepository, name: string): Promise<boolean> {
  const allowed = join(folder.path, 'allowed');
  await writeFile(allowed, `alice@example.org ${(await ssh.publicKey()).toString()}`);
  const { code } = await exec(
    ['git', `--git-dir=${repository.gitDir}`, '-c', `gpg.ssh.allowedSignersFile=${allowed}`, 'verify-tag', name],
    { env: { GNUPGHOME: keys.home, GIT_CONFIG_GLOBAL: '/dev/null' }, deadlineMs: DEADLINE_MS, okCodes: 'any' },
  );
  return code === 0;
}

async function assemble(repository: TestRepository, tag: TagFacts, version: string): Promise<readonly string[]> {
  const frozen = await world.db
    .selectFrom('frozen_inputs')
    .selectAll()
    .where('submission_id', '=', tag.submissionId)
    .executeTakeFirstOrThrow();
  const work = join(folder.path, `${tag.id}`);
  const gitDir = await unpackFrozenInput(await world.blobs.open(frozen.sha256), `${work}.git`, {
    objectFormat: frozen.object_format,
    shallow: [frozen.commit_id],
    maxBytes: frozen.size,
  });
  const made = await assembleSource({
    gitDir,
    commitId: frozen.commit_id,
    source: 'hello',
    version,
    quilt: 'native',
    origs: [],
    tag: { objectId: frozen.tag_object_id, fingerprint: alice.fingerprint, tagger: 'Alice <alice@example.org>' },
    folder: work,
    deadlineMs: DEADLINE_MS,
  });
  if (made.kind === 'failed') throw new Error(`${made.code}: ${made.reason}`);
  return made.files.map(({ name }) => name);
}

describe.each(['sha1', 'sha256'] as const)('a repository with %s objects', (objectFormat) => {
  let repository: TestRepository;
  let repositoryId: number;

  beforeAll(async () => {
    repository = await createRepository({ objectFormat });
    repositoryId = await world.register(repository, {
      name: `packages/${objectFormat}`,
      plain: { source: 'hello', quilt: 'native' },
    });
  });
  afterAll(async () => await repository.remove());

  const commit = async (version: string): Promise<string> =>
    await repository.commit({
      files: { ...UPSTREAM_FILES, ...debianFiles({ version, format: '3.0 (native)' }) },
      branch: 'main',
    });

  test.each(['openpgp', 'ssh'] as const)('a tag that git signed with %s becomes a source package', async (by) => {
    const version = `${++count}.0`;
    const [name, ref] = [`landing/${version}`, `refs/tags/landing/${version}`];
    await gitTag(repository, name, await commit(version), by);
    expect(await gitVerifies(repository, name)).toBe(true);
    const local = await readLocalTag(repository.gitDir, name);
    const checked = await checkTag(world.deps, {
      repository: { id: repositoryId },
      ref,
      objectId: local.objectId,
      pack: Readable.from([local.pack]),
      signal: new AbortController().signal,
    });
    expect(checked).toMatchObject({ outcome: 'accepted' });
    const tag = await world.push(repositoryId, ref);
    expect(tag.decisions.map(({ code }) => code)).toEqual(['accepted']);
    expect(await verifyDecisionOf(world.deps, tag.submissionId)).toMatchObject({ kind: 'verified' });
    expect(await assemble(repository, tag, version)).toEqual([`hello_${version}.dsc`, `hello_${version}.tar.xz`]);
  });

  test('one changed byte under the signature is refused by git and by us', async () => {
    const version = `${++count}.0`;
    const name = `landing/${version}`;
    await gitTag(repository, name, await commit(version), 'ssh');
    const text = await repository.git(['cat-file', 'tag', name]);
    const changed = await repository.store('tag', text.replace('\nrelease\n', '\nreleasE\n'));
    await repository.point(`refs/tags/${name}`, changed);
    expect(await gitVerifies(repository, name)).toBe(false);
    const tag = await world.push(repositoryId, `refs/tags/${name}`);
    expect(tag.decisions.map(({ code }) => code)).toEqual(['signature.good']);
  });

  test('a name of .git in its tree, a second signature, and a signature in a header are refused', async () => {
    const codes: (string | undefined)[] = [];
    for (const kind of ['tree', 'twice', 'header'] as const) {
      const version = `${++count}.0`;
      const name = `landing/${version}`;
      let commitId = await commit(version);
      if (kind === 'tree') {
        const blob = await repository.store('blob', 'evil');
        const evil = Buffer.concat([Buffer.from('100644 .git\0'), Buffer.from(blob, 'hex')]);
        const who = 'A <a@example.org> 1700000000 +0000';
        commitId = await repository.store(
          'commit',
          `tree ${await repository.store('tree', evil)}\nauthor ${who}\ncommitter ${who}\n\nx\n`,
        );
      }
      await repository.tag({
        name,
        commitId,
        message: 'release',
        sign: async (payload) =>
          kind === 'twice'
            ? Buffer.concat([await ssh.sign(payload), await ssh.sign(payload)])
            : await ssh.sign(payload),
        ...(kind === 'header'
          ? { headers: ['object {object}', 'type commit', 'tag {tag}', 'tagger {tagger}', 'gpgsig-sha256 x'] }
          : {}),
      });
      codes.push((await world.push(repositoryId, `refs/tags/${name}`)).decisions[0]?.code);
    }
    expect(codes).toEqual(['fetch.ok', 'signature.present', 'tag.object']);
  });
});
