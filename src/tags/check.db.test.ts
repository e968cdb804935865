/** `landfall tag check`: the verdict before the push is the verdict after it, and nothing stays. */
import { readdir } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commitPackage, debianFiles, tagRelease } from '../../test/scenarios/git-package.ts';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { createTagWorld, type TagWorld } from '../../test/scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey, type TagSigner } from '../../test/scenarios/keys.ts';
import { exec } from '../platform/exec.ts';
import { checkTag, type CheckedTag } from './index.ts';

let keys: KeyRing;
let alice: OpenPgpKey;
let world: TagWorld;
let repository: TestRepository;
let repositoryId: number;

beforeAll(async () => {
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  // The maintainer's clone, with history behind what is released.
  repository = await createRepository();
  world = await createTagWorld();
  await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice] });
  repositoryId = await world.register(repository);
});

afterAll(async () => {
  await world.remove();
  await repository.remove();
  await keys.remove();
});

/** The pack that the client makes: what the commits hold, and no history. */
async function packOf(...objectIds: readonly string[]): Promise<Buffer> {
  const listed = await repository.git([
    'rev-list',
    '--objects',
    '--no-object-names',
    '--no-walk=unsorted',
    ...objectIds,
  ]);
  const objects = [...new Set([...objectIds, ...listed.trim().split('\n')])];
  const { stdout } = await exec(['git', `--git-dir=${repository.gitDir}`, 'pack-objects', '--stdout', '-q'], {
    input: `${objects.join('\n')}\n`,
    deadlineMs: 60_000,
  });
  return stdout;
}

async function check(pack: Uint8Array, objectId: string, ref: string, name = 'packages/hello'): Promise<CheckedTag> {
  return await checkTag(world.deps, {
    repository: { name },
    ref,
    objectId,
    pack: Readable.from([pack]),
    signal: new AbortController().signal,
  });
}

async function makeTag(
  version: string,
  sign: TagSigner | undefined,
): Promise<{ objectId: string; upstream: string; ref: string }> {
  const old = await repository.commit({ files: { 'debian/changelog': 'old\n' } });
  const commits = await commitPackage(repository, { version });
  const commitId = await repository.commit({
    files: { README: 'hello\n', ...debianFiles({ version }) },
    parents: [old, commits.upstreamCommitId],
  });
  const objectId = await tagRelease(repository, { ...commits, commitId }, sign, { version });
  return { objectId, upstream: commits.upstreamCommitId, ref: `refs/tags/landing/${version}` };
}

test('a right tag would be accepted; nothing is recorded, no version is taken', async () => {
  const { objectId, upstream, ref } = await makeTag('1.0-1', alice.sign);
  const verdict = await check(await packOf(objectId, upstream), objectId, ref);
  expect(verdict).toMatchObject({
    kind: 'verdict',
    outcome: 'accepted',
    code: 'accepted',
    remedy: null,
    source: 'hello',
    version: '1.0-1',
    suite: 'landing',
  });
  for (const table of ['tags', 'submissions', 'versions', 'tag_decisions', 'frozen_inputs'] as const) {
    const { rows } = await sql<{ count: number }>`SELECT count(*) FROM ${sql.table(table)}`.execute(world.db);
    expect(rows).toEqual([{ count: 0 }]);
  }
  expect(await readdir(world.deps.paths.temporary)).toEqual([]);
  expect((await world.push(repositoryId, ref)).state).toBe('accepted');
});

test('an unsigned tag is told so, with the words of a real decision', async () => {
  const { objectId, upstream, ref } = await makeTag('1.0-2', undefined);
  const verdict = await check(await packOf(objectId, upstream), objectId, ref);
  const decided = await world.push(repositoryId, ref);
  const decision = decided.decisions[0];
  expect(verdict).toMatchObject({
    outcome: 'rejected',
    code: decision?.code,
    sentence: decision?.sentence,
    remedy: decision?.remedy,
  });
});

test('a pack without the upstream commit is told what is missing', async () => {
  const { objectId, ref } = await makeTag('1.0-3', alice.sign);
  expect(await check(await packOf(objectId), objectId, ref)).toMatchObject({
    outcome: 'rejected',
    code: 'upstream.bound',
  });
});

test('garbage, an empty body, a cut pack and one without the commit’s files are refused', async () => {
  const { objectId, upstream, ref } = await makeTag('1.0-4', alice.sign);
  const whole = await packOf(objectId, upstream);
  const commitOnly = await exec(['git', `--git-dir=${repository.gitDir}`, 'pack-objects', '--stdout', '-q'], {
    input: `${objectId}\n${(await repository.git(['rev-parse', `${objectId}^{commit}`])).trim()}\n`,
    deadlineMs: 60_000,
  });
  for (const pack of [
    Buffer.from('no pack'),
    Buffer.alloc(0),
    whole.subarray(0, whole.length - 30),
    commitOnly.stdout,
  ]) {
    expect(await check(pack, objectId, ref)).toMatchObject({ outcome: 'rejected', code: 'fetch.ok' });
  }
  expect(await readdir(world.deps.paths.temporary)).toEqual([]);
});

test('a name that is not ours, and a Git repository that nobody knows', async () => {
  const { objectId, upstream } = await makeTag('1.0-5', alice.sign);
  const pack = await packOf(objectId, upstream);
  expect(await check(pack, objectId, 'refs/tags/debian/1.0-5')).toMatchObject({
    kind: 'not-ours',
    reason: expect.stringContaining('refs/tags/landing/VERSION') as unknown,
  });
  expect(await check(pack, objectId, 'refs/tags/landing/1.0-5', 'packages/none')).toEqual({
    kind: 'unknown-repository',
  });
});
