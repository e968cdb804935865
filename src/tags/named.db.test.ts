/** A notice that names a new tag: fetched at once, and decided from what was fetched. */
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { commitPackage, tagRelease } from '../../test/scenarios/git-package.ts';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { createTagWorld, type TagWorld } from '../../test/scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey } from '../../test/scenarios/keys.ts';
import { git } from '../platform/git.ts';
import { receiveNotice } from './index.ts';
import { mirrorPath } from './mirror.ts';
import { takeNamedTags } from './named.ts';

function throwDeath(): never {
  throw new Error('killed');
}

let keys: KeyRing;
let alice: OpenPgpKey;
let stranger: OpenPgpKey;
let world: TagWorld;
let repository: TestRepository;
let repositoryId: number;
let count = 0;

beforeAll(async () => {
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  stranger = await keys.openPgp({ userId: 'Eve Example <eve@example.org>' });
  world = await createTagWorld();
  await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice] });
  repository = await createRepository();
  repositoryId = await world.register(repository);
});

afterAll(async () => {
  await world.remove();
  await repository.remove();
  await keys.remove();
});

beforeEach(async () => {
  await world.db.deleteFrom('notices').execute();
});

/** A tag that is pushed and of which nobody knows. */
async function push(
  sign = alice.sign,
): Promise<{ readonly ref: string; readonly version: string; readonly objectId: string }> {
  count += 1;
  const version = `1.0-${count}`;
  const objectId = await tagRelease(repository, await commitPackage(repository, { version }), sign, { version });
  return { ref: `refs/tags/landing/${version}`, version, objectId };
}

const notice = async (ref: string): Promise<void> => {
  await receiveNotice(world.deps, { repository: { id: repositoryId }, ref, via: 'hook' });
};
const takeNamed = async (): Promise<void> => {
  await world.runTask('tags.scan', { gitRepositoryId: repositoryId, named: true });
};
const looks = async (): Promise<readonly unknown[]> => (await world.waiting('tags.scan')).map(({ payload }) => payload);

