/** A tag from its push to its decision, with real keys, real repositories and a real database. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commitPackage, tagRelease } from '../../test/scenarios/git-package.ts';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { createTagWorld, type TagWorld } from '../../test/scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey } from '../../test/scenarios/keys.ts';
import { CHECKS } from './index.ts';

let keys: KeyRing;
let alice: OpenPgpKey;
let world: TagWorld;
let repository: TestRepository;

beforeAll(async () => {
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  repository = await createRepository();
  world = await createTagWorld();
  await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice] });
});

afterAll(async () => {
  await world.remove();
  await repository.remove();
  await keys.remove();
});

test('a tag as git debpush makes it is accepted: decision, submission, version, frozen input, event and next step', async () => {
  const id = await world.register(repository);
  const commits = await commitPackage(repository);
  const objectId = await tagRelease(repository, commits, alice.sign);

  const tag = await world.push(id, 'refs/tags/landing/1.0-1');

  expect(tag.decisions.map(({ code, sentence }) => `${code}: ${sentence}`)).toEqual([
    'accepted: All 19 checks passed: Alice Example (alice) releases hello 1.0-1 to main/landing.',
  ]);
  expect(tag.state).toBe('accepted');
  expect(tag.decisions[0]?.checks.map(({ code }) => code)).toEqual(CHECKS.map(({ code }) => code));
  const frozen = await world.db.selectFrom('frozen_inputs').selectAll().executeTakeFirstOrThrow();
  expect(frozen).toMatchObject({
    submission_id: tag.submissionId,
    tag_object_id: objectId,
    commit_id: commits.commitId,
    upstream_commit_id: commits.upstreamCommitId,
    object_format: 'sha1',
  });
  expect(await world.blobs.has(frozen.sha256)).toBe(true);
  const version = await world.db.selectFrom('versions').selectAll().executeTakeFirstOrThrow();
  expect(version).toMatchObject({
    source: 'hello',
    version: '1.0-1',
    state: 'reserved',
    submission_id: tag.submissionId,
  });
  expect(await world.waiting('sources.prepare')).toMatchObject([{ payload: { submissionId: tag.submissionId } }]);
  const events = await world.db.selectFrom('events').select('kind').orderBy('id').execute();
  expect(events.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['tag.seen', 'tag.accepted']));
});