describe('a notice that names a tag which was never seen', () => {
  test('tags that were named together are fetched together and decided, and nothing is left to do', async () => {
    const [one, two] = [await push(), await push()];
    await notice(one.ref);
    await notice(two.ref);
    expect(await looks()).toContainEqual({ gitRepositoryId: repositoryId, named: true });
    await takeNamed();
    for (const { ref } of [one, two]) {
      const tag = await world.tag(ref);
      expect(tag.state).toBe('accepted');
      expect(tag.decisions[0]?.checks.find(({ code }) => code === 'fetch.ok')?.detail).toContain('when it was noticed');
    }
    expect(await world.waiting('tags.decide')).toEqual([]);
    await takeNamed();
    expect((await world.tag(one.ref)).decisions).toHaveLength(1);
  });

  test('H74 what was fetched is what is decided: a tag that replaces it is another one, and its name is taken', async () => {
    const first = await push();
    await notice(first.ref);
    await takeNamed();
    const commits = await commitPackage(repository, { version: first.version });
    const second = await tagRelease(repository, commits, alice.sign, { version: first.version, extra: 'x-again' });
    await notice(first.ref);
    expect(await looks()).toContainEqual({ gitRepositoryId: repositoryId });
    await world.scan(repositoryId);
    await world.decide((await world.tag(first.ref, second)).id);
    expect((await world.tag(first.ref, first.objectId)).state).toBe('accepted');
    expect((await world.tag(first.ref, second)).decisions).toMatchObject([
      { outcome: 'rejected', code: 'version.unused' },
    ]);
  });

  test('H78 a tag by a stranger is rejected, and nothing of it is kept', async () => {
    const { ref } = await push(stranger.sign);
    await notice(ref);
    await takeNamed();
    const tag = await world.tag(ref);
    expect(tag).toMatchObject({ state: 'rejected', decisions: [{ code: 'signer.known' }] });
  });

  test('a tag that git refuses is rejected with its words, by the look at everything', async () => {
    const version = '9.0-1';
    const commits = await commitPackage(repository, { version });
    const tree = await repository.git(['rev-parse', `${commits.commitId}^{tree}`]);
    const ref = `refs/tags/landing/${version}`;
    await repository.git(['update-ref', ref, tree.trim()]);
    await notice(ref);
    await takeNamed();
    const tag = await world.tag(ref);
    expect(tag.decisions).toMatchObject([{ outcome: 'rejected', code: 'tag.object' }]);
    await repository.git(['update-ref', '-d', ref]);
  });

  test('H91 a name that leads nowhere records nothing, and causes one look', async () => {
    await notice('refs/tags/landing/7.7-7');
    await takeNamed();
    expect(await looks()).toContainEqual({ gitRepositoryId: repositoryId });
    await expect(world.tag('refs/tags/landing/7.7-7')).rejects.toThrow('no tag was seen');
  });

  test('H91 a name of the baseline, or of another prefix, is never taken this way', async () => {
    const { ref } = await push();
    const id = await world.register(
      { ...repository, url: `${repository.url}/.` },
      { name: 'packages/copy', baseline: true },
    );
    await world.scan(id);
    for (const named of [ref, 'refs/tags/debian/1.0-1']) {
      await receiveNotice(world.deps, { repository: { id }, ref: named, via: 'hook' });
    }
    expect(await looks()).not.toContainEqual({ gitRepositoryId: id, named: true });
    await world.runTask('tags.scan', { gitRepositoryId: id, named: true });
    const rows = await world.db.selectFrom('tags').select('id').where('git_repository_id', '=', id).execute();
    expect(rows).toEqual([]);
  });

  test('what is stopped after the tag was recorded leaves it to a task of its own', async () => {
    const { ref } = await push();
    await notice(ref);
    const cancelled = new AbortController();
    const dying = { ...world.deps, log: { ...world.deps.log, info: () => cancelled.abort() } };
    await takeNamedTags(dying, repositoryId, cancelled.signal);
    const tag = await world.tag(ref);
    expect(tag.state).toBe('seen');
    expect((await world.waiting('tags.decide')).map(({ payload }) => payload)).toContainEqual({ tagId: tag.id });
    await world.decide(tag.id);
    expect((await world.tag(ref)).state).toBe('accepted');
  });

  test('what died after the tag was recorded is taken up by the next run, or by a look', async () => {
    const [one, two] = [await push(), await push()];
    for (const { ref } of [one, two]) {
      await notice(ref);
      const dying = { ...world.deps, log: { ...world.deps.log, info: () => throwDeath() } };
      await expect(takeNamedTags(dying, repositoryId, new AbortController().signal)).rejects.toThrow('killed');
    }
    // The second run began with what the first one left.
    const [first, second] = [await world.tag(one.ref), await world.tag(two.ref)];
    const ours = [{ tagId: first.id }, { tagId: second.id }];
    const tasks = async (): Promise<readonly unknown[]> => {
      const waiting = (await world.waiting('tags.decide')).map(({ payload }) => JSON.stringify(payload));
      return ours.filter((payload) => waiting.includes(JSON.stringify(payload)));
    };
    expect(await tasks()).toEqual([ours[0]]);
    await world.scan(repositoryId);
    expect(await tasks()).toEqual([ours[0]]);
    await sql`UPDATE tags SET seen_at = seen_at - interval '1 hour' WHERE id = ${second.id}`.execute(world.db);
    await world.scan(repositoryId);
    expect(await tasks()).toEqual(ours);
    await sql`UPDATE tags SET seen_at = seen_at + interval '1 hour' WHERE id = ${second.id}`.execute(world.db);
    for (const { id } of [first, second]) await world.decide(id);
    expect((await world.tag(two.ref)).state).toBe('accepted');
  });

  test('the mirror keeps what was fetched by a ref of our own', async () => {
    const gitDir = mirrorPath(world.deps, repositoryId, 'sha1');
    const { stdout } = await git(['for-each-ref', '--format=%(refname)'], { gitDir, deadlineMs: 60_000 });
    expect(stdout.toString()).toMatch(/^refs\/landfall\/named\/[0-9a-f]{40}$/m);
  });
});
